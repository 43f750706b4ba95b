"""Takedowns: what the operator has blocked from search, read from the file of decisions as soon as it changes.

One JSON object a line: ``{"what": "entry" | "author" | "pixels", "value": …, "reason": …, "decided_at": …}``; a later
line with ``"lifted": true`` takes the decision back. The file is the record: lines are only ever added. Those of
``ogaart block`` are sealed, so that a damaged name does not put back what was blocked; one written by hand is not.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, NotRequired, TypedDict

from ogaart.resources.storage.sealed_json import SealBroken, append_lines, open_json

Kind = Literal["entry", "author", "pixels"]


class Decision(TypedDict):
    """A line of the file; ``lifted`` takes an earlier one back."""

    what: Kind
    value: str
    reason: NotRequired[str]
    decided_at: NotRequired[str]
    lifted: NotRequired[bool]


class DecisionsUnreadable(ValueError):
    """A line of the file is not a decision, or not as it was written."""


@dataclass(frozen=True)
class Takedowns:
    """All decisions in force; ``version`` changes when the file does."""

    version: int = 0
    entries: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    pixels: tuple[str, ...] = ()


_PLURALS = {"entry": "entries", "author": "authors", "pixels": "pixels"}


def read_decisions(path: Path, version: int = 0) -> Takedowns:
    """Read the decisions in force; a missing file means none.

    Raises:
        DecisionsUnreadable: a line is not a decision, or not as it was written; what it was to block must not be
            served.
    """
    values: dict[str, dict[str, None]] = {kind: {} for kind in _PLURALS}
    for decision in decision_lines(path):
        of_kind, value = values[decision["what"]], decision["value"]
        if decision.get("lifted"):
            of_kind.pop(value, None)
        else:
            of_kind[value] = None
    return Takedowns(version, **{_PLURALS[kind]: tuple(found) for kind, found in values.items()})


def decision_lines(path: Path) -> Iterator[Decision]:
    """Every line of the file of decisions, lifted ones too; none where there is no file.

    Raises:
        DecisionsUnreadable: a line is not a decision, or not as it was written; or the file cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as cause:
        if path.is_symlink():
            raise DecisionsUnreadable(f"{path} links to {path.readlink()}, which is missing: put it back") from cause
        return
    except OSError as cause:
        reason = (cause.strerror or type(cause).__name__).lower()
        raise DecisionsUnreadable(f"{path}: {reason}; restore the file from a backup") from cause
    except UnicodeDecodeError as cause:
        number = cause.object[: cause.start].count(b"\n") + 1
        raise DecisionsUnreadable(f"{path}, line {number}: not UTF-8; restore the line from a backup") from cause
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            decision = open_json(line.encode())
            _ = _PLURALS[decision["what"]]
            found = decision | {"value": str(decision["value"])}
        except SealBroken as cause:
            raise DecisionsUnreadable(
                f"{path}, line {number}: not as `ogaart block` wrote it (its hash is wrong): restore the line from a "
                'backup; after a change by hand, delete its "seal" and "sealed"'
            ) from cause
        except (ValueError, KeyError, TypeError) as cause:
            raise DecisionsUnreadable(
                f"{path}, line {number}: {line[:80]!r} is not "
                '{"what": "entry|author|pixels", "value": …}; correct the line'
            ) from cause
        yield found


def decide(path: Path, what: Kind, value: str, reason: str, *, lift: bool = False, now: datetime | None = None) -> None:
    """Add a decision to the file; what reads it follows at once.

    Args:
        path: the file; made where it is missing.
        what: what kind of thing is blocked.
        value: which: an entry's slug, an author as shown, the hex sha256 of canonical pixels.
        reason: why, for those who come later.
        lift: take an earlier decision back.
        now: when; by default this moment.
    """
    decision: Decision = {
        "what": what,
        "value": value,
        "reason": reason,
        "decided_at": (now or datetime.now(UTC)).isoformat(),
    }
    if lift:
        decision["lifted"] = True
    append_lines(path, [decision])


class Decisions:
    """The decisions in force, read again whenever the file has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._blocked = Takedowns(0)

    def current(self) -> Takedowns:
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
