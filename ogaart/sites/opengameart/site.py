"""OpenGameArt.org as a site that ogaart reads."""

from ogaart.sites.base import FIRST_SITE, Site, SiteQuery
from ogaart.sites.opengameart.content import CONTENT_VERSION, parse_entry
from ogaart.sites.opengameart.links import LINKS_VERSION
from ogaart.sites.opengameart.listing import LISTING_VERSION, parse_listing
from ogaart.sites.opengameart.pasted_links import targets_of
from ogaart.sites.opengameart.queries import OpenGameArtQuery
from ogaart.sites.opengameart.urls import is_search_of, key_of, number_of, redirect_allowed, search_params, search_url
from ogaart.sites.records import EntryPage, LinkTargets, Listing


class OpenGameArt(Site):
    """The site, or a copy of it at another base URL."""

    name = FIRST_SITE
    listing_version = LISTING_VERSION
    content_version = CONTENT_VERSION
    links_version = LINKS_VERSION
    query_type = OpenGameArtQuery

    def listing_url(self, query: SiteQuery, page: int) -> str:
        """See the base."""
        if not isinstance(query, OpenGameArtQuery):
            raise TypeError(f"query {query.name!r} is a {type(query).__name__}, not a query of {self.name}")
        return search_url(self.base, query.params, page, query.per_page)

    def read_listing(self, html: bytes) -> Listing:
        """See the base."""
        return parse_listing(html, self.base)

    def read_entry(self, html: bytes, url: str) -> EntryPage:
        """See the base."""
        return parse_entry(html, url, self.base)

    def own_key(self, url: str) -> str | None:
        """See the base; ``/node/<nid>`` is an entry too."""
        return key_of(url)

    def is_search_of(self, listing: Listing, url: str, final_url: str) -> bool:
        """See the base."""
        if final_url != url and not is_search_of(search_params(final_url), url):
            return False
        return not listing.params or is_search_of(listing.params, url)

    def number_of(self, url: str) -> int | None:
        """See the base."""
        return number_of(url)

    def is_on_site(self, url: str) -> bool:
        """See the base."""
        return redirect_allowed(self.base, url)

    def targets_of(self, link: str) -> LinkTargets:
        """See the base."""
        return targets_of(self.base, link)

    def _key(self, own: str) -> str:
        # The first site's keys are the names in its URLs, as they were before there was a second site.
        return own
