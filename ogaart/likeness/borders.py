"""Finds the picture in the middle of a larger flat ground: a screenshot, a forum post, a sheet of paper. Pure."""

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 16  # of 255, each channel: a ground that JPEG has been over is still flat
_MOST = 0.75  # share of the whole from which the inside is the picture itself with a margin
_LEAST = 4  # pixels a side; anything smaller is a speck


def inside(rgba: NDArray[np.uint8]) -> tuple[int, int, int, int] | None:
    """Where the picture is, if all around it is of one colour, or of none.

    Args:
        rgba: (H, W, 4) uint8 canonical pixels.

    Returns:
        left, top, right, bottom in pixels, right and bottom exclusive; None where there is no such ground, where the
        inside fills most of it, and where nothing but the ground is there.
    """
    height, width = rgba.shape[:2]
    ground = rgba[0, 0].astype(np.int16)
    corners = rgba[[0, 0, -1, -1], [0, -1, 0, -1]]
    if not _like(corners, ground).all():
        return None
    other = ~_like(rgba, ground)
    rows, columns = np.flatnonzero(other.any(axis=1)), np.flatnonzero(other.any(axis=0))
    if not len(rows):
        return None
    left, top, right, bottom = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    if min(right - left, bottom - top) < _LEAST or (right - left) * (bottom - top) > _MOST * width * height:
        return None
    return left, top, right, bottom


def _like(pixels: NDArray[np.uint8], ground: NDArray[np.int16]) -> NDArray[np.bool_]:
    if ground[3] == 0:
        return np.asarray(pixels[..., 3] == 0)
    return np.asarray((np.abs(pixels.astype(np.int16) - ground) <= TOLERANCE).all(axis=-1))
