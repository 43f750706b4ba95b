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
    from pathlib import Path

SEARCHED_BYTES = 4 << 20
"""How far into a program an archive is searched: the largest extractors in use have about 2 MiB."""

_PROGRAMS = frozenset({"exe", "elf"})
_MAGIC = re.compile(rb"PK\x03\x04|7z\xbc\xaf\x27\x1c|Rar!\x1a\x07(?:\x00|\x01\x00)")
_METHODS = {*range(13), 14, 93, 95, 98, 99}
_CENTRAL = b"PK\x01\x02"
_END = b"PK\x05\x06"
_TAIL = 1 << 20


def may_hold_archive(kind: FileType, head: bytes) -> bool:
    """Whether a file of this type can be a self-extracting or padded archive."""
    return kind.format in _PROGRAMS or kind.format == "unknown" or (kind.format == "text" and head[:2] == b"#!")


def is_program(kind: FileType) -> bool:
    """Whether the archive may be far behind the start."""
    return kind.format in _PROGRAMS


def find_archive(head: bytes) -> tuple[int, FileType] | None:
    """Find where an archive begins.

    Args:
        head: up to ``SEARCHED_BYTES`` first bytes of a file.

    Returns:
        Offset and type of the first archive whose header is valid; None if there is none.
    """
    for found in _MAGIC.finditer(head):
        place = found.start()
        name = {b"P": "zip", b"7": "7z", b"R": "rar"}[head[place : place + 1]]
        if _VALID[name](head[place : place + 4096]):
            return place, FileType(Kind.ARCHIVE, name)
    return None


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


def without_prefix(stream: IO[bytes], offset: int, kind: FileType, scratch: Path) -> IO[bytes] | None:
    """The archive alone, as an unlinked temporary file at its start; the caller closes it.

    A zip whose directory counts from the start of the whole file is copied whole. Returns None for a zip without a
    directory at its end: some bytes of a program that look like a zip's.
    """
    if kind.format == "zip":
        absolute = _counts_from_start(stream)
        if absolute is None:
            return None
        offset = 0 if absolute else offset
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
