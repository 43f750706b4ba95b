"""The vector index: one contract, an in-process engine and a Qdrant server behind it."""
