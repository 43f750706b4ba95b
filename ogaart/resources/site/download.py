"""One attempt at the whole of a URL: its request, its body, the checks, and how it is stored."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import requests

from ogaart.resources.site.body import BodyLimits, BodyTooLarge, body
from ogaart.resources.site.errors import AttemptFailed, FetchFailed, UnexpectedContent
from ogaart.resources.site.fetch_record import FetchRecord
from ogaart.resources.site.fetch_records import FetchRecords
from ogaart.resources.site.fetcher import Effort, Fetcher, SiteStats
from ogaart.resources.site.headers import announced_length, bad_header, reason_of, text_of
from ogaart.resources.site.partial_downloads import Head, PartialDownload
from ogaart.resources.site.site_state import Refusal
from ogaart.resources.storage.blobs import Blobs
from ogaart.settings import Settings


@dataclass(frozen=True)
class Received:
    """A whole body of a response of status 200, before it counts.

    Attributes:
        path: its bytes.
        final_url: where redirects led; the URL requested where there were none.
    """

    path: Path
    final_url: str

    def read(self) -> bytes:
        """All bytes."""
        return self.path.read_bytes()

    def head(self, most: int) -> bytes:
        """The first bytes, ``most`` at most."""
        with self.path.open("rb") as file:
            return file.read(most)


Accept = Callable[[Received], None]
"""Raises ``UnexpectedContent`` where a body is not what its URL should hold."""

_PLAIN = frozenset({"", "identity"})
_GZIP = frozenset({"gzip", "x-gzip"})


@dataclass
class Call:
    """One call of ``SiteClient.get``: what is wanted, and what it took."""

    url: str
    max_bytes: int
    expected_length: int | None
    page: bool
    requests_before: int
    accept: Accept | None = None
    since: datetime | None = None
    unconfirmed: bool = False
    known: FetchRecord | None = None
    not_modified: bool = False
    effort: Effort = field(default_factory=Effort)


class Downloader:
    """Fetches URLs into the store.

    Args:
        settings: limits of time and rate.
        blobs: where bodies are stored.
        records: where fetch records are stored.
        partials: folder of the partial downloads.
        fetcher: sends the requests.
        stats: bytes are counted here.
        record_refusal: makes a refusal durable, once a good response has followed it.
    """

    def __init__(
        self,
        settings: Settings,
        blobs: Blobs,
        records: FetchRecords,
        partials: Path,
        fetcher: Fetcher,
        stats: SiteStats,
        record_refusal: Callable[[Refusal], None],
    ) -> None:
        self._settings = settings
        self._blobs = blobs
        self._records = records
        self._partials = partials
        self._fetcher = fetcher
        self._stats = stats
        self._record_refusal = record_refusal

    def attempt(self, call: Call) -> FetchRecord:
        """One attempt, redirects included.

        Returns:
            The record of the response: written, except for a refusal, which is written when it is confirmed.

        Raises:
            AttemptFailed: another attempt may succeed.
            FetchFailed: another attempt would end the same.
            SiteDown: no request can or may be sent now.
        """
        partial = PartialDownload(self._partials, call.url)
        kept = None if call.page else partial.kept()
        if kept is not None and call.expected_length not in (None, kept.total or call.expected_length):
            kept = None  # the page announces another file by now
        if kept is not None and kept.total == partial.size():  # killed between the last byte and the record
            return self._store(call, kept, partial, partial.fill(iter(())))
        headers = _request_headers(call, kept, partial.size())
        with self._fetcher.follow(call.effort, call.url, headers) as response:
            if response.status_code == 304 and call.known is not None:
                return self._confirm(call, call.known)
            if call.effort.refusal is not None:
                partial.drop()
                return record_of_refusal(call.effort.refusal)
            if response.status_code == 416 and kept is not None:
                if _is_whole(response, kept, partial.size()):
                    return self._store(call, kept, partial, partial.fill(iter(())))
                partial.drop()
                raise AttemptFailed("RangeRefused", f"{call.url}: cannot resume the partial download", 416)
            if response.status_code == 206 and kept is not None:
                if not _continues(response, kept, partial.size()):
                    partial.drop()
                    raise AttemptFailed("BadRange", f"{call.url}: the site sent another part than requested", 206)
                head = kept
            elif response.status_code == 200:
                head = self._head(call, response)
                partial.begin(head, keep=not call.page)
            else:
                # Retryable in a later run: one odd response is not the truth. Where all are odd, the site is down.
                _take_back(call)
                message = f"{call.url} answered {reason_of(response)}"
                raise FetchFailed("HttpStatus", message, response.status_code, retryable=True)
            return self._store(call, head, partial, self._receive(call, response, head, partial))

    def _head(self, call: Call, response: requests.Response) -> Head:
        """The head of a complete response; refuses a body that is known to be wrong before reading a byte of it."""
        encoding = text_of(response, "Content-Encoding")
        decoded = call.page and (encoding or "").lower() in _GZIP
        if call.page and not decoded and (encoding or "").lower() not in _PLAIN:
            raise bad_header(response, "Content-Encoding")
        length = announced_length(response)
        if length is not None and not decoded and call.expected_length not in (None, length):
            raise _wrong_length(call, f"{length:,} bytes")
        if length is not None and length > call.max_bytes:
            raise _too_large(call, f"{length:,} bytes announced")
        return Head(
            url=call.url,
            final_url=response.url,
            etag=text_of(response, "ETag"),
            last_modified=text_of(response, "Last-Modified"),
            content_type=text_of(response, "Content-Type"),
            content_encoding=None if decoded else encoding,
            total=None if decoded else length,
        )

    def _receive(self, call: Call, response: requests.Response, head: Head, partial: PartialDownload) -> str:
        """Read the body into the partial download's file; returns the sha256 of the whole."""
        already = partial.size()
        limit = call.max_bytes if call.expected_length is None else min(call.max_bytes, call.expected_length)
        limits = BodyLimits(
            max_bytes=max(limit - already, 0),
            min_rate=self._settings.min_rate,
            grace=self._settings.timeout_read,
            seconds=self._settings.timeout_total,
        )
        gunzip = call.page and head.content_encoding is None and "Content-Encoding" in response.headers
        try:
            digest = partial.fill(self._counted(body(response, limits, gunzip=gunzip)))
            _check_whole(call, head, partial.size())
        except AttemptFailed:
            _take_back(call)
            raise
        except BodyTooLarge as error:
            partial.drop()
            if call.expected_length is not None and limit == call.expected_length:
                raise _wrong_length(call, "more") from error
            raise _too_large(call, "more came") from error
        return digest

    def _counted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self._stats.bytes += len(chunk)
            yield chunk

    def _store(self, call: Call, head: Head, partial: PartialDownload, sha256: str) -> FetchRecord:
        """Make the bytes durable, then the record that vouches for them."""
        size = partial.size()
        if call.expected_length not in (None, size):
            partial.drop()
            raise _wrong_length(call, f"{size:,} bytes")
        self._check_accepted(call, partial, head.final_url)
        self._blobs.adopt(partial.path, sha256)
        record = _record_of(call, head, sha256, size)
        self._records.write(record)
        partial.drop()
        self._confirm_refusals(call)
        return record

    def _check_accepted(self, call: Call, partial: PartialDownload, final_url: str) -> None:
        if call.accept is None:
            return
        try:
            call.accept(Received(partial.path, final_url))
        except UnexpectedContent as error:
            partial.drop()
            # It counts once for a URL, so that one page that never fits cannot make the site count as down.
            _take_back(call, failed=call.effort.attempts >= self._settings.attempts)
            raise AttemptFailed("UnexpectedContent", f"{call.url}: {error}", 200) from error

    def _confirm(self, call: Call, known: FetchRecord) -> FetchRecord:
        """Record that what is stored still holds."""
        call.not_modified = True
        record = known.confirmed(datetime.now(UTC))
        self._records.write(record)
        self._confirm_refusals(call)
        return record

    def _confirm_refusals(self, call: Call) -> None:
        """After a good response: refusals that came before it were answers."""
        turn = call.effort.turn
        if turn is not None and turn.refusals:
            self._fetcher.throttle.confirm_refusals(self._record_refusal, turn.at)


def _record_of(call: Call, head: Head, sha256: str, size: int) -> FetchRecord:
    now = datetime.now(UTC)
    return FetchRecord(
        url=call.url,
        final_url=head.final_url,
        status=200,
        sha256=sha256,
        bytes=size,
        etag=head.etag,
        last_modified=head.last_modified,
        content_type=head.content_type,
        content_encoding=head.content_encoding,
        attempts=call.effort.attempts,
        fetched_at=now,
        checked_at=now,
    )


def record_of_refusal(refusal: Refusal) -> FetchRecord:
    """The record of a refusal, the same whenever it is made."""
    return FetchRecord(
        url=refusal.url,
        final_url=refusal.final_url,
        status=refusal.status,
        sha256=None,
        bytes=0,
        etag=None,
        last_modified=None,
        content_type=refusal.content_type,
        content_encoding=None,
        attempts=refusal.attempts,
        fetched_at=refusal.time,
        checked_at=refusal.time,
    )


def _request_headers(call: Call, kept: Head | None, size: int) -> dict[str, str]:
    headers = {"Accept-Encoding": "gzip" if call.page else "identity"}
    if kept is not None and kept.validator:
        headers |= {"Range": f"bytes={size}-", "If-Range": kept.validator}
    elif call.known is not None and call.known.status == 200:
        if call.known.etag:
            headers["If-None-Match"] = call.known.etag
        if call.known.last_modified:
            headers["If-Modified-Since"] = call.known.last_modified
    return headers


def _take_back(call: Call, *, failed: bool = True) -> None:
    """The good beginning of the response did not count after all."""
    if call.effort.turn is not None:
        call.effort.turn.take_back(failed=failed)


def _continues(response: requests.Response, kept: Head, size: int) -> bool:
    """Whether a 206 continues where the kept bytes end, in the same file."""
    unit, _, span = response.headers.get("Content-Range", "").partition(" ")
    span, _, total = span.partition("/")
    start = span.partition("-")[0]
    if unit != "bytes" or start != str(size):
        return False
    if kept.total is not None and total not in ("*", str(kept.total)):
        return False
    return kept.etag is None or response.headers.get("ETag", kept.etag) == kept.etag


def _is_whole(response: requests.Response, kept: Head, size: int) -> bool:
    """Whether a 416 says that nothing is missing: only the end of the last response was."""
    whole = response.headers.get("Content-Range") == f"bytes */{size}"
    return whole and response.headers.get("ETag", kept.etag) == kept.etag


def _check_whole(call: Call, head: Head, size: int) -> None:
    """Notice a body that ended early without saying so."""
    wanted = head.total if head.total is not None else call.expected_length
    if wanted is not None and size < wanted:
        raise AttemptFailed("Truncated", f"{call.url}: {size:,} of {wanted:,} bytes came", 200)


def _too_large(call: Call, what: str) -> FetchFailed:
    message = f"{call.url}: {what}, the limit is {call.max_bytes:,}"
    return FetchFailed("TooLarge", message, 200, retryable=call.page)


def _wrong_length(call: Call, came: str) -> AttemptFailed:
    """Tried again, but never a reason to take the site for down: the page may announce what no longer exists."""
    message = f"{call.url}: {came} came where {call.expected_length:,} bytes were expected"
    return AttemptFailed("LengthMismatch", message, 200)
