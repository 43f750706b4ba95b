"""The filters of a search, one row each: the URL, the API, the index's conditions and the page are made from it.

docs/extending.md says how to add one.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ogaart.likeness.colours import COLOUR_NAMES
from ogaart.resources.index.filters import AllOf, AnyOf, Condition, Is, Range
from ogaart.search.parameters import Choice, OneOf, Parameter, SomeOf, Text, Texts, Whole, YesNo
from ogaart.sites.licences import use_key


@dataclass(frozen=True)
class Filter(Parameter):
    """One filter; ``field`` is its name in ``Filters``, in templates and in the API's ``hidden``.

    Attributes:
        label: what the page calls it.
        condition: from its value to the condition on the index's payload.
    """

    label: str
    condition: Callable[[Any], Condition]


def _any_of(key: str) -> Callable[[tuple[str, ...]], Condition]:
    return lambda values: AnyOf(key, values)


def _at_least(key: str) -> Callable[[int], Condition]:
    return lambda value: Range(key, at_least=value)


def _at_most(key: str) -> Callable[[int], Condition]:
    return lambda value: Range(key, at_most=value)


def _is(key: str) -> Callable[[bool], Condition]:
    return lambda value: Is(key, value)


_USES = (
    Choice("sell", "sell it in a game"),
    Choice("no-credit", "use it without credit"),
    Choice("no-share-alike", "keep my changes closed", "no share-alike"),
    Choice("drm", "ship it to locked stores", "DRM, consoles, app stores"),
)
# Sizes as game artists name them, by area.
_SIZES: Mapping[Choice, Range] = {
    Choice("icon", "icon", "to 32 × 32"): Range("pixels", at_most=32 * 32),
    Choice("sprite", "sprite", "to 128 × 128"): Range("pixels", above=32 * 32, at_most=128 * 128),
    Choice("medium", "medium", "to 512 × 512"): Range("pixels", above=128 * 128, at_most=512 * 512),
    Choice("large", "large"): Range("pixels", above=512 * 512),
}
# Shapes, by width divided by height.
_ASPECTS: Mapping[Choice, Range] = {
    Choice("square", "square"): Range("aspect", at_least=0.9, at_most=1.1),
    Choice("wide", "wide"): Range("aspect", above=1.1),
    Choice("tall", "tall"): Range("aspect", below=0.9),
}


_OTHER_NAMES = {"grey": ("gray",), "purple": ("violet",), "turquoise": ("cyan", "teal")}
_COLOURS = tuple(Choice(name, name, aliases=_OTHER_NAMES.get(name, ())) for name in COLOUR_NAMES)


def _ranges(table: Mapping[Choice, Range]) -> Callable[[str], Condition]:
    by_value = {choice.value: condition for choice, condition in table.items()}
    return lambda value: by_value[value]


FILTERS: tuple[Filter, ...] = (
    Filter("licence", "licences", "Licence by name, any of several; without a version: all its versions.",
           "CC-BY 4.0", Texts(), "licence", _any_of("licences"), aliases=("license",)),
    # The index holds each set of uses that one licence permits: several must be permitted by the same one.
    Filter("use", "uses", "What one licence must permit; all of several.", "sell", SomeOf(_USES),
           "what the licence lets you do", lambda uses: AnyOf("uses", (use_key(uses),))),
    Filter("type", "art_types", "Art type; any of several.", "2D Art", Texts(), "art type", _any_of("art_type")),
    Filter("author", "authors", "Author, as shown; any of several.", "Kenney", Texts(), "author", _any_of("author")),
    Filter("tag", "tags", "Tags, also comma-separated; all of them.", "space", Texts(separator=","), "tag",
           lambda tags: AllOf("tags", tags)),
    Filter("size", "size", "Size by area: up to 32², 128², 512² pixels, or more.", "icon", OneOf(tuple(_SIZES)),
           "size", _ranges(_SIZES)),
    Filter("aspect", "aspect", "Shape.", "square", OneOf(tuple(_ASPECTS)), "shape", _ranges(_ASPECTS)),
    Filter("min_width", "min_width", "Smallest width in pixels.", "16", Whole(), "smallest width", _at_least("width")),
    Filter("max_width", "max_width", "Largest width in pixels.", "512", Whole(), "largest width", _at_most("width")),
    Filter("min_height", "min_height", "Smallest height in pixels.", "16", Whole(), "smallest height",
           _at_least("height")),
    Filter("max_height", "max_height", "Largest height in pixels.", "512", Whole(), "largest height",
           _at_most("height")),
    Filter("alpha", "alpha", "Whether any pixel is transparent.", "yes",
           YesNo(choices=(Choice("yes", "transparent"), Choice("no", "filled"))), "background", _is("has_alpha")),
    Filter("pixel_art", "pixel_art", "Whether it is pixel art: few colours, small.", "yes",
           YesNo(choices=(Choice("yes", "pixel art"), Choice("no", "not pixel art"))), "style", _is("pixel_art")),
    Filter("colour", "colours", "Main colour; any of several.", "blue",
           SomeOf(_COLOURS), "main colour", _any_of("colour_names"), aliases=("color",)),
    Filter("entry", "entry", "One entry, by its name in its URL.", "robot-animated", Text(default=None), "entry",
           lambda slug: AnyOf("slug", (slug,))),
)  # fmt: skip
"""Every filter, in the order of the API page."""

BY_FIELD: Mapping[str, Filter] = {row.field: row for row in FILTERS}


class Filters(Mapping[str, Any]):
    """The filters of one search, immutable: a value for each row of ``FILTERS``, its kind's default where unset.

    Args:
        values: by ``Filter.field``.

    Raises:
        TypeError: the filter does not exist.
    """

    def __init__(self, **values: Any) -> None:
        if unknown := values.keys() - BY_FIELD.keys():
            raise TypeError(f"unknown filters {', '.join(sorted(unknown))}")
        self._values = {
            field: values[field]
            for field, row in BY_FIELD.items()
            if field in values and values[field] != row.kind.default
        }

    def __getitem__(self, field: str) -> Any:
        return self._values.get(field, BY_FIELD[field].kind.default)

    def __iter__(self) -> Iterator[str]:
        return iter(BY_FIELD)

    def __len__(self) -> int:
        return len(BY_FIELD)

    def __hash__(self) -> int:
        return hash(tuple(self._values.items()))

    def __repr__(self) -> str:
        return f"Filters({', '.join(f'{field}={value!r}' for field, value in self._values.items())})"

    def active(self) -> tuple[str, ...]:
        """Fields of the filters that are set, in order."""
        return tuple(self._values)

    def with_changes(self, **changes: Any) -> "Filters":
        """The same filters with some changed."""
        return Filters(**{**self._values, **changes})

    def without(self, field: str) -> "Filters":
        """The same filters with one unset."""
        return Filters(**{name: value for name, value in self._values.items() if name != field})

    def condition(self, field: str) -> Condition:
        """The index's condition for one active filter."""
        return BY_FIELD[field].condition(self._values[field])
