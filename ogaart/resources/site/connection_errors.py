"""Why a connection failed or broke off, in words of our own: the libraries' texts name their classes and pools."""

import http.client
import os
import socket
import ssl
from collections.abc import Iterator

from urllib3.exceptions import (
    ConnectTimeoutError,
    IncompleteRead,
    InvalidChunkLength,
    InvalidHeader,
    LocationParseError,
    ProxyError,
)

from ogaart.resources.site.headers import shown


def cause_of(error: BaseException) -> str:
    """What happened, by the innermost error that is known."""
    found = ""
    for one in _chain(error):
        found = _in_words(one) or found
    proxy = "by the proxy: " if any(isinstance(one, ProxyError) for one in _chain(error)) else ""
    return proxy + (found or f"an invalid response ({type(error).__name__})")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those within it, outermost first."""
    seen: set[int] = set()
    left = [error]
    while left:
        one = left.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = [*one.args, getattr(one, "reason", None), getattr(one, "original_error", None), one.__cause__]
        left += [other for other in inner if isinstance(other, BaseException)]


def _in_words(error: BaseException) -> str:
    match error:
        case socket.gaierror():
            return f"the name of the host cannot be resolved ({error.strerror})"
        case InvalidChunkLength():
            return f"the chunk length {shown(repr(error.length))} is invalid"
        case InvalidHeader():
            return f"a header is invalid: {shown(str(error), 200)}"
        case IncompleteRead() | http.client.IncompleteRead():
            expected = f", {error.expected:,} more expected" if error.expected else ""
            return f"closed before its end{expected}"
        case http.client.RemoteDisconnected():
            return "closed without a response"
        case ssl.SSLCertVerificationError():
            return f"its certificate is invalid ({error.verify_message})"
        case ssl.SSLError():
            return f"TLS failed ({(error.reason or 'no reason').lower().replace('_', ' ')})"
        case TimeoutError() | ConnectTimeoutError():
            return "timed out"
        case OSError() if error.errno is not None:
            return os.strerror(error.errno)
        case http.client.HTTPException() | LocationParseError():
            return f"not a valid response ({shown(str(error))})"
    return ""
