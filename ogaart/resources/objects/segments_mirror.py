"""Segments of vectors and derived bytes in a bucket: pulled before they are read, pushed before rows point to them.

A worker that reads a space has all its segments, since any may hold a picture's row. A copy of what the bucket has is
read-only; a segment that this worker has written, and the bucket does not have yet, is not.
"""

import stat
from collections.abc import Iterator
from pathlib import Path

from ogaart.resources.objects.store import ObjectStore

_PATTERN = "*/segment-*.parquet"
_STORED = 0o444


class SegmentsMirror:
    """The segments below some folders of the data root.

    Args:
        store: where they are durable; with the data root itself nothing is to be done.
        folders: the folders of all spaces.
    """

    def __init__(self, store: ObjectStore, *folders: Path) -> None:
        self._store = store
        self._folders = folders
        self._pulled: set[Path] = set()

    def pull(self, *, fresh: bool = False) -> None:
        """Have all segments that are stored, and delete copies of those that are not any more.

        Args:
            fresh: fetch them even where a copy is there.
        """
        if not self._store.remote:
            return
        stored = self._pulled = {file.path for folder in self._folders for file in self._store.files(folder)}
        for path in self._local():
            if path not in stored and not _is_new(path):
                path.unlink(missing_ok=True)
        self._store.fetch(sorted(stored), fresh=fresh)

    def push(self) -> None:
        """Store the segments that were written here."""
        for path in self._local() if self._store.remote else ():
            if _is_new(path):
                self._store.put(path, path)
                path.chmod(_STORED)

    def push_deletions(self) -> None:
        """Store what was written here, and delete what was deleted here since ``pull``."""
        if not self._store.remote:
            return
        self.push()
        for path in self._pulled.difference(self._local()):
            self._store.delete(path)

    def _local(self) -> Iterator[Path]:
        for folder in self._folders:
            yield from sorted(folder.glob(_PATTERN))


def _is_new(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IWUSR)
