"""Reports of visitors about pictures, for the operator: a log of lines that are only ever added.

One JSON object a line: a report, or ``{"id": …, "closed_at": …, "outcome": …}``, which closes one.
"""

import secrets
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from ogaart.resources.moderation.line_log import LineLog
from ogaart.resources.storage.sealed_json import open_json

REASONS = {
    "licence": "wrong licence",
    "stolen": "taken from another person’s work",
    "mine": "mine, and should not be here",
    "not-art": "not game art",
    "other": "something else",
}
MAX_BYTES = 8 << 20
"""Of the open reports: beyond it nothing is added, so that no visitor can fill the disk."""


class ReportsFull(RuntimeError):
    """There are as many open reports as may be; the operator closes some."""


@dataclass(frozen=True)
class VisitorReport:
    """One report.

    Attributes:
        id: random, short.
        image_id: the picture; decimal digits.
        slug: its entry.
        reason: a key of ``REASONS``.
        note: what the visitor wrote; one line, without control characters.
        contact: how the visitor can be reached; may be empty.
        reported_at: ISO 8601, UTC.
        closed_at: when the operator closed it; empty while it is open.
        outcome: what the operator noted then.
    """

    id: str
    image_id: str
    slug: str
    reason: str
    note: str
    contact: str
    reported_at: str
    closed_at: str = ""
    outcome: str = ""


class VisitorReports:
    """The reports of a data root.

    Args:
        log: their log.
    """

    def __init__(self, log: LineLog) -> None:
        self._log = log
        self._lock = threading.Lock()

    def add(self, image_id: int, slug: str, reason: str, note: str = "", contact: str = "") -> VisitorReport:
        """Store a report; it is durable when this returns.

        Raises:
            ReportsFull: there are too many open ones.
            LogUnavailable: the log cannot be reached at the moment.
        """
        report = VisitorReport(
            secrets.token_hex(4), str(image_id), slug, reason, _one_line(note, 1_000), _one_line(contact, 200), _now()
        )
        if sum(_bytes_of(other) for other in self.open()) > MAX_BYTES:
            raise ReportsFull(f"{self._log.where}: more than {MAX_BYTES >> 20} MB of open reports: close some of them")
        with self._lock:
            self._log.append({key: value for key, value in asdict(report).items() if value})
        return report

    def close(self, report_id: str, outcome: str) -> bool:
        """Close a report; False where no open one has this id."""
        if all(report.id != report_id for report in self.open()):
            return False
        with self._lock:
            self._log.append({"id": report_id, "closed_at": _now(), "outcome": _one_line(outcome, 1_000)})
        return True

    def all(self) -> list[VisitorReport]:
        """Every report, the oldest first. A line that is not a report, such as a torn one, is skipped."""
        found: dict[str, dict[str, str]] = {}
        for line in self._lines():
            if line["id"] in found:
                found[line["id"]] |= {key: line.get(key, "") for key in ("closed_at", "outcome")}
            elif "image_id" in line:
                found[line["id"]] = line
        names = VisitorReport.__dataclass_fields__
        return [VisitorReport(**{name: report.get(name, "") for name in names}) for report in found.values()]

    def open(self) -> list[VisitorReport]:
        """The reports that the operator has not closed."""
        return [report for report in self.all() if not report.closed_at]

    def _lines(self) -> Iterator[dict[str, str]]:
        try:
            lines = self._log.lines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                found = open_json(line.content)
            except (ValueError, RecursionError):
                continue
            if isinstance(found, dict) and isinstance(found.get("id"), str):
                yield {key: str(value) for key, value in found.items()}


def _bytes_of(report: VisitorReport) -> int:
    return sum(len(value.encode()) for value in asdict(report).values())


def _one_line(text: str, longest: int) -> str:
    # Shown in a terminal later: no control character of a visitor's reaches it.
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:longest]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
