"""Picture bytes to canonical pixels: one decoder chosen by magic bytes, limits checked before it runs."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, UnidentifiedImageError

from ogaart.imaging import canonical, svg
from ogaart.imaging.errors import Reason, Unreadable
from ogaart.imaging.sniff import HEAD_BYTES, FileType, Kind, sniff

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ogaart.imaging.limits import Limits

PILLOW_FORMATS = {
    "png": ("PNG",),
    "gif": ("GIF",),
    "jpg": ("JPEG", "MPO"),
    "bmp": ("BMP",),
    "webp": ("WEBP",),
    "tga": ("TGA",),
    "tiff": ("TIFF",),
    "ico": ("ICO",),
    "cur": ("CUR",),
    "pcx": ("PCX",),
    "psd": ("PSD",),
    "xpm": ("XPM",),
    "xbm": ("XBM",),
    "ppm": ("PPM",),
    "dds": ("DDS",),
    "sgi": ("SGI",),
    "qoi": ("QOI",),
    "jp2": ("JPEG2000",),
    "avif": ("AVIF",),
    "icns": ("ICNS",),
}
"""Our names of formats to Pillow's: only these decoders ever run (no EPS, which would start Ghostscript)."""

ANIMATED = frozenset({"gif", "webp", "png", "tiff", "avif"})
"""Formats whose frames are pictures of their own; elsewhere Pillow's frames are layers or sizes."""

DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise on hostile bytes; all of it means that the picture is broken."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        rgba: (H, W, 4) uint8, canonical pixels, C-contiguous.
        mode: Pillow's mode of the picture as stored.
        format: format by magic bytes.
        frames: number of frames.
    """

    rgba: NDArray[np.uint8]
    mode: str
    format: str
    frames: int


def decode(source: Path | bytes, limits: Limits) -> Picture:
    """Decode a picture to canonical pixels.

    Args:
        source: a file or its bytes.
        limits: ``max_pixels`` and ``max_frames`` apply.

    Raises:
        Unreadable: not a picture, an unsupported format, damaged, too many pixels, or not enough memory.
    """
    head = _head(source)
    kind = sniff(head)
    if kind.format == "unknown":
        kind = _tga_by_footer(source) or kind
    if kind.kind is Kind.VECTOR:
        data = source if isinstance(source, bytes) else source.read_bytes()
        return Picture(canonical.rgba_of(svg.render(data, limits)), "RGBA", "svg", 1)
    refuse_unknown(kind)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decode_raster(source, kind.format, limits)
    except MemoryError as cause:
        message = "not enough memory to decode it; raise OGAART_WORKER_BYTES or lower OGAART_MAX_PIXELS"
        raise Unreadable(Reason.OUT_OF_MEMORY, message) from cause
    except Image.DecompressionBombError as cause:
        message = f"{cause} OGAART_MAX_PIXELS is {limits.max_pixels:,}"
        raise Unreadable(Reason.TOO_MANY_PIXELS, message) from cause
    except UnidentifiedImageError as cause:
        message = f"says {kind.format} in its first bytes, but is not a readable one"
        raise Unreadable(Reason.CORRUPT if kind.certain else Reason.NOT_A_PICTURE, message) from cause
    except DECODER_ERRORS as cause:
        text = f"{kind.format}: {cause or type(cause).__name__}"
        # What only resembles a TGA or PCX and does not decode was none.
        raise Unreadable(Reason.CORRUPT if kind.certain else Reason.NOT_A_PICTURE, text) from cause


def refuse_unknown(kind: FileType) -> None:
    """Raise ``Unreadable`` for what is no picture or one that no kept library reads."""
    if kind.kind is not Kind.PICTURE:
        raise Unreadable(Reason.NOT_A_PICTURE, f"{kind.format}: not a picture")
    if kind.format not in PILLOW_FORMATS:
        raise Unreadable(Reason.UNSUPPORTED, f"{kind.format.upper()}: no kept library reads it")


def _head(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source[:HEAD_BYTES]
    with source.open("rb") as stream:
        return stream.read(HEAD_BYTES)


def _tga_by_footer(source: Path | bytes) -> FileType | None:
    """A TGA 2 is known by its last 26 bytes, whatever its header."""
    if isinstance(source, bytes):
        tail = source[-18:]
    else:
        with source.open("rb") as stream:
            stream.seek(0, io.SEEK_END)
            stream.seek(max(0, stream.tell() - 18))
            tail = stream.read(18)
    return FileType(Kind.PICTURE, "tga") if tail.startswith(b"TRUEVISION-XFILE.") else None


def _decode_raster(source: Path | bytes, name: str, limits: Limits) -> Picture:
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    with Image.open(stream, formats=PILLOW_FORMATS[name]) as image:
        _check_size(image, limits)
        mode = image.mode
        frames = int(getattr(image, "n_frames", 1)) if name in ANIMATED else 1
        rgba = canonical.rgba_of(image)
        if frames > 1 and not rgba[..., 3].any():
            rgba = _first_visible(image, frames, limits, rgba)
    return Picture(rgba, mode, name, frames)


def _first_visible(image: Image.Image, frames: int, limits: Limits, first: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The first frame that shows anything; the first of all where none does within the limits."""
    pixels = 0
    for number in range(1, min(frames, limits.max_frames)):
        image.seek(number)
        _check_size(image, limits)
        pixels += image.width * image.height
        if pixels > 4 * limits.max_pixels:
            break
        rgba = canonical.rgba_of(image)
        if rgba[..., 3].any():
            return rgba
    return first


def _check_size(image: Image.Image, limits: Limits) -> None:
    pixels = image.width * image.height
    if pixels > limits.max_pixels:
        message = f"{image.width} x {image.height} = {pixels:,} pixels; OGAART_MAX_PIXELS is {limits.max_pixels:,}"
        raise Unreadable(Reason.TOO_MANY_PIXELS, message)
    if pixels <= 0:
        raise Unreadable(Reason.CORRUPT, f"{image.width} x {image.height}: no pixels")
