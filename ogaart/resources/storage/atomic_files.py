"""Files that are whole or absent: write under a temporary name, fsync, rename, fsync the folder."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ogaart.core.durable_names import (
    HOST_SPACE,
    TEMPORARY,
    make_folders,
    process_mark,
    process_space,
    sync_file,
    sync_folder,
    temporary,
)
from ogaart.core.fault_injection import Fault, fault
from ogaart.resources.storage.sealed_json import open_json, seal_json

__all__ = [
    "HOST_SPACE",
    "TEMPORARY",
    "copy_durably",
    "make_folders",
    "point_link",
    "process_mark",
    "process_space",
    "read_json",
    "sync_file",
    "sync_folder",
    "temporary",
    "write_durably",
    "write_json",
]


def read_json(path: Path) -> Any:
    """What a JSON file holds; None where it is missing or damaged: for what can be computed again."""
    try:
        return open_json(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def write_durably(path: Path, data: bytes) -> None:
    """Replace ``path`` by ``data`` in one step; readers see the old file or the new one.

    Where the disk is full, nothing is left of what was begun.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = temporary(path)
    try:
        with draft.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    fault(Fault.FILE_DRAFTED)
    draft.replace(path)
    sync_folder(path.parent)


def write_json(path: Path, fields: Mapping[str, Any], *, indent: int | None = None) -> None:
    """Replace ``path`` by a JSON object with its seal, in one step."""
    write_durably(path, seal_json(fields, indent=indent))


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
