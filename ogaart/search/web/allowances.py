"""What each client may do a minute: searches, and pictures that are fetched, decoded or embedded for it."""

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ogaart.search.engine.visitors import Visitor
from ogaart.search.errors import TooManyRequests
from ogaart.settings import Settings


class RateLimit:
    """A bucket of requests for each client, refilled evenly.

    Args:
        per_minute: requests a minute; also the bucket's size. 0 means no limit.
        clients: buckets kept; the longest unused are dropped first.
        clock: seconds that never go back.
    """

    def __init__(self, per_minute: int, clients: int = 20_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clients = clients
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    @property
    def per_minute(self) -> int:
        """Requests a minute; 0: any number."""
        return self._per_minute

    def left(self, client: str) -> tuple[int, int]:
        """Requests that a client may make now, and the seconds until the bucket is full again."""
        now = self._clock()
        with self._lock:
            left, since = self._buckets.get(client, (float(self._per_minute), now))
        left = min(float(self._per_minute), left + (now - since) * self._per_minute / 60.0)
        return int(left), math.ceil((self._per_minute - left) * 60.0 / self._per_minute)

    def take(self, client: str) -> None:
        """Count one request.

        Raises:
            TooManyRequests: the bucket is empty.
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


class Allowances:
    """The allowances of all clients; pages and API share them.

    Args:
        settings: how much a client may do a minute.
    """

    def __init__(self, settings: Settings) -> None:
        self._searches = RateLimit(settings.searches_per_minute)
        self._pictures = RateLimit(settings.uploads_per_minute)

    def visitor(self, request: Request) -> Visitor:
        """The client of a request; each picture it needs is charged to its allowance."""
        client = client_of(request)
        request.state.limits = {"searches": (self._searches, client), "pictures": (self._pictures, client)}
        return Visitor(client, lambda: self._pictures.take(client))

    def search(self, request: Request) -> Visitor:
        """The client of a request that searches.

        Raises:
            TooManyRequests: it made too many searches.
        """
        visitor = self.visitor(request)
        self._searches.take(visitor.client)
        return visitor


class RateLimitHeadersMiddleware:
    """Says what a client may still do, in the headers RateLimit and RateLimit-Policy of what counts (IETF draft 10)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            limits: dict[str, tuple[RateLimit, str]] = scope.get("state", {}).get("limits", {})
            held = {name: (limit, limit.left(client)) for name, (limit, client) in limits.items() if limit.per_minute}
            if message["type"] == "http.response.start" and held:
                policy = ", ".join(f'"{name}";q={limit.per_minute};w=60' for name, (limit, _) in held.items())
                now = ", ".join(f'"{name}";r={left};t={seconds}' for name, (_, (left, seconds)) in held.items())
                added = [(b"ratelimit-policy", policy.encode()), (b"ratelimit", now.encode())]
                message["headers"] = [*message.get("headers", []), *added]
            await send(message)

        await self._app(scope, receive, with_headers)


def client_of(request: Request) -> str:
    """The address of a request's client; of IPv6 the /64 network, which is one household's."""
    host = request.client.host if request.client else "?"
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
