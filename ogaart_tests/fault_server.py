"""A web server that misbehaves on purpose: one small class for each way, composable, seeded, on loopback.

``server.at(path, first, second, last)`` answers the first request for a path by ``first``, the second by ``second`` and
all later ones by ``last``. ``server.everywhere`` is asked before that, for every request. Arrivals are recorded.
"""

import email.utils
import gzip
import hashlib
import http.server
import itertools
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self


@dataclass(frozen=True)
class Arrival:
    """One request as the server saw it; ``at`` is the monotonic clock, which all processes of a machine share."""

    at: float
    method: str
    path: str
    headers: dict[str, str]


class Exchange:
    """One request being answered."""

    def __init__(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self._handler = handler
        self.method = handler.command
        self.path = handler.path
        self.headers = {name.lower(): value for name, value in handler.headers.items()}

    def head(self, status: int, headers: dict[str, str] | None = None) -> None:
        """Send the status line and the headers, which say that the connection closes, as it does."""
        self._handler.send_response(status)
        self._handler.send_header("Connection", "close")
        for name, value in (headers or {}).items():
            self._handler.send_header(name, value)
        self._handler.end_headers()

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._handler.wfile.write(data)
        self._handler.wfile.flush()

    def reset(self) -> None:
        """Drop the connection with a TCP reset."""
        self._handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._handler.connection.close()


class Behaviour(Protocol):
    """A way to answer."""

    def answer(self, exchange: Exchange) -> None:
        """Answer the request, well or badly."""


@dataclass(frozen=True)
class Serve:
    """A well-behaved file: Content-Length, validators, Range with If-Range, conditional GET."""

    data: bytes = field(repr=False)
    content_type: str = "application/octet-stream"
    etag: str | None = None
    last_modified: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def answer(self, exchange: Exchange) -> None:
        status, headers, data = self.prepared(exchange)
        exchange.head(status, headers)
        exchange.write(data)

    def prepared(self, exchange: Exchange) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body that a good server would send."""
        tag = self.etag if self.etag is not None else f'"{hashlib.sha256(self.data).hexdigest()[:16]}"'
        headers = {"Content-Type": self.content_type, "Accept-Ranges": "bytes", **self.headers}
        if tag:
            headers["ETag"] = tag
        if self.last_modified:
            headers["Last-Modified"] = self.last_modified
        asked = exchange.headers
        if tag and asked.get("if-none-match") == tag:
            return 304, headers, b""
        status, data = 200, self.data
        if "range" in asked and asked.get("if-range", tag) in (tag, self.last_modified):
            start = int(asked["range"].removeprefix("bytes=").partition("-")[0])
            if start >= len(data):
                return 416, headers | {"Content-Range": f"bytes */{len(data)}", "Content-Length": "0"}, b""
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            data = data[start:]
        return status, headers | {"Content-Length": str(len(data))}, data


@dataclass(frozen=True)
class Status:
    """A bare status; ``retry_after`` in seconds, or as a date that many seconds from now."""

    status: int
    retry_after: float | None = None
    as_date: bool = False

    def answer(self, exchange: Exchange) -> None:
        headers = {"Content-Length": "0"}
        if self.retry_after is not None:
            # A date has whole seconds only, and so has the Date header that goes with it.
            date = email.utils.formatdate(int(time.time()) + self.retry_after, usegmt=True)
            headers["Retry-After"] = date if self.as_date else str(int(self.retry_after))
        exchange.head(self.status, headers)


@dataclass(frozen=True)
class Redirect:
    """A redirect to a URL or a path."""

    target: str
    status: int = 302
    endless: bool = False

    def answer(self, exchange: Exchange) -> None:
        """Send it; ``endless`` with a body that never ends."""
        exchange.head(self.status, {"Location": self.target} | ({} if self.endless else {"Content-Length": "0"}))
        while self.endless:
            exchange.write(bytes(1 << 16))


@dataclass(frozen=True)
class Raw:
    """These bytes, whatever they are, then the connection closes."""

    data: bytes = field(repr=False)

    def answer(self, exchange: Exchange) -> None:
        exchange.write(self.data)


@dataclass(frozen=True)
class Reset:
    """The connection is reset before any answer."""

    def answer(self, exchange: Exchange) -> None:
        exchange.reset()


@dataclass(frozen=True)
class Silence:
    """Nothing comes for ``seconds``, then the connection closes."""

    seconds: float

    def answer(self, exchange: Exchange) -> None:
        time.sleep(self.seconds)
        exchange.reset()


@dataclass(frozen=True)
class DrippingHead:
    """Headers without end, one every ``pause`` seconds: no single read ever times out."""

    pause: float
    lines: int = 100

    def answer(self, exchange: Exchange) -> None:
        exchange.write(b"HTTP/1.1 200 OK\r\n")
        for line in range(self.lines):
            exchange.write(f"X-Drip-{line}: 1\r\n".encode())
            time.sleep(self.pause)


@dataclass(frozen=True)
class CutHead:
    """The connection closes among the headers."""

    head: bytes = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"

    def answer(self, exchange: Exchange) -> None:
        exchange.write(self.head)


@dataclass(frozen=True)
class Cut:
    """The inner file's head and ``after`` bytes of its body; then a reset, or a silence of ``stall`` seconds."""

    inner: Serve
    after: int
    stall: float | None = None
    reset: bool = True

    def answer(self, exchange: Exchange) -> None:
        status, headers, data = self.inner.prepared(exchange)
        exchange.head(status, headers)
        exchange.write(data[: self.after])
        if self.stall is not None:
            time.sleep(self.stall)
        elif self.reset:
            time.sleep(0.05)  # a reset overtakes bytes that the client has not read yet
        if self.reset:
            exchange.reset()


@dataclass(frozen=True)
class Drip:
    """The inner file's body, ``step`` bytes every ``pause`` seconds."""

    inner: Serve
    step: int
    pause: float

    def answer(self, exchange: Exchange) -> None:
        status, headers, data = self.inner.prepared(exchange)
        exchange.head(status, headers)
        for start in range(0, len(data), self.step):
            exchange.write(data[start : start + self.step])
            time.sleep(self.pause)


@dataclass(frozen=True)
class Announce:
    """The inner file with a Content-Length of ``length``; None leaves it out, so that only the close ends the body."""

    inner: Serve
    length: int | None

    def answer(self, exchange: Exchange) -> None:
        status, headers, data = self.inner.prepared(exchange)
        headers.pop("Content-Length", None)
        if self.length is not None:
            headers["Content-Length"] = str(self.length)
        exchange.head(status, headers)
        exchange.write(data)


@dataclass(frozen=True)
class Chunked:
    """The inner file in chunks; ``broken`` leaves out the end."""

    inner: Serve
    size: int = 1000
    broken: bool = False

    def answer(self, exchange: Exchange) -> None:
        status, headers, data = self.inner.prepared(exchange)
        headers.pop("Content-Length", None)
        exchange.head(status, headers | {"Transfer-Encoding": "chunked"})
        for start in range(0, len(data), self.size):
            chunk = data[start : start + self.size]
            exchange.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        if not self.broken:
            exchange.write(b"0\r\n\r\n")


@dataclass(frozen=True)
class Encoded:
    """``data`` under a Content-Encoding, whether asked for or not, and whether true or not."""

    data: bytes = field(repr=False)
    encoding: str = "gzip"
    lie: bool = False

    def answer(self, exchange: Exchange) -> None:
        body = self.data if self.lie else gzip.compress(self.data, 1, mtime=0)
        exchange.head(200, {"Content-Encoding": self.encoding, "Content-Length": str(len(body))})
        exchange.write(body)


@dataclass(frozen=True)
class IgnoreRange:
    """Part of the inner file from ``offset`` on, whatever part was asked for."""

    inner: Serve
    offset: int

    def answer(self, exchange: Exchange) -> None:
        data = self.inner.data
        part = data[self.offset :]
        span = f"bytes {self.offset}-{len(data) - 1}/{len(data)}"
        exchange.head(206, {"Content-Range": span, "Content-Length": str(len(part))})
        exchange.write(part)


class Sometimes:
    """For ``share`` of all requests one of several behaviours, by a seeded choice; else None: answer as usual."""

    def __init__(self, share: float, behaviours: Iterable[Behaviour], seed: int) -> None:
        self._share = share
        self._behaviours = list(behaviours)
        self._random = random.Random(seed)
        self.served = 0

    def __call__(self, path: str) -> Behaviour | None:
        if self._random.random() >= self._share:
            return None
        self.served += 1
        return self._random.choice(self._behaviours)


class FaultServer:
    """The server; use it as a context manager.

    Attributes:
        arrivals: every request, in order of arrival.
        everywhere: asked for each path before its own behaviours; None leaves the request to them.
    """

    def __init__(self, robots: str | None = "User-agent: *\n") -> None:
        self.arrivals: list[Arrival] = []
        self.everywhere: Callable[[str], Behaviour | None] = lambda _path: None
        self._behaviours: dict[str, list[Behaviour]] = {}
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        if robots is not None:
            self.at("/robots.txt", Serve(robots.encode(), "text/plain"))

    @property
    def base(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def at(self, path: str, *behaviours: Behaviour) -> str:
        """Answer requests for ``path`` by these, in order, the last one for ever; returns the URL."""
        with self._lock:
            self._behaviours[path] = list(behaviours)
        return self.base + path

    def requests_for(self, path: str) -> list[Arrival]:
        """The requests for one path."""
        return [arrival for arrival in self.arrivals if arrival.path == path]

    def gaps(self) -> list[float]:
        """Seconds between each request and the one before."""
        times = [arrival.at for arrival in self.arrivals]
        return [after - before for before, after in itertools.pairwise(times)]

    def handle(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        """Record a request and answer it."""
        at = time.monotonic()
        exchange = Exchange(handler)
        with self._lock:
            self.arrivals.append(Arrival(at, exchange.method, exchange.path, exchange.headers))
            behaviour = self.everywhere(exchange.path)
            if behaviour is None:
                queue = self._behaviours.get(exchange.path, [Status(404)])
                behaviour = queue.pop(0) if len(queue) > 1 else queue[0]
        behaviour.answer(exchange)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what this server is for."""


def _handler_of(server: FaultServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            server.handle(self)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    return Handler
