"""Fetches a picture from a visitor's link, from the public web only.

Every host name is resolved here, every address of it is checked, and the connection goes to the address that was
checked: a name that answers differently a second time changes nothing. Each redirect is a new link under the same
rules.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit, urlunsplit

import psutil

from ogaart.search.engine.concurrency import ConcurrencyLimit
from ogaart.search.errors import LinkFailed, LinkRefused, TooLarge

SECONDS = 10.0
REDIRECTS = 4
RESOLVERS = 8
_MOVED = frozenset({301, 302, 303, 307, 308})
_PORTS = {"http": 80, "https": 443}
_KEPT = "%/:?=&;@!$'()*+,~-._[]"  # what a link may hold as it is; all else is percent-encoded
_UNICAST = ipaddress.ip_network("2000::/3")  # all IPv6 that is routed; NAT64, site-local and SRv6 lie outside
# What Python calls global in some version and is not a server on the internet: IANA's special-purpose registries.
_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # protocol assignments
        "192.88.99.0/24",  # 6to4 relays
        "100.64.0.0/10",  # carriers' own
        "2001::/23",  # protocol assignments: Teredo (an IPv4 address inside), ORCHID, benchmarking
        "2002::/16",  # 6to4: an IPv4 address inside
        "3fff::/20",  # documentation
    )
)

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_public(address: IPAddress) -> bool:
    """Whether an address belongs to the public internet, and does not embed one that does not."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address not in _UNICAST:
            return False
    if any(address in network for network in _NEVER):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def is_foreign(address: IPAddress) -> bool:
    """Whether an address is public and not this machine's own: a public address may be its own, too."""
    own = {one.address.partition("%")[0] for addresses in psutil.net_if_addrs().values() for one in addresses}
    mapped = getattr(address, "ipv4_mapped", None)
    return is_public(address) and str(mapped or address) not in own


@dataclass(frozen=True)
class _Link:
    scheme: str
    host: str
    port: int
    target: str

    @property
    def url(self) -> str:
        """The link as a whole, for redirects to be relative to."""
        return f"{self.scheme}://{self.netloc}{self.target}"

    @property
    def netloc(self) -> str:
        """Host and port as the Host header wants them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class RemoteImageFetcher:
    """Fetches the pictures behind visitors' links.

    Args:
        max_bytes: largest picture.
        agent: User-Agent to send.
        permitted: which addresses may be connected to.
        ports: which ports; None: any.
        seconds: how long a fetch may take in all.
    """

    def __init__(
        self,
        max_bytes: int,
        agent: str,
        *,
        permitted: Callable[[IPAddress], bool] = is_foreign,
        ports: frozenset[int] | None = frozenset(_PORTS.values()),
        seconds: float = SECONDS,
    ) -> None:
        self._max_bytes = max_bytes
        self._agent = agent
        self._permitted = permitted
        self._ports = ports
        self._seconds = seconds
        # getaddrinfo knows no time-out: it runs in a thread, which is waited for until the deadline only.
        self._resolvers = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolve")
        # A name whose servers do not answer holds its thread far longer than its request: it counts until it returns.
        self._lookups = ConcurrencyLimit(RESOLVERS, "links")
        self._tls = ssl.create_default_context()

    def close(self) -> None:
        """Stop resolving names."""
        self._resolvers.shutdown(wait=False, cancel_futures=True)

    def fetch(self, url: str, client: str = "") -> bytes:
        """Fetch the bytes behind a link.

        Raises:
            RemoteRefused: the link, or one it redirects to, leads where this server does not go.
            RemoteFailed: it leads to no answer, or not to a picture.
            TooMuch: the answer is larger than a picture may be.
        """
        deadline = time.monotonic() + self._seconds
        for _ in range(REDIRECTS + 1):
            link = self._parse(url)
            answer = self._get(link, self._resolve(link, deadline, client), deadline)
            if isinstance(answer, bytes):
                return answer
            url = _joined(link.url, answer.location)
        raise LinkFailed(f"the link redirects more than {REDIRECTS} times")

    def _parse(self, url: str) -> _Link:
        try:
            parts = urlsplit(url.strip())
            host, port = parts.hostname, parts.port
        except ValueError as cause:
            raise LinkRefused("the link is not a valid URL") from cause
        scheme = parts.scheme.lower()
        if scheme not in _PORTS or not host:
            raise LinkRefused("only http:// and https:// links with a host are followed")
        if parts.username is not None or parts.password is not None:
            raise LinkRefused("links with a user name or password are not fetched")
        port = port or _PORTS[scheme]
        if self._ports is not None and port not in self._ports:
            raise LinkRefused(f"port {port} is not allowed, only {', '.join(str(p) for p in sorted(self._ports))}")
        try:
            name = host if ":" in host else host.encode("idna").decode("ascii")
        except UnicodeError as cause:
            raise LinkRefused(f"{host[:80]!r} is not a valid host name") from cause
        target = urlunsplit(("", "", quote(parts.path or "/", safe=_KEPT), quote(parts.query, safe=_KEPT), ""))
        return _Link(scheme, name, port, target)

    def _resolve(self, link: _Link, deadline: float, client: str) -> IPAddress:
        self._lookups.enter(client)
        looking = self._resolvers.submit(socket.getaddrinfo, link.host, link.port, type=socket.SOCK_STREAM)
        looking.add_done_callback(lambda _: self._lookups.leave(client))
        try:
            found = looking.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError as cause:
            raise LinkFailed(f"the name {link.host} did not resolve in time") from cause
        except (OSError, ValueError) as cause:
            raise LinkFailed(f"the name {link.host} does not resolve") from cause
        addresses = [ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
        # All must be public: which of several is used must not be left to chance.
        if not addresses or not all(self._permitted(address) for address in addresses):
            raise LinkRefused(f"{link.host} is not on the public internet; such links are not fetched")
        return addresses[0]

    def _get(self, link: _Link, address: IPAddress, deadline: float) -> "bytes | _Moved":
        connection = _Pinned(link, address, self._tls, deadline)
        # A server that sends a byte now and then would satisfy every time-out of a single read.
        alarm = threading.Timer(max(0.0, deadline - time.monotonic()), connection.abort)
        alarm.daemon = True
        alarm.start()
        try:
            connection.request(
                "GET",
                link.target,
                headers={
                    "Host": link.netloc,
                    "User-Agent": self._agent,
                    "Accept": "image/*",
                    "Accept-Encoding": "identity",
                },
            )
            return self._answer(link, connection)
        except TooLarge:
            raise
        except (OSError, ValueError, http.client.HTTPException) as cause:
            slow = connection.aborted or time.monotonic() >= deadline
            reason = (
                f"took longer than {self._seconds:g} s"
                if slow
                else "cannot be reached"
                if isinstance(cause, OSError)
                else "does not answer with valid HTTP"
            )
            raise LinkFailed(f"{link.host} {reason}") from cause
        finally:
            alarm.cancel()
            connection.close()

    def _answer(self, link: _Link, connection: "_Pinned") -> "bytes | _Moved":
        answer = connection.getresponse()
        location = answer.getheader("Location")
        if answer.status in _MOVED and location:
            return _Moved(location)
        if answer.status != 200:
            raise LinkFailed(f"the link answers with status {answer.status}")
        length = _stated_length(answer.getheader("Content-Length", "").strip())
        too_much = TooLarge(f"the link returns more than {self._max_bytes:,} bytes")
        if length is not None and length > self._max_bytes:
            raise too_much
        content = answer.read(self._max_bytes + 1)
        if len(content) > self._max_bytes:
            raise too_much
        # An end that came too early looks like any other end to the library.
        if connection.aborted:
            raise TimeoutError
        if length is not None and len(content) < length:
            raise LinkFailed(f"{link.host} cut off the picture after {len(content):,} of {length:,} bytes")
        if not content:
            raise LinkFailed("the link returns an empty file")
        return content


@dataclass(frozen=True)
class _Moved:
    location: str


def _joined(base: str, location: str) -> str:
    """The link that a Location header means; servers send UTF-8 there, which the library reads as Latin-1."""
    with suppress(UnicodeError):  # otherwise it is Latin-1 indeed
        location = location.encode("latin-1").decode("utf-8")
    try:
        return urljoin(base, location)
    except ValueError as cause:
        raise LinkFailed(f"the link redirects to {location[:80]!r}, which is not a valid URL") from cause


def _stated_length(header: str) -> int | None:
    """The value of Content-Length; None where there is none.

    Raises:
        LinkFailed: it is not a number of bytes.
    """
    if not header:
        return None
    if not (header.isascii() and header.isdigit() and len(header) < 19):
        raise LinkFailed(f"the link answers with an invalid Content-Length: {header[:40]!r}")
    return int(header)


class _Pinned(http.client.HTTPConnection):
    """A connection to one checked address, under the name in the link."""

    def __init__(self, link: _Link, address: IPAddress, tls: ssl.SSLContext, deadline: float) -> None:
        super().__init__(link.host, link.port)
        self._link = link
        self._address = address
        self._tls = tls
        self._deadline = deadline
        self.aborted = False
        # The library forgets its socket once an answer that ends with the connection has begun.
        self._socket: socket.socket | None = None

    def connect(self) -> None:
        """Connect to the address, not to whatever the name means by now."""
        left = max(0.05, self._deadline - time.monotonic())
        self.sock = socket.create_connection((str(self._address), self._link.port), timeout=left)
        self._socket = self.sock
        if self._link.scheme == "https":
            self.sock = self._socket = self._tls.wrap_socket(self.sock, server_hostname=self._link.host)

    def abort(self) -> None:
        """End the exchange, from another thread."""
        self.aborted = True
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it ended by itself in this moment
