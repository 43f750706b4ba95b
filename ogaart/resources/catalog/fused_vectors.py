"""The fused vectors of a generation: one flat int8 array beside the signatures, with the projection that made it.

An array and not a named vector of the collection: all of it is compared in a few milliseconds (``docs/search.md`` has
the figures), exactly, with any weights and any filter, in both homes of the collection alike; and a new projection
changes no point of a collection.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from ogaart.likeness import parts
from ogaart.likeness.projections import SUBJECT, Projection
from ogaart.likeness.subjects import Subject
from ogaart.resources.catalog.generations import FUSED, FUSED_IDS, PROJECTION
from ogaart.resources.storage.derived import DerivedBytes
from ogaart.resources.storage.vectors import Vectors


@dataclass(frozen=True)
class FusedSource:
    """What fused vectors are made of."""

    projection: Projection
    vectors: Vectors
    parts: DerivedBytes
    subjects: DerivedBytes


def write_fused(con: duckdb.DuckDBPyConnection, path: Path, source: FusedSource) -> dict[str, Any]:
    """Write ``fused.npy``, ``fused_ids.npy`` and ``projection.npz``, in memory that does not grow with the pictures.

    A picture without parts (yet) has zeros in their blocks. One on a flat ground has a second row, right after the
    first, with the parts of its subject.

    Args:
        con: connection with the finished table ``images``.
        path: the generation's folder.
        source: what they are made of.

    Returns:
        ``projection``: its name, and ``with_parts``: how many of the rows have them, for the manifest.
    """
    images = con.execute("SELECT image_id, pixel_sha256 FROM images WHERE indexed ORDER BY image_id").fetchall()
    on_ground = {
        key for s in source.subjects.scan() for key, content in zip(s.keys, s.contents, strict=True) if content
    }
    rows = [
        (image_id, pixels, subject)
        for image_id, pixels in images
        for subject in ((False, True) if pixels in on_ground else (False,))
    ]
    projection = source.projection
    (path / PROJECTION).write_bytes(projection.to_bytes())
    np.save(path / FUSED_IDS, np.array([image_id for image_id, _, _ in rows], np.int64))
    places: dict[str, list[int]] = {}
    of_subjects: dict[str, list[int]] = {}
    for row, (_, pixels, subject) in enumerate(rows):
        places.setdefault(pixels, []).append(row)
        if subject:
            of_subjects.setdefault(pixels, []).append(row)
    shape = (len(rows), projection.dimension)
    if not rows:  # an empty file cannot be mapped
        np.save(path / FUSED, np.zeros(shape, np.int8))
        return {"projection": projection.name, "with_parts": 0}
    out = np.lib.format.open_memmap(path / FUSED, mode="w+", dtype=np.int8, shape=shape)
    start = out.offset
    del out
    with (path / FUSED).open("r+b", buffering=0) as target:
        writer = _Writer(target.fileno(), start, projection)
        if SUBJECT in projection.places:
            for scanned in source.vectors.scan():
                chosen = [n for n, key in enumerate(scanned.keys) if key in places]
                if chosen:
                    block = {SUBJECT: scanned.vectors[chosen]}
                    writer.write([places[scanned.keys[n]] for n in chosen], block)
        with_parts = 0
        # The parts of subjects come after those of their pictures, in whose place they stay.
        for derived in source.parts.scan():
            chosen = [n for n, key in enumerate(derived.keys) if key in places]
            if chosen:
                raw = np.frombuffer(b"".join(derived.contents[n] for n in chosen), np.uint8)
                blocks = projection.prepared(raw.reshape(len(chosen), parts.RAW_BYTES))
                at = [places[derived.keys[n]] for n in chosen]
                writer.write(at, blocks)
                with_parts += sum(map(len, at))
        for derived in source.subjects.scan():
            chosen = [n for n, key in enumerate(derived.keys) if key in of_subjects]
            found = [Subject.from_bytes(derived.contents[n]) for n in chosen]
            if found:
                raw = np.stack([subject.parts for subject in found if subject is not None])
                writer.write([of_subjects[derived.keys[n]] for n in chosen], projection.prepared(raw))
        os.fsync(target.fileno())
    return {"projection": projection.name, "with_parts": with_parts}


class _Writer:
    """Writes blocks of rows in place: not through a map, whose pages would count as this process's memory."""

    def __init__(self, file: int, start: int, projection: Projection) -> None:
        self._file = file
        self._start = start
        self._projection = projection

    def write(self, places: Sequence[Sequence[int]], values: Mapping[str, NDArray[np.float32]]) -> None:
        """Write the blocks of some pictures.

        Args:
            places: the rows of each picture.
            values: (N, D) float32 a block, as ``Block.project`` takes them.
        """
        projection = self._projection
        for block in projection.blocks:
            if block.name not in values:
                continue
            quantised = block.quantise(block.project(values[block.name]))
            offset = self._start + projection.places[block.name].start
            for row, at in zip(quantised, places, strict=True):
                for place in at:
                    os.pwrite(self._file, row.tobytes(), offset + place * projection.dimension)
