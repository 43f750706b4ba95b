"""Where immutable files are durable: the data root's own folder, or a bucket of which the folder holds copies."""
