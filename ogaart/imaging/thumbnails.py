"""Thumbnails: a small WebP of a picture, for pages that show many."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from PIL import Image

from ogaart.likeness.premultiplied import premultiplied

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_SIDE = 256
LOSSLESS_PIXELS = 64 * 64
_LOSSLESS = {"lossless": True, "quality": 20, "method": 2}
"""Here ``quality`` is effort: more of it takes longer, for few bytes less."""
_LOSSY = {"quality": 83, "method": 1, "alpha_quality": 80}
"""The quickest method but one, and not all 256 alphas: a thumbnail is looked at, and never compared."""


def webp(rgba: NDArray[np.uint8], premultiplied_picture: Image.Image | None = None) -> bytes:
    """Make a thumbnail of at most 256 x 256 pixels; a smaller picture is never enlarged.

    Args:
        rgba: (H, W, 4) uint8 canonical pixels.
        premultiplied_picture: the same, premultiplied, where that has been computed.

    Returns:
        The bytes of a WebP file; lossless for icons, where artefacts show most and bytes matter least.
    """
    height, width = rgba.shape[:2]
    scale = min(1.0, MAX_SIDE / max(width, height))
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = (premultiplied_picture or premultiplied(rgba)).resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
        picture = Image.frombytes("RGBa", size, small.tobytes()).convert("RGBA")
    else:
        picture = Image.fromarray(rgba)
    out = io.BytesIO()
    lossless = picture.width * picture.height <= LOSSLESS_PIXELS
    picture.save(out, "WEBP", **(_LOSSLESS if lossless else _LOSSY))
    return out.getvalue()
