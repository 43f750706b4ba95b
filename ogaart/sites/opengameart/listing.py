"""A result page of the site's search as records: which entries stand on it, in order, and what part of how many.

A listing proves presence. It is never empty by accident: a page that cannot be read is an error, a keyword that the
site refuses is another, and only a search that found nothing gives no rows.
"""

import re
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ogaart.core.states import ListingStatus
from ogaart.sites.opengameart import markup
from ogaart.sites.opengameart.markup import PageUnreadable, classes, has_class
from ogaart.sites.opengameart.urls import absolute, slug_of

LISTING_VERSION = "1"
"""Rises when the same page would give other records."""

_VIEW = "view-display-id-search_art_advanced"
_NUMBER = r"(\d[\d.,\s]{0,14})"
_HEADER = re.compile(rf"Displaying\s+{_NUMBER}\s*[-–—]\s*{_NUMBER}\s*of\s+{_NUMBER}", re.ASCII | re.IGNORECASE)
# The search engine's own words where a theme shows them outside the usual message box.
_REFUSAL = re.compile(r"at least one (?:positive )?keyword[^.\n]{0,200}", re.IGNORECASE)


class ListingUnreadable(PageUnreadable):
    """The page is no result page that can be relied on."""


class ListingRefused(ValueError):
    """The site refuses to run the search, such as for a keyword of fewer than 3 characters."""


@dataclass(frozen=True)
class ListingRow:
    """One result.

    Attributes:
        position: zero-based place on the page, counted over all its rows.
        slug: the entry's name, percent-decoded exactly once.
        title: the title shown; empty where the page shows none.
        url: the entry's URL on the configured site, percent-encoded as the page links it.
    """

    position: int
    slug: str
    title: str
    url: str


@dataclass(frozen=True)
class Listing:
    """One result page. Equal for two answers to the same request, whose bytes always differ.

    Attributes:
        status: OK, or NO_RESULTS for a search that found nothing. PAST_END is :func:`is_past_end`'s to say.
        first: A of the header ``Displaying A - B of N``; None without results.
        last: B of that header.
        total: N of that header.
        rows: the results in the page's order, each entry once.
        skipped: what rows showed that link no entry, in order; such a page has fewer rows than its header says.
    """

    status: ListingStatus
    first: int | None
    last: int | None
    total: int | None
    rows: tuple[ListingRow, ...]
    skipped: tuple[str, ...] = ()


def parse_listing(html: bytes, base: str) -> Listing:
    """Read a result page.

    Args:
        html: the page's bytes.
        base: the configured site, onto which links are mapped.

    Raises:
        ListingRefused: the site answers with a message in place of results; the message is in the error.
        ListingUnreadable: the bytes are no result page, are cut off, or contradict themselves.
    """
    try:
        page = markup.parse(html)
    except PageUnreadable as error:
        raise ListingUnreadable(str(error)) from error
    view = page.css_first(f".{_VIEW}")
    found = _result_rows(view) if view is not None else []
    if not found and (message := _refusal(page)):
        raise ListingRefused(f"the site refuses this search: {message!r}; change the query's keys")
    if view is None:
        raise ListingUnreadable(f"no element of class {_VIEW}: not a result page, or the site's template changed")
    header = _header(view)
    if not found:
        if header is None or header[2] == 0:
            return Listing(ListingStatus.NO_RESULTS, None, None, None, ())
        raise ListingUnreadable(f"the header says {header[0]} - {header[1]} of {header[2]}, yet no row can be read")
    if header is None:
        raise ListingUnreadable(f"{len(found)} rows without 'Displaying A - B of N': which page it is cannot be told")
    if not 1 <= header[0] <= header[1] <= header[2]:
        raise ListingUnreadable(f"the header says {header[0]} - {header[1]} of {header[2]}, which is no range")
    rows, skipped = _rows(found, base)
    if not rows:
        raise ListingUnreadable(f"none of {len(found)} rows links an entry; the first shows {skipped[0]!r}")
    return Listing(ListingStatus.OK, *header, rows, skipped)


def is_past_end(listing: Listing, page: int, per_page: int) -> bool:
    """Whether the requested page lies past the end: the site then answers with its last page again.

    Args:
        listing: what the request was answered with.
        page: the zero-based page requested.
        per_page: the rows a page requested.

    Raises:
        ListingUnreadable: the header is neither the requested page's nor the last page's, as where the site ignores the
            number of rows asked for.
    """
    if listing.first is None:
        return page > 0
    expected = page * per_page + 1
    if listing.first == expected:
        return False
    if listing.last == listing.total and listing.first < expected and expected > (listing.total or 0):
        return True
    raise ListingUnreadable(
        f"page {page} of {per_page} rows starts at {expected}, yet the header says "
        f"{listing.first} - {listing.last} of {listing.total}: the site answered another page"
    )


def _result_rows(view: LexborNode) -> list[LexborNode]:
    """The rows of this view's content; rows of views inside it (adverts, popular art) are not results."""

    def enter(node: LexborNode) -> bool:
        return not classes(node) & {"view", "views-row", "view-header", "view-footer", "attachment"}

    return [node for node in markup.walk(view, enter) if classes(node) >= {"views-row", "art-previews-inline"}]


def _rows(found: list[LexborNode], base: str) -> tuple[tuple[ListingRow, ...], tuple[str, ...]]:
    rows: dict[str, ListingRow] = {}
    skipped: list[str] = []
    for position, row in enumerate(found):
        link = markup.first(markup.first(row, has_class("art-preview-title")), markup.is_link)
        href = markup.href(link)
        url = absolute(base, href) if href is not None else None
        slug = slug_of(url) if url is not None else None
        if url is None or slug is None:
            skipped.append(href or markup.line(row) or "")
        elif slug not in rows:
            rows[slug] = ListingRow(position, slug, markup.line(link) or "", url)
    return tuple(rows.values()), tuple(skipped)


def _header(view: LexborNode) -> tuple[int, int, int] | None:
    """A, B and N of the view's header."""
    match = _HEADER.search(markup.line(markup.first(view, has_class("view-header"))) or "")
    if match is None:
        return None
    first, last, total = (int(re.sub(r"\D", "", number)) for number in match.groups())
    return first, last, total


def _refusal(page: LexborHTMLParser) -> str | None:
    """The message shown in place of results."""
    for box in page.css(".messages"):
        if classes(box) & {"error", "warning"} or _REFUSAL.search(markup.prose(box)):
            # The box opens with a heading for screen readers, which is no part of the message.
            return re.sub(r"\A(?:Error|Warning|Status) message ", "", markup.line(box) or "an empty message")
    match = _REFUSAL.search(markup.line(page.body) or "")
    return match[0] if match else None
