"""A guard in front of the Dagster UI: only pages of the UI itself and command-line clients command the platform.

Dagster's webserver executes GraphQL mutations sent by GET, from any page and under any host name, so that an image tag
on a foreign web page could start a run in the browser of an operator. It has no switch against that. This middleware
refuses such requests before they reach it:

- the Host header must name this server (against DNS rebinding);
- a request that a browser sends from another origin is refused, except that a link may open a page of the UI;
- mutations are accepted by POST with a JSON body only, which no foreign page can send without a preflight request;
- a WebSocket must come from a page of the UI, or from a client that is not a browser;
- no other page may show the UI in a frame.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
"""Host names that are allowed without a setting."""

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_READ_METHODS = frozenset({"GET", "HEAD"})
_OWN_SITES = frozenset({"same-origin", "none"})  # "none": typed into the address bar, or a bookmark
_POLICY_VIOLATION = 1008

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class RequestRefusal:
    """Why a request is refused: an HTTP status and one sentence."""

    status: int
    reason: str


class UIGuard:
    """ASGI middleware that refuses requests which another web page could have caused.

    Args:
        app: the UI.
        hosts: host names, besides loopback names, under which the UI may be opened; without ports.
    """

    def __init__(self, app: Application, hosts: Iterable[str] = ()) -> None:
        self._app = app
        self._hosts = LOOPBACK_NAMES | {host.lower().strip("[]") for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refusal = judge(scope, self._hosts)
        if refusal is None:
            await self._app(scope, receive, _without_frames(send) if scope["type"] == "http" else send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION, "reason": refusal.reason[:120]})
        else:
            await _refuse(send, refusal)


def judge(scope: Scope, hosts: Collection[str]) -> RequestRefusal | None:
    """Whether a request is refused, and why; None where it is allowed.

    Args:
        scope: the ASGI scope of an HTTP request or a WebSocket.
        hosts: allowed host names, in lower case.
    """
    headers = _headers(scope)
    named = headers.get("host", [])
    if len(named) != 1 or _address(f"//{named[0]}") is None:
        return RequestRefusal(400, "Exactly one valid Host header is required.")
    host = _address(f"//{named[0]}", scope["scheme"])
    if host is None or host[0] not in hosts:
        return RequestRefusal(
            403,
            f"Unknown host name {named[0]!r}: open the Dagster UI under a loopback name, or add the name to "
            "OGAART_DAGSTER_HOSTS.",
        )
    if not _from_here(headers, host, scope):
        return RequestRefusal(403, "This request was caused by another web page, and is refused.")
    if scope["type"] == "websocket":
        return None
    return _unsafe_method(scope, headers)


def _from_here(headers: dict[str, list[str]], host: tuple[str, int], scope: Scope) -> bool:
    """Whether a request comes from the UI's own pages, or from a client that is not a browser."""
    if any(_address(origin) != host for origin in headers.get("origin", [])):
        return False
    sites = {value.lower() for value in headers.get("sec-fetch-site", [])}
    if sites <= _OWN_SITES:
        return True
    followed = headers.get("sec-fetch-mode") == ["navigate"] and headers.get("sec-fetch-dest") == ["document"]
    return followed and scope.get("method") in _READ_METHODS and not _is_graphql(scope)


def _unsafe_method(scope: Scope, headers: dict[str, list[str]]) -> RequestRefusal | None:
    """A refusal of what only a POST with a JSON body may do, or of a body that a plain form could have sent."""
    if scope["method"] in _READ_METHODS:
        queries = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True).get("query", [])
        if _is_graphql(scope) and any(map(_changes_something, queries)):
            return RequestRefusal(405, "GraphQL mutations are accepted by POST with a JSON body only.")
        return None
    kinds = [value.split(";")[0].strip().lower() for value in headers.get("content-type", [])]
    if kinds != ["application/json"]:
        return RequestRefusal(415, f"{scope['method']} requires a body of the content type application/json.")
    return None


def _is_graphql(scope: Scope) -> bool:
    return str(scope["path"]).rstrip("/").endswith("/graphql")


def _changes_something(query: str) -> bool:
    """Whether a GraphQL document holds anything but queries; one that cannot be parsed may, where it says so."""
    try:
        document = parse(query)
    except (GraphQLError, RecursionError):
        # Nested too deeply for the stack here, perhaps not for the one on which the UI parses it.
        return "mutation" in query or "subscription" in query
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    return any(node.operation != OperationType.QUERY for node in operations)


def _headers(scope: Scope) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _address(url: str, scheme: str = "http") -> tuple[str, int] | None:
    """Host name and port of an origin; None where it has none, such as the origin ``null`` of a sandboxed page.

    The port is 0 where it is the scheme's own: behind a proxy that serves HTTPS, pages and Host header name none.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname:
        return None
    return parts.hostname, 0 if port in {None, _DEFAULT_PORTS.get(parts.scheme or scheme)} else int(port or 0)


def _without_frames(send: Send) -> Send:
    """Add the header that forbids other pages to show the response in a frame."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), (b"x-frame-options", b"SAMEORIGIN")]
        await send(message)

    return sending


async def _refuse(send: Send, refusal: RequestRefusal) -> None:
    body = f"{refusal.reason}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
