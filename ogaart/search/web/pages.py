"""The first page and the results: what people search with, and what they find."""

import secrets
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response

from ogaart.search.display.changes import Copy, changes
from ogaart.search.engine.kinship import count_cells
from ogaart.search.engine.query_resolver import QueryResolver, ResolvedQuery, ShownExample
from ogaart.search.engine.search import Detail
from ogaart.search.engine.service import SearchService
from ogaart.search.engine.showcase import HomePictures, Showcase
from ogaart.search.engine.uploads import Uploads
from ogaart.search.engine.verdict import near_copy_in
from ogaart.search.errors import NothingPublished
from ogaart.search.page_parameters import read_page_url
from ogaart.search.results import Hit, Info, Relation, Results
from ogaart.search.search_url import SearchUrl, read_search_url
from ogaart.search.web.allowances import Allowances
from ogaart.search.web.forms import add_uploads, read_form
from ogaart.search.web.template_filters import fit
from ogaart.search.web.templating import Templates

PAGE = 60
"""Pictures on a page of results."""
AROUND = 12
"""Favourites that are shown where nothing is found."""

_COPIES = (Relation.SAME, Relation.NEAR)


@dataclass(frozen=True)
class WholePicture:
    """The picture that a part can be taken of: where it is shown, its pixels where they are known, its stored cells."""

    view: str
    hit: Hit | None = None
    cells: int = 0


@dataclass(frozen=True)
class ShownQuery:
    """What the results page shows of the question."""

    picture_url: str
    width: int
    height: int
    crisp: bool
    positive: tuple[ShownExample, ...]
    negative: tuple[ShownExample, ...]
    subject: str
    whole: "WholePicture | None" = None

    @property
    def removable(self) -> bool:
        """Whether a picture can go without the question being empty."""
        return len(self.positive) + len(self.negative) + bool(self.picture_url) > 1


_BESIDE = Detail(beside=True)
"""Cards show no more of their entries than frames of animations."""


class SearchPages:
    """Routes of the pages."""

    def __init__(
        self,
        service: SearchService,
        uploads: Uploads,
        resolver: QueryResolver,
        templates: Templates,
        allowances: Allowances,
    ) -> None:
        self._service = service
        self._uploads = uploads
        self._resolver = resolver
        self._templates = templates
        self._allowances = allowances
        self._showcase = Showcase(service)
        self.router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        for path, route in (
            ("/", self.home),
            ("/search", self.search),
            ("/surprise", self.surprise),
            ("/upload/{token}.webp", self.uploaded),
            ("/robots.txt", self.robots),
        ):
            self.router.add_api_route(path, route, methods=["GET", "HEAD"])
        self.router.add_api_route("/search", self.upload, methods=["POST"])

    def home(self, request: Request) -> Response:
        """The first page: the search bar, doors, favourites and what is new; a search in its URL is made."""
        found = read_page_url(request.query_params.multi_items())
        if not found.search.empty:
            return RedirectResponse(found.leading_to(found.search.path()), status_code=303)
        try:
            shown = self._showcase.pictures()
        except NothingPublished:
            shown = HomePictures()
        return self._templates.page(
            "home.html", self._info(), page_notes=found.notes, home=shown, autofocus=True, filters_shown="uses"
        )

    def surprise(self, request: Request) -> Response:
        """Lead to what is like some picture of the catalog; what else the URL holds narrows that search."""
        self._allowances.search(request)
        found = read_page_url(request.query_params.multi_items())
        sample = self._service.sample(1, seed=secrets.randbelow(1 << 31))
        drawn = (hit.image_id for hit in sample if hit.image_id not in found.search.negative)
        positive = (*found.search.positive, *drawn)
        found = replace(found, search=replace(found.search, positive=positive))
        target = found.leading_to("/" if found.search.empty else found.search.path(page=found.search.page))
        return RedirectResponse(target, status_code=303, headers={"Cache-Control": "no-store"})

    def robots(self) -> Response:
        """What machines need not read: searches without end, and other people's files."""
        return PlainTextResponse(
            "User-agent: *\nDisallow: /search\nDisallow: /original/\nDisallow: /report\nDisallow: /api/\n"
        )

    def search(self, request: Request) -> Response:
        """Results for the address."""
        visitor = self._allowances.search(request)
        found = read_page_url(request.query_params.multi_items(), PAGE)
        address = found.search
        if address.empty:
            return RedirectResponse(found.leading_to("/"), status_code=303)
        meant = self._resolver.read_links(address)
        if meant != address:
            return RedirectResponse(found.leading_to(meant.path(page=meant.page)), status_code=303)
        resolved = self._resolver.resolve(address, visitor)
        results, listed = self._results(address, resolved)
        results = replace(results, notes=(*address.unused, *found.notes, *results.notes))
        copy = self._copy(resolved, results)
        nothing = not (results.hits or address.visual or address.page > 1)
        return self._templates.page(
            "results.html",
            results.info,
            canonical="" if address.temporary else self._templates.canonical(request, address.path(page=address.page)),
            address=address,
            listed=listed,
            results=results,
            around=self._showcase.pictures().favourites[:AROUND] if nothing else (),
            query=self._shown(address, resolved) if address.visual else None,
            copy=copy,
            heading=_heading(address, resolved, results, copy),
            vocabulary=self._service.facets(resolved.query),
            filters_shown=True,
        )

    def _results(self, address: SearchUrl, resolved: ResolvedQuery) -> tuple[Results, SearchUrl]:
        """The results, and the search whose further pages continue them.

        One card would stand for all of them where all are of one entry: that entry's pictures are shown instead.
        """
        results = self._service.search(resolved.query, _BESIDE)
        by_default = address.group is None and address.one_each and address.page == 1
        if by_default and len(results.hits) == 1 and results.hits[0].entry_more and not results.more:
            return self._service.search(replace(resolved.query, group=False), _BESIDE), replace(address, group=False)
        return results, address

    async def upload(self, request: Request) -> Response:
        """Take a picture, and lead to the address that holds its token; without one, to the address of the rest."""
        sent = await read_form(request, self._service.settings)
        found = read_page_url([*request.query_params.multi_items(), *sent.parameters])
        address = found.search
        for role, token in await add_uploads(sent, self._uploads, self._allowances.visitor(request)):
            if role == "like":
                address = replace(address, positive=(*address.positive, token), page=1)
            elif role == "unlike":
                address = replace(address, negative=(*address.negative, token), page=1)
            else:
                # A new picture takes the place of the old one and of what belonged to it; words and filters stay.
                address = replace(address, upload=token, url="", crop=None, positive=(), negative=(), page=1)
        read_search_url(address.pairs())  # too many by now: refused here rather than after a redirect
        found = replace(found, search=address)
        target = found.leading_to("/" if address.empty else address.path(page=address.page))
        if "application/json" in request.headers.get("accept", ""):  # this page's own script, which shows the progress
            return JSONResponse({"location": target})
        return RedirectResponse(target, status_code=303)

    def uploaded(self, token: str, request: Request) -> Response:
        """A visitor's picture, or the part of it that was searched with, as small as the page shows it."""
        box = read_search_url([("crop", request.query_params.get("crop", ""))]).crop
        data = self._uploads.thumbnail(token, self._allowances.visitor(request), box)
        return Response(data, media_type="image/webp", headers={"Cache-Control": "private, no-store"})

    def _info(self) -> Info | None:
        try:
            return self._service.info()
        except NothingPublished:
            return None

    def _shown(self, address: SearchUrl, resolved: ResolvedQuery) -> ShownQuery:
        picture = resolved.picture
        size = fit(picture.width, picture.height, 128, pixel_art=False) if picture else fit(1, 1, 1, pixel_art=False)
        subject = ""
        hit = (
            resolved.positive[0].hit
            if len(resolved.positive) == 1 and not resolved.negative and picture is None
            else None
        )
        if hit is not None:
            subject = f"“{hit.title}” by {hit.author or 'unknown author'}"
        picture_url = resolved.picture_url
        if picture_url and address.crop is not None:
            picture_url += f"?{urlencode({'crop': address.crop_text})}"
        return ShownQuery(
            picture_url,
            size.width,
            size.height,
            size.crisp,
            resolved.positive,
            resolved.negative,
            subject,
            whole=self._whole(address, resolved),
        )

    def _copy(self, resolved: ResolvedQuery, results: Results) -> Copy | None:
        """The picture that the visitor's is a copy of, where the verdict says that it is one."""
        verdict, picture = results.verdict, resolved.picture
        if picture is None or verdict is None or not results.hits or verdict.relation not in _COPIES:
            return None
        hit = results.hits[0]
        if hit.relation not in _COPIES:
            return None
        if hit.relation is Relation.SAME:
            return Copy(hit, ())
        with self._service.store() as (store, _):
            rows, known = store.signatures([hit.image_id])
        return Copy(hit, changes(picture, hit, rows[0] if known[0] else None))

    def _whole(self, address: SearchUrl, resolved: ResolvedQuery) -> WholePicture | None:
        first = address.cropped or (address.positive[0] if len(address.positive) == 1 and not address.negative else "")
        if isinstance(first, int) and not (address.upload or address.url):
            hit = self._service.hit(first)
            with self._service.store() as (store, _):
                cells = count_cells(store, first)
            return WholePicture(f"/view/{first}", hit, cells)
        return WholePicture(resolved.picture_url) if resolved.picture_url else None


def _heading(address: SearchUrl, resolved: ResolvedQuery, results: Results, copy: Copy | None) -> str:
    if results.verdict is not None:
        # The card says what was changed, where that is known.
        said = results.verdict.text
        changed = copy is not None and copy.changes and said.startswith(near_copy_in(copy.hit))
        return f"{near_copy_in(copy.hit)}." if copy is not None and changed else said
    positive = len(resolved.positive) + (resolved.picture is not None)
    if positive == 1 and not resolved.negative and results.hits and results.hits[0].relation is Relation.SAME:
        return "This exact picture, and similar ones"
    if len(resolved.positive) == 1 and not resolved.negative and resolved.picture is None:
        return "More like this"
    if address.visual:
        if resolved.negative:
            return "Like these, unlike those" if positive else "Unlike these"
        return "Like your pictures" if positive > 1 else "Like your picture"
    if address.words.strip():
        count = f"{results.total:,} " if results.total else "No "
        words = results.did_you_mean or address.words.strip()
        return f"{count}{'picture' if results.total == 1 else 'pictures'} for “{words}”"
    count = f"{results.total or 0:,} {'picture' if results.total == 1 else 'pictures'}"
    if address.filters["entry"] and results.hits:
        entry = results.hits[0]
        return f"“{entry.title}” by {entry.author or 'unknown author'}: {count}"
    return count
