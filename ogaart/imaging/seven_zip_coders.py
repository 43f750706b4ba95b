"""The coders of a 7z: libarchive reports some chains of them, which it does not read, as damage."""

from __future__ import annotations

import lzma
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    ReadAt = Callable[[int, int], bytes]
    """Bytes of the file from an offset, of at most a length."""

MOST_HEADER_BYTES = 8 << 20
"""Larger headers, of some hundred thousand members, are not looked into."""
_MOST = 100_000
"""Folders, coders and streams, of each at most."""

_END, _HEADER, _ARCHIVE, _STREAMS, _PACKED, _UNPACKED, _SIZES, _DIGESTS, _FOLDERS, _UNPACKED_SIZES = (
    0, 1, 2, 4, 6, 7, 9, 10, 11, 12
)  # fmt: skip
_ENCODED = 0x17
_LZMA, _PPMD = b"\x03\x01\x01", b"\x03\x04\x01"
_NAMES = {_LZMA: "LZMA", _PPMD: "PPMd"}
_FILTERS = {
    b"\x03\x03\x01\x03": "x86",
    b"\x03\x03\x02\x05": "PowerPC",
    b"\x03\x03\x04\x01": "IA-64",
    b"\x03\x03\x05\x01": "ARM",
    b"\x03\x03\x07\x01": "ARM Thumb",
    b"\x03\x03\x08\x05": "SPARC",
}
_READ = {(_LZMA, b"\x03\x03\x01\x03")}
"""A codec and a filter over it that libarchive reads nevertheless."""


def unread_chain(at: ReadAt) -> str:
    """A sentence's subject, such as "the filter ARM over LZMA", if an archive has such a chain; else empty.

    Args:
        at: reads the file, which begins with a valid signature header.

    Raises:
        EOFError: the header is cut off or damaged.
    """
    for coders in _folders_of(at):
        for codec, name in _NAMES.items():
            for coder in coders if codec in coders else ():
                if coder in _FILTERS and (codec, coder) not in _READ:
                    return f"the filter {_FILTERS[coder]} over {name}"
    return ""


def _folders_of(at: ReadAt) -> list[list[bytes]]:
    """The coders' ids of each folder."""
    offset, length = struct.unpack("<QQ", _exactly(at(12, 16), 16))
    header = _Numbers(_exactly(at(32 + offset, min(length, MOST_HEADER_BYTES)), length))
    kind = header.byte()
    if kind == _ENCODED:
        header = _Numbers(_decoded(header, at))
        kind = header.byte()
    if kind != _HEADER:
        raise EOFError
    kind = header.byte()
    if kind == _ARCHIVE:
        while header.byte() != _END:
            header.take(header.number())
        kind = header.byte()
    if kind != _STREAMS:  # without content
        return []
    return [[coder for coder, _ in coders] for coders in _streams(header)[2]]


def _exactly(data: bytes, length: int) -> bytes:
    if len(data) != length:
        raise EOFError
    return data


def _decoded(header: _Numbers, at: ReadAt) -> bytes:
    """The header that is packed by LZMA, as 7-Zip packs it."""
    place, sizes, folders, unpacked = _streams(header)
    [(coder, properties)] = folders[0] if folders and len(folders[0]) == 1 else [(b"", b"")]
    if coder != _LZMA or len(properties) != 5 or not sizes or not unpacked or unpacked[0] > MOST_HEADER_BYTES:
        raise EOFError
    rest, literal = divmod(properties[0], 9)
    position, low = divmod(rest, 5)
    dictionary = min(max(struct.unpack("<I", properties[1:])[0], 4096), MOST_HEADER_BYTES)  # no more comes out
    chain = [{"id": lzma.FILTER_LZMA1, "lc": literal, "lp": low, "pb": position, "dict_size": dictionary}]
    try:
        decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=chain)
        packed = at(32 + place, min(sizes[0], MOST_HEADER_BYTES))
        return _exactly(decoder.decompress(packed, unpacked[0]), unpacked[0])
    except (lzma.LZMAError, ValueError) as cause:
        raise EOFError from cause


def _streams(header: _Numbers) -> tuple[int, list[int], list[list[tuple[bytes, bytes]]], list[int]]:
    """Offset and sizes of the packed streams, the coders of each folder with their properties, unpacked sizes."""
    place, sizes = 0, []
    kind = header.byte()
    if kind == _PACKED:
        place, count = header.number(), header.count()
        while (kind := header.byte()) != _END:
            if kind == _SIZES:
                sizes = [header.number() for _ in range(count)]
            elif kind == _DIGESTS:
                _skip_digests(header, count)
            else:
                raise EOFError
        kind = header.byte()
    if kind != _UNPACKED or header.byte() != _FOLDERS:
        raise EOFError
    count = header.count()
    if header.byte():  # described elsewhere
        raise EOFError
    outs, folders = 0, []
    for _ in range(count):
        coders, streams = _folder(header)
        folders.append(coders)
        outs += streams
    unpacked = []
    if header.byte() == _UNPACKED_SIZES and outs <= _MOST:
        unpacked = [header.number() for _ in range(outs)]
    return place, sizes, folders, unpacked


def _folder(header: _Numbers) -> tuple[list[tuple[bytes, bytes]], int]:
    """A folder's coders and how many streams they put out."""
    coders, ins, outs = [], 0, 0
    for _ in range(header.count()):
        flags = header.byte()
        identity = header.take(flags & 0x0F)
        more = (header.count(), header.count()) if flags & 0x10 else (1, 1)
        ins, outs = ins + more[0], outs + more[1]
        coders.append((identity, header.take(header.number()) if flags & 0x20 else b""))
    bound = max(outs - 1, 0)
    for _ in range(2 * bound):
        header.number()
    if ins - bound > 1:
        for _ in range(ins - bound):
            header.number()
    return coders, outs


def _skip_digests(header: _Numbers, count: int) -> None:
    defined = count
    if not header.byte():
        bits = int.from_bytes(header.take((count + 7) // 8), "big")
        defined = bits.bit_count()
    header.take(4 * defined)


class _Numbers:
    """7z's numbers, whose first byte tells how many follow."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def take(self, length: int) -> bytes:
        """The next bytes.

        Raises:
            EOFError: there are not as many.
        """
        self._place += length
        return _exactly(self._data[self._place - length : self._place], length)

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self) -> int:
        first = self.byte()
        more = 8 - (~first & 0xFF).bit_length()  # leading ones
        low = int.from_bytes(self.take(more), "little")
        return low | (first & ((1 << (7 - more)) - 1 if more < 7 else 0)) << 8 * more

    def count(self) -> int:
        found = self.number()
        if found > _MOST:
            raise EOFError
        return found
