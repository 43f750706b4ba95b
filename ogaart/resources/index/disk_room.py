"""Room on the disk for an engine that writes through mapped sparse files, where a full disk is a SIGBUS and no error.

Measured with qdrant-edge: an empty shard maps 190 MB and has 0.4 MB of blocks; each point takes blocks for its vector
in float16, its codes, and its payload with the indexes over it: 9.5 kB at 4,096 numbers, 3.2 kB at 1,280. Some
file systems (tmpfs) give a hole its blocks as soon as it is read. So the disk must have room for all that is mapped.
"""

import errno
import shutil
from pathlib import Path

import psutil

SLACK = 16 << 20
"""Bytes kept free beyond what is about to be written: first pages of new chunks, and what others write meanwhile."""
EMPTY_SHARD = 192 << 20
"""Bytes that a new shard maps."""
_PER_NUMBER = 3
_PER_PAYLOAD = 8 << 10


class DiskFull(OSError):
    """The disk has too little room for what is about to be written; nothing was."""

    def __init__(self, folder: Path, free: int, needed: int, what: str) -> None:
        message = (
            f"{free:,} bytes are free under {folder}, {what} needs {needed:,}: "
            "free some space (ogaart gc), or move the data root"
        )
        super().__init__(errno.ENOSPC, message)
        self.message = message

    def __str__(self) -> str:
        return self.message


def require_room(folder: Path, needed: int, what: str) -> None:
    """Refuse to write where the disk has less than ``needed`` bytes and some slack free.

    Raises:
        DiskFull: too little room.
    """
    free = shutil.disk_usage(folder).free
    if free < needed + SLACK:
        raise DiskFull(folder, free, needed + SLACK, what)


def takes_blocks_by_reading(path: Path) -> bool:
    """Whether a file system gives a hole its blocks when it is read through a map: those in memory do, disks do not."""
    real = path.resolve()
    mounts = [m for m in psutil.disk_partitions(all=True) if real.is_relative_to(m.mountpoint)]
    return max(mounts, key=lambda m: len(m.mountpoint)).fstype in {"tmpfs", "shm"} if mounts else False


def bytes_of_points(count: int, dimension: int) -> int:
    """Upper bound of the bytes that so many points take."""
    return count * (dimension * _PER_NUMBER + _PER_PAYLOAD)


def hole_bytes(folder: Path) -> int:
    """Bytes of a folder's files that have no place on the disk yet."""
    found = (path.stat() for path in folder.rglob("*") if path.is_file())
    return sum(max(0, status.st_size - status.st_blocks * 512) for status in found)
