"""The miniatures of a publication's pictures: (32, 32, 4) uint8 each, in parts that publications share."""

from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ogaart.core.arrays import load_array
from ogaart.likeness.signatures import SIDE
from ogaart.resources.catalog.cut import rows_of
from ogaart.resources.catalog.generations import SIGNATURES
from ogaart.resources.storage.array_parts import ArrayParts, RowKind, Rows
from ogaart.resources.storage.objects import Cut
from ogaart.resources.storage.schema import IMAGES

SIGNATURE = RowKind((SIDE, SIDE, 4), np.uint8)
_ARRAY, _IDS = "signatures.npy", "signature_ids.npy"  # of publications of earlier versions
_BATCH = 2_000  # rows in Python at once
_PARTITIONS = 8  # whose signatures are read at once: some 40,000 of 4 KB


def open_signatures(path: Path) -> ArrayParts:
    """The miniatures of all published pictures; zeros where a picture has none.

    Args:
        path: the generation's folder.

    Raises:
        ArrayDamaged: a file is not as it was written.
        OSError: one is missing.
    """
    if (path / SIGNATURES).is_dir():
        return ArrayParts.open(path / SIGNATURES, SIGNATURE)
    # Mapped, not read: half a million are 2 GB, of which a search touches a hundred.
    return ArrayParts.whole(SIGNATURE, load_array(path / _IDS), load_array(path / _ARRAY, mapped=True))


def stored_signatures(con: duckdb.DuckDBPyConnection, cut: Cut, ids: NDArray[np.int64], source: str) -> Rows:
    """The signatures of some images as the tables have them, in bounded memory; those that have none are left out.

    Args:
        con: a connection.
        cut: has the tables.
        ids: of the images.
        source: the table or view that says of each image which partition's row counts.
    """
    con.register("wanted_ids", pa.table({"image_id": pa.array(ids, pa.int64())}))
    con.execute(
        "CREATE OR REPLACE TEMP TABLE wanted_images AS"  # noqa: S608
        f" SELECT image_id, partition FROM {source} SEMI JOIN wanted_ids USING (image_id)"
    )
    found = con.execute("SELECT DISTINCT partition FROM wanted_images ORDER BY 1").fetchall()
    partitions = [name for (name,) in found]
    # Some at a time: DuckDB has the whole of an answer in memory.
    for start in range(0, len(partitions), _PARTITIONS):
        rows = rows_of(con, cut, IMAGES, partitions[start : start + _PARTITIONS])
        reader = con.sql(
            f"SELECT image_id, signature FROM ({rows}) SEMI JOIN wanted_images USING (image_id, partition)"  # noqa: S608
            f" WHERE octet_length(signature) = {SIGNATURE.nbytes}"
        ).to_arrow_reader(_BATCH)
        for batch in reader:
            content = b"".join(batch.column(1).to_pylist())
            yield batch.column(0).to_numpy(), np.frombuffer(content, np.uint8).reshape(-1, *SIGNATURE.shape)
