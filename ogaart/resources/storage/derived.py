"""The store of derived bytes: for each picture and derived space a byte string, in segments; see ``segments``.

It takes what has no direction and so is not a vector: raw parts, hashes of patches, what is known of a picture's other
form. An empty byte string says that the picture was looked at and has none.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import pyarrow as pa

from ogaart.core.fault_injection import Fault, fault
from ogaart.core.process_limits import raise_if_lacking
from ogaart.resources.storage.key_index import RowLocation
from ogaart.resources.storage.segments import SEGMENT_ROWS, Segments, read_segment, texts

FORMAT_VERSION = 1


class DerivedLocation(NamedTuple):
    """Where a picture's bytes lie."""

    segment: str
    row: int


@dataclass(frozen=True)
class DerivedRows:
    """One segment's content: keys, and the bytes of each."""

    segment: str
    keys: tuple[str, ...]
    contents: tuple[bytes, ...]


class DerivedBytes(Segments[DerivedLocation, DerivedRows]):
    """The byte strings of one derived space; ``root`` is ``DataRoot.derived``, ``space`` the space's name."""

    def add(self, contents: Mapping[str, bytes]) -> list[str]:
        """Store byte strings by key, durable on return; returns the names of the segments written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        items = list(contents.items())
        names = [self._add_segment(items[i : i + SEGMENT_ROWS]) for i in range(0, len(items), SEGMENT_ROWS)]
        self._sync()
        return names

    def get(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The bytes of those keys that are held.

        Raises:
            SegmentDamaged: a segment cannot be read; it is ignored from now on.
        """
        by_segment: dict[str, list[str]] = {}
        places = self.locate(keys)
        for key, place in places.items():
            by_segment.setdefault(place.segment, []).append(key)
        found: dict[str, bytes] = {}
        for segment, wanted in by_segment.items():
            contents = self._read_whole(segment).contents
            found.update({key: contents[places[key].row] for key in wanted})
        return found

    def _add_segment(self, items: Sequence[tuple[str, bytes]]) -> str:
        keys, contents = tuple(key for key, _ in items), tuple(content for _, content in items)
        digest = _content_hash(keys, contents)
        meta = {"ogaart.space": self.space, "ogaart.format_version": str(FORMAT_VERSION)}
        rows = pa.table([pa.array(keys, pa.string()), pa.array(contents, pa.binary())], names=["key", "content"])
        return self._write(rows.replace_schema_metadata(meta), digest, _located(self._named(digest), keys))

    def _drafted(self) -> None:
        fault(Fault.DERIVED_DRAFTED)

    def _written(self) -> None:
        fault(Fault.DERIVED_WRITTEN)

    def _copy_rows(self, scanned: DerivedRows, rows: Sequence[int]) -> None:
        self.add({scanned.keys[i]: scanned.contents[i] for i in rows})

    def _location(self, place: RowLocation) -> DerivedLocation:
        return DerivedLocation(place.segment, place.row)

    def _read_locations(self, name: str) -> dict[str, DerivedLocation]:
        return _located(name, texts(read_segment(self.folder / name, ["key"])["key"]))

    def _read_whole(self, name: str) -> DerivedRows:
        try:
            rows = read_segment(self.folder / name)
            keys, contents = texts(rows["key"]), tuple(cast("list[bytes]", rows["content"].to_pylist()))
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise_if_lacking(error, self.folder / name)
            raise self._note_damage(name, f"{type(error).__name__}: {error}") from error
        if self._named(_content_hash(keys, contents)) != name:
            raise self._note_damage(name, "its content does not have the hash in its name")
        return DerivedRows(name, keys, contents)


def _located(name: str, keys: Sequence[str]) -> dict[str, DerivedLocation]:
    return {key: DerivedLocation(name, row) for row, key in enumerate(keys)}


def _content_hash(keys: Sequence[str], contents: Sequence[bytes]) -> str:
    digest = hashlib.sha256(f"ogaart-derived-{FORMAT_VERSION}\0".encode())
    for key, content in zip(keys, contents, strict=True):
        digest.update(f"{key}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:32]
