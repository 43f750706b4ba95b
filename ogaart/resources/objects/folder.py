"""Files in the data root itself: the default. What writes them has synced them; their place is their name."""

import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from ogaart.core.durable_names import TEMPORARY, sync_file, temporary
from ogaart.resources.objects.store import StoredFile


class Folder:
    """The data root as an ``ObjectStore``."""

    remote = False

    def put(self, file: Path, path: Path) -> None:
        """Move a finished, synced file to ``path``."""
        if file != path:
            file.replace(path)

    def upload(self, file: Path, path: Path) -> None:
        """Copy a finished file to ``path``, synced."""
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = temporary(path)
        shutil.copyfile(file, draft)
        sync_file(draft)
        draft.replace(path)

    def fetch(self, paths: Iterable[Path], *, fresh: bool = False) -> None:
        """Nothing: the files are at their paths."""

    def read(self, path: Path, offset: int, length: int) -> bytes:
        """A range of a file's bytes.

        Raises:
            OSError: the file is missing, or shorter than that.
        """
        return read_range(path, offset, length)

    def size(self, path: Path) -> int | None:
        """A file's length in bytes; None where it is missing."""
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def files(self, folder: Path) -> Iterator[StoredFile]:
        """Every file below a folder, in no order; those that are being written are left out."""
        for parent, _, names in os.walk(folder, onerror=_raise_but_missing):
            yield from stored_files(Path(parent) / name for name in names if not name.startswith(TEMPORARY))

    def delete(self, path: Path) -> None:
        """Delete a file; one that is missing is not an error."""
        path.unlink(missing_ok=True)


def _raise_but_missing(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def stored_files(paths: Iterable[Path]) -> Iterator[StoredFile]:
    """Local files with their sizes and times; those that are deleted meanwhile are left out."""
    for path in paths:
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        yield StoredFile(path, status.st_size, status.st_mtime)


def files_before(folder: Path, depth: int, moment: float) -> Iterator[StoredFile]:
    """Files so many folders below a folder that were last written before a moment (seconds since 1970), in no order.

    The others, mostly nearly all of them, cost a look at their times. What cannot be looked at is left out.
    """
    with suppress(OSError), os.scandir(folder) as found:
        for entry in found:
            if depth:
                if is_folder(entry):
                    yield from files_before(Path(entry.path), depth - 1, moment)
                continue
            with suppress(OSError):
                status = entry.stat()
                if status.st_mtime < moment and stat.S_ISREG(status.st_mode):
                    yield StoredFile(Path(entry.path), status.st_size, status.st_mtime)


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether there is a folder, or a link to one; one that leads nowhere, to itself or to what is forbidden is not."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def read_range(path: Path, offset: int, length: int, remedy: str = "") -> bytes:
    """Bytes of a local file, read by position, so that threads share no file offset.

    Args:
        path: the file.
        offset: the first byte.
        length: how many.
        remedy: what brings a lost file back, for the message.

    Raises:
        OSError: the file is missing, or shorter than that.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        data = os.pread(handle, length, offset)
    finally:
        os.close(handle)
    if len(data) != length:
        raise OSError(f"{path} ends before offset {offset} + {length} bytes{remedy and f': {remedy}'}")
    return data
