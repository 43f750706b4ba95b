"""What killed processes left behind: found by the process id in its temporary name, deleted when that process ended.

A temporary name is ``.tmp-<pid>-…`` (see ``atomic_files.temporary``). Each run cleans up when it starts; what a living
process is writing is kept, as is everything without such a name.
"""

import re
import shutil
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from ogaart.resources.storage.atomic_files import HOST_SPACE, TEMPORARY, process_space
from ogaart.resources.storage.data_root import DataRoot

_NAME = re.compile(rf"{re.escape(TEMPORARY)}(?P<pid>\d+)(?:n(?P<space>\d+))?-")
_UNSEEN = 86_400.0
_CLOCK = 2.0  # seconds by which a process's start and a file's time may disagree


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


def clean_up_leftovers(root: DataRoot) -> list[Path]:
    """Delete leftovers everywhere but among tables and packs, which their journal guards (``Tables.clean_up``).

    Returns:
        the paths that were deleted.
    """
    deleted = []
    for path in _candidates(root):
        if not is_leftover(path):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        deleted.append(path)
    return deleted


def _candidates(root: DataRoot) -> Iterable[Path]:
    """Temporary names at the few depths where stores make them: a walk through all blobs would take minutes."""
    wanted = f"{TEMPORARY}*"
    for folder in (root.root, root.blobs, root.models, root.generations, root.history, root.scratch):
        yield from folder.glob(wanted)
    for folder in (root.site, root.vectors, root.derived, root.index):
        for pattern in (wanted, f"*/{wanted}", f"*/*/{wanted}"):
            yield from folder.glob(pattern)
