"""Making the collection hold exactly what the catalog publishes: the one place that decides which points are deleted.

Steps only upsert. Here, over one frozen cut, points that belong to no row are deleted, payloads that disagree with
the rows are replaced, and points that should be there and are not are named.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ogaart.core.sorted_ids import found_in, without
from ogaart.resources.index.base import Point, VectorIndex
from ogaart.resources.index.payload import are_same, payload_hash
from ogaart.resources.storage.vectors import Vectors

NOT_TOLD = ""
"""The hash of no payload; see ``index/unproven_points.py``."""
_BATCH = 256
"""Points in one request to the collection; also the number of 4096-wide vectors held at once."""


@dataclass(frozen=True)
class Eligible:
    """What the collection must hold for one image.

    Attributes:
        image_id: the image, and the point's id.
        pixel_sha256: key of its vector.
        payload: the point's payload.
        ledger: hashes of the payloads that steps have recorded as stored; several where several partitions did, and
            ``NOT_TOLD`` among them where they prove nothing.
    """

    image_id: int
    pixel_sha256: str
    payload: Mapping[str, Any]
    ledger: frozenset[str]

    @cached_property
    def payload_hash(self) -> str:
        """The hash of its payload."""
        return payload_hash(self.payload)

    def is_told(self) -> bool:
        """Whether the rows of the ledger promise this very payload, and no other."""
        return self.ledger - {NOT_TOLD} == {self.payload_hash}

    def is_proven(self) -> bool:
        """Whether they prove that the point has it: two that differ prove nothing.

        The later writer's payload is there, and which that was is not recorded.
        """
        return self.ledger == {self.payload_hash}


@dataclass(frozen=True)
class Counts:
    """How many points each part of a reconciliation touched."""

    deleted: int
    payload_updated: int
    missing: int
    pending: int


@dataclass(frozen=True)
class Reconciled:
    """What was done, as arrays of ids (int64, rising).

    Attributes:
        deleted: points that belonged to nothing eligible, and are deleted, or are left to the caller to delete.
        payload_updated: points whose payload disagreed with the rows, and was set.
        missing: eligible images that the ledger has in the collection, and that are not there.
        pending: eligible images that no step has sent to the collection yet; they come with a later publication.
    """

    deleted: NDArray[np.int64]
    payload_updated: NDArray[np.int64]
    missing: NDArray[np.int64]
    pending: NDArray[np.int64]

    def summary(self) -> Counts:
        """The sizes of all parts."""
        return Counts(len(self.deleted), len(self.payload_updated), len(self.missing), len(self.pending))


def reconcile(
    index: VectorIndex,
    eligible: Iterable[Eligible],
    held: NDArray[np.int64],
    unchanged: NDArray[np.int64] | None = None,
    *,
    delete: bool = True,
    note: Callable[[Sequence[int]], None] = lambda _: None,
) -> Reconciled:
    """Bring a collection in line with the rows; the caller holds its lock, and flushes it afterwards.

    Args:
        index: the collection, open for writing.
        eligible: what it must hold, in any order; read once, in batches.
        held: ids it held at the moment of the cut (sorted). A point that a step added since is left alone.
        unchanged: ids besides (sorted) whose points it must hold, with the payloads that they have.
        delete: delete points that belong to nothing eligible; otherwise only name them.
        note: called with points whose payload is about to be set to one that the ledger does not tell.
    """
    known_right = np.empty(0, np.int64) if unchanged is None else unchanged
    stays = found_in(held, known_right)
    updated: list[int] = []
    missing: list[int] = without(known_right, held).tolist()
    pending: list[int] = []
    for batch in _batches(eligible):
        ids = np.array([row.image_id for row in batch], np.int64)
        there = np.zeros(len(ids), np.bool_)
        if len(held):
            places = np.minimum(np.searchsorted(held, ids), len(held) - 1)
            there = held[places] == ids
            stays[places[there]] = True
        changed = _without_right(
            index, [row for row, known in zip(batch, there, strict=True) if known and not row.is_proven()]
        )
        if changed:
            _note_untold(changed, note)
            index.set_payload({row.image_id: dict(row.payload) for row in changed})
            updated.extend(row.image_id for row in changed)
        for row, known in zip(batch, there, strict=True):
            if not known:
                (missing if row.ledger else pending).append(row.image_id)
    deleted = held[~stays]
    for start in range(0, len(deleted) if delete else 0, _BATCH):
        index.delete([int(i) for i in deleted[start : start + _BATCH]])
    return Reconciled(deleted, _sorted(updated), _sorted(missing), _sorted(pending))


def repair(
    index: VectorIndex,
    eligible: Iterable[Eligible],
    wanted: NDArray[np.int64],
    vectors: Vectors,
    note: Callable[[Sequence[int]], None] = lambda _: None,
) -> int:
    """Upsert points again from the vector store: those that a ledger promises and the collection has lost.

    Args:
        index: the collection, open for writing.
        eligible: what it must hold.
        wanted: ids to upsert (sorted), such as ``Reconciled.missing``.
        vectors: the vector store of the collection's space.
        note: as of ``reconcile``.

    Returns:
        How many were upserted; those without a stored vector are left out.
    """
    chosen = set(wanted.tolist())
    done = 0
    for batch in _batches(row for row in eligible if row.image_id in chosen):
        places = vectors.locate([row.pixel_sha256 for row in batch])
        rows = [row for row in batch if row.pixel_sha256 in places]
        if rows:
            matrix = vectors.get([row.pixel_sha256 for row in rows])
            _note_untold(rows, note)
            index.upsert([Point(r.image_id, v, dict(r.payload)) for r, v in zip(rows, matrix, strict=True)])
            done += len(rows)
    return done


def doubt(eligible: Iterable[Eligible]) -> Iterator[Eligible]:
    """The same, as if the ledger proved nothing of what it tells."""
    for row in eligible:
        yield replace(row, ledger=row.ledger | {NOT_TOLD}) if row.ledger else row


def _without_right(index: VectorIndex, rows: Sequence[Eligible]) -> list[Eligible]:
    """Without those that have their payload: where the ledger tells it and does not prove it, points are looked at."""
    told = {row.image_id: row for row in rows if row.is_told()}
    points = index.retrieve(list(told))
    right = {point.id for point in points if are_same(point.payload, told[point.id].payload)}
    return [row for row in rows if row.image_id not in right]


def _note_untold(rows: Sequence[Eligible], note: Callable[[Sequence[int]], None]) -> None:
    untold = [row.image_id for row in rows if not row.is_told()]
    if untold:
        note(untold)


def _batches(rows: Iterable[Eligible]) -> Iterator[Sequence[Eligible]]:
    source = iter(rows)
    while batch := list(islice(source, _BATCH)):
        yield batch


def _sorted(ids: list[int]) -> NDArray[np.int64]:
    return np.sort(np.array(ids, np.int64))
