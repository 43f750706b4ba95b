"""The vector store: immutable Parquet segments of at most 512 vectors, added by rename, by space.

A segment is ``<root>/<space>/segment-<hash>.parquet``, where ``hash`` is taken over its keys and vectors, so that a
segment which lost bytes is known by its own name. Vectors are unit vectors in float16 (cosines change by less than
1e-6); ``norm`` keeps the length each had before. A key is the sha256 of the picture's canonical pixels.
"""

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ogaart.core.fault_injection import Fault, fault
from ogaart.resources.storage.atomic_files import sync_file, sync_folder, temporary

SEGMENT_ROWS = 512
FORMAT_VERSION = 1
_PREFIX, _SUFFIX = "segment-", ".parquet"
_log = logging.getLogger(__name__)

Matrix = NDArray[np.float32]


class SegmentDamaged(RuntimeError):
    """A segment's bytes are not those that were written: torn, rotten, or of another space."""


class VectorLocation(NamedTuple):
    """Where a vector lies."""

    segment: str
    row: int
    norm: float
    """Length of the vector before it was normalised."""


@dataclass(frozen=True)
class Scanned:
    """One segment's content: keys, unit vectors (N, D) float32 and their former lengths (N,) float32."""

    segment: str
    keys: tuple[str, ...]
    vectors: Matrix
    norms: NDArray[np.float32]


class Vectors:
    """The segments of one space.

    Safe for many readers and several writers at once: a file never changes once it has its name, and two writers
    of one key leave two equal rows, of which any may be read.

    Args:
        root: the folder of all spaces.
        space: model, weights and preparation, as the embedder names it.
        dimension: length of a vector; by default that of the first segment met.
    """

    def __init__(self, root: Path, space: str, dimension: int | None = None) -> None:
        self.folder = root / space
        self.space = space
        self._dimension = dimension
        self._locations: dict[str, VectorLocation] = {}
        self._read: set[str] = set()
        self._damaged: dict[str, str] = {}

    @property
    def damaged(self) -> dict[str, str]:
        """Segments that were ignored, with the reason; their keys count as absent and may be embedded again."""
        return dict(self._damaged)

    def keys(self) -> set[str]:
        """Keys of all vectors held; reads the key column of segments not seen before."""
        self._refresh()
        return set(self._locations)

    def locate(self, keys: Iterable[str]) -> dict[str, VectorLocation]:
        """Where each key's vector lies; keys without one are left out."""
        self._refresh()
        return {key: self._locations[key] for key in keys if key in self._locations}

    def add(self, keys: Sequence[str], vectors: Matrix, norms: NDArray[np.float32] | None = None) -> list[str]:
        """Store vectors, durable on return.

        Args:
            keys: one key a row, distinct.
            vectors: (N, D) float32, of any length above 0; stored as unit vectors.
            norms: (N,) float32, the lengths before normalisation, where the rows are unit vectors already.

        Returns:
            The names of the segments written.

        Raises:
            ValueError: shapes disagree, or a vector is not finite or has no length.
        """
        unit, lengths = self._checked(keys, vectors, norms)
        self.folder.mkdir(parents=True, exist_ok=True)
        names = [
            self._write(tuple(keys[i : i + SEGMENT_ROWS]), unit[i : i + SEGMENT_ROWS], lengths[i : i + SEGMENT_ROWS])
            for i in range(0, len(keys), SEGMENT_ROWS)
        ]
        sync_folder(self.folder)
        fault(Fault.SEGMENT_WRITTEN)
        return names

    def get(self, keys: Sequence[str]) -> Matrix:
        """The unit vectors of ``keys``, (N, D) float32, in their order.

        Raises:
            KeyError: a key has no vector.
            SegmentDamaged: its segment cannot be read; it is ignored from now on.
        """
        places = self.locate(keys)
        missing = [key for key in keys if key not in places]
        if missing:
            raise KeyError(f"{len(missing)} of {len(keys)} keys have no vector in {self.space}, first {missing[0]}")
        by_segment: dict[str, list[int]] = {}
        for position, key in enumerate(keys):
            by_segment.setdefault(places[key].segment, []).append(position)
        out: Matrix | None = None
        for segment, positions in by_segment.items():
            scanned = self._read_whole(segment)
            out = np.empty((len(keys), scanned.vectors.shape[1]), np.float32) if out is None else out
            out[positions] = scanned.vectors[[places[keys[p]].row for p in positions]]
        return np.empty((0, self._dimension or 0), np.float32) if out is None else out

    def scan(self) -> Iterator[Scanned]:
        """All segments, one at a time, in the order of their names; damaged ones are left out and noted."""
        self._refresh()
        for name in sorted(self._read - self._damaged.keys()):
            try:
                yield self._read_whole(name)
            except SegmentDamaged:
                continue  # noted by _read_whole

    def verify(self) -> dict[str, str]:
        """Read every segment whole; returns those that are damaged, with the reason."""
        for _ in self.scan():
            pass
        return self.damaged

    def gc(self, keep: AbstractSet[str]) -> int:
        """Remove vectors whose key is not in ``keep``, damaged segments, and drafts of dead writers.

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
                self.add([scanned.keys[i] for i in stays], scanned.vectors[stays], scanned.norms[stays])
            if self._remove(scanned.segment):
                removed.append(scanned.segment)
        for draft in self.folder.glob(".tmp-*"):
            draft.unlink(missing_ok=True)
        self._forget()
        self._damaged.clear()
        return len(removed)

    # -- one segment ------------------------------------------------------------------------------------------

    def _checked(
        self, keys: Sequence[str], vectors: Matrix, norms: NDArray[np.float32] | None
    ) -> tuple[Matrix, NDArray[np.float32]]:
        vectors = np.asarray(vectors, np.float32)
        if vectors.ndim != 2 or len(vectors) != len(keys) or len(set(keys)) != len(keys):
            raise ValueError(f"{len(keys)} keys ({len(set(keys))} distinct) for vectors of shape {vectors.shape}")
        if self._dimension not in (None, vectors.shape[1]):
            raise ValueError(f"vectors of {vectors.shape[1]} numbers, space {self.space} has {self._dimension}")
        lengths = np.linalg.norm(vectors, axis=1)
        bad = np.flatnonzero(~np.isfinite(lengths) | (lengths <= 0))
        if len(bad):
            raise ValueError(f"vector of {keys[bad[0]]} has length {lengths[bad[0]]}: only finite ones above 0 count")
        if norms is not None and np.shape(norms) != lengths.shape:
            raise ValueError(f"{np.shape(norms)} norms for {len(keys)} vectors")
        self._dimension = vectors.shape[1]
        return vectors / lengths[:, None], np.asarray(lengths if norms is None else norms, np.float32)

    def _write(self, keys: tuple[str, ...], unit: Matrix, norms: NDArray[np.float32]) -> str:
        halves = np.ascontiguousarray(unit, np.float16)
        name = f"{_PREFIX}{_content_hash(keys, halves, norms)}{_SUFFIX}"
        path = self.folder / name
        column = pa.FixedSizeListArray.from_arrays(pa.array(halves.reshape(-1)), halves.shape[1])
        meta = {"ogaart.space": self.space, "ogaart.format_version": str(FORMAT_VERSION)}
        rows = pa.table([pa.array(keys, pa.string()), column, pa.array(norms)], names=["key", "vector", "norm"])
        draft = temporary(path)
        pq.write_table(rows.replace_schema_metadata(meta), draft, compression="zstd", use_dictionary=False)
        sync_file(draft)
        fault(Fault.SEGMENT_DRAFTED)
        draft.replace(path)  # also where the name exists: the content is equal, unless that file is damaged
        self._damaged.pop(name, None)
        self._remember(name, keys, norms.tolist())
        return name

    def _refresh(self) -> None:
        """Learn the keys of segments that appeared, forget those that went."""
        present = {p.name for p in self.folder.glob(f"{_PREFIX}*{_SUFFIX}")} if self.folder.is_dir() else set()
        gone = self._read - present
        if gone:
            self._forget()
        for name in sorted(present - self._read - self._damaged.keys()):
            try:
                rows = pq.read_table(self.folder / name, columns=["key", "norm"])
                keys, norms = _texts(rows["key"]), rows["norm"].to_numpy().tolist()
            except FileNotFoundError:
                continue  # collected since the folder was listed
            except (pa.ArrowException, OSError) as error:
                self._note_damage(name, f"{type(error).__name__}: {error}")
            else:
                self._remember(name, keys, norms)

    def _remember(self, name: str, keys: tuple[str, ...], norms: Sequence[float]) -> None:
        self._read.add(name)
        for row, (key, norm) in enumerate(zip(keys, norms, strict=True)):
            self._locations[key] = VectorLocation(name, row, norm)

    def _read_whole(self, name: str) -> Scanned:
        try:
            rows = pq.read_table(self.folder / name)
            keys = _texts(rows["key"])
            column = cast("Any", rows["vector"].combine_chunks())
            halves = column.flatten().to_numpy(zero_copy_only=False).reshape(len(keys), column.type.list_size)
            norms = np.asarray(rows["norm"].to_numpy(), np.float32)
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise self._note_damage(name, f"{type(error).__name__}: {error}") from error
        if f"{_PREFIX}{_content_hash(keys, halves, norms)}{_SUFFIX}" != name:
            raise self._note_damage(name, "its content does not have the hash in its name")
        if self._dimension not in (None, halves.shape[1]):
            raise self._note_damage(name, f"vectors of {halves.shape[1]} numbers, expected {self._dimension}")
        self._dimension = halves.shape[1]
        unit = halves.astype(np.float32)
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)  # rounding to halves moved the lengths by up to 1e-4
        return Scanned(name, keys, unit, norms)

    def _forget(self) -> None:
        """Have the key columns read again: a key may lie in another segment too, which its latest place hid."""
        self._locations.clear()
        self._read.clear()

    def _note_damage(self, name: str, reason: str) -> SegmentDamaged:
        """Ignore a segment from now on; its keys are absent, so they are embedded again."""
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


def _texts(column: "pa.ChunkedArray[pa.StringScalar]") -> tuple[str, ...]:
    return tuple(cast("list[str]", column.to_pylist()))


def _content_hash(keys: Sequence[str], halves: NDArray[np.float16], norms: NDArray[np.float32]) -> str:
    digest = hashlib.sha256(f"ogaart-segment-{FORMAT_VERSION}\0{halves.shape[1]}\0".encode())
    digest.update("\n".join(keys).encode())
    digest.update(np.ascontiguousarray(halves, "<f2").tobytes())
    digest.update(np.ascontiguousarray(norms, "<f4").tobytes())
    return digest.hexdigest()[:32]
