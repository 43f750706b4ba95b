"""The API, version 1: the same searches as JSON."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from ogaart.search.credits.exports import FORMATS
from ogaart.search.engine.query_resolver import QueryResolver
from ogaart.search.engine.search import Detail
from ogaart.search.engine.service import SearchService
from ogaart.search.engine.suggestions import MOST
from ogaart.search.engine.uploads import Uploads
from ogaart.search.engine.visitors import Visitor
from ogaart.search.errors import InvalidParameter, NotFound
from ogaart.search.filters import FILTERS
from ogaart.search.parameters import nearest, unknown_name
from ogaart.search.search_url import PARAMETERS, SearchUrl, read_search_url
from ogaart.search.web.allowances import Allowances
from ogaart.search.web.credits_routes import CreditsRoutes, Ids, Rely
from ogaart.search.web.forms import ROLES, add_uploads, read_form
from ogaart.search.web.methods import wants_body
from ogaart.search.web.openapi import ALWAYS, OF_PICTURES, ImageId, openapi, problems, schema
from ogaart.search.web.schemas.hits import HIT_WRITER
from ogaart.search.web.schemas.images import ImageRecord
from ogaart.search.web.schemas.results import InfoRecord, ResultsRecord
from ogaart.search.web.schemas.suggestions import SuggestionRecord, SuggestionsRecord


def _either(description: str) -> dict[str, Any]:
    """The schema of a form's field that takes files as well as texts."""
    one = {"anyOf": [{"type": "string", "format": "binary"}, {"type": "string"}]}
    return {"type": "array", "items": one, "description": description}


_FORM = {
    "type": "object",
    "properties": {
        "picture": {"type": "string", "format": "binary", "description": "The picture to search with."},
        **{p.name: {**schema(p), "description": p.help} for p in PARAMETERS},
        "like": _either("Pictures that hits should be like: files, image_ids, links or tokens."),
        "unlike": _either("Pictures that hits should be unlike: files, image_ids, links or tokens."),
    },
}


_WRITTEN = Detail(write=HIT_WRITER)


class Api:
    """Routes under ``/api/v1``."""

    def __init__(
        self,
        service: SearchService,
        uploads: Uploads,
        resolver: QueryResolver,
        credits_routes: CreditsRoutes,
        allowances: Allowances,
    ) -> None:
        self._service = service
        self._uploads = uploads
        self._resolver = resolver
        self._credits_routes = credits_routes
        self._allowances = allowances
        self.router = APIRouter(prefix="/api/v1", tags=["search"])
        self._add(
            "/search",
            self.search,
            "search",
            "Search by picture, words and filters",
            OF_PICTURES,
            extra={"parameters": [openapi(p) for p in PARAMETERS]},
            record=ResultsRecord,
        )
        body = {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}
        self._add(
            "/search",
            self.search_with,
            "search_with_pictures",
            "Search with picture files",
            OF_PICTURES,
            extra={"requestBody": body},
            method="POST",
            record=ResultsRecord,
        )
        self._add(
            "/suggestions",
            self.suggestions,
            "suggest",
            "What a visitor may be typing",
            ALWAYS,
            extra={"parameters": [openapi(row) for row in FILTERS]},
        )
        self._add("/images/{image_id}", self.image, "get_image", "One picture", ALWAYS)
        media = [*(one.media_type.partition(";")[0] for one in FORMATS.values()), "application/zip"]
        kinds: dict[str, dict[str, Any]] = {one: {} for one in media}
        self._add(
            "/credits",
            self.credits,
            "get_credits",
            "Credits of several pictures",
            (*ALWAYS, 413),
            response_class=Response,
            success={200: {"description": "The credits, in the format requested.", "content": kinds}},
        )
        self._add("/info", self.info, "get_info", "What is searched", ALWAYS)

    def _add(
        self,
        path: str,
        route: Callable[..., Any],
        operation: str,
        summary: str,
        statuses: Iterable[int],
        *,
        method: str = "GET",
        extra: dict[str, Any] | None = None,
        success: dict[int | str, dict[str, Any]] | None = None,
        response_class: type[Response] = JSONResponse,
        record: type[BaseModel] | None = None,
    ) -> None:
        self.router.add_api_route(
            path,
            route,
            response_model=record,
            methods=[method],
            operation_id=operation,
            summary=summary,
            responses=problems(statuses) | (success or {}),
            response_class=response_class,
            openapi_extra=extra,
            dependencies=[] if extra else [Depends(refuse_unknown)],
        )

    def search(self, request: Request) -> Response:
        """Search by picture, words and filters, all of which combine."""
        visitor = self._allowances.search(request)
        address = read_search_url(request.query_params.multi_items(), strict=True)
        return self._answer(address, visitor, _base(request), upload=None)

    async def search_with(self, request: Request) -> Response:
        """Search with picture files; parameters as fields of the same form. The files stay in memory for an hour."""
        sent = await read_form(request, self._service.settings)
        if not sent.pictures:
            raise InvalidParameter(f"picture: the form has no file named {', '.join(ROLES)}")
        added = await add_uploads(sent, self._uploads, self._allowances.visitor(request))
        given = [("upload" if role == "picture" else role, token) for role, token in added]
        pairs = [*request.query_params.multi_items(), *sent.parameters, *given]
        address = read_search_url(pairs, strict=True)
        visitor = self._allowances.visitor(request)
        return await run_in_threadpool(self._answer, address, visitor, _base(request), address.upload or None)

    def suggestions(
        self,
        request: Request,
        q: Annotated[str, Query(min_length=1, max_length=100, description="What is typed so far.")],
        limit: Annotated[int, Query(ge=1, le=MOST, description="Suggestions at most.")] = 8,
    ) -> SuggestionsRecord:
        """Words, tags, authors and entries that begin so, each with a picture and the number of pictures it finds.

        Filters are those of the search that is being made: what they leave nothing of is not suggested.
        """
        self._allowances.visitor(request)
        pairs = [(name, value) for name, value in request.query_params.multi_items() if name not in ("q", "limit")]
        known = [name for row in FILTERS for name in row.names]
        for name, _ in pairs:
            if name not in known:
                raise unknown_name(name, nearest(name, [*known, "q", "limit"]), ["q", "limit", *known])
        found = self._service.suggestions(q, limit, read_search_url(pairs, strict=True).filters)
        return SuggestionsRecord(suggestions=[SuggestionRecord.of(one, _base(request)) for one in found])

    def image(self, image_id: ImageId, request: Request) -> ImageRecord:
        """One picture with all its places, the cells of a sheet, the frames of its animation, and its family."""
        hit = self._service.hit(image_id)
        if hit is None:
            raise NotFound(f"no picture has the id {image_id}")
        history, kinship = self._service.licence_history(hit), self._service.kinship(hit)
        return ImageRecord.with_history(hit, history, kinship, _base(request))

    def credits(
        self,
        request: Request,
        ids: Ids,
        format: Annotated[  # noqa: A002
            str, Query(description="The format of the answer.", json_schema_extra={"enum": [*FORMATS, "zip"]})
        ] = "json",
        rely: Rely = [],  # noqa: B006 - FastAPI copies defaults
    ) -> Response:
        """What to credit for several pictures, by author, each entry once; as a zip with the pictures themselves."""
        visitor = self._allowances.visitor(request) if format == "zip" else self._allowances.search(request)
        routes = self._credits_routes
        return routes.export(format, lambda: routes.make(ids, rely), visitor, with_body=wants_body(request))

    def info(self) -> InfoRecord:
        """Model, size and age of what is searched."""
        return InfoRecord.of(self._service.info())

    def _answer(self, address: SearchUrl, visitor: Visitor, base: str, upload: str | None) -> Response:
        """The results as JSON, written in this thread: the framework would check them once more in its own."""
        address = self._resolver.read_links(address)
        if address.empty:
            raise InvalidParameter("the search is empty: pass q, url, upload, like, unlike or a filter")
        results = self._service.search(self._resolver.resolve(address, visitor).query, _WRITTEN)
        results = replace(results, notes=(*address.unused, *results.notes))
        following = address.path(page=address.page + 1).replace("/search", "/api/v1/search", 1)
        content = ResultsRecord.json_of(results, following=f"{base}{following}", upload=upload, base=base)
        # It says how long the search took: no later answer is the same, so that no client could use its name (ETag).
        return Response(content, media_type="application/json", headers={"Cache-Control": "no-store"})


def _base(request: Request) -> str:
    """This server's URL, as the client names it."""
    return str(request.base_url).rstrip("/")


def refuse_unknown(request: Request) -> None:
    """Refuse parameters that a route does not have: what they should do must not be left out silently.

    Raises:
        InvalidParameter: one of them is unknown.
    """
    known = [one.alias for one in request.scope["route"].dependant.query_params]
    for name in request.query_params:
        if name not in known:
            raise unknown_name(name, nearest(name, known), known)
