"""Reads an engine's files into the page cache before it opens them.

The engine maps its files, takes them page by page, and tells the system to forget them again: each start would read
the disk again, in small pieces, at a fraction of its speed. `benchmarks/search_load.py` prints the first answer's time.
"""

import os
from io import FileIO
from pathlib import Path

from ogaart.resources.storage.sparse_copy import extents

_CHUNK = 1 << 20


def read_ahead(folder: Path, without: frozenset[str]) -> int:
    """Read all files below a folder once, one after the other; their holes, most of a small shard, are passed over.

    Args:
        folder: where to look.
        without: names of files and folders to pass over.

    Returns:
        Bytes read.
    """
    chunk, total = memoryview(bytearray(_CHUNK)), 0
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in without]
        for name in files:
            if name not in without:
                with Path(parent, name).open("rb", buffering=0) as file:
                    for start, end in extents(file.fileno(), os.fstat(file.fileno()).st_size):
                        total += _read(file, start, end, chunk)
    return total


def _read(file: FileIO, start: int, end: int, chunk: memoryview) -> int:
    """Read a part of a file into a chunk, over and over; returns the bytes read."""
    place = file.seek(start)
    while place < end and (count := file.readinto(chunk[: end - place])):
        place += count
    return place - start
