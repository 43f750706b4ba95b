"""Copies and hashes of files that are mostly holes, such as a vector index keeps."""

import errno
import fcntl
import hashlib
import os
import shutil
import stat
import struct
import sys
import tempfile
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path

from blake3 import blake3

from ogaart.core.durable_names import is_leftover
from ogaart.resources.storage.atomic_files import TEMPORARY, process_mark, sync_file, sync_folder

_BLOCK = 1 << 16
_ZEROS = bytes(_BLOCK)
_FICLONE = 0x40049409  # of linux/fs.h
_KIND = "-blake3"
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def copy_tree(
    source: Path,
    dest: Path,
    *,
    durable: bool = True,
    linked: AbstractSet[str] = frozenset(),
    without: AbstractSet[str] = frozenset(),
) -> None:
    """Copy a folder block by block, leaving holes where there are zeros.

    Args:
        source: the folder; its files must not change meanwhile.
        dest: the copy, which must not exist; its files are writable whatever the source's modes are.
        durable: return only when all of it survives a power cut.
        linked: names of files that are never written to again: hard links where the file system makes them, read-only.
        without: names of folders that are left out.
    """
    folders = (entry for entry in source.rglob("*") if entry.is_dir())
    for folder in (source, *sorted(one for one in folders if without.isdisjoint(one.relative_to(source).parts))):
        target = dest / folder.relative_to(source)
        target.mkdir(parents=True)
        for file in sorted(entry for entry in folder.iterdir() if entry.is_file()):
            if file.name not in linked or not _linked(file, target / file.name):
                copy_file(file, target / file.name)
            if durable:
                sync_file(target / file.name)
        if durable:
            sync_folder(target)


def _linked(source: Path, link: Path) -> bool:
    """Whether a file was linked; the write protection is of both names."""
    try:
        if source.stat().st_mode & _WRITABLE:
            source.chmod(stat.S_IMODE(source.stat().st_mode) & ~_WRITABLE)
        os.link(source, link)
    except OSError:  # another disk, one without links, or the file of another user
        return False
    return True


def is_protected(path: Path, *, besides: AbstractSet[str] = frozenset()) -> bool:
    """Whether a folder's files are write-protected, by mode (a superuser could write, and must not) or from us.

    Args:
        path: the folder.
        besides: names of files that do not count.
    """
    files = (entry for entry in path.rglob("*") if entry.is_file() and entry.name not in besides)
    return any(not file.stat().st_mode & 0o200 or not os.access(file, os.W_OK) for file in files)


@contextmanager
def private_copy(path: Path, scratch: Path | None, *, linked: AbstractSet[str] = frozenset()) -> Iterator[Path]:
    """A copy of a folder for this process alone, removed afterwards; those of killed processes are removed first.

    Args:
        path: the folder.
        scratch: where the copy lies; by default where the system keeps temporary files.
        linked: as ``copy_tree`` has it.
    """
    place = scratch or Path(tempfile.gettempdir())
    place.mkdir(parents=True, exist_ok=True)
    for leftover in place.glob(f"{TEMPORARY}*-copy-*"):
        if is_leftover(leftover):
            shutil.rmtree(leftover, ignore_errors=True)  # two processes may find the same one
    with tempfile.TemporaryDirectory(prefix=f"{TEMPORARY}{process_mark()}-copy-", dir=place) as folder:
        copy = Path(folder) / path.name
        copy_tree(path, copy, durable=False, linked=linked)
        yield copy


def copy_file(source: Path, dest: Path) -> None:
    """Copy a file's bytes, not its mode, leaving holes where there are zeros; only what it holds is read."""
    with source.open("rb", buffering=0) as read, dest.open("wb", buffering=0) as write:
        size = os.fstat(read.fileno()).st_size
        for start, end in extents(read.fileno(), size):
            for offset in range(start, end, _BLOCK):
                block = os.pread(read.fileno(), min(_BLOCK, end - offset), offset)
                if block != _ZEROS[: len(block)]:
                    os.pwrite(write.fileno(), block, offset)
        write.truncate(size)


def sparse_hash(path: Path, copy: Path | None = None) -> str:
    """A BLAKE3 hash of a file's blocks that are not all zero, where they are, and its length; holes cost nothing.

    Args:
        path: the file.
        copy: write what is read there as well, as ``copy_file`` does: for who needs both, it is read once. Where the
            file system can, both share their blocks until one is written to.

    Returns:
        64 hexadecimal digits and ``-blake3``.
    """
    digest, places = blake3(), []
    for place, block in _held_blocks(path, copy):
        digest.update(block)  # whole blocks one after the other: numbers between them make it slower by a quarter
        places.append(place)
    digest.update(struct.pack(f"<{len(places)}Q", *places))
    return digest.hexdigest() + _KIND


def has_hash(path: Path, recorded: str | None, copy: Path | None = None) -> bool:
    """Whether a file has the hash that was recorded; publications of earlier versions have one of SHA-256.

    Args:
        path: the file.
        recorded: its hash; None: there is none, and so it has not.
        copy: as ``sparse_hash`` has it; of no use where the answer is no.
    """
    # As text: a list that is damaged, or was written by hand, may hold anything.
    digest = sparse_hash if str(recorded or _KIND).endswith(_KIND) else _sparse_sha256
    return digest(path, copy) == recorded


def _sparse_sha256(path: Path, copy: Path | None) -> str:
    digest = hashlib.sha256()
    for place, block in _held_blocks(path, copy):
        digest.update(place.to_bytes(8, "little"))
        digest.update(block)
    return digest.hexdigest()


def _held_blocks(path: Path, copy: Path | None) -> Iterator[tuple[int, bytes]]:
    """A file's length with no bytes, then its blocks that are not all zero with their places; and copy them."""
    with path.open("rb", buffering=0) as read, (copy or Path(os.devnull)).open("wb", buffering=0) as write:
        size = os.fstat(read.fileno()).st_size
        yield size, b""
        writes = copy is not None and not _shares_blocks(read.fileno(), write.fileno())
        begun = -1
        for start, end in extents(read.fileno(), size):
            # Whole blocks, wherever the holes are: the same bytes have the same hash on every file system.
            for offset in range(start // _BLOCK * _BLOCK, end, _BLOCK):
                if offset <= begun:
                    continue
                begun = offset
                block = os.pread(read.fileno(), _BLOCK, offset)
                if block != _ZEROS[: len(block)]:
                    yield offset, block
                    if writes:
                        os.pwrite(write.fileno(), block, offset)
        if writes:
            write.truncate(size)


def _shares_blocks(source: int, empty: int) -> bool:
    """Give an empty file the blocks of another, where the file system copies them when one is written to (btrfs, XFS).

    Not for files that are mapped and written to: where the disk is full, that kills the process.

    Returns:
        Whether it could be done; else nothing was.
    """
    if sys.platform != "linux":
        return False
    try:
        fcntl.ioctl(empty, _FICLONE, source)
    except OSError:
        return False
    return True


def extents(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Where a file holds data, as (start, end); all of it where the file system does not tell.

    Args:
        descriptor: the open file.
        size: its length in bytes.
    """
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


def link_files(source: Path, target: Path, names: Iterable[str]) -> None:
    """Have files of a folder, which are never written to again, in another: by hard links, or copied where none can be.

    Args:
        source: the folder.
        target: the other folder; made where it is missing. Files that it has already are kept.
        names: of the files.
    """
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        try:
            os.link(source / name, target / name)
        except FileExistsError:
            continue
        except OSError:  # another disk, or one without links
            shutil.copyfile(source / name, target / name)
