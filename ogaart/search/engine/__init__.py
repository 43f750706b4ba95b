"""The query service: from a query to ranked, collapsed hits."""
