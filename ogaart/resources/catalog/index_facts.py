"""What those who search must know of a collection: its dimension, and how near unrelated pictures are in it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ogaart.resources.index.base import VectorIndex

_SAMPLED = 400  # points whose cosines show what is typical: 80,000 pairs
_ENOUGH = 30


def index_facts(index: VectorIndex, ids: NDArray[np.int64]) -> dict[str, Any]:
    """What those who search must know of a collection.

    Args:
        index: the collection.
        ids: the ids that it holds, rising; every n-th of them is looked at.

    Returns:
        ``dimension``, and ``typical_cosine``: what half of all pairs of pictures stay below, the same for the same
        points; None of fewer than 30 points.
    """
    sample = ids[:: max(1, len(ids) // _SAMPLED)][:_SAMPLED]
    found = index.retrieve(sample.tolist(), with_vector=True, with_payload=False)
    vectors = [record.vector for record in found if record.vector is not None]
    typical = None
    if len(vectors) >= _ENOUGH:
        cosines = np.stack(vectors) @ np.stack(vectors).T
        typical = round(float(np.median(cosines[np.triu_indices(len(vectors), 1)])), 2)
    return {"dimension": index.dimension, "typical_cosine": typical}
