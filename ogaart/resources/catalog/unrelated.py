"""How near the nearest pictures are that have nothing to do with each other: what is called similar must be nearer."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness.signatures import closeness, flat
from ogaart.resources.index.base import VectorIndex

SAMPLED = 200  # pictures that are looked at
ENOUGH = 30
LOOKED_THROUGH = 100  # nearest points of each, among which the nearest unrelated one is
QUANTILE = 0.9
_COPIES = 0.9  # closeness of miniatures from which two pictures of different entries count as one: re-uploads

Signatures = Callable[[Sequence[int]], Mapping[int, NDArray[np.uint8]]]


def unrelated_cosine(index: VectorIndex, ids: NDArray[np.int64], signatures_of: Signatures) -> float | None:
    """The cosine that nine of ten pictures stay below with every picture of other entries by other authors.

    Near copies, which are re-uploads, do not count.

    Args:
        index: the collection.
        ids: the ids that it holds, rising; every n-th of them is looked at.
        signatures_of: the (32, 32, 4) uint8 signatures of images, by id.

    Returns:
        None where fewer than 30 of the pictures have such a neighbour; the same for the same points.
    """
    sample = ids[:: max(1, -(-len(ids) // SAMPLED))].tolist()
    best = [
        cosine
        for record in index.retrieve(sample, with_vector=True, with_payload=True)
        if record.vector is not None
        and (cosine := _nearest_unrelated(index, record.id, record.vector, record.payload or {}, signatures_of))
        is not None
    ]
    return round(float(np.quantile(best, QUANTILE)), 3) if len(best) >= ENOUGH else None


def _nearest_unrelated(
    index: VectorIndex,
    image_id: int,
    vector: NDArray[np.float32],
    payload: Mapping[str, object],
    signatures_of: Signatures,
) -> float | None:
    points = [point for point in index.query(vector, limit=LOOKED_THROUGH) if point.id != image_id]
    others = {record.id: record.payload or {} for record in index.retrieve([point.id for point in points])}
    signatures = signatures_of([image_id, *others])
    own = signatures.get(image_id)
    for point in points:
        other = others.get(point.id, {})
        if any(other.get(name) == payload.get(name) for name in ("slug", "author", "pixel_sha256")):
            continue
        theirs = signatures.get(point.id)
        if own is not None and theirs is not None and not flat(own) and closeness(own, theirs[None])[0] >= _COPIES:
            continue
        return point.score
    return None
