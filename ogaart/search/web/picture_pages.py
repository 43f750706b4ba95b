"""One picture: its page, its thumbnail, the picture at full size, its own bytes, and its palette."""

import hashlib
from dataclasses import replace
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from ogaart.search.display.palettes import PALETTES
from ogaart.search.display.structured import image_object, open_graph
from ogaart.search.engine.kinship import Kinship, Relative
from ogaart.search.engine.listings import frames_of
from ogaart.search.engine.service import SearchService
from ogaart.search.errors import NotFound
from ogaart.search.page_parameters import read_page_url
from ogaart.search.parameters import SAME_PALETTE
from ogaart.search.results import Hit
from ogaart.search.search_url import SearchUrl
from ogaart.search.store.picture_files import FileSlice, Original
from ogaart.search.web.allowances import Allowances
from ogaart.search.web.methods import RangeNotSatisfiable, byte_range, is_known, wants_body
from ogaart.search.web.openapi import ImageId
from ogaart.search.web.static_files import FOREVER
from ogaart.search.web.template_filters import fit
from ogaart.search.web.templating import Templates
from ogaart.search.web.ways_in import base_of

NEIGHBOURS = 24
STAGE = 720  # pixels of the square in which one picture is shown
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


class PicturePages:
    """Routes of one picture."""

    def __init__(self, service: SearchService, templates: Templates, allowances: Allowances) -> None:
        self._service = service
        self._templates = templates
        self._allowances = allowances
        self.router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        for path, route in (
            ("/thumb/{image_id}.webp", self.thumbnail),
            ("/view/{image_id}", self.view),
            ("/image/{image_id}", self.image),
            ("/image/{image_id}/palette.{form}", self.palette),
            ("/original/{image_id}", self.original),
        ):
            self.router.add_api_route(path, route, methods=["GET", "HEAD"])

    def thumbnail(self, image_id: ImageId, request: Request) -> Response:
        """A thumbnail; it is made of the picture's pixels, which its id is made of, and so never changes."""
        headers = {"Cache-Control": FOREVER, "ETag": f'"{image_id}"'}
        with self._service.store() as (store, blocked):
            data = None if image_id in blocked else store.thumbnail(image_id)
        if data is None:
            raise NotFound(f"no picture has the id {image_id}")
        if is_known(request.headers, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        return Response(data, media_type="image/webp", headers=headers)

    def image(self, image_id: ImageId, request: Request) -> Response:
        """One picture: what it is, whose it is, how it came here, and what is around it."""
        url = read_page_url(request.query_params.multi_items())
        if (narrowed := url.narrowing("like", str(image_id))) is not None:
            return RedirectResponse(narrowed, status_code=303)
        self._allowances.search(request)  # its neighbours are a search
        hit = self._service.hit(image_id)
        if hit is None:
            if (moved := self._service.new_id(image_id)) is not None:
                return RedirectResponse(url.leading_to(f"/image/{moved}"), status_code=308)
            raise NotFound(f"no picture has the id {image_id}")
        near = self._service.look_alikes(hit, NEIGHBOURS)
        kinship = self._service.kinship(hit)
        siblings = [other for other in self._service.siblings(hit, NEIGHBOURS + 1) if other.image_id != image_id]
        return self._templates.page(
            "image.html",
            near.info,
            canonical=self._templates.canonical(request, hit.url),
            page_notes=url.notes,
            hit=hit,
            near=near.hits,
            siblings=siblings[:NEIGHBOURS],
            licence_history=self._service.licence_history(hit),
            relatives=_relatives(hit, kinship),
            kinship=kinship,
            stage=fit(hit.width, hit.height, STAGE, pixel_art=hit.pixel_art, growth=3.0),
            own=[place for place in hit.places if place.image_id == image_id],
            like_it=SearchUrl(positive=(image_id,)),
            palette_path=palette_path(hit),
            frames=frames_of(self._service, hit),
            image_object=image_object(hit, base_of(request)),
            open_graph=open_graph(hit, base_of(request)),
        )

    def view(self, image_id: ImageId, request: Request) -> Response:
        """The picture at full size where a browser may show it, else its thumbnail."""
        found = self._service.original_file(image_id)
        if found is None:
            raise NotFound(f"no picture has the id {image_id}")
        original, place = found
        media = _INLINE.get(original.format.lower())
        if media is None or place.length > VIEW_BYTES:
            return self.thumbnail(image_id, request)
        return _file(request, place, media, {"Cache-Control": _DAY, "ETag": _name(image_id, original, place)})

    def palette(self, image_id: ImageId, form: str) -> Response:
        """The main colours as a palette file."""
        hit = self._service.hit(image_id)
        if hit is None or form not in PALETTES:
            raise NotFound(f"no palette is at /image/{image_id}/palette.{form[:20]}")
        name = f"{hit.title} by {hit.author or 'unknown author'}"
        headers = {"Content-Disposition": f'attachment; filename="{image_id}.{form}"'}
        return Response(PALETTES[form](name, hit.palette), media_type="text/plain; charset=utf-8", headers=headers)

    def original(self, image_id: ImageId, request: Request) -> Response:
        """The picture file's own bytes, to keep."""
        found = self._service.original_file(image_id)
        if found is None:
            raise NotFound(f"no picture has the id {image_id}")
        original, place = found
        headers = {
            "Cache-Control": _DAY,
            "ETag": _name(image_id, original, place),
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(original.name, safe='')}",
        }
        media = _INLINE.get(original.format.lower(), "application/octet-stream")
        return _file(request, place, media, headers)


def _file(request: Request, place: FileSlice, media_type: str, headers: dict[str, str]) -> Response:
    """Sends a file, or the part of it that a client still lacks, block by block: a slow client holds one in memory.

    HEAD reads nothing of it, and knows no parts.
    """
    headers = {**headers, "Accept-Ranges": "bytes"}
    if is_known(request.headers, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    try:
        part = byte_range(request.headers, place.length, headers["ETag"]) if wants_body(request) else None
    except RangeNotSatisfiable:
        return Response(status_code=416, headers={**headers, "Content-Range": f"bytes */{place.length}"})
    status = 200
    if part is not None:
        status, headers["Content-Range"] = 206, f"bytes {part.start}-{part.stop - 1}/{place.length}"
        place = replace(place, offset=place.offset + part.start, length=len(part))
    headers["Content-Length"] = str(place.length)
    blocks = place.blocks() if wants_body(request) else iter(())
    return StreamingResponse(blocks, status, media_type=media_type, headers=headers)


def _name(image_id: int, original: Original, place: FileSlice) -> str:
    """A strong ETag: of the pixels, of the file or archive that the bytes are from, and of where they lie."""
    text = f"{image_id} {original.blob_sha256} {place.offset} {place.length}"
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:20]}"'


def _relatives(hit: Hit, kinship: Kinship) -> list[Relative]:
    """What shows the same in other entries, without the exact copies, which are places of this very picture."""
    known = {place.image_id for place in hit.places}
    others = [one for one in kinship.family if one.hit.slug != hit.slug and one.hit.image_id not in known]
    return others[:NEIGHBOURS]


def palette_path(hit: Hit) -> str:
    """Pictures with the colours of this one, whatever they show."""
    return SearchUrl(positive=(hit.image_id,), weights=SAME_PALETTE).path()
