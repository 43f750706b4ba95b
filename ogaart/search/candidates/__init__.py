"""What a search with pictures finds first, before it is ranked: by fused vectors, or by the model's alone."""
