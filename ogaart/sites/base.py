"""What ogaart needs of a site, as one interface: queries, listings, entries, keys, URL rules, licences.

A site is knowledge without side effects: it makes URLs and reads bytes, and never sends a request.
``docs/extending.md`` has the recipe for a new one.
"""

import re
import tomllib
from abc import ABC, abstractmethod
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ogaart.core.query_names import QUERY_NAME
from ogaart.sites.errors import InvalidQueries, ListingUnreadable
from ogaart.sites.licences import LICENCES, Licence
from ogaart.sites.records import EntryPage, FileLink, LinkTargets, Listing, is_past_end


class SiteQuery(BaseModel):
    """One query of a site whose results are indexed; a site adds the fields that its search knows.

    Attributes:
        name: the query's name in partition keys, such as ``2d-art``.
        per_page: results on one page.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    per_page: int = Field(24, ge=1)

    @field_validator("name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not re.fullmatch(QUERY_NAME, value):
            raise ValueError(
                f"query name {value!r}: 1 to 40 of a-z, 0-9, '-' and '_', beginning with a letter or digit"
            )
        return value


FIRST_SITE = "opengameart"
"""Name of the site that ogaart began with: rows and keys without a site's name are its own."""

Q = TypeVar("Q", bound=SiteQuery)


class Site(ABC):
    """A site that can be read; everything is pure.

    Keys identify entries everywhere: in tables, in image ids, in URLs of the search. OpenGameArt's are the names in its
    URLs, and none of those begins with a slash. The keys of every other site are made here, ``/<name>/<own key>``, so
    that no key can belong to two sites.

    Args:
        base: the configured site's URL without a trailing slash.

    Attributes:
        name: the site's name, ``[a-z][a-z0-9_]*``; it is part of its keys and of column ``site``.
        listing_version: rises when the same result page would yield other records.
        content_version: rises when the same entry page would yield another record, its links apart.
        links_version: rises when the same entry page would yield other file links.
        query_type: the model of one ``[[query]]`` of the file of queries.
        licences: the licences that the site offers; ``ogaart.sites.licences`` says what each allows.
    """

    name: ClassVar[str]
    listing_version: ClassVar[str] = "1"
    content_version: ClassVar[str] = "1"
    links_version: ClassVar[str] = "1"
    query_type: ClassVar[type[SiteQuery]] = SiteQuery
    licences: ClassVar[tuple[Licence, ...]] = LICENCES

    def __init__(self, base: str) -> None:
        self.base = base

    # What a site implements; keys in its records are its own.

    @abstractmethod
    def listing_url(self, query: SiteQuery, page: int) -> str:
        """The URL of a zero-based result page, in the order in which full pages keep their members: oldest first."""

    @abstractmethod
    def read_listing(self, html: bytes) -> Listing:
        """Parse a result page that came with status 200; see :meth:`parse_listing`."""

    @abstractmethod
    def read_entry(self, html: bytes, url: str) -> EntryPage:
        """Parse an entry's page that came with status 200; see :meth:`parse_entry`."""

    @abstractmethod
    def own_key(self, url: str) -> str | None:
        """The site's own key of the entry at a URL (absolute or root-relative); None where it is not an entry's URL."""

    @abstractmethod
    def is_on_site(self, url: str) -> bool:
        """Whether requests and redirects may go to this absolute URL: it is the configured site, and nothing else."""

    @abstractmethod
    def targets_of(self, link: str) -> LinkTargets:
        """What a link pasted by a visitor can mean here, its encoding unknown; with the site's own keys."""

    def number_of(self, url: str) -> int | None:  # noqa: ARG002 - for sites that have numbers
        """The site's own number of the entry that a URL requests by it; None where it requests a name."""
        return None

    def is_search_of(self, listing: Listing, url: str, final_url: str) -> bool:  # noqa: ARG002 - what a site may tell
        """Whether a result page can be the answer to a request, by the search that it states and the URL it came from.

        Args:
            listing: the page, as parsed.
            url: the URL requested.
            final_url: where redirects led; equal where there were none.
        """
        return True

    # What ogaart calls.

    def load_queries(self, path: Path) -> dict[str, SiteQuery]:
        """Read the file of queries.

        Args:
            path: a TOML file of ``[[query]]`` tables.

        Returns:
            The queries by name.

        Raises:
            InvalidQueries: the file is missing, is not TOML, or holds a query that the site cannot run.
        """
        return dict(load_queries(path, self.query_type))

    def parse_listing(self, html: bytes) -> Listing:
        """Read a result page.

        Raises:
            ListingRefused: the site answers with a message in place of results; the message is in the error.
            ListingUnreadable: the bytes are not a result page, are cut off, or contradict themselves.
        """
        listing = self.read_listing(html)
        rows = tuple(replace(row, slug=self._key(row.slug)) for row in listing.rows)
        return replace(listing, rows=rows, repeated=tuple(map(self._key, listing.repeated)))

    def is_past_end(self, listing: Listing, query: SiteQuery, page: int, final_url: str | None = None) -> bool:
        """Whether the requested page lies past the end; see :func:`ogaart.sites.records.is_past_end`.

        Args:
            listing: the page, as parsed.
            query: the query requested.
            page: the zero-based page requested.
            final_url: where redirects led, where that is known.

        Raises:
            ListingUnreadable: the listing is not that of the requested page, or not of the requested query.
        """
        url = self.listing_url(query, page)
        if not self.is_search_of(listing, url, final_url or url):
            stated = "&".join(f"{name}={value}" for name, value in listing.params)
            raise ListingUnreadable(f"{url}: the answer is that of another search: {stated or final_url}")
        return is_past_end(listing, page, query.per_page)

    def parse_entry(self, html: bytes, url: str) -> EntryPage:
        """Read an entry's page, with the links of its files.

        Args:
            html: the page's bytes, which came with status 200.
            url: the page's URL as requested.

        Raises:
            PageForeign: it is a whole page, and neither an entry nor provably another kind of page of the site.
            PageUnreadable: the bytes are not a page of the site, are cut off, or over a limit. Its ``retryable`` says
                whether to fetch the URL again.
        """
        page = self.read_entry(html, url)
        return replace(
            page,
            slug=self._key(page.slug),
            files=self._keyed(page.files),
            previews=self._keyed(page.previews),
            canonical=None if page.canonical is None else self._key(page.canonical),
        )

    def entry_key(self, url: str) -> str | None:
        """The key of the entry at a URL (absolute or root-relative); None where it is not an entry's URL."""
        own = self.own_key(url)
        return None if own is None else self._key(own)

    def targets(self, link: str) -> LinkTargets:
        """What a link pasted by a visitor can mean on this site, to be looked up in order."""
        found = self.targets_of(link)
        return replace(found, entries=tuple(map(self._key, found.entries)))

    def _key(self, own: str) -> str:
        return f"/{self.name}/{own}"

    def _keyed(self, links: tuple[FileLink, ...]) -> tuple[FileLink, ...]:
        return tuple(replace(link, slug=self._key(link.slug)) for link in links)


def load_queries(path: Path, query_type: type[Q]) -> dict[str, Q]:
    """Read a file of queries of one type; see :meth:`Site.load_queries`."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidQueries(f"no file {path}: set OGAART_QUERIES, or run in the project's folder") from None
    except tomllib.TOMLDecodeError as cause:
        raise InvalidQueries(f"{path}: {cause}") from cause
    queries: dict[str, Q] = {}
    for number, entry in enumerate(content.get("query", []), start=1):
        try:
            query = query_type.model_validate(entry)
        except ValidationError as cause:
            raise InvalidQueries(f"{path}, query {number}: {cause}") from cause
        if query.name in queries:
            raise InvalidQueries(f"{path}: two queries are named {query.name!r}")
        queries[query.name] = query
    if not queries:
        raise InvalidQueries(f"{path} has no [[query]]: add one, such as name = '2d-art', art_types = ['2D Art']")
    return queries
