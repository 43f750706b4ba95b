"""Large pictures narrowed as Pillow's bilinear resize narrows them, by the processor's products of bytes. Pure.

Pillow multiplies each pixel by two weights of 22 bits, one after the other. Here the weights of a column are cut into
bytes, whose products with the pixels are whole numbers, and so the same in any order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numkong
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_BITS = 22
_CHANNELS, _BYTES = 4, 3
_HALF = np.uint32(1 << (_BITS - 1))


def narrowed(pixels: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """Resize horizontally, to less than half.

    Args:
        pixels: (H, W, 4) uint8, C-contiguous; each channel by itself.
        width: of the result, at most W / 2.

    Returns:
        (H, width, 4) uint8, equal to the first pass of Pillow's bilinear resize.
    """
    height, wide = pixels.shape[:2]
    rows = pixels.reshape(height, wide * _CHANNELS)
    sums = np.empty((width, height, _BYTES, _CHANNELS), np.uint32)
    for column, (start, end, weights) in enumerate(_columns(wide, width)):
        found = numkong.dots_packed(rows[:, start * _CHANNELS : end * _CHANNELS], weights)
        sums[column] = np.asarray(found).reshape(height, _BYTES, _CHANNELS)
    total = sums[:, :, 2] << np.uint32(16)
    total += sums[:, :, 1] << np.uint32(8)
    total += sums[:, :, 0]
    total += _HALF
    total >>= np.uint32(_BITS)
    return np.ascontiguousarray(total.astype(np.uint8).transpose(1, 0, 2))


def _columns(wide: int, width: int) -> Iterator[tuple[int, int, Any]]:
    """For each column of the result the columns it is made from, and their weights for ``numkong``."""
    scale = wide / width
    for column in range(width):
        centre = (column + 0.5) * scale
        start, end = max(0, int(centre - scale + 0.5)), min(wide, int(centre + scale + 0.5))
        distances = np.abs((np.arange(start, end) - centre + 0.5) * (1.0 / scale))
        shares = np.where(distances < 1.0, 1.0 - distances, 0.0)
        shares /= np.cumsum(shares)[-1]  # added one after the other, as Pillow does
        weights = (0.5 + shares * (1 << _BITS)).astype("<u4").view(np.uint8).reshape(-1, 4)[:, :_BYTES].T
        spread = np.zeros((_BYTES, _CHANNELS, end - start, _CHANNELS), np.uint8)
        for channel in range(_CHANNELS):
            spread[:, channel, :, channel] = weights
        yield start, end, numkong.dots_pack(spread.reshape(_BYTES * _CHANNELS, -1))
