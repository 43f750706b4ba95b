"""Files that are whole or absent: write under a temporary name, fsync, rename, fsync the folder."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ogaart.core.fault_injection import Fault, fault
from ogaart.resources.storage.sealed_json import open_json, seal_json

TEMPORARY = ".tmp-"
HOST_SPACE = 0xEFFFFFFC
"""The namespace of process ids of a Linux machine itself, outside all containers: a constant of the kernel."""
"""Prefix of every temporary name; one whose process has ended may be deleted."""


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


def read_json(path: Path) -> Any:
    """What a JSON file holds; None where it is missing or damaged: for what can be computed again."""
    try:
        return open_json(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def write_durably(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` in one step; readers see the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = temporary(path)
    with draft.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    fault(Fault.FILE_DRAFTED)
    draft.replace(path)
    sync_folder(path.parent)


def write_json(path: Path, fields: Mapping[str, Any], *, indent: int | None = None) -> None:
    """Replace ``path`` by a JSON object with its seal, in one step."""
    write_durably(path, seal_json(fields, indent=indent))


def make_folders(folder: Path, root: Path) -> None:
    """Make ``folder`` below ``root`` so that its name survives a power cut too."""
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    while folder != root:
        folder = folder.parent
        sync_folder(folder)


def copy_durably(source: Path, path: Path) -> None:
    """Copy a file to ``path`` in one step."""
    draft = temporary(path)
    shutil.copyfile(source, draft)
    sync_file(draft)
    draft.replace(path)


def point_link(link: Path, target: Path) -> None:
    """Make ``link`` a symlink to ``target`` in one step; the caller syncs its folder where it must survive."""
    draft = temporary(link.with_name(f"link-{link.name}"))  # beside what may be on its way to that name
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)
