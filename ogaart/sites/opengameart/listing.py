"""A result page of the site's search as records: which entries it lists, in order, and which part of how many.

A listing proves presence. It is never empty by accident: a page that cannot be read is an error, a keyword that the
site refuses is another, and only a search that found nothing yields no rows.
"""

import re

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ogaart.core.states import ListingStatus
from ogaart.sites import markup
from ogaart.sites.errors import ListingRefused, ListingUnreadable, PageUnreadable
from ogaart.sites.markup import classes, has_class
from ogaart.sites.opengameart.urls import absolute, key_of, search_params, slug_of
from ogaart.sites.records import ListedEntry, Listing

LISTING_VERSION = "1"
"""Rises when the same page would yield other records."""

_VIEW = "view-display-id-search_art_advanced"
_FEW = 3
"""A page of so few rows may have none that is usable; where more rows are unusable the template has changed."""
_NUMBER = r"(\d[\d.,\s]{0,14})"
_HEADER = re.compile(rf"Displaying\s+{_NUMBER}\s*[-–—]\s*{_NUMBER}\s*of\s+{_NUMBER}(?!\d)", re.ASCII | re.IGNORECASE)
# The search engine's own words where a theme shows them outside the usual message box.
_REFUSAL = re.compile(r"at least one (?:positive )?keyword[^.\n]{0,200}", re.IGNORECASE)


def parse_listing(html: bytes, base: str) -> Listing:
    """Read a result page.

    Args:
        html: the page's bytes.
        base: the configured site, onto which links are mapped.

    Raises:
        ListingRefused: the site answers with a message in place of results; the message is in the error.
        ListingUnreadable: the bytes are not a result page, are cut off, or contradict themselves.
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
        if not 1 <= header[0] <= header[1] <= header[2] or header[1] - header[0] + 1 > _FEW:
            raise ListingUnreadable(f"the header says {header[0]} - {header[1]} of {header[2]}, yet no row can be read")
    if header is None:
        raise ListingUnreadable(f"{len(found)} rows without 'Displaying A - B of N': which page it is cannot be told")
    if not 1 <= header[0] <= header[1] <= header[2]:
        raise ListingUnreadable(f"the header says {header[0]} - {header[1]} of {header[2]}, which is not a range")
    rows, skipped, repeated = _rows(found, base)
    if not rows and len(found) > _FEW:
        raise ListingUnreadable(f"none of {len(found)} rows links an entry; the first shows {skipped[0]!r}")
    return Listing(ListingStatus.OK, *header, rows, skipped, repeated, _pager_params(view, base))


def _result_rows(view: LexborNode) -> list[LexborNode]:
    """The rows of this view's content; rows of views inside it (adverts, popular art) are not results."""

    def enter(node: LexborNode) -> bool:
        return not classes(node) & {"view", "views-row", "view-header", "view-footer", "attachment"}

    return [node for node in markup.walk(view, enter) if classes(node) >= {"views-row", "art-previews-inline"}]


def _rows(found: list[LexborNode], base: str) -> tuple[tuple[ListedEntry, ...], tuple[str, ...], tuple[str, ...]]:
    """The rows, what those without an entry show, and the keys of those that are there again."""
    rows: dict[str, ListedEntry] = {}
    skipped: list[str] = []
    repeated: list[str] = []
    for position, row in enumerate(found):
        link = markup.first(markup.first(row, has_class("art-preview-title")), markup.is_link)
        href = markup.href(link)
        url = absolute(base, href) if href is not None else None
        slug = key_of(url) if url is not None else None
        if url is None or slug is None:
            skipped.append(href or markup.line(row) or "")
        elif slug in rows:
            repeated.append(slug)
        else:
            by_number = slug_of(url) is None
            rows[slug] = ListedEntry(position, slug, markup.line(link) or "", url, by_number)
    return tuple(rows.values()), tuple(skipped), tuple(repeated)


def _pager_params(view: LexborNode, base: str) -> tuple[tuple[str, str], ...]:
    """The search that the links to the other pages state; empty on a result page without others."""
    own = markup.walk(view, lambda node: not classes(node) & {"view", "views-row"})
    pager = next((node for node in own if "pager" in classes(node)), None)
    url = absolute(base, markup.href(markup.first(pager, markup.is_link)) or "")
    return search_params(url) if url is not None else ()


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
            # The box opens with a heading for screen readers, which is not part of the message.
            return re.sub(r"\A(?:Error|Warning|Status) message ", "", markup.line(box) or "an empty message")
    match = _REFUSAL.search(markup.line(page.body) or "")
    return match[0] if match else None
