"""PNG whose pixels are inflated by libdeflate, where it is installed: zlib takes several times as long."""

from __future__ import annotations

import struct
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ogaart.imaging.formats.png import chunks_of

deflate: Any = import_module("deflate") if find_spec("deflate") else None
"""Comes with ``ogaart[fast]``; without it Pillow inflates PNGs itself."""

LEAST_BYTES, MOST_BYTES = 1 << 14, 64 << 20
"""Of the inflated pixels: of fewer nothing is gained, more would need that memory twice."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_HEADER = struct.Struct(">IIBBBBB")
_HEADER_AT = 16
_ZLIB_HEADER = b"\x78\x01"
_CHECKSUM_BYTES = 4
_BLOCK_BYTES = 0xFFFF
_NO_CRC = bytes(4)  # of a chunk of pixels Pillow reads none


def inflated(data: bytes) -> bytes | None:
    """The same PNG with its pixels stored, not compressed, so that whatever reads it has next to nothing to inflate.

    Args:
        data: a PNG file.

    Returns:
        The file; None where libdeflate is missing, or where pixels are few, many, interlaced, animated or damaged.
    """
    if deflate is None or len(data) < _HEADER_AT + _HEADER.size:
        return None
    width, height, bits, colours, compression, filters, interlaced = _HEADER.unpack_from(data, _HEADER_AT)
    length = height * (1 + (width * bits * _CHANNELS.get(colours, 0) + 7) // 8)
    if compression or filters or interlaced or not LEAST_BYTES <= length <= MOST_BYTES:
        return None
    view = memoryview(data)
    chunks = chunks_of(view)
    places = [place for place, (name, _, _) in enumerate(chunks) if name == b"IDAT"]
    # What is not in one piece is read up to the first gap; animations are left as they are.
    if not places or places[-1] - places[0] >= len(places) or any(name == b"acTL" for name, _, _ in chunks):
        return None
    packed = b"".join(view[start + 8 : end - 4] for _, start, end in chunks[places[0] : places[-1] + 1])
    try:
        pixels = deflate.zlib_decompress(packed, length)
    except deflate.DeflateError:
        return None
    if len(pixels) != length:
        return None
    start, end = chunks[places[0]][1], chunks[places[-1]][2]
    return b"".join((view[:start], *_stored_chunk(memoryview(pixels), packed[-_CHECKSUM_BYTES:]), view[end:]))


def _stored_chunk(pixels: memoryview, checksum: bytes) -> list[bytes | memoryview]:
    """The parts of a chunk IDAT of a zlib stream without compression."""
    stream: list[bytes | memoryview] = [_ZLIB_HEADER]
    for start in range(0, len(pixels), _BLOCK_BYTES):
        block = pixels[start : start + _BLOCK_BYTES]
        last = start + len(block) == len(pixels)
        stream += (struct.pack("<BHH", last, len(block), len(block) ^ _BLOCK_BYTES), block)
    stream.append(checksum)
    return [struct.pack(">I", sum(map(len, stream))), b"IDAT", *stream, _NO_CRC]
