"""Routes of the credits: the list of what was picked, and its exports."""

import tempfile
from collections.abc import Iterator
from typing import IO, Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from ogaart.core.image_ids import parse_image_id
from ogaart.search.credits.bundle import MAX_BYTES, write_bundle
from ogaart.search.credits.credits import Credits, make_credits
from ogaart.search.credits.exports import FORMATS
from ogaart.search.engine.service import SearchService
from ogaart.search.errors import InvalidParameter, NotFound, NothingPublished
from ogaart.search.results import Hit, Info
from ogaart.search.web.guards import RateLimit, client_of
from ogaart.search.web.templating import Templates

MOST = 400  # pictures in one list: as many ids as fit an address
_BLOCK = 1 << 20

Ids = Annotated[list[str], Query(description="Pictures, each by its image_id; several also comma-separated.")]
Rely = Annotated[list[str], Query(description="`slug|licence`: the one relied on, where an entry has several.")]


def read_ids(values: list[str]) -> list[int]:
    """Read image ids, each once.

    Raises:
        InvalidParameter: one is no id, or there are too many.
    """
    parts = [part.strip() for value in values for part in value.split(",") if part.strip()]
    found: dict[int, None] = {}
    for part in parts:
        if (number := parse_image_id(part)) is None:
            raise InvalidParameter(f"ids: {part[:40]!r} is not a valid image_id (a decimal number)")
        found[number] = None
    if len(found) > MOST:
        raise InvalidParameter(f"ids: {len(found)} pictures; give at most {MOST} at a time")
    return list(found)


def read_rely(values: list[str]) -> dict[str, str]:
    """Read which licence is relied on for which entry."""
    return {slug: name for slug, _, name in (value.rpartition("|") for value in values)}


class CreditsRoutes:
    """Makes credits of picked pictures."""

    def __init__(self, service: SearchService, templates: Templates) -> None:
        self._service = service
        self._templates = templates
        self._bundling = RateLimit(service.settings.uploads_per_minute)
        self.router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        self.router.add_api_route("/credits", self.listing, methods=["GET"])
        self.router.add_api_route("/credits/{form}", self.download, methods=["GET"])

    def make(self, ids: list[str], rely: list[str]) -> Credits:
        """The credits of some pictures; those that are gone are left out.

        Raises:
            InvalidParameter: an id is none.
            NotFound: none of them is here.
        """
        wanted = read_ids(ids)
        hits = self._service.hits(wanted)
        if not hits:
            raise NotFound("none of these pictures is here" if wanted else "no pictures were named")
        return make_credits(hits, read_rely(rely))

    def export(self, form: str, owed: Credits) -> Response:
        """The credits as a file.

        Raises:
            InvalidParameter: there is no such format.
        """
        if form == "zip":
            return self._bundle(owed)
        if form not in FORMATS:
            raise InvalidParameter(f"format: {form[:40]!r}; give one of {', '.join([*FORMATS, 'zip'])}")
        chosen = FORMATS[form]
        return Response(
            chosen.render(owed),
            media_type=chosen.media_type,
            headers={"Content-Disposition": f'attachment; filename="{chosen.file_name}"'},
        )

    def listing(self, ids: Ids = [], rely: Rely = []) -> Response:  # noqa: B006 - FastAPI copies defaults
        """The list; without ids a page that fills itself from the browser's basket."""
        wanted = read_ids(ids)
        hits = self._service.hits(wanted) if wanted else []
        return self._templates.page(
            "credits.html",
            self._info(),
            credits=make_credits(hits, read_rely(rely)),
            ids=",".join(str(hit.image_id) for hit in hits),
            gone=len(wanted) - len(hits),
            asked_for=len(wanted),
            formats=[*FORMATS, "zip"],
        )

    def download(self, form: str, request: Request, ids: Ids = [], rely: Rely = []) -> Response:  # noqa: B006
        """An export."""
        if not ids:
            return RedirectResponse("/credits", status_code=303)
        if form == "zip":
            self._bundling.take(client_of(request))
        return self.export(form, self.make(ids, rely))

    def _bundle(self, owed: Credits) -> Response:
        def read(hit: Hit) -> bytes | None:
            found = self._service.original(hit.image_id, MAX_BYTES)
            return found[1] if found is not None else None

        file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is sent
        try:
            write_bundle(owed, read, file)
        except BaseException:
            file.close()
            raise
        length = file.tell()
        file.seek(0)
        headers = {"Content-Disposition": 'attachment; filename="ogaart-pictures.zip"', "Content-Length": str(length)}
        return StreamingResponse(_blocks(file), media_type="application/zip", headers=headers)

    def _info(self) -> Info | None:
        try:
            return self._service.info()
        except NothingPublished:
            return None


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while block := file.read(_BLOCK):
            yield block
