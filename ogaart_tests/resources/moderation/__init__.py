"""Tests of what is taken down, and of what visitors report."""
