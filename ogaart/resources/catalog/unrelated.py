"""What those who search must know of a collection: what is typical of two pictures, and how near unrelated ones are."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from ogaart.core.arrays import ArrayDamaged
from ogaart.core.sorted_ids import found_in
from ogaart.likeness.signatures import closeness, flat
from ogaart.resources.catalog.serving_files import stored_signatures
from ogaart.resources.catalog.signature_files import open_signatures
from ogaart.resources.index.base import EXACT_BELOW, ScoredPoint, VectorIndex
from ogaart.resources.storage.objects import Cut

_TYPICAL_OF = 400  # points whose cosines show what is typical: 80,000 pairs
SAMPLED = 200  # pictures that are looked at
ENOUGH = 30
LOOKED_THROUGH = 100  # nearest points of each, among which the nearest unrelated one is
QUANTILE = 0.9
LASTING = 0.05
"""Share of a collection's pictures up to which others may come and go before its facts are measured again."""
_MEASURED, _CHANGED = "facts_measured_of", "facts_changed_since"
_FIRST = 8  # of these, whose signatures are looked up at first
_COPIES = 0.9  # closeness of miniatures from which two pictures of different entries count as one: re-uploads

Signatures = Callable[[Sequence[int]], Mapping[int, NDArray[np.uint8]]]
Origin = tuple[object, ...]
"""Of a picture: its entry, its author and its pixels; pictures that have one of these in common are related."""
Origins = Callable[[Sequence[int]], Mapping[int, Origin]]
_UNKNOWN: Origin = (None, None, None)


def index_facts(index: VectorIndex, ids: NDArray[np.int64]) -> dict[str, Any]:
    """What those who search must know of a collection.

    Args:
        index: the collection.
        ids: the ids that it holds, rising; every n-th of them is looked at.

    Returns:
        ``dimension``, and ``typical_cosine``: what half of all pairs of pictures stay below, the same for the same
        points; None of fewer than 30 points.
    """
    sample = ids[:: max(1, len(ids) // _TYPICAL_OF)][:_TYPICAL_OF]
    found = index.retrieve(sample.tolist(), with_vector=True, with_payload=False)
    vectors = [record.vector for record in found if record.vector is not None]
    typical = None
    if len(vectors) >= ENOUGH:
        cosines = np.stack(vectors) @ np.stack(vectors).T
        typical = round(float(np.median(cosines[np.triu_indices(len(vectors), 1)])), 2)
    return {"dimension": index.dimension, "typical_cosine": typical}


def lasting_facts(
    manifest: Mapping[str, Any], held: NDArray[np.int64], unchanged: NDArray[np.int64]
) -> dict[str, Any] | None:
    """The facts of the publication before, where so few pictures came or went since they were measured that they last.

    Args:
        manifest: of the publication before.
        held: the ids that the collection holds, rising.
        unchanged: those of them, rising, that it held then with the same vectors.

    Returns:
        None where they must be measured again.
    """
    facts = {name: manifest.get(name, math.nan) for name in ("dimension", "typical_cosine", "unrelated_cosine")}
    before = manifest.get("counts", {}).get("points_in_collection")
    counts: list[Any] = [manifest.get(_MEASURED), manifest.get(_CHANGED), before]
    # A manifest without a seal may hold anything: what is no count would let the facts last for ever.
    if not all(type(count) is int and count >= 0 for count in counts) or not all(
        fact is None or (isinstance(fact, int | float) and math.isfinite(fact)) for fact in facts.values()
    ):
        return None
    kept = int(np.count_nonzero(found_in(held, unchanged)))
    measured, since, before = counts
    changed = since + (len(held) - kept) + max(0, before - kept)
    return None if changed > LASTING * measured else {**facts, _MEASURED: measured, _CHANGED: changed}


def measured_facts(
    index: VectorIndex, ids: NDArray[np.int64], signatures_of: Signatures, origins_of: Origins
) -> dict[str, Any]:
    """What those who search must know of a collection: ``index_facts`` and ``unrelated_cosine``, and of how many."""
    nearest = unrelated_cosine(index, ids, signatures_of, origins_of)
    return {**index_facts(index, ids), "unrelated_cosine": nearest, _MEASURED: len(ids), _CHANGED: 0}


def unrelated_cosine(
    index: VectorIndex, ids: NDArray[np.int64], signatures_of: Signatures, origins_of: Origins
) -> float | None:
    """The cosine that nine of ten pictures stay below with every picture of other entries by other authors.

    Near copies, which are re-uploads, do not count.

    Args:
        index: the collection.
        ids: the ids that it holds, rising; every n-th of them is looked at.
        signatures_of: the (32, 32, 4) uint8 signatures of images, by id.
        origins_of: entry, author and pixels of images, by id.

    Returns:
        None where fewer than 30 of the pictures have such a neighbour; the same for the same points.
    """
    sample = ids[:: max(1, -(-len(ids) // SAMPLED))].tolist()
    exact = index.count() <= EXACT_BELOW  # once: engines count their points one by one
    found = {
        record.id: _among(ids, index.query(record.vector, limit=LOOKED_THROUGH, exact=exact))
        for record in index.retrieve(sample, with_vector=True, with_payload=False)
        if record.vector is not None
    }
    # Of all together, and by the rows: payloads would be read one by one, with all their words.
    origins = origins_of(sorted({*found, *(point.id for points in found.values() for point in points)}))
    looked = [_Looked(image_id, _unrelated(image_id, points, origins)) for image_id, points in found.items()]
    best = [cosine for cosine in _nearest(looked, signatures_of) if cosine is not None]
    return round(float(np.quantile(best, QUANTILE)), 3) if len(best) >= ENOUGH else None


def _among(ids: NDArray[np.int64], points: Sequence[ScoredPoint]) -> list[ScoredPoint]:
    """The points whose ids (rising) are given: a server may hold others, which are not published or not any more."""
    wanted = np.array([point.id for point in points], np.int64)
    there = ids[np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)] == wanted
    return [point for point, known in zip(points, there.tolist(), strict=True) if known]


@dataclass(frozen=True)
class _Looked:
    """A picture, and those that may be unrelated to it, the nearest first."""

    image_id: int
    points: Sequence[ScoredPoint]


def _unrelated(image_id: int, points: Sequence[ScoredPoint], origins: Mapping[int, Origin]) -> list[ScoredPoint]:
    """The points of other entries, authors and pixels."""
    own = origins.get(image_id, _UNKNOWN)
    return [
        point
        for point in points
        if point.id != image_id
        and not any(one == other for one, other in zip(own, origins.get(point.id, _UNKNOWN), strict=True))
    ]


def _nearest(looked: Sequence[_Looked], signatures_of: Signatures) -> Iterator[float | None]:
    """The score of the nearest point of each that is not a copy.

    Looking up signatures reads the tables of all partitions, so it is done for all pictures together: first those of
    the nearest few, then of pictures whose nearest few are all copies.
    """
    for depth in (_FIRST, LOOKED_THROUGH):
        left = []
        signatures = signatures_of([i for one in looked for i in (one.image_id, *(p.id for p in one.points[:depth]))])
        for one in looked:
            own = signatures.get(one.image_id)
            nearest = next((p for p in one.points[:depth] if not _is_copy(own, signatures.get(p.id))), None)
            if nearest is None and len(one.points) > depth:
                left.append(one)
            else:
                yield nearest.score if nearest is not None else None
        if not left:
            return
        looked = left


def _is_copy(own: NDArray[np.uint8] | None, other: NDArray[np.uint8] | None) -> bool:
    if own is None or other is None or flat(own):
        return False
    return bool(closeness(own, other[None])[0] >= _COPIES)


def origins_of(con: duckdb.DuckDBPyConnection, ids: Sequence[int], *, copied: bool = False) -> dict[int, Origin]:
    """Entry, authors and pixels of some pictures before they are published.

    Args:
        con: connection with ``won_images`` and ``won_entries``.
        ids: of the pictures; those that no row has are left out.
        copied: whether these have affected entries alone, and a copied catalog has all others.
    """
    sources = [("won_images", "won_entries", "true")]
    if copied:
        sources.append(("images", "entries", "slug NOT IN (FROM affected)"))
    rows = con.execute(
        " UNION ALL ".join(
            "SELECT i.image_id, slug, [coalesce(e.author, '')] || coalesce(e.collaborators, []), i.pixel_sha256"  # noqa: S608
            f" FROM {images} AS i JOIN {entries} AS e USING (slug)"
            f" WHERE i.image_id IN (SELECT unnest($ids::BIGINT[])) AND {others}"
            for images, entries, others in sources
        ),
        {"ids": list(ids)},
    ).fetchall()
    return {row[0]: row[1:] for row in rows}


def signatures_of(
    con: duckdb.DuckDBPyConnection, cut: Cut, shared: Path | None, ids: Sequence[int], *, copied: bool = False
) -> dict[int, NDArray[np.uint8]]:
    """The miniatures of some pictures before they are published; those that have none are left out.

    Args:
        con: connection with ``won_images``.
        cut: has the miniatures.
        shared: the folder of a publication; what it has is not looked for in the tables.
        ids: of the pictures.
        copied: whether ``won_images`` has the pictures of affected entries alone, and a copied catalog has all others.
    """
    found: dict[int, NDArray[np.uint8]] = {}
    wanted = np.unique(np.asarray(ids, np.int64))
    if shared is not None:
        with suppress(ArrayDamaged, OSError):
            stored = open_signatures(shared)
            known = wanted[np.isin(wanted, stored.ids)]
            rows = zip(known.tolist(), stored[np.searchsorted(stored.ids, known)], strict=True)
            found = {image_id: row for image_id, row in rows if row.any()}
    left = np.setdiff1d(wanted, np.array(list(found), np.int64), assume_unique=True)
    others = " UNION ALL SELECT image_id, partition FROM images WHERE slug NOT IN (FROM affected)" if copied else ""
    source = f"(SELECT image_id, partition FROM won_images{others})"  # noqa: S608
    for some, signatures in stored_signatures(con, cut, left, source):
        found |= dict(zip(some.tolist(), signatures, strict=True))
    return found
