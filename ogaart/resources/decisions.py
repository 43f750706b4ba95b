"""Takedown: what is blocked from search, read from the file of decisions as soon as it changes.

One JSON object a line: ``{"what": "entry" | "author" | "pixels", "value": …, "reason": …, "decided_at": …}``; a later
line with ``"lifted": true`` takes the decision back. The file is the record: lines are only ever added.
"""

import json
import threading
from dataclasses import dataclass
from pathlib import Path


class DecisionsUnreadable(ValueError):
    """A line of the file is not a decision."""


@dataclass(frozen=True)
class Blocked:
    """All decisions in force; ``version`` changes when the file does."""

    version: int
    entries: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    pixels: tuple[str, ...] = ()


_PLURALS = {"entry": "entries", "author": "authors", "pixels": "pixels"}


def read_decisions(path: Path, version: int = 0) -> Blocked:
    """Read the decisions in force; a missing file means none.

    Raises:
        DecisionsUnreadable: a line is not a decision; serving what it was to block would be wrong.
    """
    if not path.exists():
        return Blocked(version)
    values: dict[str, dict[str, None]] = {kind: {} for kind in _PLURALS}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            decision = json.loads(line)
            of_kind = values[decision["what"]]
            value = str(decision["value"])
        except (ValueError, KeyError, TypeError) as cause:
            raise DecisionsUnreadable(
                f"{path}, line {number}: {line[:80]!r} is not "
                '{"what": "entry|author|pixels", "value": …}; mend the line'
            ) from cause
        if decision.get("lifted"):
            of_kind.pop(value, None)
        else:
            of_kind[value] = None
    return Blocked(version, **{_PLURALS[kind]: tuple(found) for kind, found in values.items()})


class Decisions:
    """The decisions in force, read again whenever the file has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._blocked = Blocked(0)

    def current(self) -> Blocked:
        """What is blocked now."""
        try:
            status = self._path.stat()
            stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        except FileNotFoundError:
            stamp = (0, 0, 0)
        with self._lock:
            if stamp != self._stamp:
                self._blocked = read_decisions(self._path, self._blocked.version + 1)
                self._stamp = stamp
            return self._blocked
