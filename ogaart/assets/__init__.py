"""The assets, one module each: thin steps over the domain, reading rows and writing rows."""
