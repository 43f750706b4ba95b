"""What touches the outside: the site, the stores under the data root, the embedding model, the collection."""
