"""JSON with the hash of its own bytes in it, so that a value that rots is noticed although it still parses.

``seal`` is the first key and ``sealed`` the last: one damaged byte leaves at least one of them. A text that has neither
was written by hand, or before seals were made, and is read as it is. Files of such lines are only ever added to: a
kill or a full disk tears the last line at most.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

_HASH_DIGITS = 64
_UNSEALED = b"0" * _HASH_DIGITS
"""What is in place of the hash while it is computed."""
_FIRST = re.compile(rb'\s*\{\s*"seal": "(.{64})"', re.DOTALL)
_LAST = re.compile(rb'"sealed": true\s*\}\s*\Z')


class SealBroken(ValueError):
    """The bytes are not those that were written."""


def seal_json(fields: Mapping[str, Any], *, indent: int | None = None) -> bytes:
    """A JSON object with its seal, as UTF-8.

    Args:
        fields: what it holds; ``seal`` and ``sealed`` are added.
        indent: spaces of each level; None: one line, without a line end.
    """
    whole = {"seal": _UNSEALED.decode(), **fields, "sealed": True}
    text = json.dumps(whole, indent=indent, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return text.replace(_UNSEALED, hashlib.sha256(text).hexdigest().encode(), 1)


def seal_of(fields: Mapping[str, Any]) -> str:
    """The hash in the seal of a JSON object, as one line."""
    found = _FIRST.match(seal_json(fields))
    assert found is not None
    return found[1].decode()


def open_json(data: bytes) -> Any:
    """What a JSON text holds, without its seal.

    Raises:
        SealBroken: the text has a seal and is not as it was written.
        ValueError: it is not JSON.
    """
    first, last = _FIRST.match(data), _LAST.search(data)
    if first is None and last is None:
        return json.loads(data)
    if first is None or last is None or not _holds(data, first):
        raise SealBroken("not as it was written (its hash is wrong)")
    fields = json.loads(data)
    del fields["seal"], fields["sealed"]
    return fields


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


def damaged_lines(data: bytes) -> list[int]:
    """Numbers of the lines of JSON that are not as they were written, but for those that were cut off."""
    found = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        try:
            if line.endswith(b"}"):
                open_json(line)
        except ValueError:
            found.append(number)
    return found


def _holds(data: bytes, first: re.Match[bytes]) -> bool:
    whole = data[: first.start(1)] + _UNSEALED + data[first.end(1) :]
    return first.group(1) == hashlib.sha256(whole).hexdigest().encode()
