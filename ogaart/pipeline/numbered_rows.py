"""Results that a listing links by number: their entry's own page states the name that is its key."""

from collections.abc import Callable
from dataclasses import replace

from ogaart.pipeline import acceptance
from ogaart.resources.site.client import Fetched
from ogaart.resources.site.errors import FetchFailed
from ogaart.resources.storage.blobs import Blobs
from ogaart.sites.base import Site
from ogaart.sites.errors import PageUnreadable
from ogaart.sites.records import EntryPage, ListedEntry, Listing


def name_numbered_rows(listing: Listing, site: Site, blobs: Blobs, get: Callable[..., Fetched]) -> Listing:
    """The listing with the names of entries that it links by number.

    An entry may be linked by its name today and by its number tomorrow. The page of each such entry is read, which
    costs no request in the end: reading the entry needs the same page, which is then stored.

    Args:
        listing: as parsed.
        site: its site.
        blobs: where fetched pages are.
        get: fetches an entry's page, or returns the stored one; called as ``SiteClient.get``.

    Returns:
        The listing with keys as the pages state them. Where a page is not available, its row keeps the number as its
        key; where two rows turn out to be one entry, the second is counted as repeated.

    Raises:
        SiteDown: the site does not respond.
    """
    if not any(row.by_number for row in listing.rows):
        return listing
    rows: dict[str, ListedEntry] = {}
    repeated = list(listing.repeated)
    for row in listing.rows:
        named = replace(row, slug=_name(row, site, blobs, get)) if row.by_number else row
        if named.slug in rows:
            repeated.append(named.slug)
        else:
            rows[named.slug] = named
    return replace(listing, rows=tuple(rows.values()), repeated=tuple(repeated))


def _name(row: ListedEntry, site: Site, blobs: Blobs, get: Callable[..., Fetched]) -> str:
    def check(page: EntryPage, final_url: str) -> None:
        acceptance.require_entry(site, page, row.url, None, final_url)

    try:
        fetched = get(row.url, page=True, accept=acceptance.entry(site, row.url, check))
        if fetched.status != 200 or fetched.sha256 is None:
            return row.slug
        page = site.parse_entry(blobs.read(fetched.sha256), row.url)
        check(page, fetched.final_url)
    except (FetchFailed, PageUnreadable):  # recorded as a failure when the entry itself is read
        return row.slug
    return page.slug
