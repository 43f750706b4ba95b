"""The platform over a bucket: the data root is a folder of copies, which may be lost."""
