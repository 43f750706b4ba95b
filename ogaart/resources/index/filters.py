"""Conditions of a query, independent of the engine: each implementation of the index translates them."""

from collections.abc import Iterable
from dataclasses import dataclass

from ogaart.resources.index.payload import PAYLOAD_KEYS, Kind

Keyword = str | int


@dataclass(frozen=True)
class AnyOf:
    """The key, or one of its values where it is a list, equals one of ``values``; without values it matches nothing."""

    key: str
    values: tuple[Keyword, ...]


@dataclass(frozen=True)
class AllOf:
    """The key's list holds every one of ``values``."""

    key: str
    values: tuple[Keyword, ...]


@dataclass(frozen=True)
class NoneOf:
    """Neither the key nor any of its values equals one of ``values``; a missing key matches."""

    key: str
    values: tuple[Keyword, ...]


@dataclass(frozen=True)
class Range:
    """The key's number lies between the bounds."""

    key: str
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    below: float | None = None


@dataclass(frozen=True)
class Is:
    """The key is exactly this truth value."""

    key: str
    value: bool


@dataclass(frozen=True)
class Words:
    """The key's text holds every word of ``text``, whole, in any order and case; no word at all matches nothing."""

    key: str
    text: str


@dataclass(frozen=True)
class NoWords:
    """The key's text does not hold every word of ``text``; no word at all matches everything, and so does no key."""

    key: str
    text: str


@dataclass(frozen=True)
class Ids:
    """The point is one of ``ids``."""

    ids: frozenset[int]


@dataclass(frozen=True)
class NotIds:
    """The point is none of ``ids``."""

    ids: frozenset[int]


Condition = AnyOf | AllOf | NoneOf | Range | Is | Words | NoWords | Ids | NotIds
_KINDS: dict[type, tuple[Kind, ...]] = {
    AnyOf: ("keyword", "integer"),
    AllOf: ("keyword", "integer"),
    NoneOf: ("keyword", "integer"),
    Range: ("integer", "float"),
    Is: ("bool",),
    Words: ("text",),
    NoWords: ("text",),
}


@dataclass(frozen=True)
class IndexFilter:
    """Named conditions, all of which must hold.

    A name stands for one control of the search page, so that what it hides can be counted:
    ``index.count(filter.without("licences")) - index.count(filter)``. A name may have several conditions.
    """

    conditions: tuple[tuple[str, Condition], ...] = ()

    def __post_init__(self) -> None:
        for name, condition in self.conditions:
            if isinstance(condition, Ids | NotIds):
                continue
            kind, wanted = PAYLOAD_KEYS.get(condition.key), _KINDS[type(condition)]
            if kind not in wanted:
                raise ValueError(
                    f"filter {name!r}: {type(condition).__name__} on key {condition.key!r} ({kind or 'unknown'}): "
                    f"it takes {' or '.join(sorted(k for k, v in PAYLOAD_KEYS.items() if v in wanted))}"
                )

    def __bool__(self) -> bool:
        return bool(self.conditions)

    @property
    def names(self) -> tuple[str, ...]:
        """The names in use, in the order of their first condition."""
        return tuple(dict.fromkeys(name for name, _ in self.conditions))

    def where(self, name: str, *conditions: Condition) -> "IndexFilter":
        """This filter with more conditions under ``name``."""
        return IndexFilter((*self.conditions, *((name, condition) for condition in conditions)))

    def without(self, *names: str) -> "IndexFilter":
        """This filter without the conditions of ``names``."""
        return IndexFilter(tuple(pair for pair in self.conditions if pair[0] not in names))

    def parts(self) -> Iterable[Condition]:
        """The conditions alone."""
        return (condition for _, condition in self.conditions)
