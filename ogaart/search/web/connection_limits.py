"""Connections that cost too much: endless request heads, answers that are not read, too many of one client.

uvicorn bounds the size of a request's head (64 KiB, by h11) and of what it keeps of a body; it knows no time limits
before a request and after its answer, and counts connections without regard to their clients.
"""

import asyncio
import logging
from typing import Any

import h11
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

logger = logging.getLogger(__name__)

HEAD_SECONDS = 10.0  # for a request's head, and for the first one to come
READ_SECONDS = 30.0  # for the client to read what is due
SHARE = 4  # one client may hold a quarter of all connections
TRUSTED = frozenset({"127.0.0.1", "::1"})  # a proxy's connections are those of many; uvicorn believes it whose


async def _refuse(_scope: Scope, _receive: Receive, send: Send) -> None:
    """Answer in the place of the application; it must cost next to nothing."""
    body = (
        b'{"type":"/api/docs#too-busy","title":"Too busy","status":503,"detail":"too many connections",'
        b'"way_out":"Try again in a few seconds."}'
    )
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", b"5"),
        (b"x-content-type-options", b"nosniff"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


class GuardedProtocol(H11Protocol):
    """HTTP/1.1 whose connections end when they cost too much; h11 reads one pipelined request at a time.

    Attributes:
        most: connections in all; what comes beyond is answered 503, and beyond twice as many it is dropped.
        head_seconds: for a request's head to come, and for the next one on a connection that was used.
        read_seconds: for the client to read what is due.
        look_seconds: between two checks of these.
    """

    most = 512
    head_seconds = HEAD_SECONDS
    read_seconds = READ_SECONDS
    look_seconds = 1.0

    _waiting_since = 0.0
    _stuck_since: float | None = None
    _look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, refuse it, or drop it."""
        super().connection_made(transport)
        self._waiting_since = self.loop.time()
        if len(self.connections) > 2 * self.most:
            transport.abort()
            return
        if len(self.connections) > self.most or self._beyond_share():
            self.app = _refuse
        self._look = self.loop.call_later(self.look_seconds, self._watch)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop watching."""
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """From here on the next request is waited for."""
        self._waiting_since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not valid HTTP; uvicorn's own raises, or lets the application raise, after an answer began."""
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True  # what the application still says has nowhere to go
            cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            super().send_400_response(msg)
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        """The client does not read as fast as it is answered."""
        self._stuck_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client has read."""
        self._stuck_since = None
        super().resume_writing()

    def _beyond_share(self) -> bool:
        host = self.client[0] if self.client else ""
        if host in TRUSTED:
            return False
        others = (getattr(connection, "client", None) for connection in self.connections)
        same = sum(1 for other in others if other is not None and other[0] == host)
        return same > max(1, self.most // SHARE)

    def _watch(self) -> None:
        """Look now and then: one timer for all limits, whatever state the connection is in."""
        now = self.loop.time()
        if self._stuck_since is not None and now - self._stuck_since > self.read_seconds:
            self.transport.abort()
            return
        answering = self.cycle is not None and not self.cycle.response_complete
        if not answering:
            unread = self.transport.get_write_buffer_size() > 0
            if now - self._waiting_since > (self.read_seconds if unread else self.head_seconds):
                # Not close(): that would wait for ever until the client has read.
                self.transport.abort()
                return
        self._look = self.loop.call_later(self.look_seconds, self._watch)


def guarded(most: int, **seconds: Any) -> type[GuardedProtocol]:
    """The protocol with its limits, as uvicorn wants it: a class.

    Args:
        most: connections in all.
        seconds: limits that are not the default ones, by the names of the attributes.
    """
    return type("Guarded", (GuardedProtocol,), {"most": most, **seconds})
