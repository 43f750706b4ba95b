"""Discovery: all result pages of a query read in one sweep, accepted only if they fit together."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ogaart.core.partitions import partition_key
from ogaart.core.states import ListingStatus
from ogaart.resources.platform import Stores
from ogaart.resources.site.sweeps import Sweep, SweepPage, store_sweep
from ogaart.sites.base import SiteQuery
from ogaart.sites.errors import ListingUnreadable
from ogaart.sites.records import Listing


class SweepRejected(RuntimeError):
    """The pages of a sweep contradict each other: an upload or a deletion fell between them. Sweep again."""


@dataclass(frozen=True)
class Page:
    """One page of a sweep."""

    number: int
    listing: Listing
    at: datetime


def accept(query: str, read: Iterable[Page]) -> Sweep:
    """Join a sweep's pages, or refuse them.

    Args:
        query: name of the query.
        read: its pages, in order, at least one.

    Raises:
        SweepRejected: a header does not continue the one before, the totals of first and last page differ, or the
            distinct entries are not as many as the total.
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
    if len(swept.slugs) != last.total:
        raise SweepRejected(f"query {query}: {len(swept.slugs)} distinct entries, the site counts {last.total}")
    return swept


def sweep(
    stores: Stores, query: SiteQuery, *, refresh: bool = False, progress: Callable[[int, int], None] | None = None
) -> Sweep:
    """Read all pages of ``query`` and keep the sweep, if it is accepted.

    Pages younger than ``OGAART_LISTING_HOURS`` are not asked for again, unless ``refresh``; a sweep that is refused
    is tried once more with all its pages asked for anew.

    Raises:
        SweepRejected: the pages contradict each other twice.
        ListingUnreadable: twice a page was no result page, or another one than was asked for.
        SiteDown: the site does not answer.
    """
    try:
        return _sweep_once(stores, query, refresh=refresh, progress=progress)
    except (SweepRejected, ListingUnreadable):
        return _sweep_once(stores, query, refresh=True, progress=progress)


def _sweep_once(
    stores: Stores, query: SiteQuery, *, refresh: bool, progress: Callable[[int, int], None] | None
) -> Sweep:
    rules, max_age = stores.site_rules, timedelta(hours=stores.settings.listing_hours)
    pages: list[Page] = []
    while True:
        number = len(pages)
        url = rules.listing_url(query, number)
        fetched = stores.site.get(url, max_age=max_age, refresh=refresh, page=True)
        if fetched.status != 200 or fetched.sha256 is None:
            raise SweepRejected(f"query {query.name}: {url} answered {fetched.status}; no listing, so no sweep")
        listing = rules.parse_listing(stores.blobs.read(fetched.sha256))
        if rules.is_past_end(listing, number, query.per_page):
            break
        pages.append(Page(number, listing, fetched.fetched_at))
        if progress is not None and listing.total:
            progress(number + 1, -(-listing.total // query.per_page))
        if listing.status == ListingStatus.NO_RESULTS or (listing.last or 0) >= (listing.total or 0):
            break
    found = accept(query.name, pages)
    store_sweep(stores.root.site, found)
    return found


def keys_of(found: Sweep) -> list[str]:
    """The partition keys that a sweep's pages have."""
    return [partition_key(found.query, page) for page in range(len(found.pages))]
