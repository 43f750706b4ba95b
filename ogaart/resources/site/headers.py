"""Response headers, which may hold anything: read into numbers, times and text that is safe to keep, or refused."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin

import requests

from ogaart.resources.site.errors import AttemptFailed

MOST_DIGITS = 18
"""Digits of a length: more would be over an exabyte."""
LONGEST_VALUE = 1000
"""Characters of a header that is kept or sent back."""


def shown(text: str, most: int = 80) -> str:
    """A header's text as messages quote it: printable and short."""
    quoted = repr(text[: most + 1])
    return quoted if len(text) <= most else f"{quoted[:most]}…' ({len(text):,} characters)"


def text_of(response: requests.Response, name: str) -> str | None:
    """A header that is kept; None where it is missing, or cannot be stored and sent back as it is."""
    value = response.headers.get(name)
    if value is None or len(value) > LONGEST_VALUE or not all(" " <= sign <= "~" or sign >= "\xa0" for sign in value):
        return None
    return value


def reason_of(response: requests.Response) -> str:
    """The status and its reason, as messages quote them."""
    reason = "".join(sign if sign.isprintable() else "?" for sign in (response.reason or "")[:80])
    return f"{response.status_code} {reason}".strip()


def announced_length(response: requests.Response) -> int | None:
    """The Content-Length, where the response has one that counts.

    Raises:
        AttemptFailed: it is not a length.
    """
    text = response.headers.get("Content-Length", "").strip()
    if not text or "Transfer-Encoding" in response.headers:
        return None
    values = {value.strip() for value in text.split(",")}
    value = values.pop()
    if values or not (value.isascii() and value.isdigit()) or len(value.lstrip("0")) > MOST_DIGITS:
        raise bad_header(response, "Content-Length")
    return int(value)


def check_framing(response: requests.Response) -> None:
    """Refuse a response whose body's end cannot be determined.

    Raises:
        AttemptFailed: its Transfer-Encoding or Content-Length is invalid.
    """
    transfer = response.headers.get("Transfer-Encoding")
    if transfer is not None and transfer.strip().lower() != "chunked":
        raise bad_header(response, "Transfer-Encoding")
    announced_length(response)


def bad_header(response: requests.Response, name: str) -> AttemptFailed:
    """The failure of a response with an invalid header, whose text it quotes; the response is closed."""
    response.close()
    value = response.headers.get(name, "")
    return AttemptFailed("BadHeader", f"{response.url}: invalid {name} {shown(value)}", response.status_code)


def redirect_target(response: requests.Response) -> str | None:
    """The Location of a redirect, its bytes beyond ASCII percent-encoded as they are; None for any other response.

    Raises:
        AttemptFailed: there are several, so that it is not known where the URL leads.
    """
    if not response.is_redirect:
        return None
    sent = response.raw.headers
    if len(set(sent.getlist("Location") if hasattr(sent, "getlist") else ())) > 1:
        raise bad_header(response, "Location")
    # Its bytes, which the library read as Latin-1; which encoding they are in is for the site to know.
    return "".join(sign if sign < "\x80" else f"%{ord(sign):02X}" for sign in response.headers["Location"])


def joined(url: str, target: str) -> str:
    """Where a redirect leads; empty, which is nowhere, where its target is not a URL."""
    try:
        return urljoin(url, target).partition("#")[0]
    except ValueError:
        return ""


def retry_after(response: requests.Response, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> float | None:
    """Seconds that Retry-After states, in either of its forms; None where it is missing or invalid."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:MOST_DIGITS])
    until = _time(text)
    if until is None:
        return None
    # The site's own clock, where it states it: ours may be wrong.
    return max((until - (_time(response.headers.get("Date", "")) or now())).total_seconds(), 0.0)


def _time(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text[:LONGEST_VALUE])
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
