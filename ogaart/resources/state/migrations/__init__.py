"""Versions of the database of state, as Alembic's migrations."""

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006")
"""Every version, oldest first; the last is this program's."""
