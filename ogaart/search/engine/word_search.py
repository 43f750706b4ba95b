"""Searches with words and filters alone: which images, in which order, and what to say where there are none."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ogaart.search.engine.ranking import Ranked
from ogaart.search.engine.search import RERANKED, Search
from ogaart.search.query import Sort
from ogaart.search.results import Results

FIRST_SORTED = 2_000
"""Best images that are sorted first; nearly always enough, where sorting all of a hundred thousand takes long."""
POPULAR_TAGS = 12


class WordSearch(Search):
    """One query without pictures over one open generation."""

    def results(self) -> Results:
        """Answer words, filters, or both."""
        for rows in self._ordered():
            for start in range(0, len(rows), RERANKED):
                ids = self.columns.ids[rows[start : start + RERANKED]].tolist()
                self._take([Ranked(image_id, None, None) for image_id in ids])
                if len(self.folder.folds) >= self.wanted:
                    break
            if len(self.folder.folds) >= self.wanted:
                break
        notes = (self.matches.note,) if self.matches is not None and self.matches.note else ()
        results = self._page(notes=notes, total=self.columns.distinct(self.passing))
        return self._explained(results)

    def _explained(self, results: Results) -> Results:
        """With what the filters hide and, where nothing is found, what could be searched for instead."""
        hides = self.conditions.by_field and (self.matches is not None or (not results.total and not self._lone_filter))
        if hides:
            results = replace(results, hidden=self.hidden(self.having), looked_at=self.columns.distinct(self.having))
        if self.matches is not None:
            results = replace(results, did_you_mean=self.matches.corrected)
        if not results.total:
            near = self.matches.near if self.matches is not None else ()
            tags = self.columns.counts("tags", ~self.columns.of_ids(self.blocked))[:POPULAR_TAGS]
            results = replace(results, nearest_words=near, popular_tags=tags)
        return replace(results, unknown=self.conditions.unknown)

    @property
    def _lone_filter(self) -> bool:
        return len(self.conditions.by_field) < 2

    def _ordered(self) -> Iterator[NDArray[np.int64]]:
        """Rows of the images found, the first ones first: the best few, then the rest; of each entry one if grouped."""
        keys = self._keys()
        rows = np.flatnonzero(self.passing)
        if self.query.group and len(rows):
            rows = self._best_of_entries(rows, keys)
        if len(rows) <= FIRST_SORTED:
            yield rows[np.lexsort((rows, keys[rows]))]
            return
        # Ties by row, so that the border between the two parts is always the same.
        limit = np.partition(keys[rows], FIRST_SORTED)[FIRST_SORTED]
        first, rest = rows[keys[rows] < limit], rows[keys[rows] >= limit]
        yield first[np.lexsort((first, keys[first]))]
        yield rest[np.lexsort((rest, keys[rest]))]

    def _best_of_entries(self, rows: NDArray[np.int64], keys: NDArray[np.float64]) -> NDArray[np.int64]:
        """The first row of each entry in the order of the keys; rows rise, so those of an entry are neighbours."""
        entries = self.columns.entry_of[rows]
        starts = np.flatnonzero(np.concatenate(([True], entries[1:] != entries[:-1])))
        best = np.minimum.reduceat(keys[rows], starts)
        sizes = np.diff(np.append(starts, len(rows)))
        hits = np.flatnonzero(keys[rows] == np.repeat(best, sizes))
        _, first = np.unique(entries[hits], return_index=True)
        return rows[hits[first]]

    def _keys(self) -> NDArray[np.float64]:
        """What images are sorted by, the smallest first; equal ones stay in the order of their entries and names."""
        columns, sort = self.columns, self.query.sort
        if sort is Sort.NEWEST:
            return -columns.posted.astype(np.float64)[columns.entry_of]
        if sort is Sort.FAVOURITES or (sort is Sort.RELEVANCE and not self._ranked_by_words):
            return -columns.favourites.astype(np.float64)[columns.entry_of]
        if sort in (Sort.LARGEST, Sort.SMALLEST):
            return np.asarray(columns.area * (-1 if sort is Sort.LARGEST else 1), np.float64)
        assert self.matches is not None
        return -self.matches.scores.astype(np.float64)

    @property
    def _ranked_by_words(self) -> bool:
        return self.matches is not None and bool(self.matches.scores.any())
