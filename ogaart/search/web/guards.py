"""What stands before every route: security headers, request rates, and errors put into words."""

import logging
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ogaart.search.engine.service import SearchService
from ogaart.search.errors import NotFound, NothingPublished, TooBusy, TooManyRequests
from ogaart.search.results import Info
from ogaart.search.web.problems import BROKEN, KNOWN, REFUSED, Problem, problem_of
from ogaart.search.web.templating import Templates

logger = logging.getLogger(__name__)

HEADERS = {
    # Scripts and styles from this server's files only: a title that smuggles markup in has nothing to run.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), interest-cohort=()",
}


class SecurityHeadersMiddleware:
    """Adds the security headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._headers = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *self._headers]
            await send(message)

        await self._app(scope, receive, with_headers)


class RateLimit:
    """A bucket of requests for each client, refilled evenly.

    Args:
        per_minute: requests a minute; also the bucket's size. 0 means no limit.
        clients: buckets kept; the longest unused are forgotten first.
    """

    def __init__(self, per_minute: int, clients: int = 20_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clients = clients
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> None:
        """Count one request.

        Raises:
            TooFast: the bucket is empty.
        """
        if not self._per_minute:
            return
        now = self._clock()
        with self._lock:
            left, since = self._buckets.pop(client, (float(self._per_minute), now))
            left = min(float(self._per_minute), left + (now - since) * self._per_minute / 60.0)
            self._buckets[client] = (left - 1.0 if left >= 1.0 else left, now)
            while len(self._buckets) > self._clients:
                self._buckets.popitem(last=False)
        if left < 1.0:
            raise TooManyRequests(math.ceil((1.0 - left) * 60.0 / self._per_minute))


def client_of(request: Request) -> str:
    """Who asks: the address; all addresses of one IPv6 household count as one."""
    host = request.client.host if request.client else "?"
    return ":".join(host.split(":")[:4]) if ":" in host else host


class ErrorResponses:
    """Puts errors into words: as a page, or as problem+json under ``/api``."""

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
        """Answer with an error of ``KNOWN``."""
        headers = {"Retry-After": str(error.seconds)} if isinstance(error, TooManyRequests | TooBusy) else None
        return self.problem(request, problem_of(error), headers)

    def _info(self) -> Info | None:
        try:
            return self._service.info()
        except NothingPublished:
            return None


def answer_errors(app: FastAPI, answers: ErrorResponses) -> None:
    """Answer every error in words."""
    answer = answers.problem

    async def known(request: Request, error: Exception) -> Response:
        return answers.known(request, error)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            gone = problem_of(NotFound(f"nothing is at {request.url.path}"))
            return answer(request, replace(gone, way_out=REFUSED) if request.url.path.startswith("/api/") else gone)
        headers = dict(error.headers or {})  # 405 says in Allow which methods there are
        return answer(request, Problem(error.status_code, "Request refused", str(error.detail), REFUSED), headers)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        details = "; ".join(f"{'.'.join(str(p) for p in e['loc'][1:])}: {e['msg']}" for e in error.errors())
        return answer(request, Problem(400, "Invalid parameter", details, "Correct the parameter that is named."))

    async def unknown(request: Request, error: Exception) -> Response:
        # The path alone: addresses hold upload tokens.
        logger.error("%s %s failed", request.method, request.url.path, exc_info=error)
        detail = "Something here is broken; it is not your fault."
        return answer(request, Problem(500, "Server error", detail, BROKEN))

    handlers: list[tuple[type[Exception], Callable[[Request, Exception], Awaitable[Response]]]]
    handlers = [*((kind, known) for kind in KNOWN), (HTTPException, http), (RequestValidationError, invalid)]
    for kind, handler in handlers:
        app.add_exception_handler(kind, handler)
    app.add_exception_handler(Exception, unknown)
