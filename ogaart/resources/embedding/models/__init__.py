"""One module an embedding model; the registry finds them all, so a new model is one more file here."""
