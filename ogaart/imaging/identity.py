"""Identity: what makes two pictures the same picture, and an image's id; changed only with ``PIXELS_VERSION``."""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIXELS_VERSION = 1
"""Version of the rules that make canonical pixels; rises with any change of them."""


def pixel_sha256(rgba: NDArray[np.uint8]) -> str:
    """Hash canonical pixels.

    Args:
        rgba: (H, W, 4) uint8, canonical: RGB is zero where alpha is.

    Returns:
        sha256 in hex over width and height (uint32 little-endian each) and the bytes, row by row.

    Raises:
        ValueError: the array has another shape or type.
    """
    if rgba.ndim != 3 or rgba.shape[2] != 4 or rgba.dtype != "uint8":
        raise ValueError(f"canonical pixels are (H, W, 4) uint8, not {rgba.shape} {rgba.dtype}")
    height, width = rgba.shape[:2]
    digest = hashlib.sha256(struct.pack("<II", width, height))
    digest.update(np.ascontiguousarray(rgba).data)
    return digest.hexdigest()


def image_id(slug: str, pixel_sha256: str) -> int:
    """Make the id of one entry's picture.

    Args:
        slug: the entry's name in its URL, percent-decoded exactly once.
        pixel_sha256: hash of the canonical pixels, 64 hex digits.

    Returns:
        A 63-bit integer, the same on every machine and run.

    Raises:
        ValueError: the hash is not 64 hex digits.
    """
    pixels = bytes.fromhex(pixel_sha256)
    if len(pixels) != 32:
        raise ValueError(f"pixel_sha256 {pixel_sha256!r}: expected 64 hex digits")
    # A slug decoded from odd bytes may hold lone surrogates; they have one spelling in bytes too.
    text = slug.encode("utf-8", "surrogatepass")
    digest = hashlib.sha256(b"ogaart-image-1\0" + text + b"\0" + pixels).digest()
    return int.from_bytes(digest, "big") >> 193
