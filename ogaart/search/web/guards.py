"""Guards: security headers, host names, and what the pages of other sites may use."""

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import Response
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ogaart.search.errors import ForeignPage, HostRefused

HEADERS = {
    # Scripts and styles from this server's files only: a title that smuggles markup in has nothing to run.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "font-src 'self'; manifest-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), interest-cohort=()",
}
PROBES = frozenset({"/healthz", "/metrics"})
"""Paths that answer under any host name: probes of an orchestrator name the machine in ways of their own."""

SHARED = ("/api/", "/thumb/", "/original/", "/view/")
"""What other sites' pages may read: the API, and the pictures that it links."""
_HOST = re.compile(r"(?:\[([^\[\]]+)\]|([^:\[\]@/]*))(?::\d{0,5})?", re.ASCII)
_READABLE = ("RateLimit", "RateLimit-Policy", "Retry-After", "Content-Disposition", "Content-Range", "Link")


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


class CrossOriginMiddleware:
    """Lets pages of some origins read the API; nothing there depends on a visitor's cookies.

    Args:
        app: the application behind.
        origins: as in the header Origin, comma-separated; ``*``: any; empty: none.
    """

    def __init__(self, app: ASGIApp, origins: str) -> None:
        self._app = app
        allowed = [origin.strip().rstrip("/") for origin in origins.split(",") if origin.strip()]
        self._shared = CORSMiddleware(
            app,
            allow_origins=allowed,
            allow_methods=("GET", "HEAD", "POST"),
            allow_headers=("*",),
            expose_headers=_READABLE,
            max_age=86_400,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through."""
        shared = scope["type"] == "http" and scope["path"].startswith(SHARED)
        await (self._shared if shared else self._app)(scope, receive, send)


class AllowedHostsMiddleware:
    """Refuses requests under a foreign host name, so that no other site's name can be pointed at this server.

    Loopback names, and the address that the connection was made to, are always allowed.

    Args:
        app: the application behind.
        hosts: names allowed besides; ``*`` allows any.
        refuse: makes the answer.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str], refuse: Callable[[Request, HostRefused], Response]) -> None:
        self._app = app
        self._hosts = hosts
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through, or refuse it."""
        if scope["type"] == "http" and scope["path"] not in PROBES:
            request = Request(scope)
            host = host_name(request.headers.get("host", ""))
            if not self._allows(host, scope):
                await self._refuse(request, HostRefused(host))(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _allows(self, host: str, scope: Scope) -> bool:
        if not host or "*" in self._hosts or host in self._hosts or host == "localhost":
            return True  # without a name (HTTP/1.0) nothing was pointed here
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return False
        return address.is_loopback or host == (scope.get("server") or ("",))[0]


def require_own_page(request: Request) -> None:
    """Refuse what a page of another site makes a visitor's browser send; other programs send neither header.

    Raises:
        ForeignPage: it comes from there.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        own = site in {"same-origin", "none"}
    else:  # an old browser, or a page without HTTPS; this site's own pages may have the origin "null" there
        origin = urlsplit(request.headers.get("origin", "null"))
        own = not origin.netloc or host_name(origin.netloc) == host_name(request.headers.get("host", ""))
    if not own:
        raise ForeignPage


def host_name(header: str) -> str:
    """The name in a Host header, in small letters, without port, brackets and final dot; a malformed one as it is."""
    header = header.strip().lower()
    found = _HOST.fullmatch(header)
    return header if found is None else found[1] or found[2].rstrip(".")


def public_base(request: Request, hosts: str) -> str:
    """Scheme and host under which the public knows this server: the first name of the setting; empty if it has none."""
    names = [part.strip() for part in hosts.split(",") if host_name(part) not in ("", "*")]
    if not names:
        return ""
    name, own = names[0], request.headers.get("host", "")
    return f"{request.url.scheme}://{own if host_name(own) == host_name(name) else name}"


def allowed_hosts(setting: str) -> frozenset[str]:
    """The names in a comma-separated setting."""
    return frozenset(name for part in setting.split(",") if (name := host_name(part)))
