"""Files under the data root: atomic writes, locks, blobs, packs, tables, vectors."""
