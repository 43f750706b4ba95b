"""From exceptions to answers: a page, or problem+json under ``/api``."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException

from ogaart.search.engine.service import SearchService
from ogaart.search.errors import NotFound, NothingPublished, TooBusy, TooManyRequests
from ogaart.search.results import Info
from ogaart.search.web.methods import allowed_methods
from ogaart.search.web.problems import INTERNAL, KNOWN, REFUSED, Problem, problem_of
from ogaart.search.web.templating import Templates

logger = logging.getLogger(__name__)


class ErrorResponses:
    """Makes the answer to an error."""

    def __init__(self, service: SearchService, templates: Templates) -> None:
        self._service = service
        self._templates = templates

    def problem(self, request: Request, problem: Problem, headers: dict[str, str] | None = None) -> Response:
        """Answer with a problem."""
        if request.url.path.startswith("/api/"):
            record = problem.record(request.url.path)
            return JSONResponse(record, problem.status, headers, media_type="application/problem+json")
        page = self._templates.page("problem.html", self._info(), problem.status, problem=problem)
        page.headers.update(headers or {})
        return page

    def known(self, request: Request, error: Exception) -> Response:
        """Answer with an error of ``KNOWN``; its own text goes to the log, where it may be a library's."""
        headers = {"Retry-After": str(error.seconds)} if isinstance(error, TooManyRequests | TooBusy) else None
        problem = problem_of(error)
        if problem.status == 503 and problem.detail != str(error):
            logger.warning("%s %s: %s: %s", request.method, request.url.path, type(error).__name__, error)
        return self.problem(request, problem, headers)

    def _info(self) -> Info | None:
        try:
            return self._service.info()
        except NothingPublished:
            return None


def answer_errors(app: FastAPI, responses: ErrorResponses, routers: Sequence[APIRouter]) -> None:
    """Answer every error of an application in words of our own, never in a library's.

    Args:
        app: the application.
        responses: makes the answers.
        routers: the application's, from which the methods of a path are read.
    """
    answer = responses.problem

    async def known(request: Request, error: Exception) -> Response:
        if isinstance(error, NotFound) and _has_final_slash(request):  # names in paths may have slashes of their own
            return _without_slash(request)
        return responses.known(request, error)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        path = request.url.path
        if error.status_code == 404:
            if _has_final_slash(request):
                return _without_slash(request)
            gone = problem_of(NotFound(f"nothing is at {path}"))
            return answer(request, replace(gone, way_out=REFUSED) if path.startswith("/api/") else gone)
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers = {"Allow": ", ".join(allowed_methods(request, routers))}
            if request.method == "OPTIONS":
                return Response(status_code=204, headers=headers)
        detail = f"{request.method} is not possible here" if error.status_code == 405 else "the request is not valid"
        return answer(request, Problem(error.status_code, "Request refused", detail, REFUSED), headers)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        details = "; ".join(_invalid(found) for found in error.errors())
        return answer(request, Problem(400, "Invalid parameter", details, "Correct the parameter that is named."))

    async def unknown(request: Request, error: Exception) -> Response:
        # The path alone: URLs hold upload tokens.
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        detail = "The server failed to answer this request; your request is not the cause."
        return answer(request, Problem(500, "Server error", detail, INTERNAL))

    handlers: list[tuple[type[Exception], Callable[[Request, Exception], Awaitable[Response]]]]
    handlers = [*((kind, known) for kind in KNOWN), (HTTPException, http), (RequestValidationError, invalid)]
    for kind, handler in handlers:
        app.add_exception_handler(kind, handler)
    app.add_exception_handler(Exception, unknown)


def _invalid(found: dict[str, object]) -> str:
    location = found["loc"]
    assert isinstance(location, tuple)
    name = ".".join(str(part) for part in location[1:])
    if found["type"] == "missing":
        return f"{name}: this parameter is required"
    return f"{name}: {str(found['input'])[:80]!r} is not a valid value"


def _has_final_slash(request: Request) -> bool:
    path = request.scope["path"]
    return request.method in ("GET", "HEAD") and bool(path.strip("/")) and path.endswith("/")


def _without_slash(request: Request) -> Response:
    """Redirect to the same path without its final slashes; on this server whatever the path or the Host header says."""
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"/{quote(request.scope['path'].strip('/'))}{query}", status_code=307)
