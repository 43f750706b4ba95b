"""PNG without the chunks that change no pixel: damage or bulk in them must not cost the picture."""

from __future__ import annotations

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXELS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT"})
"""Chunks that pixels depend on."""
_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
"""Of these the chunks of an animation: where its control is damaged, the picture is shown without it."""
_ORIENTATION = b"eXIf"
_TRANSPARENCY = b"tRNS"
_COLOURS_AT = 25
"""Where the header tells the type of colour."""
_PALETTE, _MOST_COLOURS = 3, 256
_TRANSPARENT_BYTES = {0: 2, 2: 6}
"""Length of that chunk by type of colour; a palette has a byte for each of its first colours, others have none."""


def is_apples(data: bytes | memoryview) -> bool:
    """Whether it is Apple's variant (CgBI), whose pixels are stored in another way."""
    return bytes(data[12:16]) == b"CgBI"


def has_other_chunks(data: bytes | memoryview) -> bool:
    """Whether any chunk is there that ``pixel_chunks`` would leave out or shorten."""
    view = memoryview(data)
    chunks, wanted = chunks_of(view), _wanted(view)
    return (
        any(
            name not in wanted or (name == _TRANSPARENCY and len(_transparency(view, start, end)) < end - start)
            for name, start, end in chunks
        )
        or _animation_is_damaged(view, chunks)
        or _rest_is_other(view, chunks)
    )


def _wanted(view: memoryview) -> frozenset[bytes]:
    """The chunks that pixels depend on: of a picture without a palette, one is a suggestion."""
    return _PIXELS if len(view) > _COLOURS_AT and view[_COLOURS_AT] == _PALETTE else _PIXELS - {b"PLTE"}


def _rest_is_other(view: memoryview, chunks: list[tuple[bytes, int, int]]) -> bool:
    """Whether what does not parse comes behind the pixels, and is not of them: a cut or damaged text."""
    end = chunks[-1][2] if chunks else len(view)
    name = bytes(view[end + 4 : end + 8])
    return end < len(view) and any(name == b"IDAT" for name, _, _ in chunks) and name not in _PIXELS


def _transparency(view: memoryview, start: int, end: int) -> bytes | memoryview:
    """The chunk of transparent colours: too short it counts for nothing, of a palette its first colours count."""
    colours, length = view[_COLOURS_AT], end - start - 12
    if colours == _PALETTE and length > _MOST_COLOURS and _fits(view[start:end]):
        content = _TRANSPARENCY + bytes(view[start + 8 : start + 8 + _MOST_COLOURS])
        return struct.pack(">I", _MOST_COLOURS) + content + struct.pack(">I", zlib.crc32(content))
    return b"" if length < _TRANSPARENT_BYTES.get(colours, 0) else view[start:end]


def _animation_is_damaged(view: memoryview, chunks: list[tuple[bytes, int, int]]) -> bool:
    """Whether the control of an animation, before the pixels, is damaged."""
    for name, start, end in chunks:
        if name == b"IDAT":
            return False
        if name in _ANIMATION and not _fits(view[start:end]):
            return True
    return False


def pixel_chunks(data: bytes | memoryview) -> bytes:
    """The same PNG with the chunks alone that decide its pixels and its orientation.

    EXIF is kept where its checksum fits; from the first chunk that does not parse, bytes are kept as they are, so
    that the decoder sees the damage, unless it is a chunk of no pixels behind the pixels.
    """
    view = memoryview(data)
    kept: list[bytes | memoryview] = [view[: len(SIGNATURE)]]
    end = len(SIGNATURE)
    chunks = chunks_of(view)
    wanted = _wanted(view) - (_ANIMATION if _animation_is_damaged(view, chunks) else frozenset())
    for name, start, end in chunks:
        if name == _TRANSPARENCY:
            kept.append(_transparency(view, start, end))
        elif name in wanted or (name == _ORIENTATION and _fits(view[start:end])):
            kept.append(view[start:end])
    if not _rest_is_other(view, chunks):
        kept.append(view[end:])
    return b"".join(kept)


def chunks_of(view: memoryview) -> list[tuple[bytes, int, int]]:
    """Names and places of all whole chunks up to IEND."""
    found = []
    place = len(SIGNATURE)
    while place + 12 <= len(view):
        length, name = struct.unpack_from(">I4s", view, place)
        end = place + 12 + length
        if end > len(view) or not name.isalpha():
            break
        found.append((name, place, end))
        place = end
        if name == b"IEND":
            break
    return found


def _fits(chunk: memoryview) -> bool:
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")


def text_chunks(data: bytes | memoryview) -> list[bytes]:
    """The contents of all text chunks, compressed ones as they are; nothing else of the file is read."""
    view = memoryview(data)
    return [bytes(view[start:end]) for name, start, end in chunks_of(view) if name in (b"tEXt", b"zTXt", b"iTXt")]
