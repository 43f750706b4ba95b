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

OF_PAYLOADS = frozenset(table.name for table in (ENTRIES, FILE_LINKS, IMAGES, OCCURRENCES, POINTS))
"""The tables that a point's payload, and the ledger of it, are made of."""
OF_SITE = frozenset(table.name for table in TABLES if table is not STEPS)
"""The tables that tell of the site: that of steps grows with every run."""
OF_STEPS = frozenset({STEPS.name})
"""The table that tells of runs."""
_KEPT_AS = {OF_PAYLOADS: "partitions", OF_SITE: "rows", OF_STEPS: "steps"}
"""The manifest's key of what is known of these tables."""


def kept_digests(cut: Cut) -> dict[str, dict[str, str]]:
    """What the manifest keeps of a cut, by its key: for each partition what changes whenever one of its tables does."""
    return {key: _digests(cut, tables) for tables, key in _KEPT_AS.items()}


def _digests(cut: Cut, tables: AbstractSet[str]) -> dict[str, str]:
    digests: dict[str, hashlib._Hash] = {}
    for key in sorted(cut.files):
        if key.kind in tables:
            path = cut.files[key]
            status = path.stat()  # tables of earlier versions keep their name
            state = f"{key.name} {path.name} {status.st_size} {status.st_mtime_ns}\n"
            digests.setdefault(key.partition, hashlib.sha256()).update(state.encode())
    return {partition: digest.hexdigest() for partition, digest in digests.items()}


def changed_partitions(generation: Generation, cut: Cut, tables: frozenset[str]) -> list[str] | None:
    """The partitions of which something differs from when a generation was built; None where that is unknown.

    Args:
        generation: the generation.
        cut: what is there now.
        tables: those that count: ``OF_PAYLOADS``, ``OF_SITE`` or ``OF_STEPS``.
    """
    before = generation.manifest.get(_KEPT_AS[tables])
    if not isinstance(before, dict):
        return None
    now = _digests(cut, tables)
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
