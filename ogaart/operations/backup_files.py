"""What a backup does with files that never change: it copies those that are new, and none that is damaged.

What the backup has is never replaced by a file that is not as it was written: the backup's may be the last good one.
"""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from ogaart.core.durable_names import TEMPORARY, is_leftover, process_mark
from ogaart.core.fault_injection import Fault, fault
from ogaart.operations.intact_files import is_intact
from ogaart.resources.moderation.line_log import Line
from ogaart.resources.objects.bucket import Bucket
from ogaart.resources.objects.store import StoredFile
from ogaart.settings import Settings

_AT_ONCE = 16
"""Files of a bucket that are fetched at a time."""


class Copied(NamedTuple):
    """What was done with some files.

    Attributes:
        files: how many there are.
        new: how many of them were copied.
        bytes: of these.
        damaged: those that are missing or not as they were written.
    """

    files: int
    new: int
    bytes: int
    damaged: list[Path]


class FileCopies:
    """Copies files of a data root to the same place under a backup.

    Args:
        settings: where the data root is.
        folder: the backup.
        drafts: a folder on its disk, for what is not compared with its hash yet.
    """

    def __init__(self, settings: Settings, folder: Path, drafts: Path) -> None:
        self._root, self._folder, self._drafts = settings.data, folder, drafts
        self._bucket = None if settings.objects is None else Bucket(settings.objects, drafts)

    def copy(self, stored: Iterable[StoredFile]) -> Copied:
        """Copy those that the backup has not in the same size, and that are as they were written.

        Raises:
            ObjectsRefused: the bucket cannot be reached.
        """
        found = [(file.path.relative_to(self._root), file.bytes) for file in stored]
        new = [(name, size) for name, size in found if not self._has(name, size)]
        with ThreadPoolExecutor(1 if self._bucket is None else _AT_ONCE) as pool:
            done = list(pool.map(lambda file: self._copy(file[0]), new))
        damaged = [self._root / name for (name, _), good in zip(new, done, strict=True) if not good]
        sizes = [size for (_, size), good in zip(new, done, strict=True) if good]
        return Copied(len(found), len(sizes), sum(sizes), damaged)

    def _has(self, name: Path, size: int) -> bool:
        """Enough for files that are named by their content."""
        path = self._folder / name
        return path.is_file() and path.stat().st_size == size

    def _copy(self, name: Path) -> bool:
        draft, target = self._drafts / name, self._folder / name
        draft.parent.mkdir(parents=True, exist_ok=True)
        try:
            if self._bucket is not None:
                self._bucket.fetch([draft], fresh=True)
            else:
                shutil.copy2(self._root / name, draft)
            fault(Fault.COPY_DRAFTED)
            good = is_intact(self._drafts, draft)
        except FileNotFoundError:
            return False
        if good or (_is_line(name) and not target.exists()):  # without its line what was taken down would come back
            target.parent.mkdir(parents=True, exist_ok=True)
            draft.replace(target)
        else:
            draft.unlink()
        return good


def damaged_lines(folder: Path, names: Iterable[str]) -> Iterator[Path]:
    """The lines in the folders of logs that are not as they were written."""
    for name in names:
        for path in sorted((folder / name).glob("*.json")):
            if not Line(str(path), path.read_bytes()).is_whole:
                yield path


def _is_line(name: Path) -> bool:
    return name.suffix == ".json"


@contextmanager
def drafts_in(folder: Path) -> Iterator[Path]:
    """A folder for drafts; those that killed backups left are deleted."""
    for left in folder.glob(f"{TEMPORARY}*"):
        if left.is_dir() and is_leftover(left):
            shutil.rmtree(left)
    drafts = folder / f"{TEMPORARY}{process_mark()}-backup"
    drafts.mkdir(exist_ok=True)
    try:
        yield drafts
    finally:
        with suppress(FileNotFoundError):
            shutil.rmtree(drafts)


def what_is_damaged(paths: Sequence[Path]) -> str:
    """What the user is told."""
    number = f"{len(paths)} files are" if len(paths) > 1 else "1 file is"
    return (
        f"{number} damaged or missing, such as {min(paths)}, and not copied: what the backup had before is kept; run "
        "`ogaart verify --repair`, then `ogaart backup` again"
    )
