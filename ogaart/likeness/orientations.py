"""The eight ways in which a picture may be turned and mirrored, and where a box of it then is. Pure."""

import numpy as np
from numpy.typing import NDArray

ORIENTATIONS, MIRRORED = 8, 4
"""Upright, three quarter turns, and from ``MIRRORED`` on the same mirrored."""
_TURNS = ("", "turned by a quarter", "upside down", "turned by a quarter")


def oriented(rgba: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """A view of a picture turned by so many quarter turns, and mirrored from the fourth on; 0 leaves it as it is."""
    return np.rot90(rgba[:, ::-1] if orientation >= MIRRORED else rgba, orientation % 4)


def turned_back(box: tuple[int, int, int, int], orientation: int, width: int, height: int) -> tuple[int, int, int, int]:
    """Where a box of an oriented picture is in the picture itself.

    Args:
        box: x, y, width, height in the oriented picture.
        orientation: as of ``oriented``.
        width: of the picture itself.
        height: of the picture itself.
    """
    x, y, w, h = box
    # Each quarter turn of numpy is against the clock: (x, y) of a picture W wide comes to (y, W - 1 - x).
    sides = [(width, height), (height, width)]
    for turn in range(orientation % 4, 0, -1):
        before = sides[(turn - 1) % 2][0]
        x, y, w, h = before - y - h, x, h, w
    if orientation >= MIRRORED:
        x = width - x - w
    return x, y, w, h


def in_words(orientation: int) -> tuple[str, ...]:
    """How a picture that lies so differs from one that is upright, for people; nothing of 0."""
    words = ("mirrored" if orientation >= MIRRORED else "", _TURNS[orientation % 4])
    return tuple(word for word in words if word)
