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
QUALITY = 82


def webp(rgba: NDArray[np.uint8], premultiplied_picture: Image.Image | None = None) -> bytes:
    """Make a thumbnail of at most 256 x 256 pixels; a smaller picture is never enlarged.

    Args:
        rgba: (H, W, 4) uint8 canonical pixels.
        premultiplied_picture: the same, premultiplied, where that has been computed.

    Returns:
        The bytes of a WebP file; lossless for icons, where artefacts show most and bytes matter least.
    """
    picture = Image.fromarray(rgba)
    width, height = picture.size
    scale = min(1.0, MAX_SIDE / max(width, height))
    if scale < 1.0:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = (premultiplied_picture or premultiplied(rgba)).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
        picture = small.convert("RGBA")
    out = io.BytesIO()
    lossless = picture.width * picture.height <= LOSSLESS_PIXELS
    picture.save(out, "WEBP", lossless=lossless, quality=QUALITY, method=2)
    return out.getvalue()
