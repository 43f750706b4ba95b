"""HTTP for every route alike: HEAD, OPTIONS, and sending no more than a client lacks."""

import hashlib
import re
from collections.abc import Sequence

from fastapi import APIRouter, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEAD = "ogaart.head"
"""Key of a request's scope: it is a HEAD, whatever its method says."""


def wants_body(request: Request) -> bool:
    """Whether the body of the answer is sent; one that costs much is not made for a HEAD."""
    return _HEAD not in request.scope


class HeadMiddleware:
    """Answers HEAD as GET, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        # In place: the layers around read the route from this scope.
        scope["method"], scope[_HEAD] = "GET", True
        try:
            await self._app(scope, receive, without_body)
        finally:
            scope["method"] = "HEAD"


class RevalidationMiddleware:
    """Names each page and JSON answer by its content (ETag), and answers 304 to a client that has it already.

    Browsers keep such an answer and check each time whether it is still the same, so that nothing taken down is shown.
    Files and pictures have rules of their own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        held: Message | None = None

        async def named(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start" and _is_revalidated(message):
                held = message
                return
            if held is not None and message["type"] == "http.response.body":
                start, held = held, None
                if not message.get("more_body"):  # a streamed answer goes as it is
                    message = _revalidated(scope, start, message)
                await send(start)
            await send(message)

        await self._app(scope, receive, named)


def _is_revalidated(start: Message) -> bool:
    headers = Headers(raw=start["headers"])
    kind = headers.get("content-type", "").partition(";")[0]
    own = "etag" in headers or "no-store" in headers.get("cache-control", "")
    return start["status"] == 200 and kind in _REVALIDATED and not own


def _revalidated(scope: Scope, start: Message, body: Message) -> Message:
    """Add the name to an answer, and make it a 304 where the client has it; returns the body to send."""
    name = f'W/"{hashlib.sha256(body.get("body", b"")).hexdigest()[:20]}"'  # weak: it may be compressed on its way
    headers = MutableHeaders(raw=start["headers"])
    headers["ETag"] = name
    headers.setdefault("Cache-Control", "private, no-cache")
    if is_known(Headers(scope=scope), name):
        start["status"] = 304
        del headers["content-length"]
        del headers["content-type"]
        body = {**body, "body": b""}
    start["headers"] = headers.raw
    return body


def is_known(headers: Headers, name: str) -> bool:
    """Whether a client has the answer of this ETag already: weak or strong, among others, or by `*`."""
    known = {one.strip().removeprefix("W/") for one in headers.get("if-none-match", "").split(",")}
    return bool(known & {name.removeprefix("W/"), "*"})


class RangeNotSatisfiable(Exception):
    """A client wants bytes behind the end of a file."""


def byte_range(headers: Headers, length: int, name: str) -> range | None:
    """The bytes that a client wants of a file; None for all of it.

    Several ranges at once and malformed ones are answered with the whole file, which RFC 9110 (14.2) allows.

    Args:
        headers: of the request.
        length: bytes of the file.
        name: its strong ETag; a client that has begun with another file gets all of this one.

    Raises:
        RangeNotSatisfiable: the file has none of the bytes.
    """
    found = _RANGE.fullmatch(headers.get("range", "").strip())
    if found is None or headers.get("if-range", name) != name:
        return None
    first, last = found["first"], found["last"]
    if not (first or last) or (first and last and int(first) > int(last)):
        return None
    if first:
        wanted = range(int(first), min(int(last) + 1, length) if last else length)
    else:
        wanted = range(max(0, length - int(last)), length)
    if not wanted:
        raise RangeNotSatisfiable
    return wanted


_RANGE = re.compile(r"bytes=\s*(?P<first>\d{0,18})-(?P<last>\d{0,18})", re.ASCII | re.IGNORECASE)
_REVALIDATED = frozenset({"text/html", "application/json", "application/atom+xml"})


def allowed_methods(request: Request, routers: Sequence[APIRouter]) -> tuple[str, ...]:
    """The methods that a request's path answers, for its header Allow; a path of no route is a static file's."""
    found: set[str] = {"OPTIONS"}
    for router in routers:
        for route in router.routes:
            if _matches(route, request.scope):
                found |= set(getattr(route, "methods", None) or ())
    if len(found) == 1:
        found.add("GET")
    return tuple(sorted(found | ({"HEAD"} if "GET" in found else set())))


def _matches(route: BaseRoute, scope: Scope) -> bool:
    return route.matches(scope)[0] is not Match.NONE
