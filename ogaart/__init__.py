"""Reverse image search over OpenGameArt.org, run as a Dagster asset graph."""
