"""The content of a generation, without times and runs: equal for two data roots that read the same site."""

import hashlib
import json

import duckdb

from ogaart.resources.catalog.generations import Generation
from ogaart.resources.catalog.tables import CHANGES, KEYS, PICTURE_PARTS, PUBLIC, PUBLICATIONS, RUNS
from ogaart.resources.storage.schema import STEPS
from ogaart.resources.storage.sql import quoted

_BATCH = 5_000

# Columns that tell of runs, times, bytes that differ with each answer of the site, or places inside our own files.
_HISTORY = frozenset(
    {"run_id", "link_run_id", "written_at", "fetched_at", "first_read_at", "last_read_at", "changed_at", "checked_at",
     "licence_since", "attempts", "first_at", "last_at", "next_try", "fingerprint", "page_sha256", "first_page_sha256",
     "thumb_offset", "thumb_length", "pack_offset", "segment", "row", "norm", "collection"}
)  # fmt: skip
_ALSO = {"listings": frozenset({"sha256"})}

_LEFT_OUT = (STEPS, RUNS, PUBLICATIONS, CHANGES, PICTURE_PARTS)
"""Tables of what happened; and the parts, which were found when other patches were rare than in a later publication."""


def content_columns(table: str) -> list[str]:
    """The columns of a public table that count as content, in order."""
    [found] = [known for known in PUBLIC if known.name == table]
    left_out = _HISTORY | _ALSO.get(table, frozenset())
    return [column.name for column in found.columns if column.name not in left_out]


def content_digest(generation: Generation, site: str = "") -> dict[str, str]:
    """sha256 (hex) of each public table's content, in the order of its key.

    Args:
        generation: a finished generation.
        site: base URL to leave out of every text, so that two servers of one site compare equal.
    """
    digests = {}
    con = duckdb.connect(str(generation.catalog), read_only=True)
    try:
        for table in (known for known in PUBLIC if known not in _LEFT_OUT):
            columns = content_columns(table.name)
            chosen = ", ".join(quoted(name) for name in columns)
            order = ", ".join(quoted(name) for name in KEYS[table.name])
            digest = hashlib.sha256(json.dumps(columns).encode())
            cursor = con.execute(f"SELECT {chosen} FROM {table.name} ORDER BY {order}")
            while rows := cursor.fetchmany(_BATCH):
                text = json.dumps(rows, default=str, ensure_ascii=False, separators=(",", ":"))
                digest.update((text.replace(site, "") if site else text)[1:-1].encode() + b"\n")
            digests[table.name] = digest.hexdigest()
    finally:
        con.close()
    return digests
