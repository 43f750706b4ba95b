"""Pixels multiplied by their alpha, so that the colour of invisible ones cannot bleed into others when resized."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ogaart.likeness.alpha import blocks, not_premultiplied, numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODE = "RGBX"
"""Pillow takes other objects' memory for pictures of this mode, and resizes their four channels as they are."""
_FEW = 4  # picking a pixel and putting it back takes as long as converting so many


def premultiplied(rgba: NDArray[np.uint8]) -> Image.Image:
    """A picture of mode ``RGBX`` whose fourth channel is alpha.

    It shares the array's memory where no pixel changes: each is opaque, or invisible and without a colour.

    Args:
        rgba: (H, W, 4) uint8.
    """
    height, width = rgba.shape[:2]
    source = target = numbers(rgba)
    start = 0
    for block in blocks(rgba):
        which = not_premultiplied(block)
        if count := int(np.count_nonzero(which)):
            if target is source:
                target = source.copy()
            part = target[start : start + len(block)]
            if count * _FEW < len(block):
                part[which] = _multiplied(block[which])
            else:
                part[:] = _multiplied(block)
        start += len(block)
    return Image.frombuffer(MODE, (width, height), target, "raw", MODE, 0, 1)


def _multiplied(pixels: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Pixels 0xAABBGGRR, (N,), as Pillow multiplies them."""
    row = Image.frombuffer("RGBA", (len(pixels), 1), pixels, "raw", "RGBA", 0, 1)
    return np.frombuffer(row.convert("RGBa").tobytes(), "<u4")
