"""Copies and hashes of files that are mostly holes, such as a vector index keeps."""

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ogaart.resources.storage.atomic_files import TEMPORARY, process_mark, sync_file, sync_folder
from ogaart.resources.storage.leftovers import is_leftover

_BLOCK = 1 << 16


def copy_tree(source: Path, dest: Path, *, durable: bool = True) -> None:
    """Copy a folder block by block, leaving holes where there are zeros.

    Args:
        source: the folder; its files must not change meanwhile.
        dest: the copy, which must not exist; its files are writable whatever the source's modes are.
        durable: return only when all of it survives a power cut.
    """
    for folder in (source, *sorted(entry for entry in source.rglob("*") if entry.is_dir())):
        target = dest / folder.relative_to(source)
        target.mkdir(parents=True)
        for file in sorted(entry for entry in folder.iterdir() if entry.is_file()):
            copy_file(file, target / file.name)
            if durable:
                sync_file(target / file.name)
        if durable:
            sync_folder(target)


def is_protected(path: Path) -> bool:
    """Whether a folder's files are write-protected, by mode (a superuser could write, and must not) or from us."""
    files = (entry for entry in path.rglob("*") if entry.is_file())
    return any(not file.stat().st_mode & 0o200 or not os.access(file, os.W_OK) for file in files)


@contextmanager
def private_copy(path: Path, scratch: Path | None) -> Iterator[Path]:
    """A copy of a folder for this process alone, removed afterwards; those of killed processes are removed first.

    Args:
        path: the folder.
        scratch: where the copy lies; by default where the system keeps temporary files.
    """
    place = scratch or Path(tempfile.gettempdir())
    place.mkdir(parents=True, exist_ok=True)
    for leftover in place.glob(f"{TEMPORARY}*-copy-*"):
        if is_leftover(leftover):
            shutil.rmtree(leftover, ignore_errors=True)  # two processes may find the same one
    with tempfile.TemporaryDirectory(prefix=f"{TEMPORARY}{process_mark()}-copy-", dir=place) as folder:
        copy = Path(folder) / path.name
        copy_tree(path, copy, durable=False)
        yield copy


def copy_file(source: Path, dest: Path) -> None:
    """Copy a file's bytes, not its mode, leaving holes where there are zeros; only what it holds is read."""
    with source.open("rb", buffering=0) as read, dest.open("wb", buffering=0) as write:
        size = os.fstat(read.fileno()).st_size
        for start, end in _extents(read.fileno(), size):
            for offset in range(start, end, _BLOCK):
                block = os.pread(read.fileno(), min(_BLOCK, end - offset), offset)
                if block.count(0) != len(block):
                    os.pwrite(write.fileno(), block, offset)
        write.truncate(size)


def sparse_sha256(path: Path) -> str:
    """A hash of a file's length and of its blocks that are not all zero, in hex; holes cost nothing."""
    with path.open("rb", buffering=0) as read:
        size = os.fstat(read.fileno()).st_size
        digest = hashlib.sha256(size.to_bytes(8, "little"))
        begun = -1
        for start, end in _extents(read.fileno(), size):
            # Whole blocks, wherever the holes are: the same bytes have the same hash on every file system.
            for offset in range(start // _BLOCK * _BLOCK, end, _BLOCK):
                if offset <= begun:
                    continue
                begun = offset
                block = os.pread(read.fileno(), _BLOCK, offset)
                if block.count(0) != len(block):
                    digest.update(offset.to_bytes(8, "little"))
                    digest.update(block)
    return digest.hexdigest()


def _extents(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Where a file holds data, as (start, end); all of it where the file system does not tell."""
    place = 0
    while place < size:
        try:
            start = os.lseek(descriptor, place, os.SEEK_DATA)
            end = os.lseek(descriptor, start, os.SEEK_HOLE)
        except OSError as cause:
            if cause.errno != errno.ENXIO:  # which says that nothing but a hole follows
                yield place, size
            return
        yield start, min(end, size)
        place = end
