"""Who may come in: searches wait in a short line, uploads have places of which no client takes all.

Whoever finds no place is told so at once, with nothing of the request's body read and no thread taken: thumbnails,
files and health checks pass by.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable

from fastapi import Request
from fastapi.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ogaart.search.errors import TooBusy
from ogaart.search.web.guards import client_of

# Of the forty threads that answer requests eight stay free for what is quick.
SEARCHING = 32
WAITING_SECONDS = 10.0
SHARE = 4  # one client may hold a quarter of the places for uploads
QUICK = ("/thumb/", "/static/", "/healthz", "/metrics", "/robots.txt", "/api/openapi.json", "/api/v1/info")


class WaitingLine:
    """Places with a short line before them, first come, first served; of one event loop.

    Args:
        places: how many at a time.
        waiting: how many may wait.
        seconds: how long one waits.
    """

    def __init__(self, places: int, waiting: int, seconds: float = WAITING_SECONDS) -> None:
        self._free = places
        self._most = waiting
        self._seconds = seconds
        self._line: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> None:
        """Take a place, at once or after a wait.

        Raises:
            TooBusy: the line is full, or the wait was too long.
        """
        if self._free:
            self._free -= 1
            return
        if len(self._line) >= self._most:
            raise TooBusy(f"{len(self._line)} searches are waiting just now")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(turn)
        try:
            await asyncio.wait_for(turn, self._seconds)
        except TimeoutError:
            raise TooBusy(f"no place came free within {self._seconds:g} s") from None
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()  # the place came together with the end of who waited for it
            raise
        finally:
            if turn in self._line:
                self._line.remove(turn)

    def leave(self) -> None:
        """Give the place to the first in the line who still waits."""
        while self._line:
            turn = self._line.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class ClientShares:
    """Places without a line, of which each client gets its share at most.

    Args:
        places: how many at a time.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._share = max(1, places // SHARE)
        self._held: Counter[str] = Counter()

    def enter(self, client: str) -> None:
        """Take a place.

        Raises:
            TooBusy: all are taken, or the client has its share.
        """
        if self._held.total() >= self._places:
            raise TooBusy(f"{self._places} pictures are being received just now")
        if self._held[client] >= self._share:
            raise TooBusy(f"{self._share} pictures from your address are being received just now")
        self._held[client] += 1

    def leave(self, client: str) -> None:
        """Give the place back."""
        self._held[client] -= 1
        if not self._held[client]:
            del self._held[client]


class AdmissionMiddleware:
    """Lets requests through in their turn.

    Args:
        app: what stands behind.
        searches: the line of what searches.
        uploads: the places of what sends a body.
        refuse: puts the refusal into words.
    """

    def __init__(
        self, app: ASGIApp, searches: WaitingLine, uploads: ClientShares, refuse: Callable[[Request, TooBusy], Response]
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
        place = self._receiving(request) if scope["method"] == "POST" else self._searching()
        try:
            leave = await place
        except TooBusy as busy:
            await self._refuse(request, busy)(scope, receive, send)
            return
        held = True

        async def watched(message: Message) -> None:
            nonlocal held
            if held and message["type"] == "http.response.start":
                # The work is done; how long the client takes to read it is its own affair.
                held = False
                leave()
            await send(message)

        try:
            await self._app(scope, receive, watched)
        finally:
            if held:
                leave()

    async def _searching(self) -> Callable[[], None]:
        await self._searches.enter()
        return self._searches.leave

    async def _receiving(self, request: Request) -> Callable[[], None]:
        client = client_of(request)
        self._uploads.enter(client)
        return lambda: self._uploads.leave(client)
