"""Damaged segments of derived spaces, for ``ogaart verify``."""

from collections.abc import Iterator
from pathlib import Path

import duckdb

from ogaart.likeness import cells
from ogaart.resources.cells.sheets_of_tables import sheet_keys
from ogaart.resources.embedding.derivations import DERIVATIONS
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.derived import DerivedBytes


def damaged_derived(
    root: DataRoot, con: duckdb.DuckDBPyConnection, *, quick: bool
) -> Iterator[tuple[Path, str, frozenset[str]]]:
    """Each damaged segment, what is wrong with it, and the partitions that have to compute its rows again.

    Args:
        root: the data root.
        con: has the table ``embeddings``.
        quick: look only at what is read anyway, not at every byte.
    """
    for space in DERIVATIONS:
        store = DerivedBytes(root.derived, space)
        store.keys()
        damaged = store.damaged if quick else store.verify()
        if not damaged:
            continue
        held = store.keys()
        rows = con.execute("SELECT partition, pixel_sha256 FROM embeddings WHERE status = 'ok'").fetchall()
        if space == cells.SPACE:
            rows += [(one.partition, one.named) for one in sheet_keys(con) if one.named]
        partitions = frozenset(partition for partition, key in rows if key not in held)
        for name, reason in damaged.items():
            yield store.folder / name, reason, partitions
