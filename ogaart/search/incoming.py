"""Reads what visitors send, in memory and within limits: nothing of it ever touches a disk."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser

from ogaart.search.address import AddressInvalid
from ogaart.search.problems import TooMuch

_FIELDS = 64 << 10  # bytes that all fields beside the picture may take
_MAX_FIELDS = 300


class _InMemory(MultiPartParser):
    # A file larger than this would be spooled to disk; limits refuse it before.
    spool_max_size = 1 << 30


@dataclass(frozen=True)
class Sent:
    """A form: its fields in order, and the picture, if one was chosen."""

    pairs: tuple[tuple[str, str], ...]
    picture: bytes | None


async def read_form(request: Request, max_picture: int) -> Sent:
    """Read a form with at most one picture.

    Args:
        request: any request with a form as its body.
        max_picture: bytes.

    Raises:
        TooMuch: the body is larger than the picture may be.
        AddressInvalid: the body is no form.
    """
    stream = _limited(request, max_picture + _FIELDS, max_picture)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "multipart/form-data":
            form = await _InMemory(
                request.headers, stream, max_files=2, max_fields=_MAX_FIELDS, max_part_size=_FIELDS
            ).parse()
        elif kind == "application/x-www-form-urlencoded":
            form = await FormParser(request.headers, stream).parse()
        else:
            raise AddressInvalid(
                f"a body of type {kind or 'nothing'!r}; send multipart/form-data with a file `picture`"
            )
    except MultiPartException as cause:
        raise AddressInvalid(f"the form cannot be read: {cause.message}") from cause
    picture: bytes | None = None
    pairs: list[tuple[str, str]] = []
    try:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                content = await value.read()
                if name == "picture" and content:
                    picture = content
            else:
                pairs.append((name, value))
    finally:
        await form.close()
    if picture is not None and len(picture) > max_picture:
        raise _too_much(max_picture)
    return Sent(tuple(pairs), picture)


async def read_body(request: Request, limit: int) -> bytes:
    """Read a body of at most ``limit`` bytes.

    Raises:
        TooMuch: it is larger.
    """
    return b"".join([chunk async for chunk in _limited(request, limit, limit)])


async def _limited(request: Request, limit: int, stated: int) -> AsyncGenerator[bytes, None]:
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise _too_much(stated)
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > limit:
            raise _too_much(stated)
        yield chunk


def _too_much(limit: int) -> TooMuch:
    return TooMuch(f"at most {limit:,} bytes are taken")
