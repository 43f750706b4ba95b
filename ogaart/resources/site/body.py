"""A response's body, read piece by piece within limits: length, rate, time, and size once decoded."""

import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from ogaart.resources.site.connection_errors import cause_of
from ogaart.resources.site.errors import AttemptFailed
from ogaart.resources.site.headers import announced_length

CHUNK = 1 << 18
GZIP_MAGIC = b"\x1f\x8b"


class BodyTooLarge(RuntimeError):
    """The body has more bytes than the limit."""


@dataclass(frozen=True)
class BodyLimits:
    """How much and how slowly a body may come.

    Attributes:
        max_bytes: most bytes, decoded.
        min_rate: fewest bytes a second on average, after ``grace`` seconds.
        grace: seconds before the rate is looked at.
        seconds: most seconds altogether.
    """

    max_bytes: int
    min_rate: float
    grace: float
    seconds: float


def body(response: requests.Response, limits: BodyLimits, *, gunzip: bool = False) -> Iterator[bytes]:
    """The body's bytes.

    Args:
        response: a response whose body was not read yet.
        limits: its limits.
        gunzip: decode gzip, where the body is that; one that only claims to be gzip is taken as it is.

    Raises:
        AttemptFailed: it broke off, stalled, came too slowly, or is not a complete gzip stream.
        BodyTooLarge: it has more than ``limits.max_bytes``.
    """
    chunks = _raw(response, limits)
    if gunzip:
        chunks = _gunzipped(chunks, limits.max_bytes, response.url)
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > limits.max_bytes:
            raise BodyTooLarge(f"{response.url}: more than {limits.max_bytes:,} bytes")
        yield chunk


def _raw(response: requests.Response, limits: BodyLimits) -> Iterator[bytes]:
    began = time.monotonic()
    total = 0
    while True:
        try:
            # read1: what is there now; read would wait for a whole chunk, however slowly it comes.
            chunk: bytes = response.raw.read1(CHUNK, decode_content=False)
        except ReadTimeoutError as error:
            raise AttemptFailed(
                "TimeOut", f"{response.url}: stalled after {total:,} bytes", response.status_code
            ) from error
        except (HTTPError, OSError, ValueError) as error:  # ValueError: an invalid chunk length
            message = f"{response.url}: broke off after {total:,} bytes: {cause_of(error)}"
            raise AttemptFailed("BodyBroken", message, response.status_code) from error
        if not chunk:
            if total == 0 and announced_length(response) is None and "Transfer-Encoding" not in response.headers:
                # A connection that closes among the headers looks like an empty body that ends by closing.
                raise AttemptFailed(
                    "HeadBroken", f"{response.url}: closed without a body or a length", response.status_code
                )
            return
        total += len(chunk)
        yield chunk
        elapsed = time.monotonic() - began
        if elapsed > limits.seconds or (elapsed > limits.grace and total < limits.min_rate * elapsed):
            message = f"{response.url}: {total:,} bytes in {elapsed:.0f} s"
            raise AttemptFailed("TooSlow", message, response.status_code)


def _gunzipped(chunks: Iterator[bytes], max_bytes: int, url: str) -> Iterator[bytes]:
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= len(GZIP_MAGIC):
            break
    if not head.startswith(GZIP_MAGIC):
        yield head
        yield from chunks
        return
    decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
    room = max_bytes
    try:
        for chunk in _chain(head, chunks):
            rest = chunk
            while rest:
                if decoder.eof:  # another member follows, or rubbish, which is ignored as gunzip does
                    if not rest.startswith(GZIP_MAGIC):
                        break
                    decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
                decoded = decoder.decompress(rest, room + 1)
                room -= len(decoded)
                yield decoded  # one byte too many is the caller's sign to stop
                rest = decoder.unused_data if decoder.eof else b""
    except zlib.error as error:
        raise AttemptFailed("BadEncoding", f"{url}: a damaged gzip stream: {error}") from error
    if not decoder.eof:
        raise AttemptFailed("BodyBroken", f"{url}: the gzip stream ends early")


def _chain(head: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from chunks
