"""Small sprites of a sheet, each apart from the others: which of their patches are kept where few would be. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENOUGH = 6
"""Patches of one sprite with fewer than which more are kept: of an icon of 16 pixels, one in 16 leaves one or two."""
MOST = 16_384
"""Patches kept so of one picture."""
_LEAST_AREA = 18  # visible pixels of a sprite
_SIDE = 6  # pixels of a window
_ACROSS = (0, 2, 5)  # pixels of a window at which its sprite is looked up


def more_of_small_sprites(
    visible: NDArray[np.bool_], hashes: NDArray[np.uint64], x: NDArray[np.uint16], y: NDArray[np.uint16], step: int
) -> NDArray[np.int64]:
    """Which patches to keep besides those whose hashes are multiples of a step.

    Of a sprite that has too few, multiples of half the step are kept, and so on until there are enough.

    Args:
        visible: (H, W) bool, pixels that are not fully transparent.
        hashes: (N,) uint64 of all patches, each a multiple of two.
        x: (N,) columns of their windows' left edges.
        y: (N,) rows of their upper edges.
        step: a power of two.

    Returns:
        Rising places among the patches; none of a picture that is one piece.
    """
    from scipy import ndimage  # here, since only sheets need it

    nothing = np.zeros(0, np.int64)
    if visible.all() or not len(hashes):
        return nothing
    labels, count = ndimage.label(visible, np.ones((3, 3), np.int8))
    if count < 2:
        return nothing
    of = np.zeros(len(hashes), np.int32)
    for down in _ACROSS:
        for right in _ACROSS:
            np.maximum(of, labels[y.astype(np.int64) + down, x.astype(np.int64) + right], out=of)
    # Windows that reach beyond their sprite's box are not in what is cut out of the sheet: they do not count.
    boxes = np.zeros((count + 1, 4), np.int64)
    boxes[1:] = [(c.start, c.stop - _SIDE, r.start, r.stop - _SIDE) for r, c in ndimage.find_objects(labels)]
    left, end, top, bottom = boxes[of].T
    of[(x < left) | (x > end) | (y < top) | (y > bottom)] = 0
    large = np.bincount(labels.ravel(), minlength=count + 1) >= _LEAST_AREA
    large[0] = False
    levels = np.full(count + 1, step, np.int64)
    level = step
    while level > 2:
        kept = (hashes & np.uint64(level - 1)) == 0
        few = large & (np.bincount(of[kept], minlength=count + 1) < ENOUGH)
        level //= 2
        levels[few] = level
    while True:
        kept = (hashes & (levels[of] - 1).astype(np.uint64)) == 0
        more = np.flatnonzero(kept & ((hashes & np.uint64(step - 1)) != 0))
        if len(more) <= MOST:
            return more
        levels = np.minimum(levels * 2, step)
