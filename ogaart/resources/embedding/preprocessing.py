"""Preparation: canonical pixels to what the models see; any change needs a new name in ``PREPARATION``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ogaart.likeness.premultiplied import premultiplied

if TYPE_CHECKING:
    from numpy.typing import NDArray

PREPARATION = "grey-squash-1"
"""Name and version of this preparation; part of every vector's path."""

GREY = 128


def prepare(rgba: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Squash a picture to a square on mid-grey.

    The resize is bilinear with antialiasing and works on premultiplied pixels, so that the colour of invisible
    pixels cannot bleed in.

    Args:
        rgba: (H, W, 4) uint8 canonical pixels.
        size: side of the square, in pixels.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    small = np.asarray(premultiplied(rgba).resize((size, size), Image.Resampling.BILINEAR), dtype=np.uint16)
    on_grey = small[..., :3] + ((255 - small[..., 3:]) * GREY + 127) // 255
    return np.asarray(np.minimum(on_grey, 255), dtype=np.uint8)
