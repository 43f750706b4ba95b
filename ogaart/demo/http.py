"""Requests as they are noted, answers before they are sent, and what HTTP makes of conditions and ranges."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from http import HTTPStatus

HTML = "text/html; charset=utf-8"


@dataclass(frozen=True)
class Request:
    """One request as it came, and how it was answered."""

    at: float  # seconds of time.monotonic() when its head was read
    method: str
    target: str  # path and query as sent
    headers: dict[str, str]  # names in lower case
    status: int
    sent: int  # bytes of the body

    @property
    def path(self) -> str:
        """The path as sent, without the query."""
        return self.target.partition("?")[0]

    @property
    def range(self) -> str | None:
        """The Range header."""
        return self.headers.get("range")


@dataclass
class DemoFault:
    """A misbehaviour in the place of an answer.

    Attributes:
        status: sent instead, with a short text; 0: the connection closes after ``after`` bytes of the true answer.
        retry_after: the header's value, with a status.
        after: bytes of the body before the connection closes.
        pause: seconds to wait first.
    """

    status: int = 503
    retry_after: str | None = None
    after: int = 0
    pause: float = 0.0


@dataclass
class DemoResponse:
    """What is sent: with a tag it may be conditional and in ranges."""

    status: int
    body: bytes
    type: str = HTML
    tag: str | None = None
    modified: datetime | None = None
    headers: dict[str, str] = field(default_factory=dict)


def negotiated(answer: DemoResponse, asked: Mapping[str, str]) -> tuple[int, bytes, dict[str, str]]:
    """Apply a request's conditions and range to an answer that has a tag.

    Args:
        answer: the whole answer.
        asked: the request's headers, names in lower case.

    Returns:
        Status, body and headers to send.
    """
    headers = dict(answer.headers)
    if answer.tag is None or answer.modified is None:
        return answer.status, answer.body, headers
    modified = format_datetime(answer.modified, usegmt=True)
    headers |= {"ETag": answer.tag, "Last-Modified": modified, "Accept-Ranges": "bytes"}
    known = asked.get("if-none-match")
    if known is not None:
        tags = {tag.strip().removeprefix("W/") for tag in known.split(",")}
        if answer.tag in tags or "*" in tags:
            return HTTPStatus.NOT_MODIFIED, b"", headers
    elif asked.get("if-modified-since") == modified:
        return HTTPStatus.NOT_MODIFIED, b"", headers
    wanted = asked.get("range")
    if wanted is None or asked.get("if-range", answer.tag) not in (answer.tag, modified):
        return answer.status, answer.body, headers
    return _ranged(answer.body, wanted, headers)


def _ranged(body: bytes, wanted: str, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
    """Cut one range of bytes; any other range is ignored, as HTTP requires."""
    unit, _, span = wanted.partition("=")
    first, dash, last = span.strip().partition("-")
    well_formed = all(not part or (part.isascii() and part.isdigit()) for part in (first, last))
    if unit.strip() != "bytes" or not dash or not (first or last) or not well_formed:
        return HTTPStatus.OK, body, headers
    total = len(body)
    start = int(first) if first else max(total - int(last), 0)
    stop = min(int(last) + 1, total) if first and last else total
    if start >= total:
        return HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"", headers | {"Content-Range": f"bytes */{total}"}
    if stop <= start:
        return HTTPStatus.OK, body, headers
    headers = headers | {"Content-Range": f"bytes {start}-{stop - 1}/{total}"}
    return HTTPStatus.PARTIAL_CONTENT, body[start:stop], headers
