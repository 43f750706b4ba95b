"""RAR 5 archives with stored members, written from the published format notes: no free program writes them.

Source: https://www.rarlab.com/technote.htm (block headers, file header, end of archive).
"""

import struct
import zlib
from collections.abc import Iterable

MAGIC = b"Rar!\x1a\x07\x01\x00"

_MAIN, _FILE, _END = 1, 2, 5
_HAS_DATA = 0x02
_HAS_CRC = 0x04
_UNIX = 1
_PLAIN_FILE = 0o100644


def archive(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a RAR 5 archive that holds the members uncompressed.

    Args:
        members: pairs of path ('/' between folders) and content.
    """
    blocks = [MAGIC, _block(_numbers(_MAIN, 0, 0))]
    blocks += [_file(path.encode(), data) for path, data in members]
    blocks.append(_block(_numbers(_END, 0, 0)))
    return b"".join(blocks)


def _file(path: bytes, data: bytes) -> bytes:
    header = _numbers(_FILE, _HAS_DATA, len(data), _HAS_CRC, len(data), _PLAIN_FILE)
    header += struct.pack("<I", zlib.crc32(data))
    header += _numbers(0, _UNIX, len(path)) + path  # method 0: stored
    return _block(header) + data


def _block(header: bytes) -> bytes:
    sized = _numbers(len(header)) + header
    return struct.pack("<I", zlib.crc32(sized)) + sized


def _numbers(*values: int) -> bytes:
    """Encode integers as RAR's vint: seven bits a byte, lowest first, the high bit set on all but the last."""
    out = bytearray()
    for value in values:
        while value > 0x7F:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)
    return bytes(out)
