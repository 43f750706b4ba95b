"""Writing the fused vectors of a generation, with the projection that made them; ``fused_files`` has how they lie.

Arrays and not a named vector of the collection: all of it is compared in a few milliseconds (``docs/search.md`` has
the figures), exactly, with any weights and any filter, in both homes of the collection alike; and a new projection
changes no point of a collection.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import numpy as np
from numpy.typing import NDArray

from ogaart.core.arrays import ArrayDamaged, load_array
from ogaart.core.sorted_ids import common, found_in, without
from ogaart.likeness import parts
from ogaart.likeness.projections import SUBJECT, Projection
from ogaart.likeness.subjects import Subject
from ogaart.resources.catalog.eligible import pixels_of, published_ids
from ogaart.resources.catalog.fused_files import FUSED, FUSED_INCOMPLETE, FUSED_SUBJECTS, Ids, fused_row
from ogaart.resources.catalog.generations import HASHES, PROJECTION
from ogaart.resources.storage.array_parts import IDS, Rows, write_array
from ogaart.resources.storage.atomic_files import temporary
from ogaart.resources.storage.derived import DerivedBytes
from ogaart.resources.storage.file_hashes import is_as_recorded
from ogaart.resources.storage.segments import SegmentDamaged
from ogaart.resources.storage.vectors import Vectors

_BLOCK = 4_096  # rows in memory at once


@dataclass(frozen=True)
class FusedSource:
    """What fused vectors are made of."""

    projection: Projection
    vectors: Vectors
    parts: DerivedBytes
    subjects: DerivedBytes


def write_fused(
    con: duckdb.DuckDBPyConnection, path: Path, source: FusedSource, shared: Path | None = None
) -> dict[str, Any]:
    """Write ``fused/`` and its siblings and ``projection.npz``, in memory that does not grow with the pictures.

    A picture without parts (yet) has zeros in their blocks. One on a flat ground has a second row, with the parts of
    its subject. Rows of which all is known never change, and are linked from a publication with the same projection.

    Args:
        con: connection with the finished table ``images``.
        path: the generation's folder.
        source: what they are made of.
        shared: the folder of a generation whose rows are taken over; None: all are made again.

    Returns:
        ``projection``: its name, and ``with_parts``: how many of the rows have them, for the manifest.
    """
    ids, row = published_ids(con), fused_row(source.projection.dimension)
    before = _known(shared, source.projection) if shared is not None else None
    whole, second = before if before is not None else (ids[:0], ids[:0])
    taken = common(ids, whole)
    fresh = without(ids, taken)
    with _draft(path, source, fresh, pixels_of(con, fresh)) as draft:

        def rows(some: Ids, *, subjects: bool) -> Rows:
            if found_in(some, draft.ids).all():
                yield from draft.rows(some, subjects=subjects)
                return
            with _draft(path, source, some, pixels_of(con, some)) as other:  # the files that had them are damaged
                yield from other.rows(some, subjects=subjects)

        ordered = {
            FUSED: _together(taken, draft.ids[draft.whole]),
            FUSED_SUBJECTS: _together(common(taken, second), draft.subjects[draft.whole_subjects]),
        }
        for name, some in ordered.items():
            linked = shared / name if shared is not None and before is not None else None
            write_array(path / name, some, row, linked, partial(rows, subjects=name == FUSED_SUBJECTS))
        incomplete = draft.ids[~draft.whole]
        write_array(path / FUSED_INCOMPLETE, incomplete, row, None, partial(rows, subjects=False))
        with_parts = sum(map(len, ordered.values())) + int(draft.with_parts[~draft.whole].sum())
    (path / PROJECTION).write_bytes(source.projection.to_bytes())
    return {"projection": source.projection.name, "with_parts": with_parts}


def _together(some: Ids, others: Ids) -> Ids:
    """Pictures of two lists that share none, rising."""
    return np.sort(np.concatenate([some, others]))


def _known(folder: Path, projection: Projection) -> tuple[Ids, Ids] | None:
    """The pictures of a publication whose rows are whole, and those with a second row.

    Returns:
        None where it has another projection, or files that are not as they were written.
    """
    try:
        if (folder / PROJECTION).read_bytes() != projection.to_bytes():
            return None
        names = [f"{name}/{IDS}" for name in (FUSED, FUSED_SUBJECTS)]
        if not is_as_recorded(folder, folder / HASHES, names):
            return None
        whole, second = (load_array(folder / name) for name in names)
    except (OSError, ArrayDamaged):
        return None
    return whole, second


def fresh_images(con: duckdb.DuckDBPyConnection, shared: Path) -> NDArray[np.int64] | None:
    """The published images of which a publication lacked subject or parts; None where that is unknown.

    Args:
        con: connection with the finished table ``images``.
        shared: the folder of the publication.
    """
    name = f"{FUSED}/{IDS}"
    try:
        if not is_as_recorded(shared, shared / HASHES, (name,)):
            return None
        known = load_array(shared / name)
    except (OSError, ArrayDamaged):
        return None
    return without(published_ids(con), known)


@dataclass(frozen=True)
class _Draft:
    """Rows of some pictures in a file: first one of each, then the second ones.

    Attributes:
        file: the rows, one after the other.
        dimension: bytes of a row.
        ids: (N,) the pictures, rising.
        whole: (N,) of which all is known and written, the second row included.
        with_parts: (N,) of which the parts are.
        subjects: (M,) the pictures that have a second row, rising.
        whole_subjects: (M,) of which all is written.
    """

    file: BinaryIO
    dimension: int
    ids: Ids
    whole: NDArray[np.bool_]
    with_parts: NDArray[np.bool_]
    subjects: Ids
    whole_subjects: NDArray[np.bool_]

    def rows(self, wanted: Ids, *, subjects: bool) -> Rows:
        """The rows of some pictures, which are rising: their own, or the second ones."""
        of = self.subjects if subjects else self.ids
        first = len(self.ids) if subjects else 0
        for start in range(0, len(of), _BLOCK):
            some = of[start : start + _BLOCK]
            chosen = found_in(some, wanted)
            if chosen.any():
                content = os.pread(self.file.fileno(), len(some) * self.dimension, (first + start) * self.dimension)
                yield some[chosen], np.frombuffer(content, np.int8).reshape(len(some), self.dimension)[chosen]


@contextmanager
def _draft(folder: Path, source: FusedSource, ids: Ids, pixels: NDArray[Any]) -> Iterator[_Draft]:
    """Make the rows of some pictures in a file that is deleted afterwards.

    Args:
        folder: where.
        source: what they are made of.
        ids: the pictures, rising.
        pixels: their pixel hashes.
    """
    keys, projection, first = pixels.tolist(), source.projection, len(ids)
    known, second = np.zeros(first, np.bool_), np.zeros(first, np.bool_)
    for _, places, _ in source.subjects.by_segment(keys):
        known[places] = True
    for places, contents, at in _stored(source.subjects, keys):
        second[places] = np.array(list(map(bool, contents)), np.bool_)[at]
    row_of_subject = np.cumsum(second) - 1 + first
    count = first + int(second.sum())
    with_vector = np.full(count, SUBJECT not in projection.places)
    with_parts, with_subject = np.zeros(count, np.bool_), np.zeros(count, np.bool_)

    def both(places: NDArray[np.int64], at: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All rows of some pictures, and which of what was read is theirs."""
        twice = second[places]
        return np.concatenate([places, row_of_subject[places[twice]]]), np.concatenate([at, at[twice]])

    path = temporary(folder / "fused")
    # Not through a map, whose pages would count as this process's memory.
    with path.open("w+b", buffering=0) as file:
        path.unlink()
        file.truncate(count * projection.dimension)
        writer = _Writer(file.fileno(), projection)
        if SUBJECT in projection.places:
            for name, places, rows in source.vectors.by_segment(keys):
                with suppress(SegmentDamaged):
                    chosen, at = np.unique(rows, return_inverse=True)
                    vectors = source.vectors.segment(name).some_vectors(chosen)
                    writer.write({SUBJECT: vectors}, *both(places, at), with_vector)
        # The parts of subjects come after those of their pictures, in whose place they stay.
        for places, contents, at in _stored(source.parts, keys):
            raw = np.frombuffer(b"".join(contents), np.uint8).reshape(len(contents), parts.RAW_BYTES)
            writer.write(projection.prepared(raw), *both(places, at), with_parts)
        on_ground = np.flatnonzero(second)
        for places, contents, at in _stored(source.subjects, pixels[second].tolist()):
            subjects = [subject for content in contents if (subject := Subject.from_bytes(content)) is not None]
            raw = np.stack([subject.parts for subject in subjects])
            writer.write(projection.prepared(raw), row_of_subject[on_ground[places]], at, with_subject)
        whole = with_vector & with_parts
        whole_subjects = (with_vector & with_subject)[first:]
        whole[:first] &= known
        whole[:first][second] &= whole_subjects
        yield _Draft(file, projection.dimension, ids, whole[:first], with_parts[:first], ids[second], whole_subjects)


def _stored(
    store: DerivedBytes, keys: Sequence[str]
) -> Iterator[tuple[NDArray[np.int64], list[bytes], NDArray[np.int64]]]:
    """The contents of some keys, a segment at a time; those of a damaged segment, which the store notes, are left out.

    Yields:
        (N,) places in ``keys``, the contents that these have, each once, and (N,) which of them.
    """
    for name, places, rows in store.by_segment(keys):
        try:
            contents = store.segment(name).contents
        except SegmentDamaged:
            continue
        chosen, at = np.unique(rows, return_inverse=True)
        yield places, [contents[row] for row in chosen.tolist()], at


class _Writer:
    """Writes blocks of rows in place."""

    def __init__(self, file: int, projection: Projection) -> None:
        self._file = file
        self._projection = projection

    def write(
        self,
        values: Mapping[str, NDArray[np.float32]],
        rows: NDArray[np.int64],
        of: NDArray[np.int64],
        written: NDArray[np.bool_],
    ) -> None:
        """Write the blocks of some pictures.

        Args:
            values: (N, D) float32 a block, as ``Block.project`` takes them.
            rows: (R,) where they are written.
            of: (R,) which of the values each row has.
            written: where to note of each row that it has them.
        """
        dimension = self._projection.dimension
        for start, content in self._adjacent(values):
            width, view = content.shape[1], memoryview(content.tobytes())
            for row, n in zip(rows.tolist(), of.tolist(), strict=True):
                os.pwrite(self._file, view[n * width : (n + 1) * width], start + row * dimension)
        written[rows] = True

    def _adjacent(self, values: Mapping[str, NDArray[np.float32]]) -> Iterator[tuple[int, NDArray[np.int8]]]:
        """Blocks as they are stored, those beside each other as one: where it begins in a row, and (N, d) int8."""
        found: list[tuple[int, list[NDArray[np.int8]]]] = []
        end = -1
        for block in self._projection.blocks:
            if block.name in values:
                place = self._projection.places[block.name]
                if place.start != end:
                    found.append((place.start, []))
                found[-1][1].append(block.quantise(block.project(values[block.name])))
                end = place.stop
        for start, contents in found:
            yield start, np.concatenate(contents, axis=1)
