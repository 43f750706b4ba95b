"""Keeps an engine's files in the page cache while it opens them.

The engine maps its files, takes them page by page, and tells the system to forget them again: each opening would read
the disk again, in small pieces, at a fraction of its speed, and where the system reads far ahead it looks through
thousands of pages for each. What another mapping has as well is not forgotten.
"""

import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from io import FileIO
from pathlib import Path

from ogaart.resources.storage.sparse_copy import extents

_CHUNK = 1 << 20
_POPULATE_READ = 22
"""``MADV_POPULATE_READ`` of Linux 5.14, which Python does not name: take a range into the page table, as if read."""


@contextmanager
def read_ahead(folder: Path, without: frozenset[str]) -> Iterator[int]:
    """Read all files below a folder once, one after the other, and keep them mapped while the block runs.

    Their holes, most of a small shard, are passed over. Where the system cannot map files so, they are only read.

    Args:
        folder: where to look.
        without: names of files and folders to pass over.

    Yields:
        Bytes read.
    """
    total = 0
    with ExitStack() as mapped:
        for parent, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if name not in without]
            for name in files:
                if name not in without:
                    with Path(parent, name).open("rb", buffering=0) as file:
                        size = os.fstat(file.fileno()).st_size
                        ranges = list(extents(file.fileno(), size))
                        if ranges and not _map(file, size, ranges, mapped):
                            _read(file, ranges)
                        total += sum(end - start for start, end in ranges)
        yield total


def _map(file: FileIO, size: int, ranges: list[tuple[int, int]], mapped: ExitStack) -> bool:
    """Have ranges of a file in the page cache and in the page table until ``mapped`` ends; returns whether it could."""
    if sys.platform != "linux":
        return False
    try:
        kept = mapped.enter_context(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
        for start, end in ranges:
            whole = start - start % mmap.PAGESIZE
            kept.madvise(_POPULATE_READ, whole, end - whole)
    except (OSError, ValueError):  # an older system, a file system without, no room for a mapping, a file cut meanwhile
        return False
    return True


def _read(file: FileIO, ranges: list[tuple[int, int]]) -> None:
    """Read ranges of a file into a chunk, over and over."""
    chunk = memoryview(bytearray(_CHUNK))
    for start, end in ranges:
        place = file.seek(start)
        while place < end and (count := file.readinto(chunk[: end - place])):
            place += count
