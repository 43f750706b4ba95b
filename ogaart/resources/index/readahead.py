"""Keeps an engine's files in the page cache while it opens them.

The engine maps its files, takes them page by page, and tells the system to forget them again: each opening would read
the disk again, in small pieces, at a fraction of its speed, and where the system reads far ahead it looks through
thousands of pages for each. What another mapping has as well is not forgotten.
"""

import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
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
    chunk, total = memoryview(bytearray(_CHUNK)), 0
    with ExitStack() as mapped:
        for parent, folders, files in os.walk(folder):
            folders[:] = [name for name in folders if name not in without]
            for name in files:
                if name not in without:
                    with Path(parent, name).open("rb", buffering=0) as file:
                        total += _keep(file, chunk, mapped)
        yield total


def _keep(file: FileIO, chunk: memoryview, mapped: ExitStack) -> int:
    """Read a file into the page cache and map what it holds until ``mapped`` ends; returns the bytes read."""
    size, total = os.fstat(file.fileno()).st_size, 0
    ranges = list(extents(file.fileno(), size))
    for start, end in ranges:
        total += _read(file, start, end, chunk)
    if ranges and sys.platform == "linux":
        with suppress(OSError):  # no mappings of this kind: an older system, or a file system without
            kept = mapped.enter_context(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ))
            for start, end in ranges:
                whole = start - start % mmap.PAGESIZE
                kept.madvise(_POPULATE_READ, whole, end - whole)
    return total


def _read(file: FileIO, start: int, end: int, chunk: memoryview) -> int:
    """Read a part of a file into a chunk, over and over; returns the bytes read."""
    place = file.seek(start)
    while place < end and (count := file.readinto(chunk[: end - place])):
        place += count
    return place - start
