"""Krita's KRA and OpenRaster's ORA: zip files whose merged picture is a PNG inside."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ogaart.imaging.formats.errors import Damaged, Encrypted, TooManyBytes, Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterator

MIMETYPES = {b"application/x-krita": "kra", b"image/openraster": "ora"}
"""Contents of a member ``mimetype``, to the name of the format."""
MERGED = "mergedimage.png"
_DOCUMENTS = {"maindoc.xml": "kra", "stack.xml": "ora"}
"""The members that describe the layers."""
_ENCRYPTED = 0x01
"""Bit of a zip member's flags."""
_TAIL_BYTES = 22 + 65_535
_DIRECTORY_BYTES = 4 << 20
"""A larger directory is not looked into: that is an archive of tens of thousands of members."""

_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError)


def format_of(source: Path | bytes | IO[bytes]) -> str | None:
    """Which of both a zip is, whatever the order and compression of its members; None where it is another zip.

    A member ``mimetype`` decides, else the merged picture beside the description of the layers. The position of an
    open file does not change.
    """
    with _opened(source) as stream:
        place = stream.tell()
        try:
            if not _may_be_layered(stream):
                return None
            with zipfile.ZipFile(stream) as archive:
                return _stated(archive) or _shown(archive)
        except (*_ERRORS, struct.error, LookupError):
            return None  # reading it as an archive tells what is wrong
        finally:
            stream.seek(place)


@contextmanager
def _opened(source: Path | bytes | IO[bytes]) -> Iterator[IO[bytes]]:
    if isinstance(source, bytes):
        yield io.BytesIO(source)
    elif isinstance(source, Path):
        with source.open("rb") as stream:
            yield stream
    else:
        yield source


def _may_be_layered(stream: IO[bytes]) -> bool:
    """Whether the directory names what only these two have: a cheap look, before all of it is taken apart."""
    length = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, length - _TAIL_BYTES))
    tail = stream.read(_TAIL_BYTES)
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or end + 20 > len(tail):
        return False
    (size,) = struct.unpack_from("<I", tail, end + 12)
    start = length - len(tail) + end - size
    if start < 0 or size > _DIRECTORY_BYTES:
        return False
    stream.seek(start)
    directory = stream.read(size)
    return b"mimetype" in directory or MERGED.encode() in directory


def _stated(archive: zipfile.ZipFile) -> str | None:
    try:
        member = archive.getinfo("mimetype")
    except KeyError:
        return None
    with archive.open(member) as stream:
        return MIMETYPES.get(stream.read(64).strip())


def _shown(archive: zipfile.ZipFile) -> str | None:
    names = archive.NameToInfo
    return next((form for name, form in _DOCUMENTS.items() if name in names and MERGED in names), None)


def merged_picture(source: Path | bytes, max_bytes: int) -> bytes:
    """The merged picture as a PNG file.

    Args:
        source: the file, or its bytes.
        max_bytes: of the PNG.

    Raises:
        FormatError: damaged, encrypted, compressed by a method that is not read, without a merged picture, or a picture
            of too many bytes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source) as archive:
            try:
                member = archive.getinfo(MERGED)
            except KeyError:
                raise Unsupported(f"without {MERGED}: only the merged picture is read") from None
            if member.flag_bits & _ENCRYPTED:
                raise Encrypted(f"{MERGED} is encrypted; its password is not known")
            if member.file_size > max_bytes:
                raise TooManyBytes(f"{MERGED} of {member.file_size:,} bytes; the limit is {max_bytes:,}")
            with archive.open(member) as stream:
                return stream.read(max_bytes)
    except NotImplementedError as cause:
        raise Unsupported(f"{MERGED}: {cause}") from cause
    except _ERRORS as cause:
        raise Damaged(str(cause)) from cause
