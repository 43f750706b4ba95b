"""Pixels multiplied by their alpha, so that the colour of invisible ones cannot bleed into others when resized."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray


def premultiplied(rgba: NDArray[np.uint8], *, opaque: bool | None = None) -> Image.Image:
    """A picture of mode ``RGBa``; it may share the array's memory.

    Args:
        rgba: (H, W, 4) uint8.
        opaque: whether every pixel is opaque, where that is known: nothing is computed then.
    """
    if opaque is None:
        opaque = bool(rgba[..., 3].min(initial=255) == 255)
    if not opaque:
        return Image.fromarray(rgba).convert("RGBa")
    height, width = rgba.shape[:2]
    return Image.frombuffer("RGBa", (width, height), np.ascontiguousarray(rgba), "raw", "RGBa", 0, 1)
