"""Embedding models: which there are, their weights, preprocessing, and the process that runs one."""
