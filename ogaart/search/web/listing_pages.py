"""Pages of an entry, an author and a tag."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from ogaart.search.engine.listings import entries_like, entries_of, nearest_names, pictures_of
from ogaart.search.engine.service import SearchService
from ogaart.search.errors import NotFound
from ogaart.search.filters import Filters
from ogaart.search.page_parameters import PageUrl, read_page_url
from ogaart.search.page_paths import page_path
from ogaart.search.search_url import SearchUrl
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
        url = _read(request)
        if (narrowed := url.narrowing("entry", name)) is not None:
            return RedirectResponse(narrowed, status_code=303)
        self._allowances.search(request)
        found = pictures_of(self._service, name, PAGE, (page - 1) * PAGE)
        if found is None or not found.hits:
            said = f"no pictures of an entry named {name[:200]} are published" + (" there" if found else "")
            raise NotFound(said, () if found else self._nearest("entry", name))
        files = {place.file_url: place.file for hit in found.hits for place in hit.places if place.slug == found.slug}
        return self._templates.page(
            "entry.html",
            self._service.info(),
            entry=found,
            first=found.hits[0],
            files={url: file for url, file in files.items() if url},
            like_it=entries_like(self._service, found.ids, found.slug) if page == 1 else [],
            canonical=self._canonical(request, "entry", found.slug, page),
            page_notes=url.notes,
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
        url = _read(request)
        if (narrowed := url.narrowing(kind, name)) is not None:
            return RedirectResponse(narrowed, status_code=303)
        self._allowances.search(request)
        found = entries_of(self._service, kind, name, PAGE, (page - 1) * PAGE)
        if found is None or not found.entries:
            raise NotFound(f"no entry here has the {kind} {name[:200]}", () if found else self._nearest(kind, name))
        return self._templates.page(
            "listing.html",
            self._service.info(),
            kind=kind,
            found=found,
            pictures=SearchUrl(filters=Filters(**{f"{kind}s": (found.name,)})),
            canonical=self._canonical(request, kind, found.name, page),
            page_notes=url.notes,
            page=page,
            pages=-(-found.total // PAGE),
        )

    def _nearest(self, kind: str, name: str) -> list[tuple[str, str]]:
        return [(one, page_path(kind, one)) for one in nearest_names(self._service, kind, name)]

    def _canonical(self, request: Request, kind: str, name: str, page: int) -> str:
        further = f"?page={page}" if page > 1 else ""
        return self._templates.canonical(request, page_path(kind, name) + further)


def _read(request: Request) -> PageUrl:
    """What the URL holds beside the number of the page."""
    return read_page_url(request.query_params.multi_items(), own=("page",))
