"""Immutable Parquet segments of rows by picture, added by rename: the base of the stores of vectors and derived bytes.

A segment is ``<root>/<space>/segment-<hash>.parquet``, where ``hash`` is taken over its whole content, so that a
segment which lost bytes is known by its own name. A key is the sha256 of a picture's canonical pixels.
"""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Generic, Protocol, TypeVar, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ogaart.core.process_limits import raise_if_lacking
from ogaart.resources.storage.atomic_files import sync_file, sync_folder, temporary
from ogaart.resources.storage.checksummed_parquet import SEALED, seal_holds, write_sealed
from ogaart.resources.storage.key_index import KeyIndex, RowLocation, segment_sizes

SEGMENT_ROWS = 512
"""Most rows of a segment, and so the most that a killed step loses."""
_PREFIX, _SUFFIX = "segment-", ".parquet"
_LEAST_NEW, _NEW_SHARE = 4096, 0.02
"""The file of keys is written again when so many rows, and such a share of it, are missing in it."""
_log = logging.getLogger(__name__)


class SegmentDamaged(RuntimeError):
    """A segment's bytes are not those that were written: torn, rotten, or of another space."""


class Scan(Protocol):
    """One segment's content."""

    @property
    def segment(self) -> str:
        """Name of its file."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The key of each row."""


class Location(Protocol):
    """Where a row lies."""

    @property
    def segment(self) -> str:
        """Name of the segment's file."""

    @property
    def row(self) -> int:
        """The row in it."""


LocationT = TypeVar("LocationT", bound=Location)
ScanT = TypeVar("ScanT", bound=Scan)


class Segments(ABC, Generic[LocationT, ScanT]):
    """The segments of one space.

    Safe for many readers and several writers at once: a file never changes once it has its name, and two writers
    of one key leave two equal rows, of which any may be read.

    Args:
        root: the folder of all spaces.
        space: name and version of what the rows hold.
    """

    def __init__(self, root: Path, space: str) -> None:
        self.folder = root / space
        self.space = space
        self._locations: dict[str, LocationT] = {}
        self._read: dict[str, dict[str, LocationT]] = {}
        self._index: KeyIndex | None = None
        """Rows of older segments; the newer ones are in ``_locations``."""
        self._damaged: dict[str, str] = {}

    @property
    def damaged(self) -> dict[str, str]:
        """Segments that were ignored, with the reason; their keys count as absent and may be stored again."""
        return dict(self._damaged)

    def keys(self) -> set[str]:
        """Keys of all rows held: of half a million, 60 MB; ``locate`` looks up some."""
        self._refresh()
        return self._locations.keys() | (self._index.all_keys() if self._index is not None else set())

    def locate(self, keys: Iterable[str]) -> dict[str, LocationT]:
        """Where each key's row lies; keys without one are left out."""
        self._refresh()
        found: dict[str, LocationT] = {}
        older: list[str] = []
        for key in keys:
            if key in self._locations:
                found[key] = self._locations[key]
            else:
                older.append(key)
        if self._index is not None:
            found |= {key: self._location(place) for key, place in self._index.find(older).items()}
        return found

    def by_segment(self, keys: Sequence[str]) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.int64]]]:
        """Where rows lie, a segment at a time, in the order of their names; keys without one are left out.

        Yields:
            The name of a segment, (N,) the places in ``keys`` of those whose rows are in it, rising, and (N,) the rows.
        """
        self._refresh()
        names: list[str] = []
        segments, rows = np.full(len(keys), -1), np.zeros(len(keys), np.int64)
        if self._index is not None:
            names = list(self._index.sizes)
            segments, rows = self._index.places(keys)
        if self._locations:
            number = {name: n for n, name in enumerate(names)}
            for n, key in enumerate(keys):
                if (place := self._locations.get(key)) is not None:
                    segments[n], rows[n] = number.setdefault(place.segment, len(number)), place.row
            names = list(number)
        order = np.argsort(segments, kind="stable")
        starts = np.searchsorted(segments[order], np.arange(len(names) + 1))
        for name, n in sorted((name, n) for n, name in enumerate(names)):
            chosen = order[starts[n] : starts[n + 1]]
            if len(chosen):
                yield name, chosen, rows[chosen]

    def names(self) -> list[str]:
        """All segments that are not known to be damaged, by name."""
        self._refresh()
        return sorted(self._known() - self._damaged.keys())

    def lacking(self, keys: Sequence[str]) -> list[str]:
        """Those of many keys that have no row; quicker than ``locate`` where nearly all have one."""
        self._refresh()
        older = self._index.lacking(keys) if self._index is not None else keys
        return [key for key in older if key not in self._locations]

    def scan(self, passed_over: AbstractSet[str] = frozenset()) -> Iterator[ScanT]:
        """All segments but some, one at a time, in the order of their names; damaged ones are left out and noted."""
        for name in self.names():
            if name in passed_over:
                continue
            try:
                yield self._read_whole(name)
            except SegmentDamaged:
                continue  # noted by _read_whole

    def segment(self, name: str) -> ScanT:
        """All rows of one segment.

        Raises:
            SegmentDamaged: it cannot be read; it is ignored from now on.
        """
        return self._read_whole(name)

    def verify(self) -> dict[str, str]:
        """Read every segment whole; returns those that are damaged, with the reason.

        Their seals are compared as well: the hash in the name covers the rows, not the file's footer, by which DuckDB
        skips rows.
        """
        for scanned in self.scan():
            holds = seal_holds(self.folder / scanned.segment)
            if holds is False or (holds is None and self._was_sealed(scanned.segment)):
                self._note_damage(scanned.segment, "not as it was written (its hash is wrong)")
        return self.damaged

    def _was_sealed(self, name: str) -> bool:
        return SEALED in (pq.read_schema(self.folder / name).metadata or {})

    def gc(self, keep: AbstractSet[str]) -> int:
        """Remove rows whose key is not in ``keep``, damaged segments, and drafts of dead writers.

        Only for callers that hold out all writers of this space. What stays of a segment is written as a new one
        before the old one goes, so a kill at any moment loses nothing.

        Returns:
            The number of segment files removed.
        """
        removed = [name for name in self.damaged if self._remove(name)]
        for scanned in self.scan():
            stays = [i for i, key in enumerate(scanned.keys) if key in keep]
            if len(stays) == len(scanned.keys):
                continue
            if stays:
                self._copy_rows(scanned, stays)
            if self._remove(scanned.segment):
                removed.append(scanned.segment)
        for draft in self.folder.glob(".tmp-*"):
            draft.unlink(missing_ok=True)
        self._forget()
        self._index = None
        self._damaged.clear()
        return len(removed)

    # -- what each store implements ---------------------------------------------------------------------------

    @abstractmethod
    def _location(self, place: RowLocation) -> LocationT:
        """A row's place as this store tells it."""

    @abstractmethod
    def _read_locations(self, name: str) -> dict[str, LocationT]:
        """The rows of a segment by key, from its small columns alone."""

    @abstractmethod
    def _read_whole(self, name: str) -> ScanT:
        """A segment's content, checked against its name.

        Raises:
            SegmentDamaged: it is not what was written; noted by ``_note_damage``.
        """

    @abstractmethod
    def _copy_rows(self, scanned: ScanT, rows: Sequence[int]) -> None:
        """Store some rows of a segment as a new one."""

    @abstractmethod
    def _drafted(self) -> None:
        """The point at which a segment's bytes are written and have no name yet."""

    @abstractmethod
    def _written(self) -> None:
        """The point at which segments are durable."""

    # -- files ------------------------------------------------------------------------------------------------

    @staticmethod
    def _named(content_hash: str) -> str:
        return f"{_PREFIX}{content_hash}{_SUFFIX}"

    def _write(self, rows: pa.Table, content_hash: str, locations: dict[str, LocationT]) -> str:
        """Write one segment, durable but for its folder; returns its name."""
        name = self._named(content_hash)
        path = self.folder / name
        draft = temporary(path)
        write_sealed(rows, draft, use_dictionary=False)
        sync_file(draft)
        self._drafted()
        draft.replace(path)  # also where the name exists: the content is equal, unless that file is damaged
        self._damaged.pop(name, None)
        self._read[name] = locations
        self._locations.update(locations)
        return name

    def _sync(self) -> None:
        """Make the names of written segments durable, and the file of keys complete once many rows are new to it."""
        sync_folder(self.folder)
        self._written()
        self._refresh()
        older = len(self._index.key) if self._index is not None else 0
        if len(self._locations) > max(_LEAST_NEW, older * _NEW_SHARE):
            self._index = self._complete_index()
            self._index.write(self.folder)
            self._forget()

    def _complete_index(self) -> KeyIndex:
        present = segment_sizes(self.folder, _PREFIX, _SUFFIX)
        sizes = {name: size for name, size in present.items() if self._index is None or name not in self._index.sizes}
        rows = [
            (key, RowLocation(place.segment, place.row, getattr(place, "norm", 0.0)))
            for name, locations in self._read.items()
            if name in sizes
            for key, place in locations.items()
        ]
        newer = KeyIndex.of({name: sizes[name] for name in sorted({place.segment for _, place in rows})}, rows)
        return newer if self._index is None else self._index.merged(newer)

    def _known(self) -> set[str]:
        return self._read.keys() | (self._index.sizes.keys() if self._index is not None else set())

    def _refresh(self) -> None:
        """Learn the keys of segments that appeared, forget those that went."""
        present = segment_sizes(self.folder, _PREFIX, _SUFFIX)
        if self._index is None:
            self._index = KeyIndex.read(self.folder)
        if self._index is not None:
            sizes = self._index.sizes
            other = {name for name in sizes if present.get(name) != sizes[name] or name in self._damaged}
            self._index = self._index.without(other) if other else self._index
        if self._read.keys() - present.keys():
            self._forget()
        for name in sorted(present.keys() - self._known() - self._damaged.keys()):
            try:
                locations = self._read_locations(name)
            except FileNotFoundError:
                continue  # collected since the folder was listed
            except (pa.ArrowException, OSError) as error:
                raise_if_lacking(error, self.folder / name)
                self._note_damage(name, f"{type(error).__name__}: {error}")
            else:
                self._read[name] = locations
                self._locations.update(locations)

    def _forget(self) -> None:
        """Have the key columns read again: a key may lie in another segment too, which its latest place hid."""
        self._locations.clear()
        self._read.clear()

    def _note_damage(self, name: str, reason: str) -> SegmentDamaged:
        """Ignore a segment from now on; its keys are absent, so they are stored again."""
        self._damaged[name] = reason
        self._forget()
        _log.warning("segment %s of %s is damaged and ignored: %s", name, self.space, reason)
        return SegmentDamaged(
            f"segment {self.folder / name}: {reason}; its pictures are embedded again by the next run"
        )

    def _remove(self, name: str) -> bool:
        path = self.folder / name
        existed = path.exists()
        path.unlink(missing_ok=True)
        return existed


def read_segment(path: Path, columns: Sequence[str] = ()) -> pa.Table:
    """Some columns of a segment, or all, at half the cost of ``read_table``, which is made for many files.

    Raises:
        ArrowException: it cannot be read, or lacks a column.
        OSError: so.
    """
    with pq.ParquetFile(path) as file:
        rows = file.read(list(columns) or None, use_threads=False)
    if columns and rows.num_columns != len(columns):
        raise pa.ArrowInvalid(f"{path} has the columns {rows.column_names}, expected {list(columns)}")
    return rows


def texts(column: "pa.ChunkedArray[pa.StringScalar]") -> tuple[str, ...]:
    """A column of texts."""
    return tuple(cast("list[str]", column.to_pylist()))
