"""Admission of requests: searches wait in a short line, uploads are limited at once; no client takes all of either.

A request that is refused is answered at once, without its body being read or a thread being taken. Thumbnails, static
files and health checks are always admitted.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable

from fastapi import Request
from fastapi.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ogaart.search.engine.concurrency import SHARE, ConcurrencyLimit
from ogaart.search.errors import TooBusy
from ogaart.search.web.allowances import client_of

# Of the forty threads that answer requests eight stay free for what is quick.
SEARCHING = 32
WAITING_SECONDS = 10.0
QUICK = (
    "/thumb/",
    "/static/",
    "/healthz",
    "/metrics",
    "/robots.txt",
    "/opensearch.xml",
    "/manifest.webmanifest",
    "/api/openapi.json",
    "/api/v1/info",
)


class WaitingLine:
    """Places with a short line before them, first come, first served; of one event loop.

    A client holds at most a quarter of the places and of the line; others pass it there.

    Args:
        places: how many requests at a time.
        waiting: how many may wait.
        seconds: how long one waits.
    """

    def __init__(self, places: int, waiting: int, seconds: float = WAITING_SECONDS) -> None:
        self._free = places
        self._waiting = waiting
        self._seconds = seconds
        self._share = max(1, places // SHARE)
        self._waiting_share = max(1, waiting // SHARE)
        self._held: Counter[str] = Counter()
        self._line: deque[tuple[str, asyncio.Future[None]]] = deque()

    async def enter(self, client: str) -> None:
        """Take a place, at once or after a wait.

        Raises:
            TooBusy: the line, or the client's share of it, is full, or the wait was too long.
        """
        if self._free and self._held[client] < self._share:
            self._take(client)
            return
        if len(self._line) >= self._waiting:
            raise TooBusy(f"too many searches are waiting (limit {self._waiting})")
        if sum(other == client for other, _ in self._line) >= self._waiting_share:
            raise TooBusy(f"too many searches from your address are waiting (limit {self._waiting_share})")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append((client, turn))
        try:
            await asyncio.wait_for(turn, self._seconds)
        except TimeoutError:
            raise TooBusy(f"the search did not start within {self._seconds:g} s") from None
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(client)  # the place came in the moment in which the client went away
            raise
        finally:
            if (client, turn) in self._line:
                self._line.remove((client, turn))

    def leave(self, client: str) -> None:
        """Pass the place on to the first in the line that may have it."""
        self._free += 1
        self._held[client] -= 1
        if not self._held[client]:
            del self._held[client]
        for waiting in tuple(self._line):
            other, turn = waiting
            if turn.done():
                self._line.remove(waiting)
            elif self._held[other] < self._share:
                self._line.remove(waiting)
                self._take(other)
                turn.set_result(None)
                return

    def _take(self, client: str) -> None:
        self._free -= 1
        self._held[client] += 1


class AdmissionMiddleware:
    """Admits requests in their turn.

    Args:
        app: the application behind.
        searches: the line of searches.
        uploads: the limit of requests with a body.
        refuse: makes the answer of a refusal.
    """

    def __init__(
        self,
        app: ASGIApp,
        searches: WaitingLine,
        uploads: ConcurrencyLimit,
        refuse: Callable[[Request, TooBusy], Response],
    ) -> None:
        self._app = app
        self._searches = searches
        self._uploads = uploads
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through, or refuse it."""
        if scope["type"] != "http" or scope["path"].startswith(QUICK):
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        client = client_of(request)
        try:
            if scope["method"] == "POST":
                self._uploads.enter(client)
                leave = self._uploads.leave
            else:
                await self._searches.enter(client)
                leave = self._searches.leave
        except TooBusy as busy:
            await self._refuse(request, busy)(scope, receive, send)
            return
        held = True

        async def watched(message: Message) -> None:
            nonlocal held
            if held and message["type"] == "http.response.start":
                # The work is done; how long the client takes to read the answer costs no place.
                held = False
                leave(client)
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            if held:
                leave(client)
