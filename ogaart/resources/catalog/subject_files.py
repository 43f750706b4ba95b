"""The subjects of a publication's pictures as arrays: what the search compares beside the pictures as they are."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ogaart.core.arrays import load_array
from ogaart.likeness.signatures import SIDE
from ogaart.likeness.subjects import Subject
from ogaart.resources.storage.derived import DerivedBytes

if TYPE_CHECKING:  # the search service reads these files, and loads no DuckDB
    import duckdb

SUBJECT_IDS = "subject_ids.npy"
SUBJECT_SIDES = "subject_sides.npy"
SUBJECT_SIGNATURES = "subject_signatures.npy"


def write_subjects(con: "duckdb.DuckDBPyConnection", store: DerivedBytes, folder: Path) -> int:
    """Write the subjects of all published images that have one, in bounded memory.

    ``subject_ids.npy`` is (N,) int64, rising; ``subject_sides.npy`` (N,) int32, the smaller side in pixels, and
    ``subject_signatures.npy`` (N, 32, 32, 4) uint8 are in its order.

    Args:
        con: connection with the finished tables.
        store: what is kept of subjects; a segment that cannot be read is left out.
        folder: the generation's folder.

    Returns:
        How many there are.
    """
    found = con.execute("SELECT image_id, pixel_sha256 FROM images WHERE indexed").fetchall()
    images: dict[str, list[int]] = {}
    for image_id, pixels in found:
        images.setdefault(pixels, []).append(image_id)
    sides: dict[int, int] = {}
    for pixels, subject in _subjects(store, images):
        sides.update(dict.fromkeys(images[pixels], subject.side))
    ids = np.array(sorted(sides), np.int64)
    np.save(folder / SUBJECT_IDS, ids)
    np.save(folder / SUBJECT_SIDES, np.array([sides[i] for i in ids.tolist()], np.int32))
    shape = (len(ids), SIDE, SIDE, 4)
    if not len(ids):  # an empty file cannot be mapped
        np.save(folder / SUBJECT_SIGNATURES, np.zeros(shape, np.uint8))
        return 0
    out = np.lib.format.open_memmap(folder / SUBJECT_SIGNATURES, mode="w+", dtype=np.uint8, shape=shape)
    for pixels, subject in _subjects(store, images):
        places = np.searchsorted(ids, np.array(images[pixels], np.int64))
        out[places] = subject.signature
    out.flush()
    return len(ids)


def _subjects(store: DerivedBytes, images: dict[str, list[int]]) -> Iterator[tuple[str, Subject]]:
    seen: set[str] = set()
    for scanned in store.scan():
        for pixels, content in zip(scanned.keys, scanned.contents, strict=True):
            if pixels in images and pixels not in seen and (subject := Subject.from_bytes(content)) is not None:
                seen.add(pixels)
                yield pixels, subject


class SubjectFiles:
    """A publication's subjects; those of before have none.

    Args:
        folder: the generation's folder.
    """

    def __init__(self, folder: Path) -> None:
        there = (folder / SUBJECT_IDS).exists()
        self._ids: NDArray[np.int64] = load_array(folder / SUBJECT_IDS) if there else np.zeros(0, np.int64)
        self._sides: NDArray[np.int32] = load_array(folder / SUBJECT_SIDES) if there else np.zeros(0, np.int32)
        # Mapped, not read: a search touches a hundred.
        self._signatures = load_array(folder / SUBJECT_SIGNATURES, mapped=True) if len(self._ids) else None

    def find(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.int32]]:
        """The subjects of those images that have one.

        Args:
            ids: (N,) int64.

        Returns:
            (M,) int64 places in ``ids``; their signatures (M, 32, 32, 4) uint8; their smaller sides (M,) int32.
        """
        if self._signatures is None or not len(ids):
            return np.zeros(0, np.int64), np.zeros((0, SIDE, SIDE, 4), np.uint8), np.zeros(0, np.int32)
        rows = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        places = np.flatnonzero(self._ids[rows] == ids)
        return places, np.asarray(self._signatures[rows[places]]), self._sides[rows[places]]
