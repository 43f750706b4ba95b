"""Names of colours, from a fixed vocabulary of twelve, for filters that people click."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Palette = Sequence[tuple[int, float]]

COLOUR_NAMES = (
    "black", "white", "grey", "red", "orange", "yellow", "green", "turquoise", "blue", "purple", "pink", "brown",
)  # fmt: skip
MIN_SHARE = 0.08
"""Smaller shares of a picture do not name it."""

_SAME_COLOUR = 48.0  # of 442: an icon made smaller and saved as JPEG keeps its main colours so far
_HUES = (
    (14, "red"),
    (43, "orange"),
    (68, "yellow"),
    (160, "green"),
    (198, "turquoise"),
    (255, "blue"),
    (293, "purple"),
    (342, "pink"),
    (361, "red"),
)
"""The end of each range of hues, in degrees."""
_NUMBERS = {name: number for number, name in enumerate(COLOUR_NAMES)}


def name_numbers(colours: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """Name colours.

    Args:
        colours: (N,) as 0xRRGGBB.

    Returns:
        (N,) places in ``COLOUR_NAMES``.
    """
    channels = [(colours >> shift & 255) / 255 for shift in (16, 8, 0)]
    hue, saturation, value = _hsv(*channels)
    degrees = hue * 360
    ends, names = zip(*_HUES, strict=True)
    found = np.array([_NUMBERS[name] for name in names])[np.searchsorted(np.array(ends), degrees, side="right")]
    red = found == _NUMBERS["red"]
    warm = red | (found == _NUMBERS["orange"])
    brown = warm & (value < 0.75) & (degrees < 50) & ~(red & (saturation > 0.7))
    found[red & (saturation < 0.55) & (value > 0.75)] = _NUMBERS["pink"]
    found[brown] = _NUMBERS["brown"]
    dull = saturation * value < 0.12
    found[dull] = np.where(value[dull] > 0.88, _NUMBERS["white"], _NUMBERS["grey"])
    found[value < 0.16] = _NUMBERS["black"]
    return found


def _hsv(red: Floats, green: Floats, blue: Floats) -> tuple[Floats, Floats, Floats]:
    """Hue, saturation and value, each (N,) from 0 to 1, of channels from 0 to 1; as ``colorsys`` has them."""
    value = np.maximum(np.maximum(red, green), blue)
    spread = value - np.minimum(np.minimum(red, green), blue)
    coloured = np.where(spread > 0, spread, 1.0)
    to_red, to_green, to_blue = (value - red) / coloured, (value - green) / coloured, (value - blue) / coloured
    turned = np.where(
        red == value, to_blue - to_green, np.where(green == value, 2.0 + to_red - to_blue, 4.0 + to_green - to_red)
    )
    hue = np.where(spread > 0, turned / 6.0 % 1.0, 0.0)
    return hue, spread / np.where(value > 0, value, 1.0), value


def main_colours(
    palettes: NDArray[np.integer[Any]], shares: NDArray[np.floating[Any]], sizes: NDArray[np.integer[Any]]
) -> NDArray[np.int64]:
    """Name pictures by their main colours.

    Args:
        palettes: (M,) colours as 0xRRGGBB, those of the first picture first.
        shares: (M,) their shares of the visible pixels.
        sizes: (N,) how many of them are of each picture.

    Returns:
        (N, 12) places in ``COLOUR_NAMES``: of the names that together have at least ``MIN_SHARE`` of a picture, the
        largest share first, and -1 after them. One at least for each palette that is not empty.
    """
    count, names = len(sizes), len(COLOUR_NAMES)
    cells = np.repeat(np.arange(count), sizes) * names + name_numbers(palettes)
    totals = np.bincount(cells, shares, count * names).reshape(count, names)
    there = np.bincount(cells, minlength=count * names).reshape(count, names) > 0
    order = np.argsort(np.where(there, -totals, np.inf), axis=1, kind="stable")
    kept = there & (totals >= MIN_SHARE)
    kept = np.take_along_axis(kept, order, axis=1)
    kept[:, 0] |= there.any(axis=1)
    return np.where(kept, order, -1)


def main_colours_of(palettes: Sequence[Sequence[int]], shares: Sequence[Sequence[float]]) -> NDArray[np.int64]:
    """``main_colours`` of pictures whose palettes and shares are lists.

    Raises:
        ValueError: a palette has more colours than shares, or fewer.
    """
    sizes = [len(palette) for palette in palettes]
    if sizes != [len(some) for some in shares]:
        raise ValueError("a palette has more colours than shares, or fewer")
    return main_colours(
        np.array(list(chain.from_iterable(palettes)), np.int64),
        np.array(list(chain.from_iterable(shares)), np.float64),
        np.array(sizes, np.int64),
    )


def colour_names(palette: Sequence[int], shares: Sequence[float]) -> list[str]:
    """The names of one picture's main colours, as ``main_colours`` finds them: of many pictures that is quicker."""
    [found] = main_colours_of([palette], [shares]).tolist()
    return names_of(found)


def names_of(numbers: Sequence[int]) -> list[str]:
    """The names in a row of ``main_colours``."""
    return [COLOUR_NAMES[number] for number in numbers if number >= 0]


def palette_agreement(one: Palette, other: Palette) -> float:
    """How much of one palette is in the other, or the other way round, whichever is more.

    A copy on a ground has colours that the picture lacks, and a picture keyed with magenta has one that its copy lacks:
    so one direction is enough.

    Args:
        one: colours as 0xRRGGBB with their shares.
        other: the same of the other picture.

    Returns:
        0 to 1; 0 where one of the two is empty.
    """
    if not one or not other:
        return 0.0
    colours = np.array([rgb for rgb, _ in (*one, *other)], np.int32)
    channels = np.stack([colours >> 16 & 255, colours >> 8 & 255, colours & 255], axis=1).astype(np.float32)
    distances = np.linalg.norm(channels[: len(one), None] - channels[None, len(one) :], axis=2)
    shares = np.array([share for _, share in one]), np.array([share for _, share in other])
    there = (distances.min(axis=1) <= _SAME_COLOUR) @ shares[0] / shares[0].sum()
    back = (distances.min(axis=0) <= _SAME_COLOUR) @ shares[1] / shares[1].sum()
    return float(max(there, back))
