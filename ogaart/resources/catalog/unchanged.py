"""Which pictures are as the publication before had them: whose rows lie in tables that did not change since."""

import hashlib
from collections.abc import Set as AbstractSet

import duckdb
import numpy as np
from numpy.typing import NDArray

from ogaart.resources.catalog.generations import Generation
from ogaart.resources.storage.objects import Cut
from ogaart.resources.storage.schema import ENTRIES, FILE_LINKS, IMAGES, OCCURRENCES, POINTS, STEPS, TABLES
from ogaart.resources.storage.sql import literal

PARTITIONS = "partitions"
"""The manifest's key of what ``partition_digests`` returned for the tables that payloads are made of."""
ROWS = "rows"
"""Its key of the same for all tables but that of steps."""
OF_PAYLOADS = frozenset(table.name for table in (ENTRIES, FILE_LINKS, IMAGES, OCCURRENCES, POINTS))
"""The tables that a point's payload, and the ledger of it, are made of."""
_ALL = frozenset(table.name for table in TABLES if table is not STEPS)
"""The tables that tell of the site: that of steps grows with every run."""


def partition_digests(cut: Cut, tables: AbstractSet[str] | None = None) -> dict[str, str]:
    """What changes for a partition whenever one of its tables does; of all but steps, or of some."""
    digests: dict[str, hashlib._Hash] = {}
    for key in sorted(cut.files):
        if key.kind in (tables or _ALL):
            path = cut.files[key]
            status = path.stat()  # tables of earlier versions keep their name
            state = f"{key.name} {path.name} {status.st_size} {status.st_mtime_ns}\n"
            digests.setdefault(key.partition, hashlib.sha256()).update(state.encode())
    return {partition: digest.hexdigest() for partition, digest in digests.items()}


def changed_partitions(generation: Generation, cut: Cut, tables: AbstractSet[str] | None = None) -> list[str] | None:
    """The partitions of which something differs from when a generation was built; None where that is unknown.

    Args:
        generation: the generation.
        cut: what is there now.
        tables: those that count: ``OF_PAYLOADS``, or all but steps.
    """
    before = generation.manifest.get(PARTITIONS if tables else ROWS)
    if not isinstance(before, dict):
        return None
    now = partition_digests(cut, tables)
    return sorted(name for name in {*now, *before} if now.get(name) != before.get(name))


def choose_unchanged(
    con: duckdb.DuckDBPyConnection, cut: Cut, shared: Generation | None, unproven: NDArray[np.int64]
) -> int:
    """Make the temporary table ``unchanged(image_id)``: eligible images whose points have the payload of their rows.

    They were published by a generation which made sure of it, and no partition that has or had their entry changed.

    Args:
        con: connection with ``cut_entries``, ``won_images`` and ``eligible``.
        cut: what these are made of.
        shared: the generation; None: there is none.
        unproven: ids of points of which the ledger proves nothing.

    Returns:
        How many there are.
    """
    con.execute("CREATE OR REPLACE TEMP TABLE unchanged (image_id BIGINT)")
    changed = changed_partitions(shared, cut, OF_PAYLOADS) if shared is not None else None
    if shared is None or changed is None:
        return 0
    try:
        con.execute(f"ATTACH {literal(str(shared.catalog))} AS shared (READ_ONLY)")
        con.execute(
            "INSERT INTO unchanged SELECT i.image_id FROM won_images AS i SEMI JOIN eligible USING (image_id)"
            " SEMI JOIN (FROM shared.images WHERE indexed) USING (image_id)"
            " ANTI JOIN (SELECT slug FROM cut_entries WHERE partition IN (SELECT unnest($changed::VARCHAR[]))"
            " UNION ALL SELECT slug FROM cut_images WHERE partition IN (SELECT unnest($changed::VARCHAR[]))"
            " UNION ALL SELECT slug FROM shared.entries WHERE partition IN (SELECT unnest($changed::VARCHAR[])))"
            " USING (slug) WHERE image_id NOT IN (SELECT unnest($unproven::BIGINT[]))",
            {"changed": changed, "unproven": unproven.tolist()},
        )
    except duckdb.Error:  # damaged, or of another layout: nothing is known of it
        con.execute("DELETE FROM unchanged")
    finally:
        con.execute("DETACH DATABASE IF EXISTS shared")
    [(count,)] = con.execute("SELECT count(*) FROM unchanged").fetchall()
    return int(count)
