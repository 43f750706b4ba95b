"""Files of sealed JSON lines that are only ever added: a kill or a full disk tears the last line at most."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ogaart.resources.storage.sealed_json import seal_json


def append_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Add one sealed line for each row: all are on disk when this returns, or none where the disk is full.

    Writers of several processes or threads take turns: the caller holds a lock where there may be several.
    """
    lines = b"".join(seal_json(row) + b"\n" for row in rows)
    if not lines:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - 1))
        if file.read(1) not in {b"", b"\n"}:
            lines = b"\n" + lines  # an editor, or a kill, left the last line without its end
        try:
            while lines:
                lines = lines[file.write(lines) :]  # a full disk takes a part first, then raises
            os.fsync(file.fileno())
        except OSError:
            file.truncate(end)
            raise


def whole_lines(path: Path, start: int = 0, end: int | None = None) -> Iterator[tuple[int, bytes]]:
    """The lines from a position on, without one that was cut off.

    Args:
        path: the file; a missing one has no lines.
        start: byte at which the first line begins.
        end: byte at which the last line ends; None: the end of the file.

    Yields:
        the byte after each line, and the line without its end.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        at = file.seek(start)
        for line in file:
            at += len(line)
            if not line.endswith(b"\n") or (end is not None and at > end):
                return
            yield at, line[:-1]
