"""Under which key the likeness of each image's cells is kept, by the tables of a data root or of a catalog."""

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from ogaart.likeness.cells import key_of_named
from ogaart.likeness.sheets import CellKind
from ogaart.resources.storage.derived import DerivedBytes

_SHEETS = f"""
SELECT i.partition, i.image_id, i.pixel_sha256,
    list([c.x, c.y, c.width, c.height] ORDER BY c.number) FILTER (c.kind = '{CellKind.NAMED}') AS boxes
FROM images AS i JOIN cells AS c USING (image_id, partition) GROUP BY ALL ORDER BY ALL
"""  # noqa: S608 - a constant


@dataclass(frozen=True)
class SheetKeys:
    """One image that has cells.

    Attributes:
        partition: of its rows.
        image_id: its id.
        pixels: the hash of its pixels, under which the cells are kept that were recognised in it.
        named: the key under which those are kept that an atlas names; empty where none does.
    """

    partition: str
    image_id: int
    pixels: str
    named: str


def sheet_keys(con: duckdb.DuckDBPyConnection) -> Iterator[SheetKeys]:
    """The images that have cells.

    Args:
        con: has the tables ``images`` and ``cells``, which catalogs of earlier versions lack.
    """
    if not con.execute("SELECT 1 FROM information_schema.tables WHERE table_name = 'cells'").fetchall():
        return
    for partition, image_id, pixels, boxes in con.execute(_SHEETS).fetchall():
        yield SheetKeys(partition, int(image_id), str(pixels), key_of_named(pixels, boxes) if boxes else "")


def wanted_cells(con: duckdb.DuckDBPyConnection, store: DerivedBytes) -> dict[str, list[int]]:
    """The published images of each sheet, by the key under which the likeness of its cells is kept.

    Those that an atlas names are compared; where their likeness is not kept yet, those that were recognised.

    Args:
        con: has the tables of a catalog.
        store: what is kept of cells.
    """
    query = "SELECT image_id FROM images SEMI JOIN cells USING (image_id) WHERE indexed"
    every = list(sheet_keys(con))
    indexed = {image_id for (image_id,) in con.execute(query).fetchall()} if every else set()
    found = [one for one in every if one.image_id in indexed]
    held = store.locate({one.named for one in found if one.named}).keys()
    wanted: dict[str, list[int]] = {}
    for one in found:
        wanted.setdefault(one.named if one.named in held else one.pixels, []).append(one.image_id)
    return wanted
