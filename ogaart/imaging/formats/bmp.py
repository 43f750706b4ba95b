"""BMP with bit fields that Pillow does not read, or whose alpha it drops: A4R4G4B4, A1R5G5B5 and others."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from ogaart.imaging.formats.errors import Damaged, TooManyPixels, Unsupported

_BITFIELDS, _ALPHA_BITFIELDS = 3, 6
_EMBEDDED = {4: "JPEG", 5: "PNG"}
_READ_BY_PILLOW = {
    (16, 0xF800, 0x7E0, 0x1F, 0),
    (16, 0x7C00, 0x3E0, 0x1F, 0),
    (32, 0xFF0000, 0xFF00, 0xFF, 0),
    (32, 0xFF000000, 0xFF0000, 0xFF00, 0),
    (32, 0xFF000000, 0xFF0000, 0xFF00, 0xFF),
    (32, 0xFF, 0xFF00, 0xFF0000, 0xFF000000),
    (32, 0xFF0000, 0xFF00, 0xFF, 0xFF000000),
}


def refuse_embedded(data: bytes) -> None:
    """Refuse a BMP that is the envelope of a JPEG or PNG, as printers are sent.

    Raises:
        Unsupported: it is one.
    """
    if len(data) >= 34:
        header, bits, compression = struct.unpack_from("<I10xHI", data, 14)
        if header >= 40 and bits == 0 and compression in _EMBEDDED:
            raise Unsupported(f"a {_EMBEDDED[compression]} inside")


def bit_fields(data: bytes) -> tuple[int, int, int, int, int] | None:
    """Bits per pixel and the masks of red, green, blue and alpha, where they are not for Pillow to read."""
    if len(data) < 54:
        return None
    header, bits, compression = struct.unpack_from("<I10xHI", data, 14)
    if header < 40 or compression not in (_BITFIELDS, _ALPHA_BITFIELDS) or bits not in (16, 32):
        return None
    # Masks are part of the header from 52 bytes on; behind a header of 40 bytes they follow it: the same place.
    has_alpha = header >= 56 or compression == _ALPHA_BITFIELDS
    if len(data) < 54 + (16 if has_alpha else 12):
        return None
    red, green, blue = struct.unpack_from("<III", data, 54)
    alpha = struct.unpack_from("<I", data, 66)[0] if has_alpha else 0
    fields = (bits, red, green, blue, alpha)
    return None if fields in _READ_BY_PILLOW and compression == _BITFIELDS else fields


def decode(data: bytes, fields: tuple[int, int, int, int, int], max_pixels: int) -> NDArray[np.uint8]:
    """Decode a BMP of bit fields.

    Args:
        data: the file's bytes.
        fields: as ``bit_fields`` found them.
        max_pixels: of the picture.

    Returns:
        (H, W, 4) uint8 with straight alpha; opaque where the file has no alpha, or none but zero.

    Raises:
        FormatError: damaged, or too many pixels.
    """
    bits, *masks = fields
    (offset,) = struct.unpack_from("<I", data, 10)
    width, signed_height = struct.unpack_from("<ii", data, 18)
    height = abs(signed_height)
    if width <= 0 or not height:
        raise Damaged(f"BMP of {width} x {signed_height} pixels")
    if width * height > max_pixels:
        raise TooManyPixels(f"{width} x {height} = {width * height:,} pixels")
    stride = (width * bits // 8 + 3) & ~3
    needed = stride * (height - 1) + width * bits // 8
    if offset < 14 or offset + needed > len(data):
        raise Damaged(f"BMP of {len(data):,} bytes; {offset + needed:,} expected")
    raw = np.zeros(stride * height, np.uint8)
    stored = np.frombuffer(data, np.uint8, min(len(data) - offset, stride * height), offset)
    raw[: len(stored)] = stored
    samples = raw.reshape(height, stride)[:, : width * bits // 8].copy().view("<u2" if bits == 16 else "<u4")
    pixels = np.stack([_channel(samples, mask) for mask in masks], axis=2)
    if not masks[3] or not pixels[..., 3].any():
        pixels[..., 3] = 255
    return np.ascontiguousarray(pixels if signed_height < 0 else pixels[::-1])


def _channel(samples: NDArray[np.unsignedinteger], mask: int) -> NDArray[np.uint8]:
    """One channel, spread to 8 bits."""
    if not mask:
        return np.zeros(samples.shape, np.uint8)
    shift = (mask & -mask).bit_length() - 1
    most = mask >> shift
    values = (samples.astype(np.uint64) & np.uint64(mask)) >> np.uint64(shift)
    return (values * np.uint64(255) // np.uint64(most)).astype(np.uint8)
