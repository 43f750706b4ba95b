"""The API, version 1: the same searches as JSON."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from ogaart.search.credits.exports import FORMATS
from ogaart.search.engine.query_resolver import QueryResolver
from ogaart.search.engine.service import SearchService
from ogaart.search.engine.uploads import Uploads
from ogaart.search.engine.visitors import Visitor
from ogaart.search.errors import InvalidParameter, NotFound
from ogaart.search.search_url import PARAMETERS, SearchUrl, read_search_url
from ogaart.search.web.allowances import Allowances
from ogaart.search.web.credits_routes import CreditsRoutes, Ids, Rely
from ogaart.search.web.forms import ROLES, add_uploads, read_form
from ogaart.search.web.parameters import ImageId, openapi, schema
from ogaart.search.web.schemas import ImageRecord, InfoRecord, ProblemRecord, ResultsRecord

_PROBLEM = {"model": ProblemRecord, "content": {"application/problem+json": {}}}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    400: {**_PROBLEM, "description": "Invalid parameter."},
    404: {**_PROBLEM, "description": "Not found."},
    429: {**_PROBLEM, "description": "Too many requests; see Retry-After."},
    503: {**_PROBLEM, "description": "Nothing is published yet, the server is busy, or a part of it does not work."},
}
_PICTURE_PROBLEMS: dict[int | str, dict[str, Any]] = {
    **_PROBLEMS,
    403: {**_PROBLEM, "description": "The link is not fetched, by this server's rules."},
    410: {**_PROBLEM, "description": "The upload has expired."},
    413: {**_PROBLEM, "description": "The picture is too large."},
    422: {**_PROBLEM, "description": "The picture cannot be read."},
    502: {**_PROBLEM, "description": "The link does not return a picture."},
}


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
        add = self.router.add_api_route
        add(
            "/search",
            self.search,
            methods=["GET"],
            summary="Search by picture, words and filters",
            responses=_PICTURE_PROBLEMS,
            openapi_extra={"parameters": [openapi(p) for p in PARAMETERS]},
        )
        add(
            "/search",
            self.search_with,
            methods=["POST"],
            summary="Search with picture files",
            responses=_PICTURE_PROBLEMS,
            openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}},
        )
        add("/images/{image_id}", self.image, methods=["GET"], summary="One picture", responses=_PROBLEMS)
        add(
            "/credits",
            self.credits,
            methods=["GET"],
            summary="Credits of several pictures",
            responses=_PROBLEMS,
            response_class=Response,
        )
        add("/info", self.info, methods=["GET"], summary="What is searched", responses=_PROBLEMS)

    def search(self, request: Request) -> ResultsRecord:
        """Search by picture, words and filters, all of which combine."""
        visitor = self._allowances.search(request)
        address = read_search_url(request.query_params.multi_items(), empty_filters=False)
        return self._answer(address, visitor, upload=None)

    async def search_with(self, request: Request) -> ResultsRecord:
        """Search with picture files; parameters as fields of the same form. The files stay in memory for an hour."""
        sent = await read_form(request, self._service.settings)
        if not sent.pictures:
            raise InvalidParameter(f"picture: the form has no file named {', '.join(ROLES)}")
        added = await add_uploads(sent, self._uploads, self._allowances.visitor(request))
        given = [("upload" if role == "picture" else role, token) for role, token in added]
        pairs = [*request.query_params.multi_items(), *sent.parameters, *given]
        address = read_search_url(pairs, empty_filters=False)
        return await run_in_threadpool(self._answer, address, self._allowances.visitor(request), address.upload or None)

    def image(self, image_id: ImageId) -> ImageRecord:
        """One picture with all its places, the cells of a sheet, the frames of its animation, and its family."""
        hit = self._service.hit(image_id)
        if hit is None:
            raise NotFound(f"no picture has the id {image_id}")
        return ImageRecord.with_history(hit, self._service.licence_history(hit), self._service.kinship(hit))

    def credits(
        self,
        request: Request,
        ids: Ids,
        format: Annotated[str, Query(description=f"One of {', '.join([*FORMATS, 'zip'])}.")] = "json",  # noqa: A002
        rely: Rely = [],  # noqa: B006 - FastAPI copies defaults
    ) -> Response:
        """What to credit for several pictures, by author, each entry once; as a zip with the pictures themselves."""
        visitor = self._allowances.visitor(request) if format == "zip" else self._allowances.search(request)
        return self._credits_routes.export(format, self._credits_routes.make(ids, rely), visitor)

    def info(self) -> InfoRecord:
        """Model, size and age of what is searched."""
        return InfoRecord.of(self._service.info())

    def _answer(self, address: SearchUrl, visitor: Visitor, upload: str | None) -> ResultsRecord:
        address = self._resolver.read_links(address)
        if address.empty:
            raise InvalidParameter("the search is empty: pass q, url, upload, like, unlike or a filter")
        results = self._service.search(self._resolver.resolve(address, visitor).query)
        following = address.path(page=address.page + 1).replace("/search", "/api/v1/search", 1)
        return ResultsRecord.of(results, following=following, upload=upload)
