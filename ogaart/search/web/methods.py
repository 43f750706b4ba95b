"""HTTP methods that every route answers alike: HEAD is GET without a body, and OPTIONS names the methods."""

from collections.abc import Sequence

from fastapi import APIRouter, Request
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send


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
        scope["method"] = "GET"
        try:
            await self._app(scope, receive, without_body)
        finally:
            scope["method"] = "HEAD"


def allowed_methods(request: Request, routers: Sequence[APIRouter]) -> tuple[str, ...]:
    """The methods that a request's path answers, for its header Allow."""
    found: set[str] = {"OPTIONS"}
    for router in routers:
        for route in router.routes:
            if _matches(route, request.scope):
                found |= set(getattr(route, "methods", None) or ())
    return tuple(sorted(found | ({"HEAD"} if "GET" in found else set())))


def _matches(route: BaseRoute, scope: Scope) -> bool:
    return route.matches(scope)[0] is not Match.NONE
