"""What a visitor's picture is a part of and what it contains: by exact pixels, and by the likeness of cells."""
