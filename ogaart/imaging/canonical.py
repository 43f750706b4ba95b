"""A Pillow image of any mode to canonical RGBA pixels: the rules behind ``identity.PIXELS_VERSION``.

EXIF orientation applied, ICC profiles ignored, 16 bits to 8 by shift, RGB zero where alpha is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ogaart.likeness.alpha import blocks, invisible_and_coloured

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION = 0x0112
_BITS_PER_SAMPLE = 0x0102
_NOT_EXIF = ("xmp", "XML:com.adobe.xmp", "Raw profile type exif")
_LOW_GREY = {"1": 255, "L;2": 85, "L;4": 17}
"""PNG greys of few bits: Pillow spreads the samples to 8 bits, but not the transparent one; these factors do."""


def rgba_of(image: Image.Image) -> NDArray[np.uint8]:
    """Decode the image's current frame.

    Returns:
        (H, W, 4) uint8, C-contiguous.

    Raises:
        MemoryError: not enough memory.
        Exception: whatever Pillow's decoder raises; ``errors.DECODER_ERRORS`` lists it.
    """
    _forget_other_orientations(image)
    _spread_transparency(image)
    image.load()
    _forget_other_orientations(image)
    turn = _TURNS.get(_orientation(image))
    rgba = _from_deep(image) if image.mode.startswith(("I", "F")) else _pixels(image)
    if turn is not None:
        rgba = np.array(Image.fromarray(rgba).transpose(turn))
    return cleared(rgba)


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    """The pixels of a loaded image; copied once, where ``numpy.array`` copies three times."""
    rgba = np.empty((image.height, image.width, 4), np.uint8)
    shared = Image.frombuffer("RGBA", image.size, rgba, "raw", "RGBA", 0, 1)
    shared.readonly = 0  # else its pixels are copied before it is written to
    memory = shared.im
    shared.paste(image if image.mode == "RGBA" else image.convert("RGBA"))
    return rgba if shared.im is memory else np.array(shared)


def cleared(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Set the colour of invisible pixels to zero; (H, W, 4) uint8, C-contiguous, in place where it can be."""
    rgba = np.require(rgba, requirements=("C", "W"))
    for block in blocks(rgba):
        coloured = invisible_and_coloured(block)
        if coloured.any():
            np.putmask(block, coloured, 0)
    return rgba


def is_empty(rgba: NDArray[np.uint8]) -> bool:
    """Whether a frame shows nothing: fully transparent, or of one colour all over; (H, W, 4) uint8."""
    pixels = np.ascontiguousarray(rgba).view(np.uint32)
    return bool((pixels[0] == pixels[0, 0]).all() and (pixels == pixels[0, 0]).all())


def _forget_other_orientations(image: Image.Image) -> None:
    """Leave EXIF as the only source of an orientation: Pillow alone also turns by XMP and by a PNG's text chunks."""
    for key in _NOT_EXIF:
        image.info.pop(key, None)


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 where there is none; broken EXIF does not make a good picture unreadable."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except (OSError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError):
        return 1
    return value if isinstance(value, int) else 1


def _spread_transparency(image: Image.Image) -> None:
    """Bring a PNG's transparent colour to the 8 bits per sample that its pixels are decoded to."""
    value = image.info.get("transparency")
    if isinstance(value, tuple) and max(value, default=0) > 255:
        image.info["transparency"] = tuple(int(v) >> 8 for v in value)
    elif isinstance(value, int) and image.format == "PNG" and image.mode in ("1", "L"):
        tiles = getattr(image, "tile", None)
        if tiles:
            raw = tiles[0][3]
            raw = raw[0] if isinstance(raw, tuple) else raw
            image.info["transparency"] = value * _LOW_GREY.get(str(raw), 1)


def _from_deep(image: Image.Image) -> NDArray[np.uint8]:
    """Grey of 16 or 32 bits, or floating point, to RGBA; Pillow's own conversion clips instead of shifting."""
    samples = np.asarray(image)
    transparent = image.info.get("transparency")
    alpha = np.full(samples.shape, 255, dtype=np.uint8)
    if isinstance(transparent, int):
        alpha[samples == transparent] = 0
    if samples.dtype.kind == "f":
        finite = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
        # By convention floats run from 0 to 1; files that hold 0 to 255 exist.
        scale = 255.0 if float(finite.max(initial=0.0)) <= 1.0 else 1.0
        grey = np.clip(finite * scale, 0, 255).astype(np.uint8)
    else:
        whole = np.maximum(samples.astype(np.int64, copy=False), 0)
        shift = _bits_per_sample(image) - 8 or (8 if int(whole.max(initial=0)) <= 0xFFFF else 24)
        grey = np.minimum(whole >> shift, 255).astype(np.uint8)
    return np.dstack([grey, grey, grey, alpha])


def _bits_per_sample(image: Image.Image) -> int:
    """Significant bits of a TIFF's greys of 9 to 15 bits, which Pillow leaves unscaled; 8 for anything else."""
    bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (8,))
    return bits[0] if bits and 8 < bits[0] < 16 else 8
