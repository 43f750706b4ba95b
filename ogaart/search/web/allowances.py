"""What each client may do a minute: searches, and pictures that are fetched, decoded or embedded for it."""

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from fastapi import Request

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
        return Visitor(client, lambda: self._pictures.take(client))

    def search(self, request: Request) -> Visitor:
        """The client of a request that searches.

        Raises:
            TooManyRequests: it made too many searches.
        """
        visitor = self.visitor(request)
        self._searches.take(visitor.client)
        return visitor


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
