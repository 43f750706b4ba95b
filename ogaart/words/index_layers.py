"""The index of terms of a publication from that of a base and that of what differs, each with numbers of its own.

Entries are numbered in the order of their slugs and rows entry by entry, so what a number of either file is in the
publication follows from the slugs of both. Numbers of what is not published any more become ``GONE``, the last place of
an array that is one longer.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from sqlite3 import Row
from typing import Any

import numpy as np
from numpy.typing import NDArray

Rows = Callable[..., list[Row]]
"""Runs one statement of SQL with its values."""
Numbers = NDArray[np.int64]
Columns = Mapping[str, NDArray[Any]]

GONE = -1
SLUGS = "SELECT slug FROM main.entries WHERE slug IN (SELECT slug FROM main.images) ORDER BY slug"
"""The entries of one file in the order of their numbers."""
OF_ENTRIES = ("posted", "favourites")
"""Columns of entries; the others are of rows."""
BASE_PIXELS = "base_pixels"
"""The column of a file of differences that has the number of the same pixels in the base; -1: these have none."""


@dataclass(frozen=True)
class IndexLayer:
    """The index of one file.

    Attributes:
        rows: reads its tables.
        entries: the number in the publication of each of its entries, ``GONE`` for some; None: its own.
        images: the same of its rows.
    """

    rows: Rows
    entries: Numbers | None = None
    images: Numbers | None = None

    def of_entries(self, stored: bytes) -> Numbers:
        """Numbers of entries as the file stores them, as those of the publication."""
        return _placed(self.entries, stored)

    def of_images(self, stored: bytes) -> Numbers:
        """Numbers of rows as the file stores them, as those of the publication."""
        return _placed(self.images, stored)


@dataclass(frozen=True)
class WordLayers:
    """The index of a publication.

    Attributes:
        columns: what filters and sorting need of each image, as ``IndexColumns`` names it.
        layers: its files: one, or the base and what differs.
    """

    columns: Columns
    layers: Sequence[IndexLayer]

    @classmethod
    def of(cls, *layers: Rows) -> "WordLayers":
        """Of one file, or of a base and what differs from it."""
        stored = [_columns(rows) for rows in layers]
        if len(layers) == 1:
            return cls(stored[0], [IndexLayer(layers[0])])
        replaced = {slug for (slug,) in layers[-1]("SELECT slug FROM replaced_entries")}
        slugs = [[slug for (slug,) in rows(SLUGS)] for rows in layers]
        kept = [slug for slug in slugs[0] if slug not in replaced]
        number = {slug: n for n, slug in enumerate(sorted([*kept, *slugs[1]]))}
        maps = (
            np.array([GONE if slug in replaced else number[slug] for slug in slugs[0]], np.int64),
            np.array([number[slug] for slug in slugs[1]], np.int64),
        )
        there, added = stored[1].pop(BASE_PIXELS), stored[1]["pixels"].astype(np.int64)
        pixels = [stored[0]["pixels"], np.where(there >= 0, there, added + len(stored[0]["ids"]))]
        columns, images = merge_columns(stored, maps, len(number))
        rows, both = np.concatenate(images), np.concatenate(pixels)
        placed = np.empty(len(columns["ids"]), np.int64)
        placed[rows[rows >= 0]] = both[rows >= 0]
        columns["pixels"] = _in_order(placed).astype(stored[0]["pixels"].dtype)
        made = (IndexLayer(*one) for one in zip(layers, maps, images, strict=True))
        return cls({name: columns[name] for name in stored[0]}, list(made))


def merge_columns(
    parts: Sequence[Columns], maps: Sequence[Numbers], entries: int
) -> tuple[dict[str, NDArray[Any]], list[Numbers]]:
    """The columns of several indexes as one, but ``pixels``.

    Args:
        parts: the columns of each.
        maps: the new number of each entry of each, -1 for those that are left out.
        entries: how many there are then.

    Returns:
        The columns, of the types of the last part's; and the new row of each row of each part, -1 where there is none.
    """
    types = parts[-1]
    numbers = np.concatenate([m[c["entries"].astype(np.int64)] for m, c in zip(maps, parts, strict=True)])
    there = np.flatnonzero(numbers >= 0)
    order = there[np.argsort(numbers[there], kind="stable")]
    rows = np.full(len(numbers), GONE, np.int64)
    rows[order] = np.arange(len(order))
    columns = {
        name: np.concatenate([part[name] for part in parts])[order].astype(types[name].dtype)
        for name in types
        if name not in {"entries", "pixels", *OF_ENTRIES}
    }
    columns["entries"] = numbers[order].astype(types["entries"].dtype)
    for name in OF_ENTRIES:
        columns[name] = np.zeros(entries, types[name].dtype)
        for places, part in zip(maps, parts, strict=True):
            columns[name][places[places >= 0]] = part[name][places >= 0]
    return columns, np.split(rows, np.cumsum([len(part["ids"]) for part in parts])[:-1])


def _columns(rows: Rows) -> dict[str, NDArray[Any]]:
    found = rows("SELECT name, type, data FROM image_columns")
    return {name: np.frombuffer(data, kind) for name, kind, data in found}


def _placed(places: Numbers | None, stored: bytes) -> Numbers:
    numbers = np.frombuffer(stored, "<u4")
    return numbers if places is None else places[numbers]


def _in_order(numbers: Numbers) -> Numbers:
    """Other numbers for the same classes: in the order in which each is first met."""
    _, first, classes = np.unique(numbers, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.asarray(rank[classes], np.int64)
