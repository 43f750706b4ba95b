"""Names that survive a power cut, and temporary names that tell which process made them."""

import os
from pathlib import Path

TEMPORARY = ".tmp-"
"""Prefix of every temporary name; one whose process has ended may be deleted."""
HOST_SPACE = 0xEFFFFFFC
"""The namespace of process ids of a Linux machine itself, outside all containers: a constant of the kernel."""


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Make a file's bytes survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def process_mark() -> str:
    """This process in a temporary name: its id, and in a container the namespace that this id is of."""
    space = process_space()
    return f"{os.getpid()}" if space == HOST_SPACE else f"{os.getpid()}n{space}"


def process_space() -> int:
    """The namespace of process ids that this process is in; ``HOST_SPACE`` where the system has no such thing."""
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return HOST_SPACE


def temporary(path: Path) -> Path:
    """A temporary name beside ``path``, of this process alone."""
    return path.with_name(f"{TEMPORARY}{process_mark()}-{path.name}")


def make_folders(folder: Path, root: Path) -> None:
    """Make ``folder`` below ``root`` so that its name survives a power cut too."""
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    while folder != root:
        folder = folder.parent
        sync_folder(folder)
