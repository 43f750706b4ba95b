"""Decoders for picture formats that Pillow does not read, or not exactly: pure functions from bytes to pixels."""
