"""The fused vectors of a publication's pictures: int8 rows, in parts that publications share.

``fused/`` holds a row of every picture of which all is known, ``fused_subjects/`` a second one of those on a flat
ground, with the parts of their subject: both never change, and lie as ``array_parts`` has it. ``fused_incomplete/``
holds the rows of other pictures, with zeros for what is not known yet; each publication writes it again.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ogaart.core.arrays import ArrayDamaged, load_array
from ogaart.resources.storage.array_parts import ArrayParts, RowKind

FUSED = "fused"
FUSED_SUBJECTS = "fused_subjects"
FUSED_INCOMPLETE = "fused_incomplete"
ARRAY, ARRAY_IDS = "fused.npy", "fused_ids.npy"  # of publications of earlier versions: all rows as one array

Ids = NDArray[np.int64]


def fused_row(dimension: int) -> RowKind:
    """What a row is."""
    return RowKind((dimension,), np.int8)


def has_fused(folder: Path) -> bool:
    """Whether a publication has fused vectors."""
    return (folder / FUSED).is_dir() or (folder / ARRAY).exists()


class FusedRows:
    """All rows of a publication, in the order of ``ids``; safe to use from many threads.

    Args:
        arrays: a picture's own row comes before its second one, which is in a later array.
    """

    def __init__(self, arrays: Sequence[ArrayParts]) -> None:
        ids = np.concatenate([array.ids for array in arrays])
        self._arrays = arrays
        self._order = np.argsort(ids, kind="stable")
        self.ids: Ids = ids[self._order]
        ranks = np.empty(len(ids) + 1, np.int64)
        ranks[self._order] = np.arange(len(ids))
        ranks[-1] = -1
        self.blocks: list[tuple[Ids, NDArray[np.int8]]] = []
        """Rows as they lie, each with its place in ``ids``; -1: it is not published."""
        start = 0
        for array in arrays:
            for places, values in array.parts():
                self.blocks.append((ranks[np.where(places < 0, len(ids), start + places)], values))
            start += len(array)

    @classmethod
    def open(cls, folder: Path, dimension: int) -> "FusedRows":
        """Those of a publication.

        Args:
            folder: the generation's folder.
            dimension: of its projection.

        Raises:
            ArrayDamaged: a file is not as it was written.
            OSError: one is missing.
        """
        row = fused_row(dimension)
        if (folder / FUSED).is_dir():
            return cls([ArrayParts.open(folder / name, row) for name in (FUSED, FUSED_INCOMPLETE, FUSED_SUBJECTS)])
        ids, values = load_array(folder / ARRAY_IDS), load_array(folder / ARRAY, mapped=True)
        if values.shape != (len(ids), dimension):
            raise ArrayDamaged(f"{folder / ARRAY} does not belong to the files beside it")
        return cls([ArrayParts.whole(row, ids, values)])

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.int8]:
        """Rows by their places in ``ids``."""
        wanted = self._order[rows]
        out = np.zeros((len(wanted), *self._arrays[0].row.shape), np.int8)
        start = 0
        for array in self._arrays:
            here = (wanted >= start) & (wanted < start + len(array))
            if here.any():
                out[here] = array[wanted[here] - start]
            start += len(array)
        return out
