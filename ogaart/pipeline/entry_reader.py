"""One entry's row from its page: one bad response is not believed, and what was read before stays meanwhile."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast

from ogaart.core.staleness import fingerprint, refresh_due
from ogaart.core.states import TOMBSTONES, EntryStatus, FileRole
from ogaart.pipeline import acceptance
from ogaart.pipeline.step import Step
from ogaart.resources.site.client import Fetched, FetchFailed
from ogaart.resources.storage.rows import EntryRow
from ogaart.resources.storage.schema import ENTRIES, FILE_LINKS
from ogaart.sites.errors import PageOfAnother, PageUnreadable
from ogaart.sites.page_identity import contradiction, names_agree
from ogaart.sites.records import EntryPage, content_hash

REFUSALS = {404: EntryStatus.DELETED, 410: EntryStatus.DELETED, 401: EntryStatus.PRIVATE, 403: EntryStatus.PRIVATE}

_CONTENT = tuple(
    field.name
    for field in fields(EntryPage)
    if field.name in ENTRIES.schema.names and field.name not in {"slug", "url"}  # the key, and what was requested
)
"""Columns of ``entries`` that its page states."""


class EntryReader:
    """Reads entries of one partition; a failure keeps the stored row.

    Args:
        step: the step on the partition.
        listed: whether a listing still shows an entry, by slug.
    """

    def __init__(self, step: Step, listed: Callable[[str], bool]) -> None:
        self._step = step
        self._listed = listed
        self._rules = step.stores.site_rules
        self._settings = step.stores.settings

    def refreshes(self, slug: str, old: EntryRow | None) -> bool:
        """Whether this run was requested to read the entry again."""
        request = self._step.refresh
        if request is None or old is None or not request.covers(slug):
            return False
        due = self._due(old)
        return not request.due or due is None or due < request.before

    def _due(self, row: EntryRow) -> datetime | None:
        posted, read_at, url = row["posted_at"], row["fetched_at"], row["url"]
        if read_at is None:
            return None
        given_up_at = self._step.failures.given_up_at(url, self._attempt_fingerprint(url))
        return refresh_due(
            max(read_at, given_up_at or read_at),
            posted.replace(tzinfo=UTC) if posted is not None else None,
            row["changed_at"],
            timedelta(days=self._settings.entry_refresh_days),
        )

    def read(self, slug: str, url: str, old: EntryRow | None, *, since: datetime | None = None) -> EntryRow | None:
        """The entry's row; the old one, or None, where its page is not available now.

        Args:
            slug: the entry.
            url: its page.
            old: its stored row.
            since: a stored page from before this time does not count.
        """
        step, attempt = self._step, self._attempt_fingerprint(url)
        # What was given up is requested again at the age at which any entry is.
        again = self.refreshes(slug, old) and step.failures.is_permanent(url, attempt)
        failed = step.failures.find(url, attempt)
        # A refusal without its tombstone, which was damaged: made again from the stored response.
        lost = old is None and failed is not None and failed["http_status"] in REFUSALS
        if not again and not lost and step.failures.keep_until_due(url, attempt, slug):
            return old
        times = [since, step.failures.refetch_before(url, attempt, slug)]
        if step.refresh is not None and self.refreshes(slug, old):
            times.append(step.refresh.before)
        own = _OwnPage(step, slug, url, attempt, old, partial(self._links_files, slug))
        try:
            fetched, page = self._fetch(url, max((t for t in times if t is not None), default=None), own)
        except FetchFailed as failure:
            if own.other is not None:
                own.record()
                return old
            step.failures.record(
                url,
                attempt,
                slug=slug,
                error_class=failure.error_class,
                message=failure.message,
                http_status=failure.http_status,
                retryable=failure.retryable,
            )
            return old
        except PageUnreadable as cause:
            # Also a page over a limit may be one bad answer: later runs request it again.
            step.failures.record(
                url, attempt, slug=slug, error_class=type(cause).__name__, message=str(cause), retryable=True
            )
            return old
        if page is None:
            return self._refused(slug, url, old, fetched)
        if own.is_gone(page, fetched.final_url):
            return self._withdrawn(slug, url, old, fetched)
        return self._row(slug, url, old, fetched, page)

    def _links_files(self, slug: str) -> bool:
        """Whether the entry's page had files when it was last processed."""
        rows = self._step.stores.tables.read(FILE_LINKS, self._step.partition)
        return any(row["slug"] == slug and row["role"] == FileRole.FILE for row in rows)

    def _fetch(self, url: str, since: datetime | None, own: "_OwnPage") -> tuple[Fetched, EntryPage | None]:
        """The response and the parsed page; None where the site refuses it."""
        accept = acceptance.entry(self._rules, url, own.check)
        fetched = self._step.get(url, since=since, page=True, conditional=True, accept=accept, unconfirmed=True)
        if fetched.sha256 is None:
            return fetched, None
        try:
            return fetched, self._parsed(fetched, url, own)
        except PageUnreadable as cause:
            if not cause.retryable or not (fetched.from_store or fetched.not_modified):
                raise
        fetched = self._step.get(url, refresh=True, page=True, accept=accept)  # the stored page is bad
        return fetched, None if fetched.sha256 is None else self._parsed(fetched, url, own)

    def _parsed(self, fetched: Fetched, url: str, own: "_OwnPage") -> EntryPage:
        assert fetched.sha256 is not None
        page = self._rules.parse_entry(self._step.stores.blobs.read(fetched.sha256), url)
        own.check(page, fetched.final_url)
        return page

    def _refused(self, slug: str, url: str, old: EntryRow | None, fetched: Fetched) -> EntryRow | None:
        """A tombstone; or the old row, where it was readable and no earlier refusal confirms this one."""
        step, attempt = self._step, self._attempt_fingerprint(url)
        confirm_after = timedelta(hours=self._settings.confirm_hours)
        readable = old is not None and old["status"] not in TOMBSTONES
        if readable and not step.failures.confirm_refusal(url, attempt, fetched.status, confirm_after, slug):
            return old
        return self._withdrawn(slug, url, old, fetched)

    def _withdrawn(self, slug: str, url: str, old: EntryRow | None, fetched: Fetched) -> EntryRow:
        """A tombstone; where the listing still shows the entry, its page is requested again."""
        step, attempt = self._step, self._attempt_fingerprint(url)
        status = REFUSALS.get(fetched.status, EntryStatus.DELETED)  # its URL has another entry's page
        if self._listed(slug):
            step.failures.record_withdrawn(
                url,
                attempt,
                slug=slug,
                error_class=status.value.capitalize(),
                message=f"the listing shows this entry, its page answers {fetched.status}",
                http_status=fetched.status,
                checked_at=fetched.checked_at,
            )
        wanted = self._record_fingerprint(fetched)
        if old is not None and old["fingerprint"] == wanted:
            return _confirmed(old, fetched)
        row: EntryRow = {} if old is None else {**old, "page_sha256": None}
        row |= {"slug": slug, "url": url, "status": status.value, "http_status": fetched.status}
        row |= {"site": self._rules.name, "fetched_at": fetched.checked_at}
        return step.stamp(row, wanted)

    def _row(self, slug: str, url: str, old: EntryRow | None, fetched: Fetched, page: EntryPage) -> EntryRow:
        wanted = self._record_fingerprint(fetched)
        if old is not None and old["fingerprint"] == wanted:
            return _confirmed(old, fetched)
        content = _record(page)
        facts: EntryRow = {
            **content,
            "slug": slug,
            "url": url,
            "http_status": fetched.status,
            "page_sha256": fetched.sha256,
            "content_hash": content_hash(page),
            "site": self._rules.name,
            "fetched_at": fetched.checked_at,
            "changed_at": None if old is None else old["changed_at"],
        }
        row = self._step.stamp(facts, wanted)
        if old is None:
            return row
        before: Mapping[str, object] = old
        if all((before.get(name) or None) == (value or None) for name, value in content.items()):
            # Its bytes differ on every read; the record does not: run and time of the record stay.
            return {**row, "run_id": old["run_id"], "written_at": old["written_at"]}
        return {**row, "changed_at": fetched.checked_at}

    def _attempt_fingerprint(self, url: str) -> str:
        """The inputs of an attempt to read an entry, known before its page is: those of its failures."""
        return fingerprint(self._rules.content_version, url)

    def _record_fingerprint(self, fetched: Fetched) -> str:
        """The inputs of an entry's row: the page that was read."""
        return fingerprint(self._rules.content_version, fetched.status, fetched.sha256)


class _OwnPage:
    """Tells an entry's own page from another entry's, or half of its own, which a site serves by mistake, or for good.

    Where the site serves the same again, in another run and hours later, that is so.

    Attributes:
        other: what the last page that was refused states of itself; None: none was.
    """

    def __init__(
        self,
        step: Step,
        slug: str,
        url: str,
        attempt: str,
        old: EntryRow | None,
        had_files: Callable[[], bool],
    ) -> None:
        self._step = step
        self._rules = step.stores.site_rules
        self._slug = slug
        self._url = url
        self._attempt = attempt
        self._old, self._had_files = old, had_files
        self._nid = None if old is None else old["nid"]
        self._readable = old is not None and old["status"] not in TOMBSTONES
        self._was_art = self._readable and old is not None and old["status"] != EntryStatus.NOT_ART
        self._confirm_after = timedelta(hours=step.stores.settings.confirm_hours)
        self.other: str | None = None

    def _contradiction(self, page: EntryPage, final_url: str) -> str | None:
        led_to = self._rules.entry_key(final_url) if final_url != self._url else None
        return contradiction(page, self._slug, self._rules.number_of(self._url) or self._nid, led_to)

    def _loss(self, page: EntryPage) -> str | None:
        """What an entry that was complete would lose by a page that lacks what every entry has."""
        old = self._old
        if old is None or old["status"] != EntryStatus.OK or page.status is not EntryStatus.OK:
            return None
        if old["licences"] and not page.licences:
            return "a page without a licence in the place of one with a licence"
        if old["author"] and not page.author:
            return "a page without an author in the place of one with an author"
        if not page.files and self._had_files():
            return "a page without files in the place of one with files"
        return None

    def check(self, page: EntryPage, final_url: str) -> None:
        """Refuse another entry's page, one of another kind, or half of its own, unless it is confirmed.

        Where the entry is gone already, every page of its own is accepted.

        Raises:
            PageOfAnother: it is one.
        """
        self.other = None
        reason = self._contradiction(page, final_url)
        if reason is None and self._was_art and page.status is EntryStatus.NOT_ART:
            reason = "a page of another kind in the place of an entry that was readable"
        reason = reason or self._loss(page)
        if reason is None or (self._nid is not None and not self._readable):
            return
        if not self._step.failures.confirms(self._url, self._attempt, reason, self._confirm_after):
            self.other = reason
            raise PageOfAnother(f"{self._url}: {reason}")

    def record(self) -> None:
        """Record that another entry's page was served."""
        assert self.other is not None
        self._step.failures.record_unconfirmed(
            self._url, self._attempt, claim=self.other, after=self._confirm_after, slug=self._slug
        )

    def is_gone(self, page: EntryPage, final_url: str) -> bool:
        """Whether an accepted page proves that the entry, whose number is known, is no longer at its URL."""
        if self._nid is None or self._contradiction(page, final_url) is None:
            return False
        return page.canonical is None or not names_agree(page.canonical, self._slug)


def _confirmed(old: EntryRow, fetched: Fetched) -> EntryRow:
    """The old row, confirmed later."""
    # Equal times may differ in how they name UTC, which would count as another row.
    return old if old["fetched_at"] == fetched.checked_at else {**old, "fetched_at": fetched.checked_at}


def _record(page: EntryPage) -> EntryRow:
    found: dict[str, Any] = {}
    for name in _CONTENT:
        value = getattr(page, name)
        found[name] = list(value) if isinstance(value, tuple) else value
    return cast("EntryRow", found | {"status": page.status.value})
