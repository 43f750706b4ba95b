"""Krita's KRA and OpenRaster's ORA: zip files whose merged picture is a PNG inside."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

from ogaart.imaging.formats.errors import Damaged, Encrypted, TooManyBytes, Unsupported

MERGED = "mergedimage.png"
_ENCRYPTED = 0x01
"""Bit of a zip member's flags."""

_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError)


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
