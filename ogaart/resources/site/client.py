"""The site, asked politely and never twice: an answer's bytes are durable before its record, the record is the proof.

``SiteClient.get`` answers from the record where there is a complete one. Else it asks: robots.txt first, one request
at a time for the whole platform, with what was left of a broken download resumed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests

from ogaart.resources.site.body import BodyLimits, TooLarge, announced_length, body
from ogaart.resources.site.errors import AttemptFailed, FetchFailed, SiteDown
from ogaart.resources.site.fetch_records import FETCHES, FetchRecord, FetchRecords
from ogaart.resources.site.fetcher import Effort, Fetcher, SiteStats
from ogaart.resources.site.partial_downloads import PARTIAL, Head, PartialDownload
from ogaart.resources.storage.blobs import Blobs
from ogaart.settings import Settings

__all__ = ["FetchFailed", "Fetched", "SiteClient", "SiteDown", "SiteStats"]

GONE = frozenset({401, 403, 404, 410})
"""Statuses that are answers: there is nothing to be had, and no use in asking again and again."""


@dataclass(frozen=True)
class Fetched:
    """What a URL holds.

    Attributes:
        url: the URL asked.
        final_url: where redirects led.
        status: HTTP status: 200, or 401, 403, 404, 410.
        sha256: the blob of the body; None unless the status is 200.
        bytes: the body's length.
        etag: as sent.
        last_modified: as sent.
        content_type: as sent.
        fetched_at: when the bytes came from the site.
        from_store: answered from the record; the site was not asked.
        not_modified: the site was asked and confirmed what was stored (304).
        requests: requests made by this call, redirects and robots.txt included.
        attempts: attempts the answer took when it was fetched.
    """

    url: str
    final_url: str
    status: int
    sha256: str | None
    bytes: int
    etag: str | None
    last_modified: str | None
    content_type: str | None
    fetched_at: datetime
    from_store: bool
    not_modified: bool
    requests: int
    attempts: int


@dataclass
class _Call:
    """One call of ``get``: what is wanted, and what it took."""

    url: str
    max_bytes: int
    expected_length: int | None
    page: bool
    requests_before: int
    since: datetime | None = None
    known: FetchRecord | None = None
    effort: Effort = field(default_factory=Effort)


class SiteClient:
    """Reads one site; for one thread (several processes may have one each).

    Args:
        settings: site, contact, delay, time-outs, attempts, limits.
        blobs: where bodies go.
        root: folder of the fetch records, broken downloads, robots.txt and the platform-wide lock.
    """

    def __init__(self, settings: Settings, blobs: Blobs, root: Path) -> None:
        self.stats = SiteStats()
        self._settings = settings
        self._blobs = blobs
        self._root = root
        self._records = FetchRecords(root / FETCHES)
        self._partials = root / PARTIAL
        self._fetcher = Fetcher(settings, root, self.stats)

    def get(
        self,
        url: str,
        *,
        max_age: timedelta | None = None,
        since: datetime | None = None,
        refresh: bool = False,
        conditional: bool = False,
        expected_length: int | None = None,
        max_bytes: int | None = None,
        page: bool = False,
        verify: bool = False,
    ) -> Fetched:
        """What ``url`` holds: from the record where that is complete, else from the site.

        Args:
            url: an absolute URL on the site.
            max_age: ask again where the site's last word is older.
            since: ask again where the site's last word is from before this time.
            refresh: ask again in any case.
            conditional: where the site is asked again, let it say that nothing changed (304).
            expected_length: bytes the file must have; a record of another length is asked again.
            max_bytes: most bytes of the body; default ``max_page_bytes`` or ``max_file_bytes``.
            page: a page may come compressed and is stored decoded; a file is stored exactly as served.
            verify: trust a stored blob only if its bytes still have its hash.

        Raises:
            SiteDown: the site cannot or must not be asked now.
            FetchFailed: this URL cannot be had. 401, 403, 404 and 410 are answers, not failures.
        """
        url = url.partition("#")[0]
        if not self._fetcher.is_on_site(url):
            raise FetchFailed("OffSite", f"{url} is not on {self._settings.site}", retryable=False)
        if max_bytes is None:
            max_bytes = self._settings.max_page_bytes if page else self._settings.max_file_bytes
        call = _Call(url, max_bytes, expected_length, page, self.stats.requests, since)
        max_age = timedelta(0) if refresh else max_age
        stored = self._stored(call, max_age, verify)
        if stored is not None:
            self.stats.saved += 1
            return stored
        with self._records.hold(url):
            if not refresh and (stored := self._stored(call, max_age, verify)) is not None:
                self.stats.saved += 1  # another process was quicker
                return stored
            record = self._records.read(url)
            if conditional and record is not None and self._holds(record, verify):
                call.known = record
            return self._fetcher.retrying(call.effort, lambda: self._attempt(call))

    def requests_of_last_day(self) -> int:
        """Requests that the whole platform sent in the last 24 hours, whatever came of them."""
        return self._fetcher.requests_of_last_day()

    def crawl_delay(self, *, ask: bool = True) -> float | None:
        """Seconds between two requests that robots.txt wants.

        Args:
            ask: read robots.txt where what is stored is missing or too old; else go by what is stored.

        Returns:
            The seconds, 0 where it states none; None where it is not stored and may not be asked for.

        Raises:
            SiteDown: robots.txt cannot be had.
        """
        return self._fetcher.crawl_delay(ask=ask)

    def close(self) -> None:
        """Let go of the connections."""
        self._fetcher.close()

    # From the store

    def _stored(self, call: _Call, max_age: timedelta | None, verify: bool) -> Fetched | None:
        record = self._records.read(call.url)
        if record is None or not self._holds(record, verify):
            return None
        if max_age is not None and not record.is_younger_than(max_age):
            return None
        if call.since is not None and record.checked_at < call.since:
            return None
        if record.status == 200 and call.expected_length not in (None, record.bytes):
            return None
        return self._fetched(record, call, from_store=True)

    def _holds(self, record: FetchRecord, verify: bool) -> bool:
        """Whether the record's blob is there, at its full length."""
        if record.sha256 is None:
            return record.status in GONE
        if self._blobs.size(record.sha256) != record.bytes:
            return False
        return self._blobs.verify(record.sha256) if verify else True

    # From the site

    def _attempt(self, call: _Call) -> Fetched:
        """One attempt at the whole of a URL, redirects included."""
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
            if response.status_code in GONE:
                return self._bury(call, response, partial)
            if response.status_code == 416 and kept is not None:
                if _is_whole(response, kept, partial.size()):
                    return self._store(call, kept, partial, partial.fill(iter(())))
                partial.drop()
                raise AttemptFailed("RangeRefused", f"{call.url}: the broken download cannot be gone on with", 416)
            if response.status_code == 206 and kept is not None:
                if not _continues(response, kept, partial.size()):
                    partial.drop()
                    raise AttemptFailed("BadRange", f"{call.url}: the site sent another part than asked for", 206)
                head = kept
            elif response.status_code == 200:
                head = self._head(call, response)
                partial.begin(head, keep=not call.page)
            else:
                message = f"{call.url} answered {response.status_code} {response.reason}"
                # A redirect without a target is one whose head was cut short.
                raise FetchFailed(
                    "HttpStatus", message, response.status_code, retryable=300 <= response.status_code < 400
                )
            return self._store(call, head, partial, self._receive(call, response, head, partial))

    def _head(self, call: _Call, response: requests.Response) -> Head:
        """The head of a whole answer; refuses a body that is known to be wrong before a byte of it is read."""
        encoding = response.headers.get("Content-Encoding")
        decoded = call.page and (encoding or "").lower() in ("gzip", "x-gzip")
        length = announced_length(response)
        if length is not None and length > call.max_bytes:
            raise _too_large(call, f"{length:,} bytes announced")
        if length is not None and not decoded and call.expected_length not in (None, length):
            raise _wrong_length(call, length)
        return Head(
            url=call.url,
            final_url=response.url,
            etag=response.headers.get("ETag"),
            last_modified=response.headers.get("Last-Modified"),
            content_type=response.headers.get("Content-Type"),
            content_encoding=None if decoded else encoding,
            total=None if decoded else length,
        )

    def _receive(self, call: _Call, response: requests.Response, head: Head, partial: PartialDownload) -> str:
        """Read the body into the broken download's file; returns the sha256 of the whole."""
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
            if call.effort.turn is not None:
                call.effort.turn.broke()
            raise
        except TooLarge as error:
            partial.drop()
            if call.expected_length is not None and limit == call.expected_length:
                raise _wrong_length(call, None) from error
            raise _too_large(call, "more came") from error
        return digest

    def _counted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        for chunk in chunks:
            self.stats.bytes += len(chunk)
            yield chunk

    # Into the store

    def _store(self, call: _Call, head: Head, partial: PartialDownload, sha256: str) -> Fetched:
        """Make the bytes durable, then the record that vouches for them."""
        size = partial.size()
        if call.expected_length not in (None, size):
            partial.drop()
            raise _wrong_length(call, size)
        self._blobs.adopt(partial.path, sha256)
        return self._record(call, partial, head, 200, sha256, size)

    def _bury(self, call: _Call, response: requests.Response, partial: PartialDownload) -> Fetched:
        """Record that there is nothing to be had."""
        head = Head(call.url, response.url, None, None, response.headers.get("Content-Type"), None, None)
        return self._record(call, partial, head, response.status_code, None, 0)

    def _record(
        self, call: _Call, partial: PartialDownload, head: Head, status: int, sha256: str | None, size: int
    ) -> Fetched:
        """Write the record; after that the URL is never asked again without being told to."""
        now = datetime.now(UTC)
        record = FetchRecord(
            url=call.url,
            final_url=head.final_url,
            status=status,
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
        self._records.write(record)
        partial.drop()
        return self._fetched(record, call)

    def _confirm(self, call: _Call, known: FetchRecord) -> Fetched:
        """Record that what is stored still holds."""
        record = known.confirmed(datetime.now(UTC))
        self._records.write(record)
        return self._fetched(record, call, not_modified=True)

    def _fetched(
        self, record: FetchRecord, call: _Call, *, from_store: bool = False, not_modified: bool = False
    ) -> Fetched:
        return Fetched(
            url=record.url,
            final_url=record.final_url,
            status=record.status,
            sha256=record.sha256,
            bytes=record.bytes,
            etag=record.etag,
            last_modified=record.last_modified,
            content_type=record.content_type,
            fetched_at=record.fetched_at,
            from_store=from_store,
            not_modified=not_modified,
            requests=self.stats.requests - call.requests_before,
            attempts=record.attempts,
        )


def _request_headers(call: _Call, kept: Head | None, size: int) -> dict[str, str]:
    headers = {"Accept-Encoding": "gzip" if call.page else "identity"}
    if kept is not None and kept.validator:
        headers |= {"Range": f"bytes={size}-", "If-Range": kept.validator}
    elif call.known is not None and call.known.status == 200:
        if call.known.etag:
            headers["If-None-Match"] = call.known.etag
        if call.known.last_modified:
            headers["If-Modified-Since"] = call.known.last_modified
    return headers


def _continues(response: requests.Response, kept: Head, size: int) -> bool:
    """Whether a 206 goes on where the kept bytes end, in the same file."""
    unit, _, span = response.headers.get("Content-Range", "").partition(" ")
    span, _, total = span.partition("/")
    start = span.partition("-")[0]
    if unit != "bytes" or start != str(size):
        return False
    if kept.total is not None and total not in ("*", str(kept.total)):
        return False
    return kept.etag is None or response.headers.get("ETag", kept.etag) == kept.etag


def _is_whole(response: requests.Response, kept: Head, size: int) -> bool:
    """Whether a 416 says that nothing is missing: only the end of the last answer was."""
    whole = response.headers.get("Content-Range") == f"bytes */{size}"
    return whole and response.headers.get("ETag", kept.etag) == kept.etag


def _check_whole(call: _Call, head: Head, size: int) -> None:
    """Notice a body that ended early without saying so."""
    wanted = head.total if head.total is not None else call.expected_length
    if wanted is not None and size < wanted:
        raise AttemptFailed("Truncated", f"{call.url}: {size:,} of {wanted:,} bytes came", 200)


def _too_large(call: _Call, what: str) -> FetchFailed:
    return FetchFailed("TooLarge", f"{call.url}: {what}, the limit is {call.max_bytes:,}", 200, retryable=False)


def _wrong_length(call: _Call, length: int | None) -> FetchFailed:
    came = "more" if length is None else f"{length:,} bytes"
    message = f"{call.url}: {came} came where {call.expected_length:,} bytes were expected"
    return FetchFailed("LengthMismatch", message, 200, retryable=True)
