"""The set of partitions, one for each result page of a query, and the keys of its members."""

import re

import dagster as dg

from ogaart.core.query_names import QUERY_NAME

PARTITION_SET = "search_pages"
"""Name of the set in the Dagster instance."""

_KEY = re.compile(rf"(?P<query>{QUERY_NAME})/(?P<page>\d{{4}})", re.ASCII)

search_pages_partitions = dg.DynamicPartitionsDefinition(name=PARTITION_SET)


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


def is_key(text: str) -> bool:
    """Whether ``text`` has the form of a partition's key."""
    return _KEY.fullmatch(text) is not None


def parse_key(key: str) -> tuple[str, int]:
    """``"2d-art/0007"`` to ``("2d-art", 7)``.

    Raises:
        BadPartition: it is not a valid key.
    """
    match = _KEY.fullmatch(key)
    if match is None:
        raise BadPartition(f"invalid partition {key!r}: expected <query>/<four digits>, such as 2d-art/0007")
    return match["query"], int(match["page"])
