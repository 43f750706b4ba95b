"""Pages of an entry, an author and a tag."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ogaart.search.engine.listings import entries_like, entries_of, pictures_of
from ogaart.search.engine.service import SearchService
from ogaart.search.errors import NotFound
from ogaart.search.filters import Filters
from ogaart.search.search_url import SearchUrl, known_parameters, read_search_url
from ogaart.search.web.allowances import Allowances
from ogaart.search.web.templating import Templates

PAGE = 120
"""Pictures of an entry, or entries of an author or tag, on a page."""
PageNumber = Annotated[int, Query(ge=1, le=1_000)]


class ListingPages:
    """Routes of entries, authors and tags."""

    def __init__(self, service: SearchService, templates: Templates, allowances: Allowances) -> None:
        self._service = service
        self._templates = templates
        self._allowances = allowances
        self.router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        for kind, route in (("entry/{name:path}", self.entry), ("author/{name:path}", self.author)):
            self.router.add_api_route(f"/{kind}", route, methods=["GET", "HEAD"])
        self.router.add_api_route("/tag/{name:path}", self.tag, methods=["GET", "HEAD"])

    def entry(self, name: str, request: Request, page: PageNumber = 1) -> Response:
        """All pictures of an entry, with its licence and credit, and the entries that look like it."""
        if (narrowed := _narrowed("entry", name, request)) is not None:
            return narrowed
        self._allowances.search(request)
        found = pictures_of(self._service, name, PAGE, (page - 1) * PAGE)
        if found is None or not found.hits:
            raise NotFound(f"no pictures of an entry named {name[:200]} are published" + (" there" if found else ""))
        files = {place.file_url: place.file for hit in found.hits for place in hit.places if place.slug == name}
        return self._templates.page(
            "entry.html",
            self._service.info(),
            entry=found,
            first=found.hits[0],
            files={url: file for url, file in files.items() if url},
            like_it=entries_like(self._service, found.ids, name) if page == 1 else [],
            page=page,
            pages=-(-found.count // PAGE),
        )

    def author(self, name: str, request: Request, page: PageNumber = 1) -> Response:
        """The entries of an author."""
        return self._list("author", name, request, page)

    def tag(self, name: str, request: Request, page: PageNumber = 1) -> Response:
        """The entries that have a tag."""
        return self._list("tag", name, request, page)

    def _list(self, kind: str, name: str, request: Request, page: int) -> Response:
        if (narrowed := _narrowed(kind, name, request)) is not None:
            return narrowed
        self._allowances.search(request)
        found = entries_of(self._service, kind, name, PAGE, (page - 1) * PAGE)
        if found is None or not found.entries:
            raise NotFound(f"no entry here has the {kind} {name[:200]}")
        return self._templates.page(
            "listing.html",
            self._service.info(),
            kind=kind,
            found=found,
            pictures=SearchUrl(filters=Filters(**{f"{kind}s": (found.name,)})),
            page=page,
            pages=-(-found.total // PAGE),
        )


def _narrowed(kind: str, name: str, request: Request) -> Response | None:
    """Leads to the search with what else the URL holds, which these pages do not filter by; None where that is nothing.

    Raises:
        InvalidParameter: a name is nearly that of a parameter, or a value is outside its type or limits.
    """
    known, _ = known_parameters((key, value) for key, value in request.query_params.multi_items() if key != "page")
    address = read_search_url(known)
    if address.empty:
        return None
    return RedirectResponse(read_search_url([*known, (kind, name)]).path(), status_code=303)
