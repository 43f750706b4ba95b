"""Says in the index's words what a search's filters mean."""

from collections.abc import Iterable, Sequence

import numpy as np

from ogaart.resources.index.base import VectorIndex
from ogaart.resources.index.filters import AllOf, AnyOf, Condition, Ids, IndexFilter, Is, NotIds, NoWords, Range, Words
from ogaart.search.engine.fulltext import positive_words, unwanted_words
from ogaart.search.query import Aspect, Filters, Size

_SIZES: dict[Size, Range] = {
    Size.ICON: Range("pixels", at_most=32 * 32),
    Size.SPRITE: Range("pixels", above=32 * 32, at_most=128 * 128),
    Size.MEDIUM: Range("pixels", above=128 * 128, at_most=512 * 512),
    Size.LARGE: Range("pixels", above=512 * 512),
}
_ASPECTS: dict[Aspect, Range] = {
    Aspect.SQUARE: Range("aspect", at_least=0.9, at_most=1.1),
    Aspect.WIDE: Range("aspect", above=1.1),
    Aspect.TALL: Range("aspect", below=0.9),
}


def conditions(filters: Filters, name: str) -> tuple[Condition, ...]:
    """What one active filter demands of a point."""
    value = getattr(filters, name)
    match name:
        case "licences" | "authors" | "art_types" | "colours":
            key = {"authors": "author", "art_types": "art_type", "colours": "colour_names"}.get(name, name)
            return (AnyOf(key, tuple(value)),)
        case "uses":
            # The index holds each set of uses that one licence grants: two wishes must be granted by the same one.
            return (AnyOf("uses", ("+".join(sorted(value)),)),)
        case "tags":
            return (AllOf("tags", tuple(value)),)
        case "size":
            return (_SIZES[value],)
        case "aspect":
            return (_ASPECTS[value],)
        case "min_width" | "min_height":
            return (Range(name.removeprefix("min_"), at_least=value),)
        case "max_width" | "max_height":
            return (Range(name.removeprefix("max_"), at_most=value),)
        case "alpha":
            return (Is("has_alpha", value),)
        case "pixel_art":
            return (Is("pixel_art", value),)
        case "entry":
            return (AnyOf("slug", (value,)),)
    raise AssertionError(f"no condition for filter {name!r}")


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
        without: ids that are no hits.
        within: the only ids that may be hits.
    """
    narrowed = IndexFilter()
    if filters is not None:
        for name in filters.active():
            narrowed = narrowed.where(name, *conditions(filters, name))
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
