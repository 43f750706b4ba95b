"""The vector store: segments of at most 512 vectors, by space.

Vectors are unit vectors in float16 (cosines change by less than 1e-6); ``norm`` keeps the length each had before.
Files, keys and names: see ``segments``.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ogaart.core.fault_injection import Fault, fault
from ogaart.core.process_limits import raise_if_lacking
from ogaart.resources.storage.key_index import RowLocation
from ogaart.resources.storage.segments import SEGMENT_ROWS, SegmentDamaged, Segments, read_segment, texts

__all__ = ["SEGMENT_ROWS", "Scanned", "SegmentDamaged", "VectorLocation", "Vectors"]

FORMAT_VERSION = 1

Matrix = NDArray[np.float32]
_FLOATS = np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)
"""Each float16 by its bits as float32: three times as fast as to convert them."""


class VectorLocation(NamedTuple):
    """Where a vector lies."""

    segment: str
    row: int
    norm: float
    """Length of the vector before it was normalised."""


@dataclass(frozen=True)
class Scanned:
    """One segment's content.

    Attributes:
        segment: its name.
        keys: of its rows.
        halves: (N, D) float16, the vectors as they are stored.
        norms: (N,) float32, the lengths that they had.
    """

    segment: str
    keys: tuple[str, ...]
    halves: NDArray[np.float16]
    norms: NDArray[np.float32]

    @cached_property
    def vectors(self) -> Matrix:
        """(N, D) float32, the unit vectors of all rows."""
        return self.some_vectors(slice(None))

    def some_vectors(self, rows: "slice | NDArray[np.int64] | Sequence[int]") -> Matrix:
        """(M, D) float32, the unit vectors of some rows, where not all are needed."""
        unit = _FLOATS.take(self.halves[rows].view(np.uint16))
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)  # rounding to halves moved the lengths by up to 1e-4
        return np.asarray(unit, np.float32)


class Vectors(Segments[VectorLocation, Scanned]):
    """The vectors of one space.

    Args:
        root: the folder of all spaces.
        space: model, weights and preparation, as the embedder names it.
        dimension: length of a vector; by default that of the first segment met.
    """

    def __init__(self, root: Path, space: str, dimension: int | None = None) -> None:
        super().__init__(root, space)
        self._dimension = dimension

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
            self._add_segment(
                tuple(keys[i : i + SEGMENT_ROWS]), unit[i : i + SEGMENT_ROWS], lengths[i : i + SEGMENT_ROWS]
            )
            for i in range(0, len(keys), SEGMENT_ROWS)
        ]
        self._sync()
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
            out = np.empty((len(keys), scanned.halves.shape[1]), np.float32) if out is None else out
            out[positions] = scanned.some_vectors([places[keys[p]].row for p in positions])
        return np.empty((0, self._dimension or 0), np.float32) if out is None else out

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

    def _add_segment(self, keys: tuple[str, ...], unit: Matrix, norms: NDArray[np.float32]) -> str:
        halves = np.ascontiguousarray(unit, np.float16)
        column = pa.FixedSizeListArray.from_arrays(pa.array(halves.reshape(-1)), halves.shape[1])
        meta = {"ogaart.space": self.space, "ogaart.format_version": str(FORMAT_VERSION)}
        rows = pa.table([pa.array(keys, pa.string()), column, pa.array(norms)], names=["key", "vector", "norm"])
        digest = _content_hash(keys, halves, norms)
        located = _located(self._named(digest), keys, norms.tolist())
        return self._write(rows.replace_schema_metadata(meta), digest, located)

    def _drafted(self) -> None:
        fault(Fault.SEGMENT_DRAFTED)

    def _written(self) -> None:
        fault(Fault.SEGMENT_WRITTEN)

    def _copy_rows(self, scanned: Scanned, rows: Sequence[int]) -> None:
        chosen = list(rows)
        self.add([scanned.keys[i] for i in chosen], scanned.some_vectors(chosen), scanned.norms[chosen])

    def _location(self, place: RowLocation) -> VectorLocation:
        return VectorLocation(*place)

    def _read_locations(self, name: str) -> dict[str, VectorLocation]:
        rows = read_segment(self.folder / name, ["key", "norm"])
        return _located(name, texts(rows["key"]), rows["norm"].to_numpy().tolist())

    def _read_whole(self, name: str) -> Scanned:
        try:
            rows = read_segment(self.folder / name)
            keys = texts(rows["key"])
            column = cast("Any", rows["vector"].combine_chunks())
            halves = column.flatten().to_numpy(zero_copy_only=False).reshape(len(keys), column.type.list_size)
            norms = np.asarray(rows["norm"].to_numpy(), np.float32)
        except (pa.ArrowException, OSError, KeyError, ValueError) as error:
            raise_if_lacking(error, self.folder / name)
            raise self._note_damage(name, f"{type(error).__name__}: {error}") from error
        if self._named(_content_hash(keys, halves, norms)) != name:
            raise self._note_damage(name, "its content does not have the hash in its name")
        if self._dimension not in (None, halves.shape[1]):
            raise self._note_damage(name, f"vectors of {halves.shape[1]} numbers, expected {self._dimension}")
        self._dimension = halves.shape[1]
        return Scanned(name, keys, halves, norms)


def _located(name: str, keys: Sequence[str], norms: Sequence[float]) -> dict[str, VectorLocation]:
    return {key: VectorLocation(name, row, norm) for row, (key, norm) in enumerate(zip(keys, norms, strict=True))}


def _content_hash(keys: Sequence[str], halves: NDArray[np.float16], norms: NDArray[np.float32]) -> str:
    digest = hashlib.sha256(f"ogaart-segment-{FORMAT_VERSION}\0{halves.shape[1]}\0".encode())
    digest.update("\n".join(keys).encode())
    digest.update(np.ascontiguousarray(halves, "<f2").tobytes())
    digest.update(np.ascontiguousarray(norms, "<f4").tobytes())
    return digest.hexdigest()[:32]
