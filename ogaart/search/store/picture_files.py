"""Where bytes of published pictures are: slices of packs, and blobs."""

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ogaart.resources.storage.packs import read_at

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
    """Bytes on disk: part of a file, or all of it."""

    path: Path
    offset: int
    length: int

    def read(self) -> bytes:
        """All of them at once."""
        return read_at(self.path, self.offset, self.length, remedy=REMEDY)

    def blocks(self, size: int = 256 << 10) -> Iterator[bytes]:
        """All of them, ``size`` bytes at a time; who reads slowly holds one block in memory.

        Raises:
            OSError: the file is missing or shorter than that; at once, before the first block.
        """
        file = self.path.open("rb", buffering=0)
        if os.fstat(file.fileno()).st_size < self.offset + self.length:
            file.close()
            raise OSError(f"{self.path} ends before offset {self.offset} + {self.length} bytes: {REMEDY}")
        return self._read(file, size)

    def _read(self, file: io.FileIO, size: int) -> Iterator[bytes]:
        with file:
            file.seek(self.offset)
            for start in range(0, self.length, size):
                yield file.read(min(size, self.length - start))
