"""Which responses of status 200 are accepted: the page that was requested, not an error or another one."""

import codecs
import re
from collections.abc import Callable

from ogaart.resources.site.client import Accept, Received, UnexpectedContent
from ogaart.sites.base import Site, SiteQuery
from ogaart.sites.errors import ListingUnreadable, PageOfAnother, PageUnreadable
from ogaart.sites.page_identity import contradiction
from ogaart.sites.records import EntryPage

PageCheck = Callable[[EntryPage, str], None]
"""Raises ``PageOfAnother`` for a parsed page that is another entry's; the URL is where redirects led."""

_PAGES = (".html", ".htm", ".xhtml", ".mht", ".php")
_HEAD_BYTES = 1024
_HTML = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)


_FEW = 3
"""So many results may disappear from a page between a sweep and the next."""


def listing(rules: Site, query: SiteQuery, page: int, swept: int = 0) -> Accept:
    """Accept the requested result page of a query, or its last one where that lies past the end.

    Args:
        rules: the site.
        query: the query.
        page: the zero-based page.
        swept: how many results the last sweep found there: a page that had some has not none.
    """

    def accept(received: Received) -> None:
        try:
            found = rules.parse_listing(received.read())
            none = rules.is_past_end(found, query, page, received.final_url) or not found.rows
        except ListingUnreadable as cause:
            raise UnexpectedContent(str(cause)) from cause
        if none and swept > _FEW:
            raise UnexpectedContent(f"a result page without results; the last sweep found {swept} there")

    return accept


def entry(rules: Site, url: str, check: PageCheck) -> Accept:
    """Accept the page of the entry that was requested."""

    def accept(received: Received) -> None:
        try:
            check(rules.parse_entry(received.read(), url), received.final_url)
        except PageUnreadable as cause:
            if cause.retryable:
                raise UnexpectedContent(str(cause)) from cause

    return accept


def require_entry(rules: Site, page: EntryPage, url: str, key: str | None, final_url: str) -> None:
    """Refuse a page that states that it is another entry's than the one at ``url``, of which nothing is known.

    Raises:
        PageOfAnother: it does.
    """
    led_to = rules.entry_key(final_url) if final_url != url else None
    reason = contradiction(page, key or page.slug, rules.number_of(url), led_to)
    if reason is not None:
        raise PageOfAnother(f"{url}: {reason}")


def file(name: str, length: int | None) -> Accept | None:
    """Accept a file unless it is a page of HTML in the place of something else; its exact length proves it."""
    if length is not None or name.lower().endswith(_PAGES):
        return None

    def accept(received: Received) -> None:
        if _HTML.match(received.head(_HEAD_BYTES).removeprefix(codecs.BOM_UTF8)):
            raise UnexpectedContent(f"a page of HTML came in the place of {name!r}")

    return accept
