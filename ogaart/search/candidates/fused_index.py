"""The fused vectors of one generation: every picture is compared with a query, with any weights and any filter."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import simsimd
from cachetools import LRUCache
from numpy.typing import NDArray

from ogaart.likeness import fusion
from ogaart.likeness.fusion import Weights
from ogaart.likeness.projections import SUBJECT, Projection
from ogaart.resources.catalog.fused_files import FusedRows, has_fused
from ogaart.resources.catalog.generations import PROJECTION
from ogaart.search.candidates.columns import Columns, Mask
from ogaart.search.query import QueryPicture

Matrix = NDArray[np.float32]
Linked = Callable[[int], Collection[int]]
_MORE = 100  # rows that are compared exactly beyond those wanted: int8 moves scores by up to 0.01
_SAMPLED, _ENOUGH = 300, 30  # pictures whose pairs show what is typical
_COMPARED, _NEAR_COPIES, _COPY = 60, 20, 0.9  # pictures compared with all, and what is a copy of one in another entry
_REMEMBERED = 64  # weights
_BLOCK = 2048  # rows that are read at a time
PREVIEWED_FROM = 65_536
"""Rows from which most are passed over by a quarter of their numbers: some 80 MiB of memory for half a million."""
_QUARTER, _SIXTEENTH, _SURVIVORS = 4, 16, 4_096  # of each block's numbers; of the rows, but not fewer than so many


@dataclass(frozen=True)
class FusedHit:
    """A picture found: its score, -1 to 1, and the cosine of each block with the query's."""

    image_id: int
    score: float
    cosines: Mapping[str, float]


def _unlinked(_image_id: int) -> Collection[int]:
    return ()


class FusedIndex:
    """Exact search over all fused vectors; safe to use from many threads.

    Args:
        path: the generation's folder.
        columns: of the generation's images, for filters.
        linked: the images that share exact parts with one; they are not unrelated, by any author.
    """

    def __init__(self, path: Path, columns: Columns, linked: Linked = _unlinked) -> None:
        self.projection = Projection.from_bytes((path / PROJECTION).read_bytes())
        self._rows = FusedRows.open(path, self.projection.dimension)
        self.ids = self._rows.ids
        self._columns = columns.rows(self.ids)
        # Rows as they lie, block after block: the place of each in ``ids``, -1 of what is not published.
        self._places = np.concatenate([np.zeros(0, np.int64), *(places for places, _ in self._rows.blocks)])
        self._place_columns = np.append(self._columns, -1)[self._places]
        self._known = self._place_columns >= 0
        self._preview = _Preview.of(self.projection, [values for _, values in self._rows.blocks])
        self._entries = columns.entry_of
        authors = columns.values["author"]
        of_entries = np.full(len(columns.slugs), -1)
        of_entries[authors.entries[::-1]] = authors.values[::-1]  # the first of several
        self._authors = of_entries[self._entries]
        self._linked = linked
        self._lock = threading.Lock()
        self._typical: LRUCache[Weights, float] = LRUCache(_REMEMBERED)

    @classmethod
    def open(cls, path: Path, columns: Columns, linked: Linked = _unlinked) -> Self | None:
        """The index of a generation; None where it was published without one."""
        return cls(path, columns, linked) if has_fused(path) else None

    @property
    def with_subject(self) -> bool:
        """Whether the model's vector is a block of it; else the model's own cosine has to be added."""
        return SUBJECT in self.projection.places

    def typical(self, weights: Weights) -> float:
        """The median score of pairs of pictures, by every n-th picture; 0 of fewer than 30."""
        with self._lock:
            known = self._typical.get(weights)
        if known is None:
            sampled = np.arange(0, len(self._rows), max(1, len(self._rows) // _SAMPLED))[:_SAMPLED]
            stored = self.projection.restore(self._rows[sampled])
            pairs = np.triu_indices(len(stored), 1)
            cosines = {n: (stored[:, at] @ stored[:, at].T)[pairs] for n, at in self.projection.places.items()}
            enough = len(stored) >= _ENOUGH
            known = float(np.median(fusion.fused_score(cosines, weights))) if enough else 0.0
            with self._lock:
                self._typical[weights] = known
        return known

    @cached_property
    def unrelated(self) -> float | None:
        """The score, by the usual weights, that nine of ten pictures stay below with all that are unrelated.

        Those are of other entries and authors, no near copies, and share no exact part. By every n-th picture, as
        ``catalog.unrelated`` has it of the model's cosine; None of fewer than 30.
        """
        best: list[float] = []
        for row in range(0, len(self.ids), max(1, len(self.ids) // _COMPARED)):
            own = self._columns[row]
            passing = (self._entries != self._entries[own]) & (self._authors != self._authors[own])
            [direction] = self.projection.restore(self._rows[np.array([row])])
            hits = self.nearest(direction, fusion.USUAL, passing, _NEAR_COPIES)
            linked = self._linked(int(self.ids[row]))
            best += [hit.score for hit in hits if hit.score < _COPY and hit.image_id not in linked][:1]
        return float(np.quantile(best, 0.9)) if len(best) >= _ENOUGH else None

    def of_pictures(self, pictures: Sequence[QueryPicture], space: str) -> Matrix:
        """The fused vectors (N, d) of visitors' pictures; those without a vector of ``space`` or parts are left out."""
        usable = [p for p in pictures if p.parts is not None and p.vector is not None and p.space == space]
        if not usable:
            return np.zeros((0, self.projection.dimension), np.float32)
        raw = np.stack([p.parts for p in usable if p.parts is not None])
        vectors = np.stack([p.vector for p in usable if p.vector is not None])
        return self.projection.fuse(vectors if self.with_subject else None, raw)

    def of_images(self, ids: Sequence[int]) -> Matrix:
        """The fused vectors (N, d) of those images that are here, as they are (not without their ground)."""
        wanted = np.asarray(ids, np.int64)
        places = np.minimum(np.searchsorted(self.ids, wanted), max(len(self.ids) - 1, 0))
        rows = places[self.ids[places] == wanted] if len(self.ids) else places[:0]
        return self.projection.restore(self._rows[rows])

    def nearest(self, direction: Matrix, weights: Weights, passing: Mask, limit: int) -> list[FusedHit]:
        """The most similar pictures, best first, equal scores by id; each once, however many rows it has.

        Args:
            direction: (d,) float32, blocks of length 1 or less.
            weights: how much each side counts.
            passing: which images may be hits.
            limit: most hits returned.
        """
        allowed = self._known & passing[self._place_columns]
        many = int(np.count_nonzero(allowed))
        count = min(limit + _MORE, many)
        if not count:
            return []
        # Other colours by themselves: the mean of all blocks may have recolours far down.
        ways = [one for one in (weights.of_blocks(), weights.of_other_colours()) if one]
        queries = _queries(self.projection, direction, ways)
        fewer = max(len(allowed) // _SIXTEENTH, _SURVIVORS, count)
        if many <= fewer:
            compared = np.flatnonzero(allowed)
            scans = _products(queries, self._stored(compared))
        elif self._preview is not None and weights == fusion.USUAL:
            compared = _best_of(self._preview.scan(queries), allowed, fewer)
            scans = _products(queries, self._stored(compared))
        else:
            compared = np.arange(len(allowed))
            scans = np.concatenate([_products(queries, values) for _, values in self._rows.blocks], axis=1)
        best = compared[_best_of(scans, allowed[compared], count)]
        return self._exact(direction, weights, self._places[best], limit)

    def scores(self, direction: Matrix, weights: Weights, ids: Sequence[int]) -> dict[int, FusedHit]:
        """The scores of images that are here, by id."""
        wanted = np.unique(np.asarray(ids, np.int64))
        first, end = (np.searchsorted(self.ids, wanted, side) for side in ("left", "right"))  # with and without ground
        rows = np.concatenate([np.arange(*span) for span in zip(first, end, strict=True)] or [np.zeros(0, np.int64)])
        return {hit.image_id: hit for hit in self._exact(direction, weights, rows, len(rows))}

    def _stored(self, places: NDArray[np.int64]) -> NDArray[np.int8]:
        """Rows by where they lie, rising."""
        found, start = [], 0
        for _, values in self._rows.blocks:
            here = slice(*np.searchsorted(places, [start, start + len(values)]))
            found.append(values[places[here] - start])
            start += len(values)
        return np.concatenate(found)

    def _exact(self, direction: Matrix, weights: Weights, rows: NDArray[np.int64], limit: int) -> list[FusedHit]:
        rows = np.sort(rows)
        stored = self.projection.restore(self._rows[rows])
        cosines = {
            name: np.asarray(stored[:, place] @ direction[place], np.float32)
            for name, place in self.projection.places.items()
        }
        scores = fusion.fused_score(cosines, weights)
        ids = self.ids[rows]
        order = np.lexsort((ids, -scores))
        _, first = np.unique(ids[order], return_index=True)
        order = order[np.sort(first)][:limit]  # the best row of each picture, in the order of the scores
        values = zip(*(cosines[name][order].tolist() for name in cosines), strict=True)
        found = zip(ids[order].tolist(), scores[order].tolist(), values, strict=True)
        return [FusedHit(one, score, dict(zip(cosines, of_blocks, strict=True))) for one, score, of_blocks in found]


@dataclass(frozen=True, eq=False)
class _Preview:
    """The first quarter of each block's numbers, the principal ones, of all rows side by side.

    Of 23,000 made pictures it had, among a sixteenth, 0.9995 of the hundred nearest by the usual weights and all of the
    first 24; of the nearest in colours alone less, so that other weights are compared with all numbers.

    Attributes:
        columns: which numbers.
        values: (N, d / 4) int8.
    """

    columns: NDArray[np.int64]
    values: NDArray[np.int8]

    @classmethod
    def of(cls, projection: Projection, blocks: Sequence[NDArray[np.int8]]) -> Self | None:
        """That of some rows; None where these are few."""
        if sum(len(values) for values in blocks) < PREVIEWED_FROM:
            return None
        places = projection.places.values()
        columns = np.concatenate([np.arange(p.start, p.start + (p.stop - p.start) // _QUARTER) for p in places])
        read = (values[start : start + _BLOCK, columns] for values in blocks for start in range(0, len(values), _BLOCK))
        return cls(columns, np.concatenate(list(read)))

    def scan(self, queries: Matrix) -> Matrix:
        """``_products`` with the numbers that are here."""
        return _products(np.ascontiguousarray(queries[:, self.columns]), self.values)


def _best_of(scans: Matrix, allowed: Mask, count: int) -> NDArray[np.int64]:
    """The rows that are among so many of the highest of any of some scores (W, N), rising."""
    scans[:, ~allowed] = -np.inf
    best = np.zeros(len(allowed), np.bool_)
    for scores in scans:
        best[highest(scores, count)] = True
    return np.flatnonzero(best & allowed)


def scan(
    projection: Projection, rows: NDArray[np.int8], direction: Matrix, ways: Sequence[Mapping[str, float]]
) -> NDArray[np.float32]:
    """The weighted means of the blocks' cosines with every row, as near as int8 is.

    Args:
        projection: of the rows.
        rows: (N, d) int8.
        direction: (d,) float32, blocks of length 1 or less.
        ways: weights of the blocks, for one mean each; of those only that the projection has.

    Returns:
        (W, N) float32.
    """
    return _products(_queries(projection, direction, ways), rows)


def _queries(projection: Projection, direction: Matrix, ways: Sequence[Mapping[str, float]]) -> Matrix:
    """(W, d) float32: what rows of int8 are multiplied with."""
    queries = np.zeros((len(ways), projection.dimension), np.float32)
    for query, weights in zip(queries, ways, strict=True):
        total = sum(weight for name, weight in weights.items() if name in projection.places)
        for name, place in projection.places.items():
            query[place] = direction[place] * np.float32(weights.get(name, 0.0) / max(total, 1e-9))
    queries *= projection.scales / np.float32(127)
    return queries


def _products(queries: Matrix, rows: NDArray[np.int8]) -> Matrix:
    """The products (W, N) of queries (W, d), rounded to int8, with rows (N, d)."""
    steps = np.abs(queries).max(axis=1, keepdims=True, initial=0.0) / 127
    found = np.zeros((len(queries), len(rows)), np.float32)
    if not len(rows):
        return found
    rounded = np.rint(np.divide(queries, steps, out=np.zeros_like(queries), where=steps > 0)).astype(np.int8)
    for start in range(0, len(rows), _BLOCK):  # each is read from memory once, for all means
        products = simsimd.cdist(rounded, rows[start : start + _BLOCK], metric="dot")
        found[:, start : start + _BLOCK] = np.asarray(products, np.float32) * steps
    return found


def highest(scores: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """The rows of so many of the highest scores, rising.

    Most are passed over eight at a time: as many groups have a score of that height as there are rows wanted.
    """
    if len(scores) > 16 * count:
        whole = len(scores) // 8 * 8
        groups = np.maximum.reduceat(scores, np.arange(0, whole, 8)) if whole else scores
        least = np.partition(groups, len(groups) - count)[len(groups) - count]
        rows = np.flatnonzero(scores >= least)
    else:
        rows = np.arange(len(scores))
    if len(rows) > count:
        rows = rows[np.sort(np.argpartition(-scores[rows], count - 1)[:count])]
    return rows
