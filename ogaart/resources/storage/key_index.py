"""Where each picture's row lies in the segments of a space, as sorted arrays: 46 bytes a row, kept in one file.

Without it each step would read the key column of every segment. The file is derived: it is correct for any of the
segments it names, since a segment never changes, so it may lag behind them, and a damaged one counts as missing.
"""

import json
import os
import struct
import zipfile
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, NamedTuple, Self
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from ogaart.core.process_limits import raise_if_lacking
from ogaart.resources.storage.atomic_files import temporary

FILE = "keys.zip"
"""Its name, beside the segments."""
_DIGEST = "S32"
_COLUMNS = {"key": _DIGEST, "segment": "<u4", "row": "<u2", "norm": "<f4"}
_SEGMENTS = "segments.json"
_FILE_HEADER = 30  # bytes before the name of a member
_UNREADABLE = (OSError, zipfile.BadZipFile, KeyError, ValueError, RuntimeError, EOFError, struct.error)


class RowLocation(NamedTuple):
    """A row of a segment: the segment's name, the row's number in it, and the length of its vector, or 0."""

    segment: str
    row: int
    norm: float


@dataclass(frozen=True)
class KeyIndex:
    """The rows of some segments, sorted by key; a key that is in two segments is there twice.

    Attributes:
        sizes: size in bytes of each segment, by name.
        key: (N,) 32 bytes each, the sha256 that is the key.
        segment: (N,) uint32, places of the rows' segments in ``sizes``.
        row: (N,) uint16.
        norm: (N,) float32.
    """

    sizes: dict[str, int]
    key: NDArray[np.bytes_]
    segment: NDArray[np.uint32]
    row: NDArray[np.uint16]
    norm: NDArray[np.float32]

    @classmethod
    def of(cls, sizes: dict[str, int], rows: Iterable[tuple[str, RowLocation]]) -> Self:
        """The index of rows, each with its key, in segments of these sizes.

        Raises:
            ValueError: a key is not a sha256 in hexadecimal digits.
        """
        number = {name: n for n, name in enumerate(sizes)}
        listed = list(rows)
        keys = _digests([key for key, _ in listed])
        order = np.argsort(keys, kind="stable")
        return cls(
            sizes,
            keys[order],
            np.array([number[place.segment] for _, place in listed], np.uint32)[order],
            np.array([place.row for _, place in listed], np.uint16)[order],
            np.array([place.norm for _, place in listed], np.float32)[order],
        )

    def find(self, keys: Sequence[str]) -> dict[str, RowLocation]:
        """Where each key lies; keys that are not there are left out."""
        names = list(self.sizes)
        at = self._at(keys)
        return {
            keys[n]: RowLocation(names[self.segment[at[n]]], int(self.row[at[n]]), float(self.norm[at[n]]))
            for n in np.flatnonzero(at >= 0).tolist()
        }

    def places(self, keys: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The same as arrays.

        Returns:
            (N,) the place of each key's segment in ``sizes``, -1 where the key is not there; (N,) its row in it.
        """
        at = self._at(keys)
        there = at >= 0
        segment, row = np.full(len(keys), -1), np.zeros(len(keys), np.int64)
        segment[there], row[there] = self.segment[at[there]], self.row[at[there]]
        return segment, row

    def _at(self, keys: Sequence[str]) -> NDArray[np.int64]:
        """(N,) where each key is in ``key``, the first of equal ones; -1 where it is not."""
        if not len(self.key) or not keys:
            return np.full(len(keys), -1)
        digests = _digests(keys)
        at = np.minimum(np.searchsorted(self.key, digests), len(self.key) - 1)
        return np.where(self.key[at] == digests, at, -1)

    def lacking(self, keys: Sequence[str]) -> list[str]:
        """The keys that are not there."""
        return [keys[n] for n in np.flatnonzero(self._at(keys) < 0).tolist()]

    def all_keys(self) -> set[str]:
        """Every key."""
        digits = self.key.tobytes().hex()
        return {digits[start : start + 64] for start in range(0, len(digits), 64)}

    def without(self, names: Collection[str]) -> Self:
        """The index without some segments."""
        kept = [name for name in self.sizes if name not in names]
        number = {name: n for n, name in enumerate(kept)}
        renumbered = np.array([number.get(name, len(kept)) for name in self.sizes], np.uint32)[self.segment]
        return self._chosen({name: self.sizes[name] for name in kept}, renumbered, renumbered < len(kept))

    def merged(self, other: Self) -> Self:
        """The rows of both; they share no segment."""
        keys = np.concatenate([self.key, other.key])
        order = np.argsort(keys, kind="stable")
        segment = np.concatenate([self.segment, other.segment + np.uint32(len(self.sizes))])
        return type(self)(
            {**self.sizes, **other.sizes},
            keys[order],
            segment[order],
            np.concatenate([self.row, other.row])[order],
            np.concatenate([self.norm, other.norm])[order],
        )

    def write(self, folder: Path) -> None:
        """Replace the file in a folder; it need not survive a power cut, since it is checked when it is read."""
        path = folder / FILE
        draft = temporary(path)
        with zipfile.ZipFile(draft, "w") as archive:
            archive.writestr(_SEGMENTS, json.dumps(self.sizes))
            for name, dtype in _COLUMNS.items():
                archive.writestr(name, np.ascontiguousarray(getattr(self, name), dtype).tobytes())
        draft.replace(path)

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The index that a folder holds; None where it has none, or one that does not match its checksums."""
        try:
            return cls._opened(folder / FILE)
        except _UNREADABLE:
            return None

    @classmethod
    def _opened(cls, path: Path) -> Self | None:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            sizes: dict[str, int] = json.loads(archive.read(_SEGMENTS))
            content = memoryview(mmap(file.fileno(), 0, access=ACCESS_READ))  # it is replaced, never changed
            columns: dict[str, NDArray[Any]] = {
                name: np.frombuffer(_stored(content, archive.getinfo(name)), dtype) for name, dtype in _COLUMNS.items()
            }
        return cls(sizes, **columns) if len({len(column) for column in columns.values()}) == 1 else None

    @classmethod
    def is_damaged(cls, path: Path) -> bool:
        """Whether a file of that name is not as it was written.

        Raises:
            OSError: this process may not read it, or may open no more files.
        """
        try:
            return path.exists() and cls._opened(path) is None
        except _UNREADABLE as cause:
            raise_if_lacking(cause, path)
            return True

    def _chosen(self, sizes: dict[str, int], segment: NDArray[np.uint32], rows: NDArray[np.bool_]) -> Self:
        return type(self)(sizes, self.key[rows], segment[rows], self.row[rows], self.norm[rows])


def segment_sizes(folder: Path, prefix: str, suffix: str) -> dict[str, int]:
    """The size of each segment's file in a folder, by name; those that are deleted meanwhile are left out."""
    sizes: dict[str, int] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(prefix) and entry.name.endswith(suffix):
                    try:
                        sizes[entry.name] = entry.stat().st_size
                    except FileNotFoundError:
                        continue
    except FileNotFoundError:
        return {}
    return sizes


def _stored(content: memoryview, member: zipfile.ZipInfo) -> memoryview:
    """The bytes of a member that is not compressed, in the mapped file; APPNOTE.TXT 4.3.7 of the ZIP format.

    Raises:
        BadZipFile: they do not match their checksum.
        struct.error: the file ends before.
    """
    name, extra = struct.unpack_from("<HH", content, member.header_offset + 26)
    start = member.header_offset + _FILE_HEADER + name + extra
    found = content[start : start + member.file_size]
    if member.compress_type != zipfile.ZIP_STORED or len(found) != member.file_size or crc32(found) != member.CRC:
        raise zipfile.BadZipFile(f"{member.filename} is not as it was written")
    return found


def _digests(keys: Sequence[str]) -> NDArray[np.bytes_]:
    digests = np.frombuffer(bytes.fromhex("".join(keys)), _DIGEST)
    if len(digests) != len(keys):
        raise ValueError("a key is not a sha256 in hexadecimal digits")
    return digests
