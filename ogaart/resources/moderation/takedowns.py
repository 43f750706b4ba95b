"""Takedowns: what the operator has blocked from search, read from the log of decisions as soon as it changes.

One JSON object a line: ``{"what": "entry" | "author" | "pixels", "value": …, "reason": …, "decided_at": …}``; a later
line with ``"lifted": true`` takes the decision back. The log is the record: lines are only ever added. Those of
``ogaart block`` are sealed, so that a damaged name does not put back what was blocked; one that a person wrote into
the file of a version before is not.
"""

import logging
import threading
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NotRequired, TypedDict

from ogaart.core.process_limits import lacking, way_out
from ogaart.core.repetition import repeat
from ogaart.resources.moderation.line_log import LineLog, LogUnavailable
from ogaart.resources.storage.sealed_json import SealBroken, open_json

logger = logging.getLogger(__name__)

Kind = Literal["entry", "author", "pixels"]


class Decision(TypedDict):
    """A line of the log; ``lifted`` takes an earlier one back."""

    what: Kind
    value: str
    reason: NotRequired[str]
    decided_at: NotRequired[str]
    lifted: NotRequired[bool]


class DecisionsUnreadable(ValueError):
    """A line of the log is not a decision, or not as it was written; or the log cannot be read."""


class DecisionsLost(DecisionsUnreadable):
    """The log lacks decisions that it had."""


@dataclass(frozen=True)
class Takedowns:
    """All decisions in force; ``version`` changes when the log does."""

    version: int = 0
    entries: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    pixels: tuple[str, ...] = ()

    def named(self) -> list[tuple[str, str]]:
        """Kind and value of each."""
        return [(kind, value) for kind, values in _PLURALS.items() for value in getattr(self, values)]


_PLURALS = {"entry": "entries", "author": "authors", "pixels": "pixels"}


def read_decisions(log: LineLog, version: int = 0) -> Takedowns:
    """Read the decisions in force; an empty log means none.

    Raises:
        DecisionsUnreadable: a line is not a decision, or not as it was written; what it was to block must not be
            served.
        LogUnavailable: the log cannot be reached at the moment.
    """
    values: dict[str, dict[str, None]] = {kind: {} for kind in _PLURALS}
    for decision in decision_lines(log):
        of_kind, value = values[decision["what"]], decision["value"]
        if decision.get("lifted"):
            of_kind.pop(value, None)
        else:
            of_kind[value] = None
    return Takedowns(version, **{_PLURALS[kind]: tuple(found) for kind, found in values.items()})


def decision_lines(log: LineLog) -> Iterator[Decision]:
    """Every line of the log of decisions, lifted ones too.

    Raises:
        DecisionsUnreadable: a line is not a decision, or not as it was written; or the file cannot be read.
        LogUnavailable: the log cannot be reached at the moment.
    """
    try:
        lines = log.lines()
    except OSError as cause:
        reason = cause.strerror or type(cause).__name__
        where = cause.filename or log.where
        remedy = "restore it from a backup" if (code := lacking(cause)) is None else way_out(code)
        raise DecisionsUnreadable(f"{where}: {reason[:1].lower()}{reason[1:]}; {remedy}") from cause
    for where, line in lines:
        try:
            found = _decision_of(line)
        except SealBroken as cause:
            raise DecisionsUnreadable(
                f"{where}: not as `ogaart block` wrote it (its hash is wrong): restore it from a backup; after a "
                'change by hand, delete its "seal" and "sealed"'
            ) from cause
        except (ValueError, KeyError, TypeError) as cause:
            raise DecisionsUnreadable(
                f"{where}: {line[:80].decode('utf-8', 'replace')!r} is not "
                '{"what": "entry|author|pixels", "value": …}, which may have "lifted": true; correct it, or restore it '
                "from a backup"
            ) from cause
        yield found


def _decision_of(line: bytes) -> Decision:
    decision = open_json(line)
    _ = _PLURALS[decision["what"]]
    if not isinstance(decision["value"], str | int) or not isinstance(decision.get("lifted", False), bool):
        raise TypeError("value is text or a number, lifted is true or false")
    found: Decision = decision | {"value": str(decision["value"])}
    return found


def require_decisions(log: LineLog, before: Iterable[Sequence[str]]) -> None:
    """Refuse a log that lacks decisions: lines are only ever added, and a lifted decision has lines too.

    Args:
        log: the log of decisions.
        before: kind and value of decisions that were in force.

    Raises:
        DecisionsLost: a decision has no line any more.
        DecisionsUnreadable: a line is not a decision, or not as it was written.
        LogUnavailable: the log cannot be reached at the moment.
    """
    there = {(decision["what"], decision["value"]) for decision in decision_lines(log)}
    lost = [(what, value) for what, value in before if (what, value) not in there]
    if lost:
        what, value = lost[0]
        raise DecisionsLost(
            f"{log.where} lacks {len(lost)} of the decisions that the publication in service was made with, such as "
            f"{what} {value!r}: restore them from a backup, or revoke them by `ogaart block {what} … --lift`"
        )


def decide(
    log: LineLog, what: Kind, value: str, reason: str, *, lift: bool = False, now: datetime | None = None
) -> None:
    """Add a decision to the log; what reads it follows at once, and on other hosts within a second.

    Args:
        log: the log of decisions.
        what: what kind of thing is blocked.
        value: which: an entry's slug, an author as shown, the hex sha256 of canonical pixels.
        reason: why, for those who come later.
        lift: take an earlier decision back.
        now: when; by default this moment.

    Raises:
        LogUnavailable: the log cannot be reached at the moment.
    """
    decision: Decision = {
        "what": what,
        "value": value,
        "reason": reason,
        "decided_at": (now or datetime.now(UTC)).isoformat(),
    }
    if lift:
        decision["lifted"] = True
    if not log.damaged_before():
        log.adopt()
    log.append(decision)


class Decisions:
    """The decisions in force, read again whenever the log has changed.

    A folder is looked at for each answer. What hosts share is looked at once a second in a thread, so that no answer
    waits for a server: what was read last holds while it is away, since nothing can be decided meanwhile.

    Args:
        log: the log of decisions.
        interval: seconds between two looks of the thread.
    """

    def __init__(self, log: LineLog, interval: float = 1.0) -> None:
        self._log, self._interval = log, interval
        self._lock = threading.Lock()
        self._stamp: Hashable = None
        self._blocked = Takedowns(0)
        self._unreadable: DecisionsUnreadable | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="follow-takedowns", daemon=True)

    def start(self) -> None:
        """Follow a shared log from now on; a folder needs no following."""
        if self._log.shared:
            self._thread.start()

    def close(self) -> None:
        """Stop following."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._log.close()

    def current(self) -> Takedowns:
        """What is blocked now.

        Raises:
            DecisionsUnreadable: the log is damaged, or was never reached.
        """
        if not self._log.shared or self._stamp is None:
            try:
                self._look()
            except (LogUnavailable, OSError) as cause:
                raise DecisionsUnreadable(f"{self._log.where}: {cause}") from cause
        if self._unreadable is not None:
            raise self._unreadable
        return self._blocked

    def _look(self) -> None:
        stamp = self._log.stamp()
        with self._lock:
            if stamp == self._stamp and self._unreadable is None:
                return
            try:
                self._blocked = read_decisions(self._log, self._blocked.version + 1)
                self._unreadable = None
            except DecisionsUnreadable as cause:
                self._unreadable = cause
            self._stamp = stamp

    def _watch(self) -> None:
        def look() -> None:
            try:
                self._look()
            except (LogUnavailable, OSError) as cause:
                logger.warning("takedowns are those that were read last: %s", cause)

        repeat(look, self._interval, self._stop, "reading the takedowns")
