"""Which pixels are visible, opaque or neither: pixels read as 32-bit numbers, whose highest byte is alpha. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_BLOCK_PIXELS = 1 << 15
"""So few that a block and what is computed of it stay in the processor's cache."""
INVISIBLE = np.uint32(0x00FFFFFF)
"""A pixel is visible above this."""
OPAQUE = np.uint32(0xFF000000)
"""A pixel is opaque from this on."""
_ONE = np.uint32(1)


@dataclass(frozen=True)
class AlphaCounts:
    """How many pixels a picture has, how many of them are visible, and how many opaque."""

    pixels: int
    visible: int
    opaque: int


def numbers(rgba: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Pixels (..., 4) uint8 as numbers 0xAABBGGRR, (N,); a view where the array is C-contiguous."""
    return np.ascontiguousarray(rgba).view("<u4").reshape(-1)


def blocks(rgba: NDArray[np.uint8]) -> Iterator[NDArray[np.uint32]]:
    """The same, some at a time."""
    flat = numbers(rgba)
    for start in range(0, len(flat), _BLOCK_PIXELS):
        yield flat[start : start + _BLOCK_PIXELS]


def alpha_counts(rgba: NDArray[np.uint8]) -> AlphaCounts:
    """Count the visible and the opaque pixels of (H, W, 4) uint8."""
    pixels = visible = opaque = 0
    for block in blocks(rgba):
        pixels += block.size
        visible += int(np.count_nonzero(block > INVISIBLE))
        opaque += int(np.count_nonzero(block >= OPAQUE))
    return AlphaCounts(pixels, visible, opaque)


def shows_anything(rgba: NDArray[np.uint8]) -> bool:
    """Whether any pixel of (H, W, 4) uint8 is visible; looks no further than the first blocks of most pictures."""
    return any(block.max() > INVISIBLE for block in blocks(rgba))


def invisible_and_coloured(block: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Which pixels of a block have a colour though they are invisible: 1 to 0xFFFFFF; 0 wraps round to the most."""
    return np.asarray((block - _ONE) < INVISIBLE)


def not_premultiplied(block: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """Which pixels of a block multiplying by alpha may change: those that are neither opaque nor 0."""
    return np.asarray((block - _ONE) < OPAQUE - _ONE)
