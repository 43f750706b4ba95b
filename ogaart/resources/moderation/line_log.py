"""Logs of sealed JSON lines that are only ever added to: a file, or what several hosts share."""

import errno
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any, Protocol

from ogaart.resources.storage.sealed_json import append_lines


class LogUnavailable(RuntimeError):
    """What several hosts share cannot be reached at the moment."""


class LineLog(Protocol):
    """Lines of JSON, the oldest first; one that a person has added has no seal."""

    @property
    def where(self) -> str:
        """What holds the lines, for messages."""

    @property
    def shared(self) -> bool:
        """Whether several hosts add to it: then every look costs a request to the database."""

    def content(self) -> bytes:
        """All lines, each with its end; empty where there are none.

        Raises:
            OSError: the file cannot be read.
            LogUnavailable: the database or the bucket cannot be reached.
        """

    def stamp(self) -> Hashable:
        """What is another value whenever the content is, and costs less than that; errors as ``content``."""

    def size(self) -> int:
        """Bytes of the content; errors as ``content``."""

    def append(self, line: Mapping[str, Any]) -> None:
        """Add one line, sealed; it is durable when this returns. Errors as ``content``."""

    def close(self) -> None:
        """Close the connection that the log has opened for itself."""


class FileLines:
    """The lines of a file of the data root, which the operator may write to as well.

    Args:
        path: the file; made with the first line.
    """

    shared = False

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def where(self) -> str:
        """The file."""
        return str(self.path)

    def content(self) -> bytes:
        """All lines; of a missing file none.

        Raises:
            FileNotFoundError: it is a link to nothing.
            OSError: it cannot be read.
        """
        try:
            return self.path.read_bytes()
        except FileNotFoundError as cause:
            if self.path.is_symlink():
                missing = f"a link to {self.path.readlink()}, which is missing"
                raise FileNotFoundError(errno.ENOENT, missing, str(self.path)) from cause
            return b""

    def stamp(self) -> tuple[int, int, int]:
        """The file's inode, time and size."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return 0, 0, 0
        return status.st_ino, status.st_mtime_ns, status.st_size

    def size(self) -> int:
        """The file's size."""
        return self.stamp()[2]

    def append(self, line: Mapping[str, Any]) -> None:
        """Add one line; writers of one process take turns in the caller."""
        append_lines(self.path, [line])

    def close(self) -> None:
        """Nothing is open."""
