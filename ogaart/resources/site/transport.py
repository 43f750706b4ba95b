"""One HTTP request and its response's head: honest, without memory, bounded in time.

No cookies, no credentials, no redirects, no retries, a connection of its own for each request: with seconds between
requests a kept connection is mostly dead, and bytes left over on one would be read as the next response.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ConnectTimeout, InvalidSchema, InvalidURL, MissingSchema, ReadTimeout
from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    SSLError,
)
from urllib3.util.connection import allowed_gai_family

from ogaart.core.user_agent import user_agent
from ogaart.resources.site.connection_errors import cause_of
from ogaart.resources.site.errors import AttemptFailed, FetchFailed
from ogaart.settings import Settings


class Transport:
    """Sends GET requests.

    Args:
        settings: contact, timeout_connect, timeout_read.
    """

    def __init__(self, settings: Settings) -> None:
        self._timeout = (settings.timeout_connect, settings.timeout_read)
        self._session = requests.Session()
        self._session.headers.clear()
        self._session.headers.update({"User-Agent": user_agent(settings.contact), "Accept": "*/*"})
        self._session.headers["Connection"] = "close"
        self._session.auth = _no_credentials  # else ~/.netrc would be sent
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter(max_retries=0))

    def send(self, url: str, headers: dict[str, str]) -> requests.Response:
        """Send one GET; returns when the response's head is complete, its body unread.

        Raises:
            AttemptFailed: no complete head came in time.
            FetchFailed: the URL is invalid.
        """
        session = self._session
        try:
            request = session.prepare_request(requests.Request("GET", url, headers=headers))
            environment: Any = session.merge_environment_settings(request.url, {}, True, None, None)
            # Past the session's own send, which keeps cookies, and reads a redirect's whole body, however long it is.
            return session.get_adapter(request.url or url).send(request, timeout=self._timeout, **environment)
        except (InvalidURL, InvalidSchema, MissingSchema, UnicodeError) as error:
            raise FetchFailed("InvalidUrl", f"{url!r}: {error}", retryable=False) from error
        except ConnectTimeout as error:
            message = f"{url}: no connection within {self._timeout[0]:g} s"
            raise AttemptFailed("ConnectTimeout", message, connecting=True) from error
        except ReadTimeout as error:
            raise AttemptFailed("TimeOut", f"{url}: no response within {self._timeout[1]:g} s") from error
        except requests.RequestException as error:
            connecting = _is_connecting(error)
            name = "ConnectFailed" if connecting else "ConnectionBroken"
            raise AttemptFailed(name, f"{url}: {cause_of(error)}", connecting=connecting) from error

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _no_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _is_connecting(error: requests.RequestException) -> bool:
    """Whether not even a connection was established."""
    cause = error.args[0] if error.args else None
    reason = cause.reason if isinstance(cause, MaxRetryError) else cause
    return isinstance(reason, NewConnectionError | ConnectTimeoutError | ProxyError | SSLError)


@contextmanager
def _deadline(connection: HTTPConnection) -> Iterator[None]:
    """Bound the time of the whole head: a socket's time-out restarts with each byte received."""
    sock, seconds = connection.sock, connection.timeout
    if sock is None or not isinstance(seconds, int | float):
        yield
        return
    timer = threading.Timer(2 * seconds, _shut, [sock])  # twice, so that a silent server is a plain time-out
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut(sock: socket.socket) -> None:
    """Wake up the thread that reads the socket; past ssl's own shutdown, which would take the object from under it."""
    try:
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        return  # it was closed meanwhile


def addresses_of(host: str, port: int, seconds: float) -> list[str]:
    """The addresses of a name, looked up in another thread: a lookup cannot be interrupted, and has no time-out.

    Raises:
        socket.gaierror: the name cannot be resolved.
        TimeoutError: not within ``seconds``.
    """
    found: list[str] = []
    failed: list[OSError] = []

    def look_up() -> None:
        try:
            rows = socket.getaddrinfo(host, port, allowed_gai_family(), socket.SOCK_STREAM)
            found.extend(dict.fromkeys(str(row[4][0]) for row in rows))
        except (OSError, UnicodeError) as cause:  # UnicodeError: a label is empty or too long
            failed.append(cause if isinstance(cause, OSError) else socket.gaierror(socket.EAI_NONAME, str(cause)))

    thread = threading.Thread(target=look_up, name=f"lookup of {host}", daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not found:
        raise TimeoutError(f"{host} was not resolved within {seconds:g} s")
    return found


def _connected(connection: HTTPConnection, connect: Callable[[], socket.socket]) -> socket.socket:
    """Connect to the first address of the connection's host that accepts; an interrupt ends its lookup too."""
    seconds = connection.timeout
    if not isinstance(seconds, int | float):
        return connect()
    name = connection._dns_host
    try:
        addresses = addresses_of(name, connection.port, seconds)
    except socket.gaierror as cause:
        raise NameResolutionError(connection.host, connection, cause) from cause
    except TimeoutError as cause:
        raise ConnectTimeoutError(connection, str(cause)) from cause
    try:
        for address in addresses[:-1]:
            connection._dns_host = address
            with suppress(ConnectTimeoutError):  # of which a refused connection is one
                return connect()
        connection._dns_host = addresses[-1]
        return connect()
    finally:
        connection._dns_host = name


class _HTTP(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        return _connected(self, super()._new_conn)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        with _deadline(self):
            return super().getresponse()


class _HTTPS(HTTPSConnection):
    def _new_conn(self) -> socket.socket:
        return _connected(self, super()._new_conn)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        with _deadline(self):
            return super().getresponse()


class _Unpooled(HTTPConnectionPool):
    """Keeps no connection: not every server says that it will close one because it was asked to.

    A request that is sent on a closing connection is lost, and counts towards the limits all the same.
    """

    def _put_conn(self, conn: Any) -> None:
        if conn is not None:
            conn.close()
        super()._put_conn(None)


class _HTTPPool(_Unpooled):
    ConnectionCls = _HTTP


class _HTTPSPool(_Unpooled, HTTPSConnectionPool):
    ConnectionCls = _HTTPS


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}


class _Adapter(HTTPAdapter):
    """Makes connections with a deadline."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager
