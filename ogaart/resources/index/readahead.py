"""Keeps an engine's files in the page cache while it opens them.

The engine maps its files, takes them page by page, and tells the system to forget them again: each opening would read
the disk again, in small pieces, at a fraction of its speed, and where the system reads far ahead it looks through
thousands of pages for each. What another mapping has as well is not forgotten.
"""

import ctypes
import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from io import FileIO
from pathlib import Path

from ogaart.resources.storage.sparse_copy import extents

_CHUNK = 1 << 20
_POPULATE_READ = 22
"""``MADV_POPULATE_READ`` of Linux 5.14, which Python does not name: take a range into the page table, as if read."""
_FAILED = ctypes.c_void_p(-1).value


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
                        for start, end in list(extents(file.fileno(), os.fstat(file.fileno()).st_size)):
                            if not _map(file.fileno(), start - start % mmap.PAGESIZE, end, mapped):
                                _read(file, start, end)
                            total += end - start
        yield total


def _map(descriptor: int, start: int, end: int, mapped: ExitStack) -> bool:
    """Have a range of a file in the page cache and in the page table until ``mapped`` ends; returns whether it could.

    Not by Python's ``mmap``, which keeps a descriptor for each: a collection has more files than a process may open.
    It cannot on an older system, on a file system without mappings, without room for one, or for a file cut meanwhile.
    """
    if sys.platform != "linux":
        return False
    libc, length = _libc(), end - start
    address = libc.mmap(None, length, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, start)
    if address == _FAILED:
        return False
    mapped.callback(libc.munmap, address, length)
    return bool(libc.madvise(address, length, _POPULATE_READ) == 0)


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None)
    pointer, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int
    libc.mmap.restype, libc.mmap.argtypes = pointer, (pointer, size, number, number, number, ctypes.c_long)
    libc.madvise.argtypes, libc.munmap.argtypes = (pointer, size, number), (pointer, size)
    return libc


def _read(file: FileIO, start: int, end: int) -> None:
    """Read a range of a file into a chunk, over and over."""
    chunk = memoryview(bytearray(min(_CHUNK, end - start)))
    place = file.seek(start)
    while place < end and (count := file.readinto(chunk[: end - place])):
        place += count
