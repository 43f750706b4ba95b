"""Packs: many small pictures in one uncompressed zip, read by offset without opening the zip.

A pack is an ordinary zip (stored members), so any tool reads it; rows carry offset and length of each member's bytes.
Its comment, the last bytes of the file, is the hash of all bytes before it: checksums of members do not cover the rest.
"""

import hashlib
import os
import shutil
import struct
import zipfile
from pathlib import Path
from types import TracebackType
from typing import IO

from ogaart.resources.objects.folder import read_range

_LOCAL_HEADER = struct.Struct("<26xHH")
_MARK = b"ogaart.sha256:"
_SEAL = len(_MARK) + hashlib.sha256().digest_size * 2
_EPOCH = (1980, 1, 1, 0, 0, 0)  # a fixed time: equal contents give equal bytes


class PackWriter:
    """Write a pack under a temporary name; the same name twice is stored once."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True)
        self._places: dict[str, tuple[int, int]] = {}

    def __enter__(self) -> "PackWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.comment = _MARK + b"0" * (_SEAL - len(_MARK))
        self._zip.close()
        if kind is not None:
            self.path.unlink(missing_ok=True)
        else:
            _seal(self.path)

    def add(self, name: str, data: bytes | IO[bytes]) -> tuple[int, int]:
        """Store ``data`` as ``name``; returns (offset, length) of the bytes within the pack."""
        if name not in self._places:
            info = zipfile.ZipInfo(name, _EPOCH)
            if isinstance(data, bytes):
                length = len(data)
                self._zip.writestr(info, data)
            else:  # a file, of any size: copied in pieces
                length = info.file_size = data.seek(0, os.SEEK_END)
                data.seek(0)
                with self._zip.open(info, "w") as member:
                    shutil.copyfileobj(data, member, 1 << 20)
            header = 30 + len(info.filename.encode()) + _extra_length(self.path, info.header_offset, self._zip)
            self._places[name] = (info.header_offset + header, length)
        return self._places[name]

    @property
    def empty(self) -> bool:
        """Whether nothing was added."""
        return not self._places


def pack_is_as_written(path: Path) -> bool | None:
    """Whether a pack's bytes are those that were written; None where it has no seal, as packs from before had none.

    Raises:
        OSError: it cannot be read.
    """
    before, seal = _digest(path)
    if seal[: len(_MARK)] == _MARK:
        return seal[len(_MARK) :] == before
    # A damaged mark still leaves the hash; a damaged hash leaves the mark.
    return False if seal[len(_MARK) :] == before else None


def stored_pack_seal(path: Path) -> str:
    """The hash in a pack's seal, in hex; empty where it has none."""
    with path.open("rb") as source:
        source.seek(max(0, source.seek(0, os.SEEK_END) - _SEAL))
        seal = source.read()
    return seal[len(_MARK) :].decode("ascii", "replace") if seal.startswith(_MARK) else ""


def _seal(path: Path) -> None:
    before, _ = _digest(path)
    with path.open("r+b") as out:
        out.seek(-len(before), os.SEEK_END)
        out.write(before)


def _digest(path: Path) -> tuple[bytes, bytes]:
    """The hash in hex of all of a file's bytes but the last, and these: the seal where it has one."""
    digest = hashlib.sha256()
    with path.open("rb") as source:
        left = max(0, source.seek(0, os.SEEK_END) - _SEAL)
        source.seek(0)
        while left and (chunk := source.read(min(left, 1 << 20))):
            digest.update(chunk)
            left -= len(chunk)
        return digest.hexdigest().encode(), source.read()


def _extra_length(path: Path, offset: int, archive: zipfile.ZipFile) -> int:
    """Length of the local header's extra field (zip64 members have one)."""
    assert archive.fp is not None
    archive.fp.flush()
    with path.open("rb") as source:
        source.seek(offset)
        _, extra = _LOCAL_HEADER.unpack(source.read(30))
    return int(extra)


def read_at(path: Path, offset: int, length: int, *, remedy: str = "materialize its partition again") -> bytes:
    """The bytes at (offset, length) of a pack, read by position, so that threads share no file offset.

    Args:
        path: the pack.
        offset: the first byte.
        length: how many.
        remedy: what brings a lost pack back, for the message.

    Raises:
        OSError: the pack is missing or shorter than that.
    """
    return read_range(path, offset, length, remedy)
