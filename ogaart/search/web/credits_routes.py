"""Routes of the credits: the list of what was picked, and its exports."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ogaart.core.image_ids import parse_image_id
from ogaart.search.credits.bundle import Bundle, PictureFile, make_bundle
from ogaart.search.credits.credits import Credits, make_credits
from ogaart.search.credits.exports import FORMATS
from ogaart.search.engine.concurrency import ConcurrencyLimit
from ogaart.search.engine.listings import pictures_of
from ogaart.search.engine.service import SearchService
from ogaart.search.engine.visitors import Visitor
from ogaart.search.errors import InvalidParameter, NotFound, NothingPublished
from ogaart.search.page_parameters import ignored_notes, other_parameters
from ogaart.search.parameters import nearest, unknown_name
from ogaart.search.results import Hit, Info
from ogaart.search.web.allowances import Allowances
from ogaart.search.web.forms import read_form
from ogaart.search.web.methods import wants_body
from ogaart.search.web.templating import Templates

MOST = 400  # pictures in one list: as many ids as fit an address
ENTRY_MOST = 3_000  # pictures of one export, of an entry or sent as a form
BUNDLES = 4  # sent at a time, one of them to one client
BUNDLE_RATE = 256 << 10  # bytes a second at which a client has to read a bundle
BUNDLE_SECONDS = 30.0  # beside that

logger = logging.getLogger(__name__)

Ids = Annotated[list[str], Query(description="Pictures, each by its image_id; several also comma-separated.")]
Rely = Annotated[list[str], Query(description="`slug|licence`: the one relied on, where an entry has several.")]


_SENT = ("ids", "rely")
_READ = (*_SENT, "entry")


def _refuse_others(others: Iterable[tuple[str, str]], known: Sequence[str]) -> None:
    """Refuse parameters that an export does not read: a file has no place to name them.

    Raises:
        InvalidParameter: there is one.
    """
    for name, _ in others:
        raise unknown_name(name, nearest(name, known), known)


def read_ids(values: list[str], most: int = MOST) -> list[int]:
    """Read image ids, each once.

    Args:
        values: ids, several also comma-separated.
        most: how many are allowed.

    Raises:
        InvalidParameter: one is not a valid id, or there are too many.
    """
    parts = [part.strip() for value in values for part in value.split(",") if part.strip()]
    found: dict[int, None] = {}
    for part in parts:
        if (number := parse_image_id(part)) is None:
            raise InvalidParameter(f"ids: {part[:40]!r} is not a valid image_id (a decimal number)")
        found[number] = None
    if len(found) > most:
        raise InvalidParameter(f"ids: {len(found)} pictures; at most {most:,} are allowed at a time")
    return list(found)


def read_rely(values: list[str]) -> dict[str, str]:
    """Read which licence is relied on for which entry."""
    return {slug: name for slug, _, name in (value.rpartition("|") for value in values)}


class BundleResponse(StreamingResponse):
    """Sends a bundle as it is made, for as long as a client reads it fast enough; nothing of it is kept anywhere.

    Args:
        bundle: what to send.
        release: called when it ends, however it does.
        with_body: whether anything is sent beside the headers.
        rate: bytes a second at which it has to be read, on average.
        seconds: beside that.
    """

    def __init__(
        self,
        bundle: Bundle,
        release: Callable[[], None],
        *,
        with_body: bool = True,
        rate: float = BUNDLE_RATE,
        seconds: float = BUNDLE_SECONDS,
    ) -> None:
        headers = {"Content-Disposition": 'attachment; filename="ogaart-pictures.zip"'}
        super().__init__(bundle.blocks() if with_body else iter(()), media_type="application/zip", headers=headers)
        self._seconds = seconds + bundle.length / rate
        self._release = release

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; the connection ends early where the time is over."""
        try:
            async with asyncio.timeout(self._seconds):
                await super().__call__(scope, receive, send)
        except TimeoutError:
            logger.info("a bundle was not read within %.0f s; the connection was closed", self._seconds)
        finally:
            self._release()


class CreditsRoutes:
    """Routes of the credits of picked pictures."""

    def __init__(self, service: SearchService, templates: Templates, allowances: Allowances) -> None:
        self._service = service
        self._templates = templates
        self._allowances = allowances
        self._bundles = ConcurrencyLimit(BUNDLES, "bundles")
        self.router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
        self.router.add_api_route("/credits", self.listing, methods=["GET"])
        self.router.add_api_route("/credits/{form}", self.download, methods=["GET"])
        self.router.add_api_route("/credits/{form}", self.download_many, methods=["POST"])

    def make(self, ids: list[str], rely: list[str], most: int = MOST) -> Credits:
        """The credits of some pictures, ``most`` at most; those that are gone are left out.

        Raises:
            InvalidParameter: an id is none.
            NotFound: none of them is here.
        """
        wanted = read_ids(ids, most)
        hits = self._service.hits(wanted)
        if not hits:
            if not wanted:
                raise InvalidParameter("ids: no picture ids were passed; keep pictures, or name them: ids=1,2")
            raise NotFound("none of these pictures is published")
        return make_credits(hits, read_rely(rely))

    def export(self, form: str, read: Callable[[], Credits], visitor: Visitor, *, with_body: bool = True) -> Response:
        """The credits that ``read`` returns as a file; a zip is charged, and takes its place, before they are read.

        Raises:
            InvalidParameter: the format does not exist.
            TooManyRequests: a zip costs as much as a picture, and the visitor's allowance is used up.
            TooBusy: too many zips are being sent.
        """
        if form == "zip":
            return self._bundle(read, visitor, with_body)
        if form not in FORMATS:
            raise InvalidParameter(f"format: {form[:40]!r}; expected one of {', '.join([*FORMATS, 'zip'])}")
        chosen = FORMATS[form]
        return Response(
            chosen.render(read()),
            media_type=chosen.media_type,
            headers={"Content-Disposition": f'attachment; filename="{chosen.file_name}"'},
        )

    def listing(self, request: Request, ids: Ids = [], rely: Rely = []) -> Response:  # noqa: B006 - FastAPI copies defaults
        """The list; without ids a page that fills itself from the browser's basket."""
        ignored = other_parameters(request.query_params.multi_items(), ("ids", "rely"))
        wanted = read_ids(ids)
        if wanted:
            self._allowances.search(request)  # it reads as many pictures as several searches
        hits = self._service.hits(wanted) if wanted else []
        return self._templates.page(
            "credits.html",
            self._info(),
            page_notes=ignored_notes(ignored),
            credits=make_credits(hits, read_rely(rely)),
            ids=",".join(str(hit.image_id) for hit in hits),
            gone=len(wanted) - len(hits),
            requested=len(wanted),
            formats=[*FORMATS, "zip"],
        )

    def download(
        self,
        form: str,
        request: Request,
        ids: Ids = [],  # noqa: B006
        rely: Rely = [],  # noqa: B006
        entry: Annotated[str, Query(description="All pictures of an entry, by its slug.")] = "",
    ) -> Response:
        """An export."""
        _refuse_others(other_parameters(request.query_params.multi_items(), _READ), _READ)
        if not (ids or entry):
            return RedirectResponse("/credits", status_code=303)
        visitor = self._allowances.visitor(request) if form == "zip" else self._allowances.search(request)

        def read() -> Credits:
            return self._of_entry(entry, rely) if entry else self.make(ids, rely)

        return self.export(form, read, visitor, with_body=wants_body(request))

    async def download_many(self, form: str, request: Request) -> Response:
        """An export of more pictures than fit a URL: ids and licences relied on come as a form."""
        sent = await read_form(request, self._service.settings)
        _refuse_others([*request.query_params.multi_items(), *(p for p in sent.pairs if p[0] not in _SENT)], _SENT)
        ids, rely = ([value for name, value in sent.pairs if name == wanted] for wanted in ("ids", "rely"))
        visitor = self._allowances.visitor(request) if form == "zip" else self._allowances.search(request)
        return await run_in_threadpool(self.export, form, lambda: self.make(ids, rely, ENTRY_MOST), visitor)

    def _of_entry(self, slug: str, rely: list[str]) -> Credits:
        found = pictures_of(self._service, slug, ENTRY_MOST)
        if found is None:
            raise NotFound(f"no pictures of an entry named {slug[:200]} are published")
        if found.count > ENTRY_MOST:
            raise InvalidParameter(
                f"entry: {found.count:,} pictures; at most {ENTRY_MOST:,} at a time; its page links its files"
            )
        return make_credits(found.hits, read_rely(rely))

    def _bundle(self, read: Callable[[], Credits], visitor: Visitor, with_body: bool) -> Response:
        def file_of(hit: Hit) -> PictureFile | None:
            found = self._service.original_file(hit.image_id)
            return found[1] if found is not None else None

        visitor.charge()
        with ExitStack() as held:
            held.enter_context(self._bundles.held(visitor.client))
            bundle = make_bundle(read(), file_of)
            return BundleResponse(bundle, held.pop_all().close, with_body=with_body)

    def _info(self) -> Info | None:
        try:
            return self._service.info()
        except NothingPublished:
            return None
