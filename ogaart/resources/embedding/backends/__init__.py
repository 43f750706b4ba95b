"""Embedding back ends: what computes a model's layers on this machine, from PyTorch to libraries that are faster."""
