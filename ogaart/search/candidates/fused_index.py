"""The fused vectors of one generation: every picture is compared with a query, with any weights and any filter."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from ogaart.likeness import fusion
from ogaart.likeness.fusion import Weights
from ogaart.likeness.projections import SUBJECT, Projection
from ogaart.resources.catalog.fused_files import FusedRows, has_fused
from ogaart.resources.catalog.generations import PROJECTION
from ogaart.search.candidates.columns import Columns, Mask
from ogaart.search.candidates.fused_scan import FusedScan, Scores
from ogaart.search.query import QueryPicture

Matrix = NDArray[np.float32]
Linked = Callable[[int], Collection[int]]
_MORE = 100  # rows that are compared exactly beyond those wanted: int8 moves scores by up to 0.01
_SAMPLED, _ENOUGH = 300, 30  # pictures whose pairs show what is typical
_COMPARED, _NEAR_COPIES, _COPY = 60, 20, 0.9  # pictures compared with all, and what is a copy of one in another entry
_REMEMBERED = 64  # weights


class FusedHit(NamedTuple):
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
        self.projection = Projection.read(path / PROJECTION)
        self._rows = FusedRows.open(path, self.projection.dimension)
        self.ids = self._rows.ids
        self._columns = columns.rows(self.ids)
        # Rows as they lie, block after block: the place of each in ``ids``, -1 of what is not published.
        self._places = np.concatenate([np.zeros(0, np.int64), *(places for places, _ in self._rows.blocks)])
        self._place_columns = np.append(self._columns, -1)[self._places]
        self._known = self._place_columns >= 0
        self._scan = FusedScan(self.projection, [values for _, values in self._rows.blocks])
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
            [hits] = self.nearest(direction[None], fusion.USUAL, passing, _NEAR_COPIES)
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

    def nearest(
        self, directions: Matrix, weights: Weights, passing: Mask, limit: int, scores: Scores | None = None
    ) -> list[list[FusedHit]]:
        """The most similar pictures, best first, equal scores by id; each once, however many rows it has.

        Args:
            directions: (D, d) float32, blocks of length 1 or less.
            weights: how much each side counts.
            passing: which images may be hits.
            limit: most hits returned of each direction.
            scores: of the same directions and weights, for further calls; updated.

        Returns:
            Those of each direction.
        """
        allowed = self._known & passing[self._place_columns]
        count = min(limit + _MORE, int(np.count_nonzero(allowed)))
        if not count:
            return [[] for _ in directions]
        best = self._scan.best(directions, weights, allowed, count, scores)
        return [
            self._exact(direction, weights, self._scan.stored(rows), self.ids[self._places[rows]], limit)
            for direction, rows in zip(directions, best, strict=True)
        ]

    def scores(self, direction: Matrix, weights: Weights, ids: Sequence[int]) -> dict[int, FusedHit]:
        """The scores of images that are here, by id."""
        wanted = np.unique(np.asarray(ids, np.int64))
        first, end = (np.searchsorted(self.ids, wanted, side) for side in ("left", "right"))  # with and without ground
        rows = np.concatenate([np.arange(*span) for span in zip(first, end, strict=True)] or [np.zeros(0, np.int64)])
        found = self._exact(direction, weights, self._rows[rows], self.ids[rows], len(rows))
        return {hit.image_id: hit for hit in found}

    def _exact(
        self,
        direction: Matrix,
        weights: Weights,
        rows: NDArray[np.int8],
        ids: NDArray[np.int64],
        limit: int,
    ) -> list[FusedHit]:
        """The best of some rows (N, d), each that of one of the ``ids``; of several of one picture the best."""
        stored = self.projection.restore(rows)
        cosines = {
            name: np.asarray(stored[:, place] @ direction[place], np.float32)
            for name, place in self.projection.places.items()
        }
        scores = fusion.fused_score(cosines, weights)
        order = np.lexsort((ids, -scores))
        _, first = np.unique(ids[order], return_index=True)
        order = order[np.sort(first)][:limit]  # the best row of each picture, in the order of the scores
        values = zip(*(cosines[name][order].tolist() for name in cosines), strict=True)
        found = zip(ids[order].tolist(), scores[order].tolist(), values, strict=True)
        return [FusedHit(one, score, dict(zip(cosines, of_blocks, strict=True))) for one, score, of_blocks in found]
