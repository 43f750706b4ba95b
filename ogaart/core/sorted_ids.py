"""Arrays of ids that rise: what of one is in another. Each id is looked up, and nothing is sorted again."""

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]


def found_in(ids: Ids, others: Ids) -> NDArray[np.bool_]:
    """Which of some ids are among others.

    Args:
        ids: (N,) in any order.
        others: (M,) rising.

    Returns:
        (N,) bool.
    """
    if not len(others):
        return np.zeros(len(ids), np.bool_)
    at = np.searchsorted(others, ids)
    at[at == len(others)] = 0  # which is too small
    return np.asarray(others[at] == ids)


def without(ids: Ids, others: Ids) -> Ids:
    """Those of some ids that are not among others, which rise, in their order."""
    return ids[~found_in(ids, others)] if len(others) else ids


def common(ids: Ids, others: Ids) -> Ids:
    """Those of some ids that are among others, which rise, in their order."""
    return ids[found_in(ids, others)]
