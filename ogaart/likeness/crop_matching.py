"""How well a query fits into a part of other pictures, by their miniatures: finds what a crop was cut from.

Windows of several sizes and places are cut from each candidate's signature, looked through coarsely at 4 x 4, and the
best few compared at full size. Pure.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from ogaart.likeness.signatures import SIDE, nearness

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Shares of a side, and in how many places each is tried: 19 windows a side, 361 together. Measured on random crops of
# 40 to 80 % a side: more windows find their source no more often.
_WINDOWS = ((0.45, 7), (0.6, 7), (0.8, 4), (1.0, 1))
_COARSE = 4
_FINE = 6  # windows of each candidate compared at full size: fewer of finer ones find no more sources, and take longer


def fit(query: NDArray[np.uint8], candidates: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Compare a query with the parts of candidates.

    Args:
        query: (32, 32, 4) uint8 signature.
        candidates: (N, 32, 32, 4) uint8 signatures; some 20: each takes a third of a millisecond.

    Returns:
        (N,) float32 in 0..1: how near the query is to each one's best part.
    """
    count = len(candidates)
    if count == 0:
        return np.zeros(0, np.float32)
    coarse, fine = _cuts(_COARSE), _cuts(SIDE)
    windows = len(coarse)
    pixels = candidates.astype(np.float32)
    rows = np.einsum("wij,njkc->nwikc", coarse, pixels, optimize=True)
    parts = np.einsum("vlk,nwikc->nwvilc", coarse, rows, optimize=True)
    parts = parts.reshape(count * windows * windows, _COARSE, _COARSE, 4)
    small = np.einsum("ij,jkc,lk->ilc", _shrink(), query.astype(np.float32), _shrink(), optimize=True)
    near = nearness(small, parts).reshape(count, windows * windows)
    best = np.argsort(-near, axis=1, kind="stable")[:, :_FINE]
    of = np.repeat(np.arange(count), _FINE)
    down, across = (best // windows).ravel(), (best % windows).ravel()
    cut = np.einsum("mij,mjkc,mlk->milc", fine[down], pixels[of], fine[across], optimize=True)
    return np.asarray(nearness(query, cut).reshape(count, _FINE).max(axis=1), np.float32)


@cache
def _shrink() -> NDArray[np.float32]:
    return _cut(0.0, 1.0, _COARSE)


@cache
def _cuts(out: int) -> NDArray[np.float32]:
    """(W, out, 32): each window of one side as a matrix that cuts it out and resizes it."""
    return np.stack(
        [_cut(float(start), share, out) for share, places in _WINDOWS for start in np.linspace(0, 1 - share, places)]
    )


def _cut(start: float, share: float, out: int) -> NDArray[np.float32]:
    """(out, 32): the means of ``out`` equal steps through a part of 32 pixels, each step a pixel wide at least."""
    edges = (start + share * np.arange(out + 1) / out) * SIDE
    middle, half = (edges[:-1] + edges[1:]) / 2, np.maximum(np.diff(edges), 1.0) / 2
    left, right = np.maximum(middle - half, 0), np.minimum(middle + half, SIDE)
    pixel = np.arange(SIDE)
    covered = np.minimum(right[:, None], pixel + 1) - np.maximum(left[:, None], pixel)
    weights = np.clip(covered, 0, None)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
