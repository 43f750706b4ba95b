"""The subjects of a publication's pictures as arrays: what the search compares beside the pictures as they are.

``subject_ids.npy`` is (N,) int64, rising; ``subject_sides.npy``, (N,) int32 in its order, the smaller side in pixels.
The miniatures lie in ``subjects/``, in parts that publications share; see ``array_parts``.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ogaart.core.arrays import ArrayDamaged, load_array
from ogaart.core.sorted_ids import found_in
from ogaart.likeness.signatures import SIDE
from ogaart.likeness.subjects import Subject
from ogaart.resources.catalog.signature_files import SIGNATURE
from ogaart.resources.storage.array_parts import ArrayParts, Rows, write_array
from ogaart.resources.storage.derived import DerivedBytes
from ogaart.resources.storage.segments import SegmentDamaged

if TYPE_CHECKING:  # the search service reads these files, and loads no DuckDB
    import duckdb

SUBJECTS = "subjects"
SUBJECT_IDS = "subject_ids.npy"
SUBJECT_SIDES = "subject_sides.npy"
SUBJECT_SIGNATURES = "subject_signatures.npy"  # of publications of earlier versions: the miniatures as one array


def write_subjects(
    con: "duckdb.DuckDBPyConnection",
    store: DerivedBytes,
    folder: Path,
    shared: Path | None = None,
    fresh: NDArray[np.int64] | None = None,
) -> int:
    """Write the subjects of all published images that have one, in bounded memory.

    Args:
        con: connection with the finished tables.
        store: what is kept of subjects; a segment that cannot be read is left out.
        folder: the generation's folder.
        shared: the folder of a publication whose files are linked; None: everything is read.
        fresh: ids of the images of which that publication knows nothing; None: it knows of none.

    Returns:
        How many there are.
    """
    # Here, since it loads DuckDB, which the search service does without.
    from ogaart.resources.catalog.eligible import pixels_of, published_ids

    images = published_ids(con)
    sides: dict[int, int] = {}
    known = _sides_of(shared) if shared is not None and fresh is not None else None
    looked_at = np.ones(len(images), np.bool_)
    if known is not None and fresh is not None:
        looked_at = found_in(images, fresh)
        ids, widths = known
        there = found_in(ids, images[~looked_at])
        sides = dict(zip(ids[there].tolist(), widths[there].tolist(), strict=True))

    def subjects(some: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], list[Subject]]]:
        return _subjects(store, some, pixels_of(con, some).tolist())

    for some, found in subjects(images[looked_at]):
        sides.update(zip(some.tolist(), (subject.side for subject in found), strict=True))
    ids = np.array(sorted(sides), np.int64)
    np.save(folder / SUBJECT_IDS, ids)
    np.save(folder / SUBJECT_SIDES, np.array([sides[i] for i in ids.tolist()], np.int32))

    def stored(some: NDArray[np.int64]) -> Rows:
        for numbers, found in subjects(some):
            if found:
                yield numbers, np.stack([subject.signature for subject in found])

    write_array(folder / SUBJECTS, ids, SIGNATURE, shared / SUBJECTS if shared is not None else None, stored)
    return len(ids)


def _sides_of(folder: Path) -> tuple[NDArray[np.int64], NDArray[np.int32]] | None:
    """The ids and sides of a publication's subjects; None where they cannot be read."""
    with suppress(OSError, ArrayDamaged):
        ids, sides = load_array(folder / SUBJECT_IDS), load_array(folder / SUBJECT_SIDES)
        return (ids, sides) if len(ids) == len(sides) else None
    return None


def _subjects(
    store: DerivedBytes, ids: NDArray[np.int64], keys: Sequence[str]
) -> Iterator[tuple[NDArray[np.int64], list[Subject]]]:
    """The subjects of images that have one, a segment at a time: their ids, and what is kept of each."""
    # In the order in which pictures come first, so that the rows of a part are in the same order each time.
    for name, places, rows in sorted(store.by_segment(keys), key=lambda one: int(one[1][0])):
        with suppress(SegmentDamaged):  # noted by the store
            contents = store.segment(name).contents
            _, first, which = np.unique(rows, return_index=True, return_inverse=True)
            order = np.argsort(first[which], kind="stable")
            read = (Subject.from_bytes(contents[row]) for row in rows[order].tolist())
            there = [
                (place, subject) for place, subject in zip(places[order], read, strict=True) if subject is not None
            ]
            yield ids[[place for place, _ in there]], [subject for _, subject in there]


class SubjectFiles:
    """A publication's subjects; those of before have none.

    Args:
        folder: the generation's folder.
    """

    def __init__(self, folder: Path) -> None:
        there = (folder / SUBJECT_IDS).exists()
        self._ids: NDArray[np.int64] = load_array(folder / SUBJECT_IDS) if there else np.zeros(0, np.int64)
        self._sides: NDArray[np.int32] = load_array(folder / SUBJECT_SIDES) if there else np.zeros(0, np.int32)
        self._signatures = _miniatures(folder, self._ids) if len(self._ids) else None

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


def _miniatures(folder: Path, ids: NDArray[np.int64]) -> ArrayParts:
    """The miniatures of subjects, mapped: a search touches a hundred."""
    if (folder / SUBJECTS).is_dir():
        return ArrayParts.open(folder / SUBJECTS, SIGNATURE)
    return ArrayParts.whole(SIGNATURE, ids, load_array(folder / SUBJECT_SIGNATURES, mapped=True))
