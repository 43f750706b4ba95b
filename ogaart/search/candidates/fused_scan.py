"""Comparing a query with all fused vectors of a publication, as near as int8 is: which rows are worth an exact look."""

from collections.abc import Mapping, Sequence

import numkong
import numpy as np
from numpy.typing import NDArray

from ogaart.likeness.fusion import Weights
from ogaart.likeness.projections import Projection

Matrix = NDArray[np.float32]
FEW, _SHARE = 2_048, 32
"""So many rows, or one of so many, are read one by one: of more than that it takes longer than to read all in turn."""
_BLOCK = 16_384  # rows that are read at a time: after each, other threads may have the interpreter
_ROW_BY_ROW = 4
"""Means up to which rows are compared one by one, which reads memory in its order; more share what is read of a row."""


class Scores:
    """What the directions of one query with some weights score, of all rows (D, W, N), once that has been computed."""

    def __init__(self) -> None:
        self.rows: Matrix | None = None


class FusedScan:
    """The rows of a publication, block after block; safe to use from many threads.

    Args:
        projection: of the rows.
        blocks: (N, d) int8 each.
        few: rows that are read one by one where filters leave no more.
    """

    def __init__(self, projection: Projection, blocks: Sequence[NDArray[np.int8]], *, few: int = FEW) -> None:
        self._projection = projection
        self._blocks = blocks
        self._few = few

    def best(
        self, directions: Matrix, weights: Weights, allowed: NDArray[np.bool_], count: int, scores: Scores | None = None
    ) -> list[NDArray[np.int64]]:
        """The rows that are among so many of the nearest in everything, or but for colours; rising.

        Args:
            directions: (D, d) float32, blocks of length 1 or less; all are compared while a row is read once.
            weights: how much each side counts.
            allowed: (N,) which rows may be found.
            count: at most as many as are allowed.
            scores: of the same directions and weights, for further calls; updated.

        Returns:
            Those of each direction.
        """
        # Other colours by themselves: the mean of all blocks may have recolours far down.
        ways = [one for one in (weights.of_blocks(), weights.of_other_colours()) if one]
        queries, shape = _queries(self._projection, directions, ways), (len(directions), len(ways), -1)
        scores = scores or Scores()
        if scores.rows is None and np.count_nonzero(allowed) <= max(len(allowed) // _SHARE, self._few, count):
            compared = np.flatnonzero(allowed)
            scans = _products(queries, self.stored(compared)).reshape(shape)
            return [compared[_best_of(one, np.ones(len(compared), np.bool_), count)] for one in scans]
        if scores.rows is None:
            found = np.concatenate([_products(queries, values) for values in self._blocks], axis=1)
            scores.rows = found.reshape(shape)
        return [_best_of(one, allowed, count) for one in scores.rows]

    def stored(self, rows: NDArray[np.int64]) -> NDArray[np.int8]:
        """Some rows, which rise: (N, d) int8."""
        found, start = [], 0
        for values in self._blocks:
            here = slice(*np.searchsorted(rows, [start, start + len(values)]))
            found.append(values[rows[here] - start])
            start += len(values)
        return np.concatenate(found)


def _best_of(scans: Matrix, allowed: NDArray[np.bool_], count: int) -> NDArray[np.int64]:
    """The rows that are among so many of the highest of any of some scores (W, N), rising."""
    best = np.zeros(len(allowed), np.bool_)
    for scores in scans:
        best[highest(np.where(allowed, scores, np.float32(-np.inf)), count)] = True
    return np.flatnonzero(best & allowed)


def scan(
    projection: Projection, rows: NDArray[np.int8], directions: Matrix, ways: Sequence[Mapping[str, float]]
) -> NDArray[np.float32]:
    """The weighted means of the blocks' cosines with every row, as near as int8 is.

    Args:
        projection: of the rows.
        rows: (N, d) int8.
        directions: (D, d) float32, blocks of length 1 or less.
        ways: weights of the blocks, for one mean each; of those only that the projection has.

    Returns:
        (D, W, N) float32.
    """
    return _products(_queries(projection, directions, ways), rows).reshape(len(directions), len(ways), len(rows))


def _queries(projection: Projection, directions: Matrix, ways: Sequence[Mapping[str, float]]) -> Matrix:
    """(D x W, d) float32: what rows of int8 are multiplied with."""
    queries = np.zeros((len(directions), len(ways), projection.dimension), np.float32)
    for nth, weights in enumerate(ways):
        total = sum(weight for name, weight in weights.items() if name in projection.places)
        for name, place in projection.places.items():
            queries[:, nth, place] = directions[:, place] * np.float32(weights.get(name, 0.0) / max(total, 1e-9))
    queries *= projection.steps
    return queries.reshape(-1, projection.dimension)


def _products(queries: Matrix, rows: NDArray[np.int8]) -> Matrix:
    """The products (W, N) of queries (W, d), rounded to int8, with rows (N, d)."""
    steps = np.abs(queries).max(axis=1, keepdims=True, initial=0.0) / 127
    found = np.zeros((len(queries), len(rows)), np.float32)
    if not len(rows):
        return found
    rounded = np.rint(np.divide(queries, steps, out=np.zeros_like(queries), where=steps > 0)).astype(np.int8)
    packed = numkong.dots_pack(rounded) if len(rounded) > _ROW_BY_ROW else None
    for start in range(0, len(rows), _BLOCK):  # each is read from memory once, for all means
        block = rows[start : start + _BLOCK]
        # Whole numbers below 2 ** 24: float32 holds them as they are.
        products = (
            numkong.cdist(block, rounded, "dot", out_dtype="float32")
            if packed is None
            else numkong.dots_packed(block, packed)
        )
        np.multiply(np.asarray(products).T, steps, out=found[:, start : start + _BLOCK])
    return found


def highest(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """The rows of so many of the highest scores, rising.

    Most are passed over eight at a time: as many groups have a score of that height as there are rows wanted. A group
    is of rows far apart, so that a processor takes many groups at once.
    """
    if len(scores) > 16 * count:
        whole = len(scores) // 8 * 8
        groups = scores[:whole].reshape(8, -1).max(axis=0) if whole else scores
        least = np.partition(groups, len(groups) - count)[len(groups) - count]
        rows = np.flatnonzero(scores >= least)
    else:
        rows = np.arange(len(scores))
    if len(rows) > count:
        rows = rows[np.sort(np.argpartition(-scores[rows], count - 1)[:count])]
    return rows
