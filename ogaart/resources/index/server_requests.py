"""Requests to a Qdrant server: the connection, and what is repeated after which failures."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, Self, TypeVar

import grpc
from qdrant_client import QdrantClient
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from ogaart.resources.index.base import IndexUnreachable
from ogaart.settings import Settings, shown_url

_log = logging.getLogger(__name__)
_RETRIED_HTTP = frozenset({408, 429, 500, 502, 503, 504})
_RETRIED_GRPC = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}
)
T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True)
class Server:
    """A server, and how requests to it are repeated; every one that we send is safe to repeat.

    Attributes:
        client: the connection; it connects when it is used.
        where: the server, as messages name it.
        attempts: how often a request is tried.
        backoff: seconds before the second attempt; doubles.
    """

    client: QdrantClient
    where: str = "the Qdrant server"
    attempts: int = 5
    backoff: float = 0.5

    @classmethod
    def of(cls, settings: Settings, least_timeout: float = 0.0) -> Self:
        """The server of the settings.

        Args:
            settings: URL, key and limits.
            least_timeout: seconds that a request may take at least, whatever the settings say.
        """
        client = connect(settings, max(settings.qdrant_timeout, least_timeout))
        return cls(client, where_of(settings), settings.attempts, min(settings.backoff, 0.5))

    def ask(self, request: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Send a request; see ``retry``."""
        return retry(lambda: request(*args, **kwargs), self.attempts, self.backoff, self.where)


def where_of(settings: Settings) -> str:
    """The server, as messages name it."""
    return f"Qdrant at {shown_url(settings.qdrant_url or '')}"


def connect(settings: Settings, timeout: float) -> QdrantClient:
    """A client of the server of the settings, with seconds that a request may take; it connects when it is used."""
    return QdrantClient(
        url=settings.qdrant_url,
        api_key=settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None,
        prefer_grpc=settings.qdrant_grpc,
        timeout=max(1, round(timeout)),
        check_compatibility=False,  # it would send a request of its own, and only warn
    )


def retry(request: Callable[[], T], attempts: int, backoff: float, where: str) -> T:
    """Repeat a request while its failure may pass.

    Raises:
        IndexUnreachable: it still failed at the last attempt, or was refused for a reason that stays.
    """
    for attempt in range(1, attempts + 1):
        try:
            return request()
        except (ResponseHandlingException, UnexpectedResponse, ResourceExhaustedResponse, grpc.RpcError) as error:
            passing, pause = _passing(error)
            if not passing or attempt == attempts:
                hint = _hint(error)
                message = f"{where}, attempt {attempt} of {attempts}: {shown_url(str(error))}{hint}"
                raise IndexUnreachable(message) from error
            pause = max(pause, backoff * 2 ** (attempt - 1))
            shown = shown_url(str(error))
            _log.warning("%s: %s; attempt %d of %d in %.1f s", where, shown, attempt + 1, attempts, pause)
            time.sleep(pause)
    raise AssertionError("attempts is at least 1")


def _passing(error: Exception) -> tuple[bool, float]:
    """Whether trying again may help, and the least pause in seconds that the server requests."""
    if isinstance(error, ResourceExhaustedResponse):
        return True, float(error.retry_after_s)
    if isinstance(error, UnexpectedResponse):
        return error.status_code in _RETRIED_HTTP, 0.0
    if isinstance(error, grpc.RpcError):
        return isinstance(error, grpc.Call) and error.code() in _RETRIED_GRPC, 0.0
    return True, 0.0  # the connection failed, was cut, or took too long


def _hint(error: Exception) -> str:
    status = getattr(error, "status_code", None)
    if status in (401, 403):
        return " (is QDRANT_API_KEY right?)"
    if isinstance(error, ResponseHandlingException):
        return " (is QDRANT_URL right and the server up? OGAART_QDRANT_TIMEOUT allows longer answers)"
    return ""
