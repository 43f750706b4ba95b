"""Archives behind other bytes: self-extracting programs, and archives with padding in front."""

from __future__ import annotations

import re
import shutil
import struct
import tempfile
import zlib
from typing import IO, TYPE_CHECKING

from ogaart.imaging.sniff import FileType, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEARCHED_BYTES = 64 << 20
"""How far into a program an archive is searched: extractors have about 2 MiB, the engines of games some tens."""
PADDING_BYTES = 4 << 20
"""How far into any other file; a zip is found wherever it begins, by its directory at the end."""
_HEADER_BYTES = 4096
_STRIDE = 1 << 20
"""So many bytes are searched at a time."""

_PROGRAMS = frozenset({"exe", "elf"})
_MAGIC = re.compile(rb"PK\x03\x04|7z\xbc\xaf\x27\x1c|Rar!\x1a\x07(?:\x00|\x01\x00)")
_METHODS = {*range(13), 14, 93, 95, 98, 99}
_CENTRAL = b"PK\x01\x02"
_END = b"PK\x05\x06"
_TAIL = 1 << 20


def may_hold_archive(kind: FileType, head: bytes) -> bool:
    """Whether a file of this type can be a self-extracting or padded archive."""
    return kind.format in _PROGRAMS or kind.format == "unknown" or (kind.format == "text" and head[:2] == b"#!")


def find_archive(head: bytes | bytearray, start: int = 0, *, zips: bool = True) -> tuple[int, FileType] | None:
    """Find where an archive begins.

    Args:
        head: first bytes of a file.
        start: where the search begins.
        zips: whether zips count.

    Returns:
        Offset and type of the first archive whose header is valid; None if there is none.
    """
    for found in _MAGIC.finditer(head, start):
        place = found.start()
        name = {b"P": "zip", b"7": "7z", b"R": "rar"}[bytes(head[place : place + 1])]
        if (zips or name != "zip") and _VALID[name](bytes(head[place : place + _HEADER_BYTES])):
            return place, FileType(Kind.ARCHIVE, name)
    return None


def find_in_stream(
    kind: FileType, head: bytes, blocks: Iterator[bytes], *, zips: bool = True, far: bool = False
) -> tuple[bytes, tuple[int, FileType] | None]:
    """Find where an archive begins in a file that is read until it is found, or far enough for its type.

    Args:
        kind: the file's type.
        head: the first bytes, already read.
        blocks: the rest; what was searched is taken from it.
        zips: whether zips count.
        far: whether to read as far as into a program.

    Returns:
        The bytes that were read, and what ``find_archive`` returns.
    """
    most = SEARCHED_BYTES if far or kind.format in _PROGRAMS else PADDING_BYTES
    read, searched = bytearray(head), 0
    for block in blocks:
        read += block
        if len(read) - searched >= _STRIDE:
            found = find_archive(read, searched, zips=zips)
            if found and len(read) - found[0] >= _HEADER_BYTES:  # else its header is not whole yet
                return bytes(read), found
            searched = len(read) - _HEADER_BYTES
        if len(read) >= most:
            break
    return bytes(read), find_archive(read, searched, zips=zips)


def find_zip_by_its_end(stream: IO[bytes]) -> tuple[int, FileType] | None:
    """Find where the zip begins that a file ends with, by the directory at its end, however far that is.

    Args:
        stream: the whole file.

    Returns:
        Offset and type, as ``find_archive`` returns them; None where the directory is missing or its lengths do not
        fit.
    """
    length = stream.seek(0, 2)
    stream.seek(max(0, length - _TAIL))
    tail = stream.read(_TAIL)
    end = tail.rfind(_END)
    if end < 0 or end + 22 > len(tail):
        return None
    size, offset = struct.unpack_from("<II", tail, end + 12)
    directory = length - len(tail) + end - size
    begin = directory - offset  # 0 where offsets are those in the whole file
    if size < 46 or begin < 0:
        return None
    stream.seek(directory)
    entry = stream.read(46)
    if entry[:4] != _CENTRAL:
        return None
    stream.seek(begin + struct.unpack_from("<I", entry, 42)[0])
    return (begin, FileType(Kind.ARCHIVE, "zip")) if _valid_header(stream.read(_HEADER_BYTES)) else None


def _valid_header(header: bytes) -> bool:
    return header[:4] == b"PK\x03\x04" and _valid_zip(header)


def _valid_zip(header: bytes) -> bool:
    if len(header) < 30:
        return False
    version, _, method, *_, name, _ = struct.unpack_from("<HHHHHIIIHH", header, 4)
    return version & 0xFF <= 63 and method in _METHODS and 0 < name <= 4096 and b"\0" not in header[30 : 30 + name]


def _valid_7z(header: bytes) -> bool:
    return len(header) >= 32 and zlib.crc32(header[12:32]) == struct.unpack_from("<I", header, 8)[0]


def _valid_rar(header: bytes) -> bool:
    if header[6:7] == b"\0":
        return header[9:10] == b"\x73"
    return len(header) > 16 and zlib.crc32(header[12 : 13 + header[12]]) == struct.unpack_from("<I", header, 8)[0]


_VALID = {"zip": _valid_zip, "7z": _valid_7z, "rar": _valid_rar}


def archive_behind(
    stream: IO[bytes], offset: int, inner: FileType, kind: FileType, scratch: Path
) -> tuple[IO[bytes], FileType] | None:
    """The archive alone, as an unlinked temporary file at its start, and its type; the caller closes the file.

    A zip without a directory at the file's end is only bytes of a program that look like one: then an archive of
    another type is searched behind it.

    Args:
        stream: the whole file.
        offset: where ``find_archive`` found an archive.
        inner: the type that it found.
        kind: the type of the whole file.
        scratch: directory for the temporary file.

    Returns:
        None where there is no archive.
    """
    if inner.format == "zip":
        absolute = _counts_from_start(stream)
        if absolute is None:
            stream.seek(offset)
            rest = iter(lambda: stream.read(_STRIDE), b"")
            found = find_in_stream(kind, b"", rest, zips=False)[1]
            return (_copied(stream, offset + found[0], scratch), found[1]) if found else None
        offset = 0 if absolute else offset
    return _copied(stream, offset, scratch), inner


def _copied(stream: IO[bytes], offset: int, scratch: Path) -> IO[bytes]:
    copy = tempfile.TemporaryFile(dir=scratch, prefix="archive-")  # noqa: SIM115 - the caller closes it
    try:
        stream.seek(offset)
        shutil.copyfileobj(stream, copy, 1 << 20)
        copy.seek(0)
    except BaseException:
        copy.close()
        raise
    return copy


def _counts_from_start(stream: IO[bytes]) -> bool | None:
    """Whether the offsets of a zip's directory are those in the whole file; None if it has no directory."""
    length = stream.seek(0, 2)
    stream.seek(max(0, length - _TAIL))
    tail = stream.read(_TAIL)
    end = tail.rfind(_END)
    if end < 0 or end + 20 > len(tail):
        return None
    (offset,) = struct.unpack_from("<I", tail, end + 16)
    stream.seek(min(offset, length))
    return stream.read(4) == _CENTRAL
