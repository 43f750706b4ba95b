"""Names of colours, from a fixed vocabulary of twelve, for filters that people click."""

from __future__ import annotations

import colorsys
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

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
)


@lru_cache(maxsize=1 << 16)
def colour_name(rgb: int) -> str:
    """Name one colour.

    Args:
        rgb: 0xRRGGBB.
    """
    hue, saturation, value = colorsys.rgb_to_hsv((rgb >> 16 & 255) / 255, (rgb >> 8 & 255) / 255, (rgb & 255) / 255)
    if value < 0.16:
        return "black"
    if saturation * value < 0.12:
        return "white" if value > 0.88 else "grey"
    degrees = hue * 360
    name = next((name for limit, name in _HUES if degrees < limit), "pink" if degrees < 342 else "red")
    if name in ("red", "orange") and value < 0.75 and degrees < 50 and not (name == "red" and saturation > 0.7):
        return "brown"
    if name == "red" and saturation < 0.55 and value > 0.75:
        return "pink"
    return name


def colour_names(palette: Sequence[int], shares: Sequence[float]) -> list[str]:
    """Name a picture by its main colours.

    Args:
        palette: colours as 0xRRGGBB.
        shares: their shares of the visible pixels, in the same order.

    Returns:
        Names of those that together have at least ``MIN_SHARE``, largest share first; never empty for a palette.
    """
    totals: dict[str, float] = {}
    for rgb, share in zip(palette, shares, strict=True):
        name = colour_name(rgb)
        totals[name] = totals.get(name, 0.0) + share
    ordered = sorted(totals, key=lambda name: (-totals[name], COLOUR_NAMES.index(name)))
    return [name for name in ordered if totals[name] >= MIN_SHARE] or ordered[:1]


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
