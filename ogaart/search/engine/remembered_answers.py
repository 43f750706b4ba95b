"""Ranked answers of one publication that were given lately: the next page, other formats and repeats rank nothing."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cachetools import LRUCache

from ogaart.likeness.fusion import Weights
from ogaart.resources.index.base import ScoredPoint
from ogaart.resources.index.filters import IndexFilter
from ogaart.search.candidates.fused_index import FusedHit
from ogaart.search.engine.collapsing import CollapsedHits
from ogaart.search.engine.ranking import Ranked
from ogaart.search.query import SearchQuery
from ogaart.search.results import HiddenCount

MOST_POINTS = 32_768
"""Ranked points of all answers that are kept: some 25 MiB; a first page has a hundred."""


@dataclass(frozen=True)
class NearestPoints:
    """The index's answer for a visitor's picture, in one generation."""

    generation: int
    narrowed: IndexFilter
    words: str
    weights: Weights
    points: list[ScoredPoint]
    found: Mapping[int, FusedHit]


@dataclass(frozen=True)
class RankedAnswer:
    """What a search has ranked before it reads a page of hits; never changed.

    Attributes:
        folds: the hits and what is collapsed under them.
        ranked: every point that was ranked, by image.
        found: what fused vectors found, by image.
        hidden: how many of the nearest each filter hides.
        looked_at: how many of the nearest those regard.
        sizes: number of hits after each round of the search.
        complete: whether there is no further round, however many hits are wanted.
    """

    folds: Sequence[CollapsedHits]
    ranked: Mapping[int, Ranked]
    found: Mapping[int, FusedHit]
    hidden: tuple[HiddenCount, ...]
    looked_at: int
    sizes: tuple[int, ...]
    complete: bool

    def ends_with(self, wanted: int) -> bool:
        """Whether a search for so many hits ends with just these rounds: later ones collapse more under first hits."""
        enough = self.complete or self.sizes[-1] >= wanted
        return enough and all(size < wanted for size in self.sizes[:-1])


class RememberedAnswers:
    """The answers that were used last; safe to use from many threads.

    Args:
        most_points: how many ranked points they have together.
    """

    def __init__(self, most_points: int = MOST_POINTS) -> None:
        self._lock = threading.Lock()
        self._answers: LRUCache[object, tuple[RankedAnswer, ...]] = LRUCache(most_points, _points)

    def known(self, query: SearchQuery, blocked: frozenset[int], wanted: int) -> RankedAnswer | None:
        """The answer to a query, whichever page of it, if so many hits are known to be all that it needs."""
        key = _whole(query), blocked
        with self._lock:
            answers = self._answers.get(key, ())
        return next((answer for answer in answers if answer.ends_with(wanted)), None)

    def keep(self, query: SearchQuery, blocked: frozenset[int], answer: RankedAnswer) -> None:
        """Keep an answer, beside those of the same query with fewer or more rounds where all fit."""
        key = _whole(query), blocked
        with self._lock:
            others = [one for one in self._answers.get(key, ()) if len(one.sizes) != len(answer.sizes)]
            kept = next(
                (some for some in ((*others, answer), (answer,)) if _points(some) <= self._answers.maxsize), None
            )
            if kept is not None:  # else there are more points than are ever kept
                self._answers[key] = kept


def _points(answers: tuple[RankedAnswer, ...]) -> int:
    return sum(1 + max(len(answer.ranked), len(answer.found)) for answer in answers)


def _whole(query: SearchQuery) -> SearchQuery:
    """The query without its page."""
    return replace(query, limit=1, offset=0)
