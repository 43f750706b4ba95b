"""The pages that people see: home, results, one picture, and the bytes of thumbnails and originals."""

import time
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse

from ogaart.search.engine.query_resolver import QueryResolver, ResolvedQuery, ShownExample
from ogaart.search.engine.service import SearchService
from ogaart.search.engine.uploads import Uploads
from ogaart.search.errors import NotFound, NothingPublished
from ogaart.search.query import SearchQuery
from ogaart.search.results import Info, Relation, Results
from ogaart.search.search_url import SearchUrl, read_search_url
from ogaart.search.web.allowances import Allowances
from ogaart.search.web.forms import add_uploads, read_form
from ogaart.search.web.parameters import ImageId
from ogaart.search.web.template_filters import fit
from ogaart.search.web.templating import Templates

WALL = 40
NEIGHBOURS = 12
STAGE = 560  # pixels of the square in which one picture is shown
VIEW_BYTES = 8 << 20
# Formats that browsers show and that cannot run anything. All others, SVG and HTML first, are downloads.
_INLINE = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "bmp": "image/bmp",
}
_DAY = "public, max-age=86400"


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
    croppable: str = ""

    @property
    def removable(self) -> bool:
        """Whether a picture can go without the question being empty."""
        return len(self.positive) + len(self.negative) + bool(self.picture_url) > 1


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
        self.router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        for path, route in (
            ("/", self.home),
            ("/search", self.search),
            ("/thumb/{image_id}.webp", self.thumbnail),
            ("/upload/{token}.webp", self.uploaded),
            ("/view/{image_id}", self.view),
            ("/image/{image_id}", self.image),
            ("/original/{image_id}", self.original),
            ("/robots.txt", self.robots),
        ):
            self.router.add_api_route(path, route, methods=["GET", "HEAD"])
        self.router.add_api_route("/search", self.upload, methods=["POST"])

    def home(self) -> Response:
        """The first page: the search bar, and a wall of pictures that changes every hour."""
        try:
            sample = self._service.sample(WALL, seed=int(time.time() // 3600))
        except NothingPublished:
            sample = []
        return self._templates.page("home.html", self._info(), address=SearchUrl(), sample=sample, autofocus=True)

    def robots(self) -> Response:
        """What machines need not read: searches without end, and other people's files."""
        return PlainTextResponse("User-agent: *\nDisallow: /search\nDisallow: /original/\nDisallow: /api/\n")

    def search(self, request: Request) -> Response:
        """Results for the address."""
        visitor = self._allowances.search(request)
        address = read_search_url(request.query_params.multi_items())
        if address.empty:
            return RedirectResponse("/", status_code=303)
        meant = self._resolver.read_links(address)
        if meant != address:
            return RedirectResponse(meant.path(), status_code=303)
        resolved = self._resolver.resolve(address, visitor)
        results = self._service.search(resolved.query)
        return self._templates.page(
            "results.html",
            results.info,
            address=address,
            results=results,
            query=self._shown(address, resolved) if address.visual else None,
            heading=_heading(address, resolved, results),
            vocabulary=self._service.facets(resolved.query),
            filters_shown=True,
        )

    async def upload(self, request: Request) -> Response:
        """Take a picture, and lead to the address that holds its token; without one, to the address of the rest."""
        sent = await read_form(request, self._service.settings)
        address = read_search_url(sent.pairs)
        for role, token in await add_uploads(sent, self._uploads, self._allowances.visitor(request)):
            if role == "like":
                address = replace(address, positive=(*address.positive, token), page=1)
            elif role == "unlike":
                address = replace(address, negative=(*address.negative, token), page=1)
            else:
                # A new picture takes the place of the old one and of what belonged to it; words and filters stay.
                address = replace(address, upload=token, url="", crop=None, positive=(), negative=(), page=1)
        read_search_url(address.pairs())  # too many by now: refused here rather than after a redirect
        return RedirectResponse(address.path(page=address.page), status_code=303)

    def thumbnail(self, image_id: ImageId) -> Response:
        """A thumbnail."""
        with self._service.store() as (store, blocked):
            data = None if image_id in blocked else store.thumbnail(image_id)
        if data is None:
            raise NotFound(f"no picture has the id {image_id}")
        return Response(data, media_type="image/webp", headers={"Cache-Control": _DAY})

    def image(self, image_id: ImageId, request: Request) -> Response:
        """One picture: what it is, whose it is, how it came here, and what is around it."""
        self._allowances.search(request)  # its neighbours are a search
        hit = self._service.hit(image_id)
        if hit is None:
            if (moved := self._service.new_id(image_id)) is not None:
                return RedirectResponse(f"/image/{moved}", status_code=308)
            raise NotFound(f"no picture has the id {image_id}")
        near = self._service.search(SearchQuery(positive=(image_id,), limit=NEIGHBOURS))
        siblings = [other for other in self._service.siblings(hit, NEIGHBOURS + 1) if other.image_id != image_id]
        return self._templates.page(
            "image.html",
            near.info,
            hit=hit,
            near=near.hits,
            siblings=siblings[:NEIGHBOURS],
            licence_history=self._service.licence_history(hit),
            stage=fit(hit.width, hit.height, STAGE, pixel_art=hit.pixel_art, growth=3.0),
            own=[place for place in hit.places if place.image_id == image_id],
            address=SearchUrl(positive=(image_id,)),
        )

    def view(self, image_id: ImageId) -> Response:
        """The picture at full size where a browser may show it, else its thumbnail."""
        found = self._service.original_file(image_id)
        if found is None:
            raise NotFound(f"no picture has the id {image_id}")
        original, place = found
        media = _INLINE.get(original.format.lower())
        if media is None or place.length > VIEW_BYTES:
            return self.thumbnail(image_id)
        return Response(place.read(), media_type=media, headers={"Cache-Control": _DAY})

    def uploaded(self, token: str, request: Request) -> Response:
        """A visitor's picture, or the part of it that was searched with, as small as the page shows it."""
        box = read_search_url([("crop", request.query_params.get("crop", ""))]).crop
        data = self._uploads.thumbnail(token, self._allowances.visitor(request), box)
        return Response(data, media_type="image/webp", headers={"Cache-Control": "private, no-store"})

    def original(self, image_id: ImageId) -> Response:
        """The picture file's own bytes, to keep."""
        found = self._service.original_file(image_id)
        if found is None:
            raise NotFound(f"no picture has the id {image_id}")
        original, place = found
        headers = {
            "Cache-Control": _DAY,
            "Content-Length": str(place.length),
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(original.name, safe='')}",
        }
        media = _INLINE.get(original.format.lower(), "application/octet-stream")
        return StreamingResponse(place.blocks(), media_type=media, headers=headers)

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
        whole = ""
        first = address.cropped or (address.positive[0] if len(address.positive) == 1 and not address.negative else "")
        if isinstance(first, int) and not (address.upload or address.url):
            whole = f"/view/{first}"
        elif resolved.picture_url:
            whole = resolved.picture_url
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
            croppable=whole,
        )


def _heading(address: SearchUrl, resolved: ResolvedQuery, results: Results) -> str:
    if results.verdict is not None:
        return results.verdict.text
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
        return f"{count}{'picture' if results.total == 1 else 'pictures'} for “{address.words.strip()}”"
    count = f"{results.total or 0:,} {'picture' if results.total == 1 else 'pictures'}"
    if address.filters["entry"] and results.hits:
        entry = results.hits[0]
        return f"“{entry.title}” by {entry.author or 'unknown author'}: {count}"
    return count
