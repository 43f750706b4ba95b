"""Names that survive a power cut, and temporary names that tell which process made them."""

import os
import re
import time
from pathlib import Path

import psutil

TEMPORARY = ".tmp-"
"""Prefix of every temporary name; one whose process has ended may be deleted."""
HOST_SPACE = 0xEFFFFFFC
"""The namespace of process ids of a Linux machine itself, outside all containers: a constant of the kernel."""
_NAME = re.compile(rf"{re.escape(TEMPORARY)}(?P<pid>\d+)(?:n(?P<space>\d+))?-")
_UNSEEN = 86_400.0
_CLOCK = 2.0  # seconds by which a process's start and a file's time may disagree


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


def is_leftover(path: Path) -> bool:
    """Whether ``path`` has a temporary name and the process that wrote it has ended.

    A process of that id which began after the file was written is another one: ids are used again. The processes of
    another container cannot be seen: what they wrote is left behind once nothing was written to it for a day.
    """
    found = _NAME.match(path.name)
    if found is None:
        return False
    try:
        if int(found["space"] or HOST_SPACE) != process_space():
            return path.lstat().st_mtime < time.time() - _UNSEEN
        return path.lstat().st_mtime + _CLOCK < psutil.Process(int(found["pid"])).create_time()
    except psutil.NoSuchProcess:
        return True
    except (FileNotFoundError, psutil.AccessDenied):
        return False


def make_folders(folder: Path, root: Path) -> None:
    """Make ``folder`` below ``root`` so that its name survives a power cut too."""
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    while folder != root:
        folder = folder.parent
        sync_folder(folder)
