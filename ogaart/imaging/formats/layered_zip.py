"""Krita's KRA and OpenRaster's ORA: zip files whose merged picture is a PNG inside."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

from ogaart.imaging.formats.errors import Damaged, TooManyBytes, Unsupported

MERGED = "mergedimage.png"

_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError)


def merged_picture(source: Path | bytes, max_bytes: int) -> bytes:
    """The merged picture as a PNG file.

    Args:
        source: the file, or its bytes.
        max_bytes: of the PNG.

    Raises:
        FormatError: damaged, without a merged picture, or a picture of too many bytes.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source) as archive:
            try:
                member = archive.getinfo(MERGED)
            except KeyError:
                raise Unsupported(f"without {MERGED}: only the merged picture is read") from None
            if member.file_size > max_bytes:
                raise TooManyBytes(f"{MERGED} of {member.file_size:,} bytes; the limit is {max_bytes:,}")
            with archive.open(member) as stream:
                return stream.read(max_bytes)
    except _ERRORS as cause:
        raise Damaged(str(cause)) from cause
