"""The rule for names of queries, which are the first part of every partition key."""

QUERY_NAME = r"[a-z0-9][a-z0-9_-]{0,39}"
"""As a regular expression."""
