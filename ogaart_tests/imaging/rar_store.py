"""Writes RAR 5 archives with stored (uncompressed) members, from the published notes of the format; for tests only."""

import struct
import zlib
from collections.abc import Iterable


def rar5(members: Iterable[tuple[str, bytes]]) -> bytes:
    """An archive of (name, data) members."""
    out = b"Rar!\x1a\x07\x01\x00" + _block(_int(1) + _int(0) + _int(0))
    for name, data in members:
        raw = name.encode()
        crc = struct.pack("<I", zlib.crc32(data))
        head = _int(2) + _int(2) + _int(len(data)) + _int(4) + _int(len(data)) + _int(0o100644) + crc
        out += _block(head + _int(0) + _int(1) + _int(len(raw)) + raw, data)
    return out + _block(_int(5) + _int(0) + _int(0))


def _int(value: int) -> bytes:
    """Seven bits a byte, the high bit says that more follow."""
    out = b""
    while True:
        low, value = value & 0x7F, value >> 7
        if not value:
            return out + bytes([low])
        out += bytes([low | 0x80])


def _block(body: bytes, data: bytes = b"") -> bytes:
    head = _int(len(body)) + body
    return struct.pack("<I", zlib.crc32(head)) + head + data
