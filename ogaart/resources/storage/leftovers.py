"""What killed processes left behind: found by the process id in its temporary name, deleted when that process ended.

A temporary name is ``.tmp-<pid>-…`` (see ``atomic_files.temporary``). Each run cleans up when it starts; what a living
process is writing is kept, as is everything without such a name.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ogaart.core.durable_names import TEMPORARY, is_leftover
from ogaart.resources.objects.folder import is_folder
from ogaart.resources.storage.data_root import DataRoot


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


def _candidates(root: DataRoot) -> Iterator[Path]:
    """Temporary names at the few depths where stores make them: a walk through all blobs would take minutes."""
    yield from _drafts(root.root, 1)
    for folder in (root.site, root.vectors, root.derived, root.index, root.root / "publications"):
        yield from _drafts(folder, 2)


def _drafts(folder: Path, depth: int) -> Iterator[Path]:
    """What has a temporary name in a folder, and in so many folders below each other."""
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError), os.scandir(folder) as found:
        for entry in found:
            if entry.name.startswith(TEMPORARY):
                yield Path(entry.path)
            elif depth and is_folder(entry):
                yield from _drafts(Path(entry.path), depth - 1)
