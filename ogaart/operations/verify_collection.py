"""The working collection, for ``ogaart verify``: its points, compared with rows and stored vectors, and its files."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from ogaart.core.process_limits import raise_if_lacking
from ogaart.core.stages import Stage
from ogaart.operations.damage import Damage, one
from ogaart.resources.catalog.generations import Generation, GenerationMissing, Generations
from ogaart.resources.index.base import IndexBroken
from ogaart.resources.index.deferred_deletions import DeferredDeletions
from ogaart.resources.index.factory import open_index
from ogaart.resources.platform import Stores
from ogaart.resources.storage.schema import EMBEDDINGS
from ogaart.resources.storage.vectors import Vectors

_BATCH = 256
_ALIKE = 0.999
"""Least cosine of a point's vector and the stored one; quantization and half precision cost less than 1e-6."""


def damaged_collection(
    stores: Stores,
    con: duckdb.DuckDBPyConnection,
    vectors: Vectors,
    dimension: int,
    checked: Counter[str],
    *,
    quick: bool,
) -> Iterator[Damage]:
    """The working collection holds what is published, with the stored vectors, and nothing without a row.

    Args:
        stores: the data root's stores.
        con: has the tables ``points`` and ``images``.
        vectors: of the collection's space.
        dimension: of that space.
        checked: counts what was looked at.
        quick: compare ids only; vectors and files are not read.
    """
    stage = Stage.QDRANT_COLLECTION.value
    ledger = con.execute(
        "SELECT image_id, partition, pixel_sha256 FROM points JOIN images USING (image_id, partition)"
        " WHERE space = $space",
        {"space": vectors.space},
    ).fetchall()
    shard = stores.root.index / vectors.space / "shard"
    everywhere = frozenset((stage, partition) for partition in stores.tables.partitions(EMBEDDINGS))
    rotten = [] if quick else list(_rotten(stores))
    for space, path, problem in rotten:
        redo = everywhere if space == vectors.space else frozenset()
        yield Damage("collection", str(path), problem, redo, discard=space)
    if not ledger or vectors.space in {space for space, _, _ in rotten}:
        return
    try:
        index = open_index(stores.settings, shard, vectors.space, dimension, read_only=True)
    except IndexBroken as cause:
        yield Damage("collection", str(shard), str(cause), everywhere)
        return
    with closing(index):
        held = set(index.ids())
        checked["points"] += len(held)
        wrong = dict.fromkeys(_published(stores, vectors.space) - held, "the point is missing")
        if not quick:
            known = vectors.keys()
            pixels = {number: key for number, _, key in ledger if number in held and key in known}
            for start in range(0, len(pixels), _BATCH):
                numbers = list(pixels)[start : start + _BATCH]
                stored = vectors.get([pixels[number] for number in numbers])
                points = index.retrieve(numbers, with_vector=True, with_payload=False)
                for record, vector in zip(points, stored, strict=True):
                    if record.vector is None or _cosine(record.vector, vector) < _ALIKE:
                        wrong[record.id] = "the point's vector is not the stored one"
    of = {number: partition for number, partition, _ in ledger}
    for number, problem in sorted(wrong.items()):
        partition = of.get(number)
        redo = one(stage, partition) if partition else everywhere
        remove = stores.tables.stage_files(stage, partition)[:1] if partition else ()
        yield Damage("collection", str(number), problem, redo, remove)
    extra = tuple(sorted(held - of.keys() - _left_out(stores, vectors.space)))
    if extra:
        yield Damage("collection", str(extra[0]), f"{len(extra)} points have no row", points=extra)


def _rotten(stores: Stores) -> Iterator[tuple[str, Path, str]]:
    """Files of the collections in this process that are not as they were written, each with its vector space."""
    if stores.settings.qdrant_url is not None:
        return
    from ogaart.resources.index.edge import EdgeIndex

    for shard in sorted(stores.root.index.glob("*/shard")):
        space = shard.parent.name
        yield from ((space, path, problem) for path, problem in EdgeIndex.damaged(shard, space))


def _left_out(stores: Stores, space: str) -> set[int]:
    """Points on a server that the next publication deletes: those that the newest generation leaves out."""
    newest = Generations(stores.root.generations).all()[-1:]
    return set(DeferredDeletions(stores.root.index / space).of(newest[0].number)) if newest else set()


def _published(stores: Stores, space: str) -> set[int]:
    """The points that the collection must have: those in service, without what a newer generation has left out.

    A run that was killed before the switch has deleted these, and the next one goes on from there.
    """
    current = _current(stores)
    if current is None or current.manifest.get("space") != space:
        return set()
    newer = [found for found in Generations(stores.root.generations).all() if found.number > current.number]
    same_space = [current, *(found for found in newer if found.manifest.get("space") == space)]
    found = []
    for generation in same_space:
        try:
            found.append(_indexed(generation))
        except duckdb.Error as cause:
            raise_if_lacking(cause, generation.catalog)
            return set()  # the check of the publication reports the cause
    return set.intersection(*found)


def _indexed(generation: Generation) -> set[int]:
    with duckdb.connect(str(generation.catalog), read_only=True) as con:
        return {number for (number,) in con.execute("SELECT image_id FROM images WHERE indexed").fetchall()}


def _current(stores: Stores) -> Generation | None:
    try:
        return Generations(stores.root.generations).current()
    except GenerationMissing:
        return None


def _cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
