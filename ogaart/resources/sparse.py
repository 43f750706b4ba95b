"""Copies of folders whose files are mostly holes, such as a vector index keeps."""

import os
from pathlib import Path

from ogaart.resources.durable import sync_file, sync_folder

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


def _copy_file(source: Path, dest: Path) -> None:
    with source.open("rb") as read, dest.open("wb") as write:
        while block := read.read(_BLOCK):
            if block.count(0) == len(block):
                write.seek(len(block), os.SEEK_CUR)
            else:
                write.write(block)
        write.truncate(write.tell())
