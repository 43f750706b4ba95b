"""What filters, sorting and counting need of every image, as arrays: conditions become masks over all of them."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from sqlite3 import Row
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ogaart.likeness.colours import COLOUR_NAMES
from ogaart.resources.index.filters import AllOf, AnyOf, Condition, Ids, Is, NoneOf, NotIds, Range
from ogaart.resources.index.payload import payloads
from ogaart.resources.storage.schema import ENTRIES, IMAGES
from ogaart.resources.storage.table_types import Column, Table
from ogaart.sites.licences import uses
from ogaart.words.index_layers import Columns

if TYPE_CHECKING:
    from ogaart.resources.storage.rows import EntryRow, ImageRow

Mask = NDArray[np.bool_]
Counts = tuple[tuple[str, int], ...]
_NAMES = ("ids", "entries", "widths", "heights", "alpha", "pixel_art", "colours", "pixels", "posted", "favourites")
_BATCH = 2_000  # images whose payloads are made at once


@dataclass(frozen=True)
class EntryValues:
    """Which values of one key the entries have: pair ``n`` says that entry ``entries[n]`` has ``names[values[n]]``."""

    names: tuple[str, ...]
    entries: NDArray[np.int64]
    values: NDArray[np.int64]

    @classmethod
    def of(cls, lists: Iterable[Iterable[str]]) -> "EntryValues":
        """From the values of each entry, in the entries' order."""
        numbers: dict[str, int] = {}
        pairs = [
            (entry, numbers.setdefault(name, len(numbers)))
            for entry, names in enumerate(lists)
            for name in dict.fromkeys(names)
        ]
        both = np.array(pairs, np.int64).reshape(-1, 2)
        return cls(tuple(numbers), both[:, 0], both[:, 1])

    @cached_property
    def by_name(self) -> Mapping[str, int]:
        """The number of each value."""
        return {name: number for number, name in enumerate(self.names)}

    @cached_property
    def by_case(self) -> Mapping[str, tuple[str, ...]]:
        """The values by their case-folded form."""
        found: dict[str, list[str]] = {}
        for name in self.names:
            found.setdefault(name.casefold(), []).append(name)
        return {folded: tuple(names) for folded, names in found.items()}

    def spelled(self, value: str) -> tuple[str, ...]:
        """The values that only capitals tell from this one."""
        return self.by_case.get(value.strip().casefold(), ())

    def commonest(self, value: str) -> str:
        """The value itself if an entry has it, else the commonest of those that only capitals tell from it."""
        spelled = self.spelled(value)
        if value in spelled or not spelled:
            return value
        return max(spelled, key=lambda name: np.count_nonzero(self.values == self.by_name[name]))


class ImageColumns:
    """The images of one publication: row by row, entry by entry.

    Args:
        stored: the columns of the index of terms.
        entry_rows: reads the tables ``entries`` and ``images``; their order is that of each file.
    """

    def __init__(self, stored: Columns, entry_rows: Callable[..., list[Row]]) -> None:
        self._stored_rows = entry_rows
        ids, entries, widths, heights, alpha, pixel_art, colours, pixels, posted, favourites = (
            stored[name] for name in _NAMES
        )
        self.ids: NDArray[np.int64] = ids.astype(np.int64)
        self.entry_of: NDArray[np.int64] = entries.astype(np.int64)
        self.pixels: NDArray[np.int64] = pixels.astype(np.int64)
        self.posted: NDArray[np.int64] = posted.astype(np.int64)
        """Seconds since 1970, by entry; 0 where it is unknown."""
        self.favourites: NDArray[np.int64] = favourites.astype(np.int64)
        """By entry."""
        self.area: NDArray[np.int64] = widths.astype(np.int64) * heights
        self.sides: NDArray[np.int64] = np.minimum(widths, heights).astype(np.int64)
        """The smaller one of each image, in pixels."""
        self._colours = colours
        self._numbers: dict[str, NDArray[Any]] = {
            "width": widths,
            "height": heights,
            "pixels": self.area,
            "aspect": np.round(widths / np.maximum(heights, 1), 4),
        }
        self._truths: dict[str, Mask] = {"has_alpha": alpha.astype(bool), "pixel_art": pixel_art.astype(bool)}
        self._others: dict[str, list[Any]] = {}
        self._by_id = np.argsort(self.ids)
        self._sorted_ids = self.ids[self._by_id]
        self._shared: Mask = (np.bincount(self.pixels)[self.pixels] > 1) if len(ids) else np.zeros(0, bool)
        self._by_pixels = np.argsort(self.pixels, kind="stable")
        self.values = _entry_values(entry_rows)
        self.slugs = self.values["slug"].names
        self.starts: NDArray[np.int64] = np.searchsorted(self.entry_of, np.arange(len(self.slugs)))
        """The first row of each entry."""

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, ids: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of images, -1 for those that are not here."""
        wanted = np.asarray(ids, np.int64)
        if not len(self.ids) or not len(wanted):
            return np.full(len(wanted), -1)
        places = np.minimum(np.searchsorted(self._sorted_ids, wanted), len(self.ids) - 1)
        return np.where(self._sorted_ids[places] == wanted, self._by_id[places], -1)

    def with_pixels_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows of the images that have the pixels of some rows, these among them, rising; -1 has none."""
        rows = np.unique(rows[rows >= 0])
        shared = self._shared[rows]
        if not shared.any():
            return rows
        wanted = np.unique(self.pixels[rows[shared]])
        starts, ends = (np.searchsorted(self.pixels, wanted, side, self._by_pixels) for side in ("left", "right"))
        found = [self._by_pixels[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
        return np.sort(np.concatenate([rows[~shared], *found]))

    def nothing(self) -> Mask:
        """A mask without any image."""
        return np.zeros(len(self.ids), bool)

    def of_ids(self, ids: Iterable[int]) -> Mask:
        """A mask of some images."""
        mask = self.nothing()
        rows = self.rows(np.fromiter(ids, np.int64))
        mask[rows[rows >= 0]] = True
        return mask

    def with_colour(self, name: str) -> Mask:
        """A mask of the images with this main colour."""
        return np.asarray((self._colours & (1 << COLOUR_NAMES.index(name))) != 0, bool)

    def mask(self, condition: Condition) -> Mask:
        """The images that a condition of the index lets through.

        Raises:
            TypeError: the condition is on the index's text, which is not here.
        """
        if isinstance(condition, Range):
            return self._within(condition)
        if isinstance(condition, Is):
            if condition.key not in self._truths:
                self._truths[condition.key] = np.array(self._of_payload(condition.key), bool)
            return np.asarray(self._truths[condition.key] == condition.value, bool)
        if isinstance(condition, AnyOf | NoneOf):
            found = self._any_of(condition.key, [str(value) for value in condition.values])
            return ~found if isinstance(condition, NoneOf) else found
        if isinstance(condition, AllOf):
            masks = [self._any_of(condition.key, [str(value)]) for value in condition.values]
            return np.logical_and.reduce(masks) if masks else ~self.nothing()
        if isinstance(condition, Ids):
            return self.of_ids(condition.ids)
        if isinstance(condition, NotIds):
            return ~self.of_ids(condition.ids)
        raise TypeError(f"{type(condition).__name__} is a condition on text")

    def _within(self, condition: Range) -> Mask:
        if condition.key not in self._numbers:
            self._numbers[condition.key] = np.array(self._of_payload(condition.key), np.float64)
        numbers = self._numbers[condition.key]
        mask = ~self.nothing()
        for bound, compare in (
            (condition.at_least, np.greater_equal),
            (condition.at_most, np.less_equal),
            (condition.above, np.greater),
            (condition.below, np.less),
        ):
            if bound is not None:
                mask &= compare(numbers, bound)
        return mask

    def _of_payload(self, key: str) -> list[Any]:
        """Each image's value of a key that has no array of its own, from the stored rows: read once, when needed."""
        if key not in self._others:
            values: list[Any] = [None] * len(self.ids)
            entries = {
                row["slug"]: cast("EntryRow", _as_stored(ENTRIES, row))
                for row in self._stored_rows("SELECT * FROM entries")
            }
            stored = self._stored_rows("SELECT * FROM images")
            places = self.rows([row["image_id"] for row in stored]).tolist()
            indexed = [(place, row) for place, row in zip(places, stored, strict=True) if place >= 0]
            for start in range(0, len(indexed), _BATCH):
                some = indexed[start : start + _BATCH]
                found = payloads(
                    [(cast("ImageRow", _as_stored(IMAGES, row)), entries[row["slug"]], ()) for _, row in some]
                )
                for (place, _), content in zip(some, found, strict=True):
                    values[place] = content[key]
            self._others[key] = values
        return self._others[key]

    def _any_of(self, key: str, names: Sequence[str]) -> Mask:
        if key == "colour_names":
            bits = sum(1 << COLOUR_NAMES.index(name) for name in set(names) if name in COLOUR_NAMES)
            return np.asarray((self._colours & bits) != 0, bool)
        if key not in self.values:
            stored = (value if isinstance(value, list) else [value] for value in self._of_payload(key))
            return np.fromiter((any(str(one) in names for one in some) for some in stored), bool, len(self.ids))
        values = self.values[key]
        wanted = [values.by_name[name] for name in names if name in values.by_name]
        of_entries = np.zeros(len(self.slugs), bool)
        of_entries[values.entries[np.isin(values.values, wanted)]] = True
        return of_entries[self.entry_of]

    # -- counting -----------------------------------------------------------------------------------------------------

    def by_entry(self, mask: Mask) -> NDArray[np.int64]:
        """How many images of each entry a mask holds."""
        return np.bincount(self.entry_of[mask], minlength=len(self.slugs))

    def distinct(self, mask: Mask) -> int:
        """How many different pictures a mask holds: equal pixels count once, as they are shown once."""
        single = int(np.count_nonzero(mask & ~self._shared))
        return single + len(np.unique(self.pixels[mask & self._shared]))

    def counts(self, key: str, mask: Mask) -> Counts:
        """How many different pictures of a mask have each value of a key, the most frequent first."""
        if key == "colour_names":
            found = {name: self.distinct(mask & self.with_colour(name)) for name in COLOUR_NAMES}
        else:
            values = self.values[key]
            totals = self._totals(values, mask)
            found = {values.names[number]: int(totals[number]) for number in np.flatnonzero(totals)}
        return tuple(sorted(((n, c) for n, c in found.items() if n and c), key=lambda one: (-one[1], one[0])))

    def _totals(self, values: EntryValues, mask: Mask) -> NDArray[np.int64]:
        single = self.by_entry(mask & ~self._shared)
        totals = np.bincount(values.values, weights=single[values.entries], minlength=len(values.names))
        shared = np.flatnonzero(mask & self._shared)
        if len(shared):
            # Each pair of a picture and a value counts once, in however many entries the picture is.
            order = np.argsort(values.entries, kind="stable")
            starts = np.searchsorted(values.entries[order], self.entry_of[shared])
            ends = np.searchsorted(values.entries[order], self.entry_of[shared], side="right")
            sizes = ends - starts
            inside = np.repeat(starts - np.concatenate(([0], np.cumsum(sizes)[:-1])), sizes) + np.arange(sizes.sum())
            pairs = np.stack([np.repeat(self.pixels[shared], sizes), values.values[order][inside]])
            totals += np.bincount(np.unique(pairs, axis=1)[1], minlength=len(values.names))
        return totals.astype(np.int64)


def _entry_values(entry_rows: Callable[..., list[Row]]) -> dict[str, EntryValues]:
    present = {row["name"] for row in entry_rows("SELECT name FROM pragma_table_info('entries')")}
    selected = ", ".join(
        name if name in present else f"NULL AS {name}"
        for name in ("slug", "licences", "tags", "author", "collaborators", "art_type")
    )
    entries = entry_rows(f"SELECT {selected} FROM entries WHERE slug IN (SELECT slug FROM images)")  # noqa: S608
    entries.sort(key=lambda row: str(row["slug"]))

    def lists(name: str) -> list[list[str]]:
        return [[str(value) for value in json.loads(row[name] or "[]")] for row in entries]

    licences = lists("licences")
    granted = cache(uses)
    return {
        "slug": EntryValues.of([row["slug"]] for row in entries),
        "licences": EntryValues.of(licences),
        "uses": EntryValues.of(granted(tuple(names)) for names in licences),
        "tags": EntryValues.of(lists("tags")),
        "author": EntryValues.of(
            [row["author"] or "", *others] for row, others in zip(entries, lists("collaborators"), strict=True)
        ),
        "art_type": EntryValues.of([row["art_type"] or ""] for row in entries),
    }


def _as_stored(table: Table, row: Row) -> dict[str, Any]:
    """The served columns of a row of words.sqlite as the stages' table has them; None where it was written before."""
    present = frozenset(row.keys())
    return {c.name: _value(c, row[c.served_name]) if c.served_name in present else None for c in table.served}


def _value(column: Column, value: Any) -> Any:
    if value is None:
        return None
    if pa.types.is_list(column.type):
        return json.loads(value)
    if pa.types.is_timestamp(column.type):
        return datetime.fromisoformat(value)
    return value.hex() if isinstance(value, bytes) else value
