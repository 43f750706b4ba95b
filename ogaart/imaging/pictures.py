"""Picture bytes to canonical pixels: one decoder chosen by magic bytes, limits checked before it runs."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, UnidentifiedImageError

from ogaart.imaging import canonical
from ogaart.imaging.errors import DECODER_ERRORS, Reason, Unreadable, of_decoder, too_many_pixels, unreadable
from ogaart.imaging.formats import aseprite, bmp, errors, ico, layered_zip, png, png_inflate, psd, svg, tiff, xcf
from ogaart.imaging.sniff import FileType, Kind, read_head, sniff
from ogaart.likeness.alpha import shows_anything

if TYPE_CHECKING:
    from collections.abc import Callable

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

_OWN = {"xcf", "aseprite", "psb", "kra", "ora"}
"""Formats read by ``formats`` alone."""
READ = frozenset(PILLOW_FORMATS) | _OWN
"""All formats that are decoded, besides SVG."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        rgba: (H, W, 4) uint8, canonical pixels, C-contiguous.
        mode: Pillow's mode of the picture as stored.
        format: format by magic bytes.
        frames: number of frames.
        note: what is wrong with the file although its picture is read.
    """

    rgba: NDArray[np.uint8]
    mode: str
    format: str
    frames: int
    note: str | None = None


def decode(source: Path | bytes, limits: Limits) -> Picture:
    """Decode a picture to canonical pixels.

    Args:
        source: a file or its bytes.
        limits: ``max_pixels`` and ``max_frames`` apply.

    Raises:
        Unreadable: not a picture, an unsupported format, damaged, too many pixels, or not enough memory.
    """
    kind = type_of(source)
    if kind.kind is not Kind.VECTOR:
        refuse_unknown(kind)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = _decode(source, kind.format, limits)
    except MemoryError as cause:
        message = "not enough memory to decode it; raise OGAART_WORKER_BYTES or lower OGAART_MAX_PIXELS"
        raise Unreadable(Reason.OUT_OF_MEMORY, message) from cause
    except Image.DecompressionBombError as cause:
        counted = re.search(r"[0-9]+", str(cause))
        raise too_many_pixels(f"{int(counted[0]):,} pixels" if counted else "too many pixels", limits) from cause
    except errors.FormatError as cause:
        raise unreadable(cause, kind, limits) from cause
    except UnidentifiedImageError as cause:
        if kind.format == "tiff" and (fields := tiff.described(_bytes_of(source))):
            raise Unreadable(Reason.UNSUPPORTED, f"tiff: unsupported kind of samples: {fields}") from cause
        message = f"its first bytes are those of a {kind.format} file, but the rest is damaged or missing"
        raise Unreadable(Reason.CORRUPT if kind.certain else Reason.NOT_A_PICTURE, message) from cause
    except DECODER_ERRORS as cause:
        raise of_decoder(cause, kind) from cause
    if not shows_anything(picture.rgba):
        raise Unreadable(Reason.NOT_A_PICTURE, f"{kind.format}: {_INVISIBLE.get(kind.format, 'fully transparent')}")
    return picture


_INVISIBLE = {"svg": "shows nothing (text is not drawn, and nothing outside the file is loaded)"}


def type_of(source: Path | bytes) -> FileType:
    """The type of a file by its bytes: its first ones, the footer of a TGA, or the directory of a zip."""
    kind = sniff(_head(source))
    if kind.format == "zip" and (form := layered_zip.format_of(source)):
        return FileType(Kind.PICTURE, form)
    return (_tga_by_footer(source) or kind) if kind.format == "unknown" else kind


def refuse_unknown(kind: FileType) -> None:
    """Raise ``Unreadable`` for what is not a picture, or is in a format that is not read."""
    if kind.kind is Kind.UNSUPPORTED:
        raise Unreadable(Reason.UNSUPPORTED, f"{kind.format}: unsupported format")
    if kind.kind is not Kind.PICTURE:
        raise Unreadable(Reason.NOT_A_PICTURE, f"{kind.format}: not a picture")
    if kind.format not in READ:
        raise Unreadable(Reason.UNSUPPORTED, f"{kind.format}: unsupported picture format")


def _bytes_of(source: Path | bytes) -> bytes:
    return source if isinstance(source, bytes) else source.read_bytes()


def _head(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return read_head(io.BytesIO(source))
    with source.open("rb") as stream:
        return read_head(stream)


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


def _decode(source: Path | bytes, name: str, limits: Limits) -> Picture:
    """Decode with the decoder of a format."""
    own: dict[str, Callable[[Path | bytes, Limits], Picture | None]] = {
        "svg": _decode_svg,
        "xcf": _decode_xcf,
        "aseprite": _decode_aseprite,
        "psd": _decode_psd,
        "psb": _decode_psd,
        "kra": _decode_layered_zip,
        "ora": _decode_layered_zip,
        "bmp": _decode_bit_fields,
        "png": _decode_png,
        "jpg": _decode_jpeg,
        "ico": _decode_icon,
        "cur": _decode_icon,
        "tga": _decode_tga,
    }
    picture = own[name](source, limits) if name in own else None
    if picture is None:
        picture = _decode_raster(source, name, limits)
    return picture if picture.format == name else dataclasses.replace(picture, format=name)


def _decode_svg(source: Path | bytes, limits: Limits) -> Picture:
    return Picture(canonical.rgba_of(svg.render(_bytes_of(source), limits.max_pixels)), "RGBA", "svg", 1)


def _decode_xcf(source: Path | bytes, limits: Limits) -> Picture:
    rgba, mode = xcf.decode(_bytes_of(source), limits.max_pixels)
    return Picture(canonical.cleared(rgba), mode, "xcf", 1)


def _decode_aseprite(source: Path | bytes, limits: Limits) -> Picture:
    rgba, mode, frames = aseprite.decode(_bytes_of(source), limits.max_pixels, limits.max_frames)
    return Picture(canonical.cleared(rgba), mode, "aseprite", frames)


def _decode_psd(source: Path | bytes, limits: Limits) -> Picture | None:
    data = _bytes_of(source)
    if psd.is_plain(data):
        return None
    image, mode = psd.decode(data, limits.max_pixels)
    return Picture(canonical.rgba_of(image), mode, "psd", 1)


def _decode_layered_zip(source: Path | bytes, limits: Limits) -> Picture:
    return _decode_png(layered_zip.merged_picture(source, limits.max_member_bytes), limits)


def _decode_bit_fields(source: Path | bytes, limits: Limits) -> Picture | None:
    data = _bytes_of(source)
    bmp.refuse_embedded(data)
    fields = bmp.bit_fields(data)
    if fields is None:
        return None
    mode = "RGBA" if fields[4] else "RGB"
    return Picture(canonical.cleared(bmp.decode(data, fields, limits.max_pixels)), mode, "bmp", 1)


def _decode_png(source: Path | bytes, limits: Limits) -> Picture:
    data = _bytes_of(source)
    if png.is_apples(data):
        raise errors.Unsupported("Apple's variant of PNG (CgBI)")
    data = png.pixel_chunks(data) if png.has_other_chunks(data) else data
    with contextlib.suppress(MemoryError, *DECODER_ERRORS):  # where there is too little memory, less may do
        if (stored := png_inflate.inflated(data)) is not None:
            return _decode_raster(stored, "png", limits)
    return _decode_raster(data, "png", limits)


def _decode_icon(source: Path | bytes, limits: Limits) -> Picture:
    """An icon or cursor, as Pillow reads it; where that fails or shows nothing, its good sizes with their masks."""
    try:
        picture = _decode_raster(source, type_of(source).format, limits)
    except DECODER_ERRORS:
        if (again := ico.repaired(_bytes_of(source))) is None:
            raise
        return _decode_raster(again, "ico", limits)
    if picture.rgba[..., 3].any() or (again := ico.repaired(_bytes_of(source))) is None:
        return picture
    return _decode_raster(again, "ico", limits)


def _decode_tga(source: Path | bytes, limits: Limits) -> Picture:
    """A TGA; the fourth byte of its pixels is not alpha where the header says so and it is 0 throughout."""
    picture = _decode_raster(source, "tga", limits)
    head = _head(source)[:18]
    if picture.rgba[..., 3].any() or head[2] not in (2, 10) or head[16] != 32 or head[17] & 15:
        return picture
    return _decode_raster(source, "tga", limits, opaque=True)


_JPEG_END = b"\xff\xd9"
_FILLER = bytes((0x55, 0x2A, 0x35, 0x99)) * 256
MOST_MISSING = 0.1
"""Share of a truncated JPEG's pixels that may be missing."""


def _decode_jpeg(source: Path | bytes, limits: Limits) -> Picture:
    """A JPEG; one that lacks its end too, if hardly any of its pixels are missing."""
    try:
        return _decode_raster(source, "jpg", limits)
    except OSError as cause:
        data = _bytes_of(source)
        half_an_end = data.endswith(_JPEG_END[:1])
        if "truncated" not in str(cause) and not half_an_end:
            raise
        data = data[:-1] if half_an_end else data
        # What follows the last whole block decodes differently with other bytes in its place: that is what is missing.
        picture = _decode_raster(data + _JPEG_END, "jpg", limits)
        other = _decode_raster(data + _FILLER + _JPEG_END, "jpg", limits)
        missing = float((picture.rgba != other.rgba).any(axis=2).mean())
        if missing > MOST_MISSING:
            raise
        rest = f"; about {missing:.1%} of its pixels are missing" if missing else "; all pixels are there"
        return dataclasses.replace(picture, note=f"jpg: ends without its end marker{rest}")


def _decode_raster(source: Path | bytes, name: str, limits: Limits, *, opaque: bool = False) -> Picture:
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    with Image.open(stream, formats=PILLOW_FORMATS[name]) as image:
        _check_size(image, limits)
        mode = image.mode
        frames = int(getattr(image, "n_frames", 1)) if name in ANIMATED else 1
        rgba = canonical.rgba_of(image.convert("RGB") if opaque else image)
        if frames > 1 and canonical.is_empty(rgba):
            rgba = _first_informative(image, frames, limits, rgba)
    return Picture(rgba, mode, name, frames)


def _first_informative(image: Image.Image, frames: int, limits: Limits, first: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The first frame that is not empty; else the first that is visible, else the first, within the limits."""
    pixels, visible = 0, first if first[..., 3].any() else None
    for number in range(1, min(frames, limits.max_frames)):
        image.seek(number)
        _check_size(image, limits)
        pixels += image.width * image.height
        if pixels > 4 * limits.max_pixels:
            break
        rgba = canonical.rgba_of(image)
        if not canonical.is_empty(rgba):
            return rgba
        if visible is None and rgba[..., 3].any():
            visible = rgba
    return first if visible is None else visible


def _check_size(image: Image.Image, limits: Limits) -> None:
    pixels = image.width * image.height
    if pixels > limits.max_pixels:
        raise too_many_pixels(f"{image.width} x {image.height} = {pixels:,} pixels", limits)
    if pixels <= 0:
        raise Unreadable(Reason.CORRUPT, f"{image.width} x {image.height}: no pixels")
