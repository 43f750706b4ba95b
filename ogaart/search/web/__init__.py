"""HTTP over the query service: the pages, the API, limits, monitoring."""
