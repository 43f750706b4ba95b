"""What a texture atlas states: the picture it belongs to, and the named regions of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_BYTES = 2 << 20
"""Of an atlas; longer texts are not read."""

MAX_REGIONS = 4096
"""Of one atlas; the rest is left out."""

MAX_OF_FILE = 1 << 18
"""Regions of all atlases of one text, or of all texts of one archive; the rest is left out."""

MAX_NAME = 200
"""Characters kept of a region's name."""

_MAX_SIDE = 1 << 16


@dataclass(frozen=True)
class Region:
    """A part of a picture, in pixels.

    Attributes:
        name: as the atlas states it.
        x: of its left edge.
        y: of its upper edge; of its lower edge above the picture's lower one where the atlas counts from below.
        width: as it lies in the picture.
        height: as it lies in the picture.
    """

    name: str
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Atlas:
    """The regions of one picture.

    Attributes:
        format: which kind of atlas states them.
        picture: path or name of the picture as stated; empty: the picture has the atlas's own name.
        regions: in the atlas's order, each with a positive size.
        from_below: whether ``y`` counts upwards from the picture's lower edge.
    """

    format: str
    picture: str
    regions: tuple[Region, ...]
    from_below: bool = False


class InvalidAtlas(ValueError):
    """The text is an atlas of a known kind with invalid values."""


def region(
    name: object, x: object, y: object, width: object, height: object, *, rotated: bool = False
) -> Region | None:
    """A region from stated values; one that is stored rotated by 90 degrees states its upright size.

    Returns:
        None of an empty region, as frames of an animation may be, and of one outside any picture.

    Raises:
        InvalidAtlas: a value is not a number.
    """
    left, top, wide, high = (whole_number(value) for value in (x, y, width, height))
    if rotated:
        wide, high = high, wide
    if not (0 <= left < _MAX_SIDE and 0 <= top < _MAX_SIDE and 0 < wide <= _MAX_SIDE and 0 < high <= _MAX_SIDE):
        return None
    return Region(_text(name, MAX_NAME), left, top, wide, high)


def whole_number(value: object) -> int:
    """A stated number, without its fraction; an atlas may write it as text.

    Raises:
        InvalidAtlas: it is not a number, or is not finite.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidAtlas(f"{type(value).__name__} in place of a number")
    try:
        return int(float(value))
    except (ValueError, OverflowError) as cause:
        raise InvalidAtlas(f"in place of a number: {cause}") from cause


def _text(value: object, most: int) -> str:
    """A stated name as far as it is kept; empty of what is none. Halves of a surrogate pair are no text."""
    if not isinstance(value, str | int | float):
        return ""
    return str(value)[:most].encode("utf-8", "replace").decode()


def atlas(kind: str, picture: object, regions: Iterable[Region | None], *, from_below: bool = False) -> Iterator[Atlas]:
    """The atlas of these regions; none where there are none."""
    kept = []
    for one in regions:
        if one is None:
            continue
        kept.append(one)
        if len(kept) == MAX_REGIONS:
            break
    if kept:
        yield Atlas(kind, _text(picture or "", 1024), tuple(kept), from_below)


@dataclass(frozen=True)
class TileGrid:
    """How a tile set lies in its picture.

    Attributes:
        tile: width and height of a tile.
        margin: pixels around all of them.
        spacing: pixels between two of them.
    """

    tile: tuple[int, int]
    margin: int = 0
    spacing: int = 0

    def in_picture(self, width: int, height: int) -> Iterator[Region | None]:
        """The tiles of a picture of a size, row by row, named by their numbers from 0.

        Raises:
            InvalidAtlas: a size is not positive.
        """
        self._check(width, height)
        across, down = self._columns(width, self.tile[0]), self._columns(height, self.tile[1])
        yield from self.counted(across, across * down)

    def counted(self, columns: int, count: int) -> Iterator[Region | None]:
        """So many tiles in so many columns, ``MAX_REGIONS`` at most, row by row, named by their numbers from 0.

        Raises:
            InvalidAtlas: a size is not positive.
        """
        self._check()
        for number in range(min(count, MAX_REGIONS) if columns > 0 else 0):
            row, column = divmod(number, columns)
            yield self._at(str(number), column, row)

    def anywhere(self) -> Iterator[Region | None]:
        """The tiles of a picture whose size is not stated, named ``column:row``: those outside it are left out later.

        Raises:
            InvalidAtlas: a size is not positive.
        """
        self._check()
        side = math.isqrt(MAX_REGIONS)
        for row in range(side):
            for column in range(side):
                yield self._at(f"{column}:{row}", column, row)

    def _at(self, name: str, column: int, row: int) -> Region | None:
        width, height = self.tile
        left, top = self.margin + column * (width + self.spacing), self.margin + row * (height + self.spacing)
        return region(name, left, top, width, height)

    def _columns(self, width: int, tile: int) -> int:
        return max(0, (width - self.margin - tile) // (tile + self.spacing) + 1)

    def _check(self, *sides: int) -> None:
        if min(*self.tile, *sides) <= 0 or min(self.margin, self.spacing) < 0:
            raise InvalidAtlas(f"tiles of {self.tile[0]} x {self.tile[1]} in {sides}")


def tiles(grid: TileGrid, size: tuple[int, int] | None, columns: int, count: int) -> Iterator[Region | None]:
    """The regions of a tile set, by what is stated of it: its picture's size, else the number of its tiles.

    Args:
        grid: how the tiles lie.
        size: width and height of the picture; None: not stated.
        columns: tiles in a row; 0: not stated.
        count: tiles in all; 0: not stated.

    Raises:
        InvalidAtlas: a size is not positive.
    """
    if size is not None:
        return grid.in_picture(*size)
    return grid.counted(columns, count) if columns > 0 and count > 0 else grid.anywhere()
