"""Arrays of one row a picture in parts that publications share; reading them, and writing what changed.

``<array>/part-<hash>/`` is never changed: ``ids.npy`` (N,) int64 and ``values``, N rows as they lie in memory, in any
order. ``<array>/ids.npy``, rising, and ``places.npy`` say which part holds the row of each published picture. A
publication links the parts of the one before and writes a part of the new rows. Once there are eight parts of about one
size they become one, so a row is written as often as the number of rows can be multiplied by eight. A part of which a
third is not published is written again.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ogaart.core.arrays import ArrayDamaged, load_array
from ogaart.resources.storage.array_folders import DEAD
from ogaart.resources.storage.atomic_files import temporary

Ids = NDArray[np.int64]
Rows = Iterable[tuple[Ids, NDArray[Any]]]
"""Some ids, and their rows in the same order; as many times as memory wants it."""

PREFIX = "part-"
IDS = "ids.npy"
PLACES = "places.npy"
VALUES = "values"
PLACE = np.dtype([("part", "<i4"), ("row", "<i4")])  # publications of earlier versions have rows of 64 bits
NOWHERE = -1
"""The part of a picture that has no row: it is read as zeros."""
_BLOCK = 4_096  # rows in memory at once
_AT_ONCE = 8
"""So many parts of about one size are merged: fewer would be written more often, more would all be looked into."""


@dataclass(frozen=True)
class RowKind:
    """What one row is: its shape and type."""

    shape: tuple[int, ...]
    dtype: type[np.generic]

    @property
    def nbytes(self) -> int:
        """Bytes of a row."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True, eq=False)
class Part:
    """One part, mapped."""

    path: Path
    row: RowKind

    @cached_property
    def ids(self) -> Ids:
        """(N,) int64, in any order."""
        return load_array(self.path / IDS)

    @cached_property
    def values(self) -> NDArray[Any]:
        """(N, ...) as ``row`` has it."""
        path, count = self.path / VALUES, len(self.ids)
        if path.stat().st_size != count * self.row.nbytes:
            raise ArrayDamaged(f"{path} does not hold {count:,} rows")
        return np.asarray(np.memmap(path, self.row.dtype, "r", shape=(count, *self.row.shape)))

    def __len__(self) -> int:
        return len(self.ids)

    def intact(self) -> bool:
        """Whether its content has the hash in its name; reads all of it."""
        with (self.path / VALUES).open("rb") as values:
            digest = hashlib.file_digest(values, "sha256")
        digest.update(self.ids.tobytes())
        return self.path.name == PREFIX + digest.hexdigest()[:32]


class ArrayParts:
    """The rows of a publication, in the order of ``ids``; safe to use from many threads.

    Args:
        row: what a row is.
        ids: (N,) int64, rising.
        places: (N,) ``PLACE``.
        values: of each part, mapped.
    """

    def __init__(self, row: RowKind, ids: Ids, places: NDArray[Any], values: Sequence[NDArray[Any]]) -> None:
        self.row = row
        self.ids = ids
        self._places = places
        self._values = values

    @classmethod
    def open(cls, folder: Path, row: RowKind) -> Self:
        """Those of a publication.

        Raises:
            ArrayDamaged: a file is not as it was written.
            OSError: one is missing.
        """
        ids, places = load_array(folder / IDS), load_array(folder / PLACES)
        values = [part.values for part in parts_in(folder, row)]
        if len(places) != len(ids) or places["part"].max(initial=NOWHERE) >= len(values):
            raise ArrayDamaged(f"{folder / PLACES} does not belong to the parts beside it")
        return cls(row, ids, places, values)

    @classmethod
    def whole(cls, row: RowKind, ids: Ids, values: NDArray[Any]) -> Self:
        """One array in the order of its ids, as publications of earlier versions have it."""
        places = np.zeros(len(ids), PLACE)
        places["row"] = np.arange(len(ids))
        return cls(row, ids, places, [values])

    @property
    def shape(self) -> tuple[int, ...]:
        """As an array has it."""
        return len(self.ids), *self.row.shape

    def __len__(self) -> int:
        return len(self.ids)

    def parts(self) -> Iterator[tuple[NDArray[np.int64], NDArray[Any]]]:
        """The rows of each part as they lie, and the place of each in ``ids``; -1: it is not of this publication."""
        for number, values in enumerate(self._values):
            here = np.flatnonzero(self._places["part"] == number)
            places = np.full(len(values), -1)
            places[self._places["row"][here]] = here
            yield places, values

    def __getitem__(self, wanted: int | slice | Sequence[int] | NDArray[np.int64]) -> NDArray[Any]:
        """Rows by their places in ``ids``, as an array has them."""
        places = self._places[wanted]
        out = np.zeros((*places.shape, *self.row.shape), self.row.dtype)
        for number in np.unique(places["part"]).tolist():
            if number != NOWHERE:
                here = places["part"] == number
                out[here] = self._values[number][places["row"][here]]
        return out


def parts_in(folder: Path, row: RowKind) -> list[Part]:
    """The parts of an array, by name: their numbers are in this order."""
    return [Part(path, row) for path in sorted(folder.glob(f"{PREFIX}*"))] if folder.is_dir() else []


def write_array(folder: Path, ids: Ids, row: RowKind, previous: Path | None, stored: Callable[[Ids], Rows]) -> None:
    """Write an array of a publication.

    Args:
        folder: where; made here.
        ids: the published pictures, rising.
        row: what a row is.
        previous: the same folder of the publication before; None: share nothing.
        stored: reads the rows of some ids, which are rising; what has none is left out.
    """
    try:
        _write_array(folder, ids, row, previous, stored)
    except ArrayDamaged:
        if previous is None:
            raise
        shutil.rmtree(folder)
        _write_array(folder, ids, row, None, stored)


def _write_array(folder: Path, ids: Ids, row: RowKind, previous: Path | None, stored: Callable[[Ids], Rows]) -> None:
    folder.mkdir(parents=True)
    kept = _kept(previous, row, ids) if previous is not None else {}
    new = np.ones(len(ids), np.bool_)
    for some in kept.values():
        new[some.places] = False
    _write_parts(folder, row, {part: some.rows for part, some in kept.items()}, ids[new], stored)
    known = {part.path.name: some for part, some in kept.items()}
    places = np.zeros(len(ids), PLACE)
    places["part"] = NOWHERE
    for number, part in enumerate(parts_in(folder, row)):
        some = known[part.path.name] if part.path.name in known else _found(ids, part)
        places["part"][some.places] = number
        places["row"][some.places] = some.rows
    _save_ids(folder, ids)
    np.save(folder / PLACES, places)


@dataclass(frozen=True)
class _Held:
    """Rows of a part that are published, and the places of their pictures among all that are; in the same order."""

    rows: NDArray[np.int64]
    places: NDArray[np.int64]


def _kept(previous: Path, row: RowKind, ids: Ids) -> dict[Part, _Held]:
    """What is published of each part of the publication before, each picture once."""
    parts = parts_in(previous, row)
    try:
        kept = _as_placed(previous, parts, ids)
    except (OSError, ArrayDamaged):
        kept = None
    if kept is None:  # each part's pictures are in an order of their own, so to look them up takes longer
        kept, taken = {}, np.zeros(len(ids), np.bool_)
        for part in _whole(parts):
            found = _found(ids, part)
            first = ~taken[found.places]
            kept[part] = _Held(found.rows[first], found.places[first])
            taken[kept[part].places] = True
    return kept


def _as_placed(previous: Path, parts: Sequence[Part], ids: Ids) -> dict[Part, _Held] | None:
    """The same by the places that the publication before has noted; None where these are not of its parts."""
    before, noted = load_array(previous / IDS), load_array(previous / PLACES)
    if len(before) != len(noted) or noted["part"].max(initial=NOWHERE) >= len(parts):
        return None
    at = _places(ids, before)
    kept = {}
    for number, part in enumerate(parts):
        here = np.flatnonzero((noted["part"] == number) & (at >= 0))
        rows = noted["row"][here].astype(np.int64)
        if not _whole([part]):
            continue
        if rows.max(initial=-1) >= len(part) or not np.array_equal(part.ids[rows], before[here]):
            return None
        kept[part] = _Held(rows, at[here])
    return kept


def _found(ids: Ids, part: Part) -> _Held:
    """What is published of a part, by its own ids."""
    at = _places(ids, part.ids)
    rows = np.flatnonzero(at >= 0)
    return _Held(rows, at[rows])


def _save_ids(folder: Path, ids: Ids) -> None:
    """Write the ids of an array; where another array of the publication has the same, as a link to its file."""
    for other in sorted(folder.parent.glob(f"*/{IDS}")):
        if np.array_equal(load_array(other), ids):
            with suppress(OSError):  # a file system without links
                os.link(other, folder / IDS)
                return
    np.save(folder / IDS, ids)


def _whole(parts: Sequence[Part]) -> list[Part]:
    """Those that can be read."""
    found = []
    for part in parts:
        with suppress(OSError, ArrayDamaged):
            part.values  # noqa: B018
            found.append(part)
    return found


def _places(ids: Ids, of: Ids) -> NDArray[np.int64]:
    """Where each of some ids is among the rising ``ids``; -1 where it is not."""
    if not len(ids):
        return np.full(len(of), -1)
    at = np.minimum(np.searchsorted(ids, of), len(ids) - 1)
    return np.where(ids[at] == of, at, -1)


def _write_parts(
    folder: Path, row: RowKind, kept: dict[Part, NDArray[np.int64]], new: Ids, stored: Callable[[Ids], Rows]
) -> None:
    """Write the new rows, merged with what is to be merged, and link the other parts into the folder.

    Args:
        folder: where.
        row: what a row is.
        kept: of each part of the publication before, the rows that are published.
        new: the other pictures, rising.
        stored: reads their rows.
    """
    live = {part: len(rows) for part, rows in kept.items() if len(rows)}
    sizes = sorted([*live.values(), *([len(new)] if len(new) else [])])
    many = to_merge(sizes)
    largest = sizes[many - 1] if many else 0
    merged = sorted((part for part in live if live[part] <= largest), key=lambda part: (live[part], part.path.name))
    groups = [merged] if merged else []
    groups += [[part] for part in live if part not in merged and live[part] < len(part) * (1 - DEAD)]
    for part in (part for group in groups for part in group):
        if not part.intact():
            raise ArrayDamaged(f"{part.path} is not as it was written")
    with_new = bool(merged) and len(new) <= largest
    for group in groups:
        rows = (some for part in group for some in _rows(part, kept[part]))
        _write(folder, row, chain(rows, stored(new)) if with_new and group is merged else rows)
    if len(new) and not with_new:
        _write(folder, row, stored(new))
    for part in live.keys() - {part for group in groups for part in group}:
        _link(part, folder / part.path.name)


def to_merge(sizes: Sequence[int]) -> int:
    """How many of the smallest parts become one, by their sizes, rising: those of one size, once they are many."""
    merged = total = 0
    for nth, size in enumerate(sizes):
        if nth >= _AT_ONCE - 1 and 2 * total >= (_AT_ONCE - 1) * size:
            merged = nth + 1
        total += size
    return merged


def _rows(part: Part, kept: NDArray[np.int64]) -> Iterator[tuple[Ids, NDArray[Any]]]:
    rows = np.sort(kept)
    for start in range(0, len(rows), _BLOCK):
        some = rows[start : start + _BLOCK]
        yield part.ids[some], part.values[some]


def _write(folder: Path, row: RowKind, rows: Rows) -> Part | None:
    """Write a part; None where there are no rows."""
    draft = temporary(folder / "part")
    draft.mkdir()
    digest = hashlib.sha256()
    ids = []
    # Not through a map, whose pages would count as this process's memory.
    with (draft / VALUES).open("wb") as target:
        for some, values in rows:
            content = np.ascontiguousarray(values, row.dtype).tobytes()
            target.write(content)
            digest.update(content)
            # A copy: a view would keep the whole batch that it is of, rows and all.
            ids.append(np.array(some, np.int64))
    written = np.concatenate(ids) if ids else np.empty(0, np.int64)
    if not len(written):
        shutil.rmtree(draft)
        return None
    np.save(draft / IDS, written)
    digest.update(written.tobytes())
    path = folder / (PREFIX + digest.hexdigest()[:32])
    draft.rename(path)
    return Part(path, row)


def _link(part: Part, target: Path) -> None:
    """The same part under another folder, by hard links; copied where links cannot be made.

    Raises:
        ArrayDamaged: it would be copied, and is not as it was written: of a copy the hash is computed again.
    """
    target.mkdir()
    for name in (IDS, VALUES):
        try:
            os.link(part.path / name, target / name)
        except OSError as cause:  # another disk, or one without links
            if not part.intact():
                raise ArrayDamaged(f"{part.path} is not as it was written") from cause
            shutil.copyfile(part.path / name, target / name)
