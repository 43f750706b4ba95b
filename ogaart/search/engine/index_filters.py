"""From the words and filters of a search to the index's filter, and the ids that pass it."""

from collections.abc import Iterable, Sequence

import numpy as np

from ogaart.resources.index.base import VectorIndex
from ogaart.resources.index.filters import Ids, IndexFilter, NotIds, NoWords, Words
from ogaart.search.engine.fulltext import positive_words, unwanted_words
from ogaart.search.filters import Filters


def narrow(
    filters: Filters | None,
    *,
    words: str = "",
    without: Iterable[int] = (),
    within: Iterable[int] | None = None,
) -> IndexFilter:
    """The index's filter for a search.

    Args:
        filters: what hits must be; None: anything.
        words: as people type them: what a hit's text must hold, and after a minus what it must not.
        without: ids that are not hits.
        within: the only ids that may be hits.
    """
    narrowed = IndexFilter()
    if filters is not None:
        for name in filters.active():
            narrowed = narrowed.where(name, filters.condition(name))
    if wanted := positive_words(words):
        narrowed = narrowed.where("words", Words("words", wanted))
    for unwanted in unwanted_words(words):
        narrowed = narrowed.where("words", NoWords("words", unwanted))
    if excluded := frozenset(without):
        narrowed = narrowed.where("without", NotIds(excluded))
    if within is not None:
        narrowed = narrowed.where("within", Ids(frozenset(within)))
    return narrowed


def passing(index: VectorIndex, narrowed: IndexFilter, limit: int, offset: int = 0) -> list[int]:
    """Ids that a filter lets through, in an order that is arbitrary and stays the same."""
    anything = np.ones(index.dimension, np.float32)
    return [point.id for point in index.query(anything, filter=narrowed, limit=limit, offset=offset, exact=False)]


def allowed(index: VectorIndex, narrowed: IndexFilter, ids: Sequence[int]) -> list[int]:
    """Those of the ids that a filter lets through, in their own order; the filter must be within them."""
    anything = np.ones(index.dimension, np.float32)
    left = {point.id for point in index.query(anything, filter=narrowed, limit=len(ids), exact=True)}
    return [image_id for image_id in ids if image_id in left]
