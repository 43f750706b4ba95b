"""What pictures look like: numbers from canonical pixels, and how alike two of them are. Pure functions over arrays."""
