"""Ways into the search from elsewhere: a browser's search field, an installed page, a feed of any search."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from ogaart.search.engine.query_resolver import QueryResolver
from ogaart.search.engine.service import SearchService
from ogaart.search.errors import InvalidParameter
from ogaart.search.page_parameters import read_page_url
from ogaart.search.page_paths import author_path
from ogaart.search.query import Sort
from ogaart.search.results import Hit, UnknownValue
from ogaart.search.search_url import SearchUrl
from ogaart.search.web.allowances import Allowances
from ogaart.search.web.template_filters import filter_name
from ogaart.search.web.templating import Templates

_ATOM = "http://www.w3.org/2005/Atom"
_OPENSEARCH = "http://a9.com/-/spec/opensearch/1.1/"
_LONG_AGO = "2009-03-01T00:00:00Z"  # for entries that state no date: before the site's first one
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DAY = {"Cache-Control": "public, max-age=86400"}


class WaysIn:
    """Routes of these documents."""

    def __init__(
        self, service: SearchService, resolver: QueryResolver, templates: Templates, allowances: Allowances
    ) -> None:
        self._service = service
        self._resolver = resolver
        self._templates = templates
        self._allowances = allowances
        self.router = APIRouter(include_in_schema=False)
        for path, route in (
            ("/opensearch.xml", self.opensearch),
            ("/manifest.webmanifest", self.manifest),
            ("/feed.atom", self.feed),
        ):
            self.router.add_api_route(path, route, methods=["GET", "HEAD"])

    def opensearch(self, request: Request) -> Response:
        """A description by which browsers add the search to their own."""
        base = base_of(request)
        root = ET.Element("OpenSearchDescription", xmlns=_OPENSEARCH)
        _add(root, "ShortName", "ogaart")
        _add(root, "Description", "Game art by words, with licences")
        _add(root, "InputEncoding", "UTF-8")
        _add(root, "Image", f"{base}{self._static('icons/icon-192.png')}", width="192", height="192", type="image/png")
        _add(root, "Url", type="text/html", template=f"{base}/search?q={{searchTerms}}")
        return Response(_xml(root), media_type="application/opensearchdescription+xml", headers=_DAY)

    def manifest(self) -> Response:
        """By which the page is installed, and receives pictures that are shared with it."""
        icons = [
            {"src": self._static(f"icons/icon-{size}.png"), "sizes": f"{size}x{size}", "type": "image/png"}
            for size in (192, 512)
        ]
        content: dict[str, Any] = {
            "name": "ogaart: find game art",
            "short_name": "ogaart",
            "start_url": "/",
            "scope": "/",
            "display": "minimal-ui",
            "background_color": "#191a1c",
            "theme_color": "#191a1c",
            "icons": icons,
            "share_target": {
                "action": "/search",
                "method": "POST",
                "enctype": "multipart/form-data",
                "params": {"text": "q", "url": "url", "files": [{"name": "picture", "accept": ["image/*"]}]},
            },
        }
        return JSONResponse(content, media_type="application/manifest+json", headers=_DAY)

    def feed(self, request: Request) -> Response:
        """The results of a search as an Atom feed: the newest first, unless the search has another order.

        Raises:
            InvalidParameter: the search is empty, or holds an upload, which is gone in an hour.
        """
        visitor = self._allowances.search(request)
        found = read_page_url(request.query_params.multi_items())
        address = found.search
        if address.empty or address.temporary:
            raise InvalidParameter("a feed needs a search that lasts: words, filters, links or pictures of the catalog")
        query = self._resolver.resolve(address, visitor).query
        if query.sort is Sort.RELEVANCE and not address.visual:  # what is new is what a feed is read for
            query = replace(query, sort=Sort.NEWEST)
        results = self._service.search(query)
        notes = (*found.notes, *address.unused, *results.notes, *(_unknown(one) for one in results.unknown))
        return Response(
            _atom(address, results.hits, base_of(request), notes), media_type="application/atom+xml; charset=utf-8"
        )

    def _static(self, name: str) -> str:
        return f"/static/{self._templates.version}/{name}"


def base_of(request: Request) -> str:
    """Scheme and host of this server as the visitor names it; only allowed hosts come this far."""
    return str(request.base_url).rstrip("/")


def _unknown(one: UnknownValue) -> str:
    """What is said of a value of a filter that nothing has."""
    meant = f" Did you mean {' or '.join(one.nearest)}?" if one.nearest else ""
    return f"No picture has the {filter_name(one.field)} “{one.value}”.{meant}"


def _atom(address: SearchUrl, hits: tuple[Hit, ...], base: str, notes: Sequence[str]) -> bytes:
    root = ET.Element("feed", xmlns=_ATOM)
    _add(root, "title", f"ogaart: {address.words or 'pictures'}")
    if notes:
        _add(root, "subtitle", " ".join(notes))
    _add(root, "id", f"{base}{address.path()}")
    _add(root, "link", href=f"{base}{address.path()}", rel="alternate", type="text/html")
    _add(root, "link", href=f"{base}{address.path().replace('/search', '/feed.atom', 1)}", rel="self")
    _add(root, "updated", max((_moment(hit) for hit in hits), default=_LONG_AGO))
    for hit in hits:
        entry = ET.SubElement(root, "entry")
        _add(entry, "id", f"{base}{hit.url}")
        _add(entry, "title", hit.title)
        _add(entry, "updated", _moment(hit))
        for name in hit.authors or ("unknown author",):
            author = ET.SubElement(entry, "author")
            _add(author, "name", name)
            _add(author, "uri", f"{base}{author_path(name)}")
        _add(entry, "link", href=f"{base}{hit.url}", rel="alternate", type="text/html")
        _add(entry, "link", href=f"{base}{hit.thumb_url}", rel="enclosure", type="image/webp")
        _add(entry, "rights", ", ".join(licence.name for licence in hit.licences) or "no licence stated")
        _add(entry, "summary", hit.attribution)
    return _xml(root)


def _moment(hit: Hit) -> str:
    """When its entry was posted; the site states no zone."""
    posted = hit.posted_at[:19].replace(" ", "T")
    return f"{posted}Z" if len(posted) == 19 else _LONG_AGO


def _add(parent: ET.Element, name: str, text: str = "", **attributes: str) -> None:
    # Characters that XML 1.0 does not have are left out, whatever an author wrote.
    ET.SubElement(parent, name, attributes).text = _NOT_XML.sub("", text) or None


def _xml(root: ET.Element) -> bytes:
    body: bytes = ET.tostring(root, encoding="utf-8")
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + body
