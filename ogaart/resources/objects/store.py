"""The one interface over immutable files, which the data root's folder and a bucket both have.

A file's path under the data root is its name in the bucket too. Names tell the content, or are unique, so that an
overwrite is harmless: nothing rests on a store that refuses one. What is current is decided in the database alone.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol


class StoredFile(NamedTuple):
    """A file in a store.

    Attributes:
        path: its path under the data root, where its copy lies or would lie.
        bytes: its size.
        written: when it was stored, in seconds since 1970.
    """

    path: Path
    bytes: int
    written: float


class ObjectsRefused(RuntimeError):
    """The store cannot be reached, refuses, or is not the one that the data root belongs to."""


class ObjectStore(Protocol):
    """Immutable files under one data root; ``ObjectsRefused`` from everything that reaches a bucket."""

    @property
    def remote(self) -> bool:
        """Whether the files are durable elsewhere, and the data root only holds copies of some."""

    def put(self, file: Path, path: Path) -> None:
        """Store a finished, synced file as ``path``, to which it is moved.

        Args:
            file: on the data root's disk; it may lie at ``path`` already.
            path: its path under the data root; the caller syncs the folder. A file that is stored there is replaced.
        """

    def upload(self, file: Path, path: Path) -> None:
        """Store the bytes of a finished file as ``path``; the file stays where it is, and a bucket gets no copy."""

    def fetch(self, paths: Iterable[Path], *, fresh: bool = False) -> None:
        """Have the files at their paths; one that is not stored is missing there afterwards, or was before.

        Args:
            paths: the files.
            fresh: fetch them even where a copy is there: what is stored is what is read.
        """

    def read(self, path: Path, offset: int, length: int) -> bytes:
        """A range of a file's bytes, without fetching the rest.

        Raises:
            OSError: the file is missing, or shorter than that.
        """

    def size(self, path: Path) -> int | None:
        """A file's length in bytes; None where it is not stored."""

    def files(self, folder: Path) -> Iterator[StoredFile]:
        """Every file that is stored below a folder, in no order; those that are being written are left out."""

    def delete(self, path: Path) -> None:
        """Delete a file, and its copy; one that is not stored is not an error."""
