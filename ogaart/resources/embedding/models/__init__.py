"""One module an embedding model."""
