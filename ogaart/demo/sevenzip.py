"""7z archives of one solid LZMA2 block, the same bytes under every locale.

libarchive's writer drops names that the process's locale cannot hold, so that the demo would differ between machines.
Source: 7zFormat.txt of the LZMA SDK.
"""

import lzma
import struct
import zlib
from collections.abc import Sequence

MAGIC = b"7z\xbc\xaf\x27\x1c"

_END, _HEADER, _STREAMS, _FILES = 0x00, 0x01, 0x04, 0x05
_PACK, _UNPACK, _SUBSTREAMS = 0x06, 0x07, 0x08
_SIZE, _CRC, _FOLDER, _CODERS_SIZE, _COUNT = 0x09, 0x0A, 0x0B, 0x0C, 0x0D
_NAMES = 0x11
_LZMA2 = b"\x21\x21\x01"  # flags (id of one byte, with properties), the id, length of the properties
_DICTIONARY = 1 << 20
_DICTIONARY_PROPERTY = 16  # 1 MiB, as LZMA2 writes it


def archive(members: Sequence[tuple[str, bytes]]) -> bytes:
    """Return a 7z archive that holds the members, of which none may be empty.

    Raises:
        ValueError: there are no members, or one is empty (empty files need another record, not written here).
    """
    empty = [path for path, data in members if not data]
    if empty or not members:
        raise ValueError(f"7z with members {len(members)}, empty {empty}: pass members with content")
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": _DICTIONARY}]
    packed = lzma.compress(b"".join(data for _, data in members), lzma.FORMAT_RAW, filters=filters)
    header = _header(members, len(packed))
    start = struct.pack("<QQI", len(packed), len(header), zlib.crc32(header))
    return MAGIC + b"\x00\x04" + struct.pack("<I", zlib.crc32(start)) + start + packed + header


def _header(members: Sequence[tuple[str, bytes]], packed: int) -> bytes:
    sizes = [len(data) for _, data in members]
    names = b"\x00" + b"".join(path.encode("utf-16-le") + b"\0\0" for path, _ in members)
    out = bytes((_HEADER, _STREAMS))
    out += bytes((_PACK,)) + _number(0) + _number(1) + bytes((_SIZE,)) + _number(packed) + bytes((_END,))
    out += bytes((_UNPACK, _FOLDER)) + _number(1) + b"\x00"
    out += _number(1) + _LZMA2 + bytes((_DICTIONARY_PROPERTY,))
    out += bytes((_CODERS_SIZE,)) + _number(sum(sizes)) + bytes((_END,))
    out += bytes((_SUBSTREAMS, _COUNT)) + _number(len(members))
    if len(members) > 1:
        out += bytes((_SIZE,)) + b"".join(map(_number, sizes[:-1]))  # the last follows from the sum
    out += bytes((_CRC, 1)) + b"".join(struct.pack("<I", zlib.crc32(data)) for _, data in members)
    out += bytes((_END, _END))
    out += bytes((_FILES,)) + _number(len(members)) + bytes((_NAMES,)) + _number(len(names)) + names
    return out + bytes((_END, _END))


def _number(value: int) -> bytes:
    """Encode an integer as 7z does: the leading ones of the first byte count the bytes that follow."""
    for extra in range(8):
        if value < 1 << (7 * (extra + 1)):
            lead = (0xFF00 >> extra) & 0xFF
            return bytes((lead | value >> (8 * extra),)) + (value & ((1 << 8 * extra) - 1)).to_bytes(extra, "little")
    return b"\xff" + value.to_bytes(8, "little")
