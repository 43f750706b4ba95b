"""Copies of folders whose files are mostly holes, such as a vector index keeps."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ogaart.resources.storage.atomic_files import TEMPORARY, sync_file, sync_folder
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
            _copy_file(file, target / file.name)
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
    with tempfile.TemporaryDirectory(prefix=f"{TEMPORARY}{os.getpid()}-copy-", dir=place) as folder:
        copy = Path(folder) / path.name
        copy_tree(path, copy, durable=False)
        yield copy


def _copy_file(source: Path, dest: Path) -> None:
    with source.open("rb") as read, dest.open("wb") as write:
        while block := read.read(_BLOCK):
            if block.count(0) == len(block):
                write.seek(len(block), os.SEEK_CUR)
            else:
                write.write(block)
        write.truncate(write.tell())
