"""From the filters of a search to conditions: values are found however they are capitalised, or named as unknown."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from ogaart.resources.index.filters import AnyOf, Condition, Ids, IndexFilter, NoneOf, NotIds
from ogaart.search.filters import Filters
from ogaart.search.parameters import nearest, unknown_value
from ogaart.search.results import UnknownValue
from ogaart.search.store.image_columns import ImageColumns, Mask
from ogaart.sites.licences import LICENCES, versions_of

_KEYS = {"authors": "author", "tags": "tags", "entry": "slug"}
"""Filters whose values are the catalog's own, and where they are."""


@dataclass(frozen=True)
class Conditions:
    """The conditions of the active filters of a search, by field, and those of their values that nothing has."""

    by_field: Mapping[str, tuple[Condition, ...]]
    unknown: tuple[UnknownValue, ...] = ()

    def without(self, field: str) -> "Conditions":
        """The same without one filter."""
        return Conditions({name: some for name, some in self.by_field.items() if name != field})

    def mask(self, columns: ImageColumns) -> Mask:
        """The images that pass all of them."""
        mask = ~columns.nothing()
        for some in self.by_field.values():
            for condition in some:
                mask &= columns.mask(condition)
        return mask


NO_CONDITIONS = Conditions({})
"""Of a search without filters."""


def resolve(
    filters: Filters, columns: ImageColumns, art_types: Iterable[str] = (), blocked: Collection[int] = ()
) -> Conditions:
    """The conditions of a search's filters in one publication.

    Args:
        filters: as a visitor set them.
        columns: what the publication's images have.
        art_types: types that the site has, whether or not a picture here is of one.
        blocked: images that are not shown; what only they have is not named either.

    Raises:
        InvalidParameter: a licence or an art type does not exist; the message names the nearest ones.
    """
    found: dict[str, tuple[Condition, ...]] = {}
    unknown: list[UnknownValue] = []
    for field in filters.active():
        value = filters[field]
        if field == "licences":
            known = tuple(dict.fromkeys([*(one.name for one in LICENCES), *columns.values["licences"].names]))
            names = [name for one in value for name in _licences(one, known)]
            found[field] = (AnyOf("licences", tuple(dict.fromkeys(names))),)
        elif field == "art_types":
            found[field] = (AnyOf("art_type", tuple(_types(value, columns, art_types))),)
        elif field in _KEYS:
            values = (value,) if isinstance(value, str) else value
            spelled = [columns.values[_KEYS[field]].spelled(one) for one in values]
            unknown += [
                UnknownValue(field, one, nearest_values(field, one, columns, blocked))
                for one, names in zip(values, spelled, strict=True)
                if not names
            ]
            key = _KEYS[field]
            if field == "tags":
                found[field] = tuple(AnyOf(key, names) for names in spelled)
            else:
                found[field] = (AnyOf(key, tuple(name for names in spelled for name in names)),)
        else:
            found[field] = (filters.condition(field),)
    return Conditions(found, tuple(unknown))


def nearest_values(field: str, value: str, columns: ImageColumns, blocked: Collection[int] = ()) -> tuple[str, ...]:
    """The values of authors, tags or entries that one may mean, the nearest first; none that only blocked images have.

    Args:
        field: the filter, as ``Filter.field``.
        value: what nothing has.
        columns: what the publication's images have.
        blocked: images that are not shown.
    """
    shown = columns.counts(_KEYS[field], ~columns.of_ids(blocked))
    return tuple(nearest(value, [name for name, _ in shown]))


def narrow(
    conditions: Conditions | None,
    *,
    without: Iterable[int] = (),
    within: Iterable[int] | None = None,
    without_entries: Iterable[str] = (),
) -> IndexFilter:
    """The index's filter for a search.

    Args:
        conditions: what hits must be; None: anything.
        without: ids that are not hits.
        within: the only ids that may be hits.
        without_entries: entries whose images are not hits.
    """
    narrowed = IndexFilter()
    if conditions is not None:
        for name, some in conditions.by_field.items():
            narrowed = narrowed.where(name, *some)
    if excluded := frozenset(without):
        narrowed = narrowed.where("without", NotIds(excluded))
    if entries := tuple(without_entries):
        narrowed = narrowed.where("without entries", NoneOf("slug", entries))
    if within is not None:
        narrowed = narrowed.where("within", Ids(frozenset(within)))
    return narrowed


def _licences(value: str, known: tuple[str, ...]) -> list[str]:
    """All versions that a name means; one where it has a version."""
    names = versions_of(value, known)
    if not names:
        raise unknown_value("licence", value, known)
    return names


def _types(values: Iterable[str], columns: ImageColumns, art_types: Iterable[str]) -> list[str]:
    """The art types, as entries write them."""
    held = columns.values["art_type"]
    known = tuple(dict.fromkeys(name for name in (*held.names, *art_types) if name))
    found: list[str] = []
    for value in values:
        names = [name for name in known if name.casefold() == value.casefold()]
        if not names:
            raise unknown_value("type", value, known)
        found.extend(names)
    return found
