"""The client of the site: a response's bytes are durable before its record, and the record is the proof.

``SiteClient.get`` answers from the record where there is a complete one. Else it sends a request: robots.txt first, one
request at a time for the whole platform, resuming a partial download where there is one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ogaart.resources.site.bucket_fetch_records import open_fetch_records
from ogaart.resources.site.download import Accept, Call, Downloader, Received, record_of_refusal
from ogaart.resources.site.errors import FetchFailed, SiteDown, SiteRefuses, UnexpectedContent
from ogaart.resources.site.fetch_record import FetchRecord
from ogaart.resources.site.fetcher import REFUSALS, Fetcher, SiteStats
from ogaart.resources.site.partial_downloads import PARTIAL
from ogaart.resources.site.site_state import Refusal
from ogaart.resources.site.waits import Waits
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.storage.blobs import Blobs
from ogaart.settings import Settings

__all__ = [
    "Accept", "FetchFailed", "Fetched", "Received", "SiteClient", "SiteDown", "SiteRefuses", "SiteStats",
    "UnexpectedContent",
]  # fmt: skip


@dataclass(frozen=True)
class Fetched(FetchRecord):
    """What a URL holds: its record, and what it took this time.

    Attributes:
        from_store: answered from the record, without a request.
        not_modified: a request was sent and the site confirmed what was stored (304).
        requests: requests made by this call, redirects and robots.txt included.
    """

    from_store: bool
    not_modified: bool
    requests: int


class SiteClient:
    """Reads one site; for one thread (several processes may have one each).

    Args:
        settings: site, contact, delay, time-outs, attempts, limits.
        blobs: where bodies are stored.
        root: folder of the fetch records' journal, partial downloads and the platform-wide lock.
        on_event: receives each retry, pause and long wait with its cause, as one line of text.
        state: the database of state; None: one of the client's own.
    """

    def __init__(
        self,
        settings: Settings,
        blobs: Blobs,
        root: Path,
        on_event: Callable[[str], None] | None = None,
        state: StateDatabase | None = None,
    ) -> None:
        self.stats = SiteStats()
        self._settings = settings
        self._blobs = blobs
        self._state = state or StateDatabase(settings)
        self._records = open_fetch_records(self._state, root, blobs.objects)
        self._waits = Waits(on_event)
        self._fetcher = Fetcher(settings, self._state, root, self.stats, self._waits)
        self._downloader = Downloader(
            settings, blobs, self._records, root / PARTIAL, self._fetcher, self.stats, self._record_refusal
        )

    @property
    def on_event(self) -> Callable[[str], None] | None:
        """Receives each retry, pause and long wait with its cause, as one line of text."""
        return self._waits.on_event

    @on_event.setter
    def on_event(self, receiver: Callable[[str], None] | None) -> None:
        self._waits.on_event = receiver

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
        accept: Accept | None = None,
        unconfirmed: bool = False,
    ) -> Fetched:
        """What ``url`` holds: from the record where that is complete, else from the site.

        A refusal (401, 403, 404, 410) is recorded only after a good response has followed, soon and by any process:
        where the site refuses everything, none of it is an answer (see ``confirm_refusals``).

        Args:
            url: an absolute URL on the site.
            max_age: request it again where the site's last answer is older.
            since: request it again where the site's last answer is from before this time.
            refresh: request it again in any case.
            conditional: where a request is sent, let the site answer that nothing changed (304).
            expected_length: bytes the file must have; a record of another length is requested again.
            max_bytes: most bytes of the body; default ``max_page_bytes`` or ``max_file_bytes``.
            page: a page may come compressed and is stored decoded; a file is stored exactly as served.
            verify: trust a stored blob only if its bytes still have its hash.
            accept: is called with the whole body of a 200 from the site and raises ``UnexpectedContent`` where that is
                not what the URL should hold; then it is requested again, up to ``attempts`` times, and not recorded.
                What is stored already is not checked again.
            unconfirmed: a refusal that awaits its good response is an answer too, whichever run it came to, where
                ``confirm_refusals`` will decide: a run killed behind it costs no second request.

        Raises:
            SiteDown: no request can or may be sent now.
            SiteRefuses: the site refuses everything.
            FetchFailed: this URL cannot be fetched. 401, 403, 404 and 410 are answers, not failures.
        """
        url = url.partition("#")[0]
        if not self._fetcher.is_on_site(url):
            raise FetchFailed("OffSite", f"{url} is not on {self._settings.site}", retryable=False)
        if max_bytes is None:
            max_bytes = self._settings.max_page_bytes if page else self._settings.max_file_bytes
        call = Call(url, max_bytes, expected_length, page, self.stats.requests, accept, since, unconfirmed)
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
            fetched = self._fetched(self._fetcher.retrying(call.effort, lambda: self._downloader.attempt(call)), call)
        if fetched.status in REFUSALS:
            self._check_refusals()
        return fetched

    def confirm_refusals(self) -> None:
        """Make sure that recent refusals are answers: call it before rows are written that rely on them.

        Where no good response has followed them yet, a URL that the site served before is requested.

        Raises:
            SiteRefuses: it is refused as well, so none of the refusals counts.
            SiteDown: no request can or may be sent now.
        """
        self._fetcher.confirm_refusals(self._record_refusal)

    def wait_until_up(self, seconds: float) -> None:
        """Wait for a site that is down; ends early once a request of any process is answered well again."""
        throttle = self._fetcher.throttle
        began = throttle.now()
        self._waits.sleep(
            seconds, f"{throttle.host} is down", lambda: throttle.state().answered_at > began and self.is_open()
        )

    def is_open(self) -> bool:
        """Whether a request may be sent now: neither the circuit is open nor a pause in force."""
        throttle = self._fetcher.throttle
        state, now = throttle.state(), throttle.now()
        return not state.shut.left(now) and state.pause.left(now) <= self._settings.max_wait

    def requests_of_last_day(self) -> int:
        """Requests that the whole platform sent in the last 24 hours, whatever their outcome."""
        return self._fetcher.throttle.requests_of_last_day()

    def crawl_delay(self, *, fetch: bool = True) -> float | None:
        """Seconds between two requests that robots.txt wants.

        Args:
            fetch: request robots.txt where what is stored is missing or too old; else go by what is stored.

        Returns:
            The seconds, 0 where it states none; None where it is not stored and may not be requested.

        Raises:
            SiteDown: robots.txt cannot be read.
        """
        return self._fetcher.crawl_delay(fetch=fetch)

    def close(self) -> None:
        """Close the connections, those of the database too."""
        self._fetcher.close()
        self._state.close()

    def _check_refusals(self) -> None:
        state = self._fetcher.throttle.state()
        if len(state.refusals) >= self._settings.circuit_refusals or (state.refusals and state.trips):
            self.confirm_refusals()

    def _record_refusal(self, refusal: Refusal) -> None:
        known = self._records.read(refusal.url)
        if known is not None and known.checked_at > refusal.time:
            return  # it was answered since
        self._records.write(record_of_refusal(refusal))

    def _stored(self, call: Call, max_age: timedelta | None, verify: bool) -> Fetched | None:
        record = self._records.read(call.url)
        if record is not None and self._answers(record, call, max_age, verify):
            return self._fetched(record, call, from_store=True)
        pending = self._pending(call.url, record) if call.unconfirmed else None
        if pending is not None and self._answers(pending, call, max_age, verify):
            return self._fetched(pending, call, from_store=True)
        return None

    def _pending(self, url: str, known: FetchRecord | None) -> FetchRecord | None:
        """The record that a refusal will have; None without one, or where no request could confirm it."""
        throttle = self._fetcher.throttle
        state = throttle.state()
        found = next((refusal for refusal in state.refusals if refusal.url == url), None)
        if found is None or not state.controls():
            return None
        if not state.may_confirm(found, max(throttle.now(), found.at)):  # the clock may have been set back since
            return None
        if known is not None and known.checked_at > found.time:
            return None
        return record_of_refusal(found)

    def _answers(self, record: FetchRecord, call: Call, max_age: timedelta | None, verify: bool) -> bool:
        """Whether what is recorded is all there, and as new as the call wants it."""
        if not self._holds(record, verify):
            return False
        if max_age is not None and not record.is_younger_than(max_age):
            return False
        if call.since is not None and record.checked_at < call.since:
            return False
        return record.status != 200 or call.expected_length in (None, record.bytes)

    def _holds(self, record: FetchRecord, verify: bool) -> bool:
        """Whether the record's blob is there, at its full length."""
        if record.sha256 is None:
            return record.status in REFUSALS
        if self._blobs.size(record.sha256) != record.bytes:
            return False
        return self._blobs.verify(record.sha256) if verify else True

    def _fetched(self, record: FetchRecord, call: Call, *, from_store: bool = False) -> Fetched:
        return Fetched(
            **vars(record),
            from_store=from_store,
            not_modified=call.not_modified,
            requests=self.stats.requests - call.requests_before,
        )
