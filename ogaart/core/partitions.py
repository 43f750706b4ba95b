"""Queries and their partitions: ``queries.toml`` to typed queries, result pages to partition keys and back."""

import re

import dagster as dg

_KEY = re.compile(r"(?P<query>[a-z0-9][a-z0-9_-]{0,39})/(?P<page>\d{4})")

search_pages_partitions = dg.DynamicPartitionsDefinition(name="search_pages")


class BadPartition(ValueError):
    """A text that is not a valid partition key, or a key of a query that is not configured."""


def partition_key(query: str, page: int) -> str:
    """``("2d-art", 7)`` to ``"2d-art/0007"``.

    Raises:
        BadPartition: the page is not between 0 and 9999.
    """
    if not 0 <= page <= 9999:
        raise BadPartition(f"page {page} of query {query!r}: a partition's page is 0 to 9999")
    return f"{query}/{page:04d}"


def parse_key(key: str) -> tuple[str, int]:
    """``"2d-art/0007"`` to ``("2d-art", 7)``.

    Raises:
        BadPartition: it is not a valid key.
    """
    match = _KEY.fullmatch(key)
    if match is None:
        raise BadPartition(f"invalid partition {key!r}: expected <query>/<four digits>, such as 2d-art/0007")
    return match["query"], int(match["page"])
