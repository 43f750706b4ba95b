"""Where bytes of published pictures are: slices of packs, and blobs."""

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from ogaart.resources.objects.store import ObjectStore
from ogaart.resources.storage.packs import read_at
from ogaart.search.errors import PictureUnreadable

_RANGE = 1 << 20
"""Bytes that are requested of a bucket at a time."""
REMEDY = "publish again to renew the packs"
"""What an operator does about bytes that are not where the catalog says."""


@dataclass(frozen=True)
class Original:
    """Where a picture file's own bytes are: a slice of a pack, or a whole blob."""

    name: str
    format: str
    pack: Path | None
    offset: int
    length: int
    blob_sha256: str


@dataclass(frozen=True)
class FileSlice:
    """Bytes on disk, or in a bucket: part of a file, or all of it.

    Attributes:
        path: the file; where it is a link to an object that has no copy here, the object is read by ranges.
        offset: the first byte.
        length: how many.
        objects: the store of such objects.
    """

    path: Path
    offset: int
    length: int
    objects: ObjectStore | None = None

    def read(self) -> bytes:
        """All of them at once.

        Raises:
            PictureUnreadable: the file is missing, shorter than that, or cannot be read.
        """
        try:
            if self.objects is not None and self.path.is_symlink():
                return self.objects.read(self._object, self.offset, self.length)
            return read_at(self.path, self.offset, self.length, remedy=REMEDY)
        except OSError as cause:
            raise PictureUnreadable(_told(cause)) from cause

    @property
    def _object(self) -> Path:
        return Path(os.path.normpath(self.path.parent / self.path.readlink()))

    def blocks(self, size: int = 256 << 10) -> Iterator[bytes]:
        """All of them, ``size`` bytes at a time; who reads slowly holds one block in memory.

        Raises:
            PictureUnreadable: the file is missing, or shorter than that; at once, before the first block.
        """
        try:
            if self.objects is not None and self.path.is_symlink():
                return self._ranges(self.objects, max(size, _RANGE))
            file = self.path.open("rb", buffering=0)
        except OSError as cause:
            raise PictureUnreadable(_told(cause)) from cause
        if os.fstat(file.fileno()).st_size < self.offset + self.length:
            file.close()
            raise PictureUnreadable(f"{self.path} ends before offset {self.offset} + {self.length} bytes: {REMEDY}")
        return self._read(file, size)

    def _ranges(self, objects: ObjectStore, size: int) -> Iterator[bytes]:
        first = objects.read(self._object, self.offset, min(size, self.length))
        return chain(
            [first],
            (
                objects.read(self._object, self.offset + start, min(size, self.length - start))
                for start in range(size, self.length, size)
            ),
        )

    def _read(self, file: io.FileIO, size: int) -> Iterator[bytes]:
        with file:
            file.seek(self.offset)
            for start in range(0, self.length, size):
                yield file.read(min(size, self.length - start))


def _told(cause: OSError) -> str:
    return str(cause) if REMEDY in str(cause) else f"{cause}: {REMEDY}"
