"""Discovery: all result pages of a query read in one sweep, accepted only if they fit together."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from ogaart.core.partitions import partition_key
from ogaart.core.states import ListingStatus
from ogaart.pipeline import acceptance
from ogaart.pipeline.numbered_rows import name_numbered_rows
from ogaart.pipeline.progress import Progress
from ogaart.resources.platform import Stores
from ogaart.resources.site.errors import FetchFailed
from ogaart.resources.site.sweeps import Sweep, SweepPage
from ogaart.sites.base import SiteQuery
from ogaart.sites.errors import ListingRefused, ListingUnreadable, PageUnreadable
from ogaart.sites.records import Listing, tolerated_gap

MANY = 50
"""So many entries may disappear from one sweep to the next without a confirmation."""
LAST_PAGE = 9999
"""The last page that can be a partition."""


class DiscoveryFailed(RuntimeError):
    """The result pages of a query cannot be used now; what is stored of it stays as it is."""


class SweepRejected(DiscoveryFailed):
    """The pages of a sweep contradict each other: an upload or a deletion fell between them."""


@dataclass(frozen=True)
class Page:
    """One page of a sweep."""

    number: int
    listing: Listing
    at: datetime
    from_store: bool = False


@dataclass(frozen=True)
class Discovery:
    """An accepted sweep, and what to know of it.

    Attributes:
        sweep: the sweep.
        warnings: what was odd and tolerated: results without an entry, listed twice, counted and not shown.
        stored_pages: how many of its pages were not fetched, since the stored ones are recent.
    """

    sweep: Sweep
    warnings: tuple[str, ...] = ()
    stored_pages: int = 0

    def note(self, now: datetime | None = None) -> str:
        """What a person should know: whether pages are stored ones, and what was odd; empty where there is nothing."""
        notes = []
        if self.stored_pages:
            hours = ((now or datetime.now(UTC)) - self.sweep.at).total_seconds() / 3600
            pages = f"{self.stored_pages} of {len(self.sweep.pages)}"
            notes.append(
                f"{pages} result pages were not fetched: the stored ones are recent (the oldest is {hours:.1f} h old, "
                "OGAART_LISTING_HOURS); run `ogaart discover --refresh` to fetch them again"
            )
        if self.warnings:
            notes.append(f"{len(self.warnings)} odd results: {self.warnings[0]}")
        return "; ".join(notes)


def accept(query: str, read: Iterable[Page]) -> Sweep:
    """Join a sweep's pages, or refuse them.

    Every page's header must be right. Results that are counted and not usable are tolerated up to
    :func:`tolerated_gap`: absence from a sweep withdraws no entry, only its own page does.

    Args:
        query: name of the query.
        read: its pages, in order, at least one.

    Raises:
        SweepRejected: a header does not continue the one before, the totals of first and last page differ, or the
            distinct entries differ from the total by more than is tolerated.
    """
    found = list(read)
    first, last = found[0].listing, found[-1].listing
    pages = tuple(SweepPage(p.at, frozenset(row.slug for row in p.listing.rows)) for p in found)
    swept = Sweep(query, at=min(p.at for p in found), total=first.total or 0, pages=pages)
    if first.status == ListingStatus.NO_RESULTS:
        return swept
    expected = 1
    for page in found:
        if page.listing.first != expected or page.listing.last is None:
            raise SweepRejected(
                f"query {query}, page {page.number}: its header begins at {page.listing.first}, expected {expected}"
            )
        expected = page.listing.last + 1
    if first.total != last.total or last.last != last.total or last.total is None:
        raise SweepRejected(
            f"query {query}: the first page counts {first.total} entries, the last {last.total} and ends at {last.last}"
        )
    gap = abs(len(swept.slugs) - last.total)
    if gap > tolerated_gap(last.total):
        raise SweepRejected(
            f"query {query}: {len(swept.slugs)} distinct entries, the site counts {last.total}; a difference of "
            f"{tolerated_gap(last.total)} is tolerated"
        )
    return swept


def warnings_of(read: Iterable[Page]) -> tuple[str, ...]:
    """What is odd in a sweep's pages, one sentence a result."""
    found: list[str] = []
    page_of: dict[str, int] = {}
    for page in read:
        found += [f"page {page.number}: {odd.message}" for odd in page.listing.odd_rows]
        for row in page.listing.rows:
            if (before := page_of.setdefault(row.slug, page.number)) != page.number:
                found.append(f"page {page.number}: entry {row.slug!r} is listed on page {before} already")
    return tuple(found)


def sweep(stores: Stores, query: SiteQuery, *, refresh: bool = False, progress: Progress | None = None) -> Discovery:
    """Read all pages of ``query`` and keep the sweep, if it is accepted.

    Pages stored less than ``OGAART_LISTING_HOURS`` ago are not fetched again, unless ``refresh``; a sweep that is
    rejected is retried once, with all its pages fetched again. ``progress`` counts the pages.

    Raises:
        SweepRejected: the pages contradict each other twice.
        DiscoveryFailed: a page is not a result page, not the requested one, or not available; twice where fetching it
            again can help. The message names the query and the cause.
        SiteDown: the site does not respond.
    """
    progress = progress or Progress()
    try:
        try:
            return _sweep_once(stores, query, refresh=refresh, progress=progress)
        except (SweepRejected, ListingUnreadable):
            return _sweep_once(stores, query, refresh=True, progress=progress)
    except (PageUnreadable, ListingRefused, FetchFailed) as cause:
        raise DiscoveryFailed(f"query {query.name}: {cause}") from cause


def _sweep_once(stores: Stores, query: SiteQuery, *, refresh: bool, progress: Progress) -> Discovery:
    pages: list[Page] = []
    while True:
        number = len(pages)
        if number > LAST_PAGE:
            raise SweepRejected(f"query {query.name}: more than {LAST_PAGE + 1:,} result pages")
        progress.start(stores.site_rules.listing_url(query, number))
        page = _read_page(stores, query, number, refresh=refresh)
        if stores.site_rules.is_past_end(page.listing, query, number):
            break
        pages.append(page)
        listing = page.listing
        if number == 0:
            progress.begin(max(1, -(-(listing.total or 0) // query.per_page)), f"result pages of {query.name}")
        progress.advance()
        if listing.status == ListingStatus.NO_RESULTS or (listing.last or 0) >= (listing.total or 0):
            break
    found = replace(accept(query.name, pages), url=stores.site_rules.listing_url(query, 0))
    _require_plausible(stores, found)
    stores.sweeps.store(found)
    return Discovery(found, warnings_of(pages), sum(page.from_store for page in pages))


def _require_plausible(stores: Stores, found: Sweep) -> None:
    """Refuse a sweep that lacks most of what the last one had, until another run finds the same hours later.

    A site whose search is out of order answers "no results" with status 200; believed, it would cost a request for
    each entry of the query.

    Raises:
        SweepRejected: it is refused; the last sweep stays.
    """
    last = stores.sweeps.latest(found.query)
    if last is None or last.total - found.total <= MANY or 2 * found.total >= last.total or last.url != found.url:
        return
    first = last.fewer_at or found.at
    due = first + timedelta(hours=stores.settings.confirm_hours)
    if last.fewer_at is not None and found.at >= due:
        return
    stores.sweeps.store(replace(last, fewer_at=first))
    raise SweepRejected(
        f"query {found.query}: the site counts {found.total:,} entries, it counted {last.total:,} at "
        f"{last.at:%Y-%m-%d %H:%M} UTC: so many fewer count if a sweep from {due:%Y-%m-%d %H:%M} UTC on finds them too"
    )


def _read_page(stores: Stores, query: SiteQuery, number: int, *, refresh: bool) -> Page:
    rules = stores.site_rules
    url = rules.listing_url(query, number)
    max_age = timedelta(hours=stores.settings.listing_hours)
    accept = acceptance.listing(rules, query, number)
    fetched = stores.site.get(url, max_age=max_age, refresh=refresh, page=True, accept=accept)
    if fetched.status != 200 or fetched.sha256 is None:
        raise SweepRejected(f"query {query.name}: {url} answered {fetched.status}; no listing, so no sweep")
    listing = rules.parse_listing(stores.blobs.read(fetched.sha256))
    listing = name_numbered_rows(listing, rules, stores.blobs, stores.site.get)
    return Page(number, listing, fetched.fetched_at, fetched.from_store)


def keys_of(found: Sweep) -> list[str]:
    """The partition keys that a sweep's pages have."""
    return [partition_key(found.query, page) for page in range(len(found.pages))]
