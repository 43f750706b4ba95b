"""Icons and cursors that Pillow's readers reject: one bad size among good ones, a cursor of PNG, no alpha."""

from __future__ import annotations

import struct

import numpy as np

_DIRECTORY = struct.Struct("<HHH")
_ENTRY = struct.Struct("<BBBBHHII")
_DIB = struct.Struct("<IiiHHI")
_PNG = b"\x89PNG\r\n\x1a\n"
_DEPTHS = frozenset({1, 4, 8, 24, 32})
MOST_ENTRIES = 1024


def repaired(data: bytes) -> bytes | None:
    """The same pictures as an icon that Pillow reads.

    Sizes that are not pictures are left out, a cursor becomes an icon, and of 32-bit pictures whose alpha is 0 in every
    pixel the mask decides what is transparent, as in Windows.

    Returns:
        The bytes of an icon; None where no size is left.
    """
    if len(data) < _DIRECTORY.size:
        return None
    _, _, count = _DIRECTORY.unpack_from(data)
    kept: list[tuple[int, int, int, bytes]] = []
    for number in range(min(count, MOST_ENTRIES)):
        place = _DIRECTORY.size + number * _ENTRY.size
        if place + _ENTRY.size > len(data):
            break
        width, height, *_, size, offset = _ENTRY.unpack_from(data, place)
        content = data[offset : offset + size]
        if content.startswith(_PNG):
            kept.append((width, height, 32, content))
        elif (depth := _depth(content)) is not None:
            kept.append((width, height, depth, _masked(content) if depth == 32 else content))
    if not kept:
        return None
    return _icon(kept)


def _icon(pictures: list[tuple[int, int, int, bytes]]) -> bytes:
    head = [_DIRECTORY.pack(0, 1, len(pictures))]
    place = _DIRECTORY.size + len(pictures) * _ENTRY.size
    for width, height, depth, content in pictures:
        head.append(_ENTRY.pack(width, height, 0, 0, 1, depth, len(content), place))
        place += len(content)
    return b"".join([*head, *(content for *_, content in pictures)])


def _depth(content: bytes) -> int | None:
    """Bits of a pixel of an uncompressed DIB that is all there; None for anything else."""
    if len(content) < _DIB.size + 20:
        return None
    header, width, height, _, depth, compression = _DIB.unpack_from(content)
    if header != 40 or depth not in _DEPTHS or compression or width <= 0 or height == 0:
        return None
    rows = abs(height) // 2
    whole = len(content) >= 40 + (width * depth + 31) // 32 * 4 * rows
    return depth if whole else None


def _masked(content: bytes) -> bytes:
    """A DIB of 32 bits; where its alpha is 0 throughout, with the alpha of its mask."""
    _, width, height, *_ = _DIB.unpack_from(content)
    rows, line = abs(height) // 2, (width + 31) // 32 * 4
    pixels = np.frombuffer(content, np.uint8, width * rows * 4, 40).reshape(rows, width, 4).copy()
    if pixels[..., 3].any():
        return content
    mask = np.zeros(rows * line, np.uint8)
    stored = np.frombuffer(content[40 + pixels.size :][: mask.size], np.uint8)
    mask[: len(stored)] = stored
    hidden = np.unpackbits(mask.reshape(rows, line), axis=1)[:, :width]
    pixels[..., 3] = np.where(hidden, 0, 255)
    return content[:40] + pixels.tobytes() + mask.tobytes()
