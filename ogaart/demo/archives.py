"""Archives as people upload them, whole and damaged: zip, tar.gz, tar.bz2, gz, 7z, rar; the same bytes every time."""

import bz2
import gzip
import io
import tarfile
import zipfile
from collections.abc import Sequence

from ogaart.demo import rar, sevenzip

Members = Sequence[tuple[str, bytes]]

_WHEN = (2014, 7, 1, 12, 0, 0)  # of every member, so that no clock is read
_WHEN_EPOCH = 1_404_216_000
# What a self-extracting archive begins with: enough of a program's header to be known for one.
EXTRACTOR = (
    b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff\x00\x00"
    + bytes(44)
    + (64).to_bytes(4, "little")
    + (b"PE\x00\x00\x4c\x01" + bytes(2_000))
)
SUFFIXES = ("zip", "7z", "tar.gz", "tar.bz2", "rar", "gz")


def pack(kind: str, members: Members) -> bytes:
    """Return an archive of that kind, one of ``SUFFIXES``; "gz" holds its first member alone.

    Raises:
        ValueError: the kind is none of these.
    """
    match kind:
        case "zip":
            return _zip(members, zipfile.ZIP_DEFLATED)
        case "7z":
            return sevenzip.archive(members)
        case "tar.gz":
            return gzip.compress(_tar(members), 9, mtime=0)
        case "tar.bz2":
            return bz2.compress(_tar(members), 9)
        case "rar":
            return rar.archive(members)
        case "gz":
            return _gz(*members[0])
    raise ValueError(f"archive kind {kind!r}: the demo writes {', '.join(SUFFIXES)}")


def truncated_zip(members: Members, survivors: int) -> bytes:
    """Return a zip of stored members that ends in the middle of member number ``survivors`` (zero-based)."""
    whole = _zip(members, zipfile.ZIP_STORED)
    path, data = members[survivors]
    start = whole.index(data)
    if len(data) < 2 or whole.count(data) != 1:
        raise ValueError(f"member {path!r}: cannot be cut in two; order other members first")
    return whole[: start + len(data) // 2]


def _zip(members: Members, method: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for path, data in members:
            info = zipfile.ZipInfo(path, _WHEN)
            info.compress_type = method
            info.create_system = 3
            info.external_attr = 0o100644 << 16
            archive.writestr(info, data)
    return out.getvalue()


def _gz(name: str, data: bytes) -> bytes:
    """Compress one file as gzip does, with its name in the header."""
    out = io.BytesIO()
    with gzip.GzipFile(name, "wb", 9, out, mtime=0) as stream:
        stream.write(data)
    return out.getvalue()


def _tar(members: Members) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, data in members:
            info = tarfile.TarInfo(path)
            info.size = len(data)
            info.mtime = _WHEN_EPOCH
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()
