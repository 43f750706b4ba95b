"""The values that filters can take, and how many pictures of a query each would leave."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ogaart.likeness.colours import COLOUR_NAMES
from ogaart.resources.index.filters import Condition
from ogaart.search.engine.search import Search
from ogaart.search.filters import FILTERS, Filter, Filters
from ogaart.search.parameters import SomeOf, YesNo
from ogaart.search.store.image_columns import Counts, Mask

MOST = 100
"""Tags and authors that are counted, the most frequent ones; of licences and types all."""
_KEYS = {"licences": "licences", "art_types": "art_type", "tags": "tags", "authors": "author"}


@dataclass(frozen=True)
class Facets:
    """Values with how many pictures have each.

    Attributes:
        colours: main colours that a picture here has.
        choices: by filter, for those that have a fixed list of values: how many pictures each value leaves.
    """

    licences: Counts
    art_types: Counts
    tags: Counts
    authors: Counts
    colours: tuple[str, ...]
    choices: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


EMPTY = Facets((), (), (), (), COLOUR_NAMES)


def count_values(search: Search, filters: Filters) -> Facets:
    """Count the values for a query; each filter's with all others in force, so that a count is what it leaves."""
    masks = {field: search.having & search.conditions.without(field).mask(search.columns) for field in filters.active()}
    every = search.passing

    def left(field: str) -> Mask:
        return masks.get(field, every)

    counts = {
        # Of several tags all are required: the others stay in force.
        field: search.columns.counts(key, every if field == "tags" else left(field))[:MOST]
        for field, key in _KEYS.items()
    }
    choices = {
        row.field: {
            one.value: search.columns.distinct(
                left(row.field) & search.columns.mask(_condition(row, filters, one.value))
            )
            for one in row.kind.choices
        }
        for row in FILTERS
        if row.kind.choices
    }
    return Facets(
        **counts,
        colours=tuple(name for name in COLOUR_NAMES if choices["colours"][name] or name in filters["colours"]),
        choices=choices,
    )


def _condition(row: Filter, filters: Filters, value: str) -> Condition:
    """The condition of a filter with one more value."""
    if isinstance(row.kind, YesNo):
        return row.condition(value == "yes")
    if isinstance(row.kind, SomeOf):
        # Uses are required together, colours are alternatives.
        return row.condition(tuple(sorted({*filters[row.field], value})) if row.field == "uses" else (value,))
    return row.condition(value)
