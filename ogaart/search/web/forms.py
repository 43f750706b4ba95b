"""Reads what visitors send, in memory and within limits: nothing of it ever touches a disk."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.formparsers import FormParser, MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect

from ogaart.search.engine.uploads import Uploads
from ogaart.search.engine.visitors import Visitor
from ogaart.search.errors import EmptyFile, InvalidParameter, RequestTooSlow, TooLarge
from ogaart.search.parameters import nearest, unknown_name
from ogaart.search.web.template_filters import size
from ogaart.settings import Settings

_FIELDS = 64 << 10  # bytes that all fields beside the picture may take
_MAX_FIELDS = 300
MAX_FILES = 8
ROLES = ("picture", "like", "unlike")
"""What a picture is to be: the one searched with, a further one to be like, one to be unlike."""
_OF_THE_FORM = ("as", "shrunk")
"""Fields that say something of the form's pictures, and are no parameters of a search."""
SHRUNK = (
    "Your browser made this picture smaller, as the original is larger than this server takes: exact copies and "
    "parts of it cannot be found."
)
IDLE_SECONDS = 15.0  # without a single byte


class _InMemory(MultiPartParser):
    # A file larger than this would be spooled to disk; limits refuse it before.
    spool_max_size = 1 << 30


@dataclass(frozen=True)
class SubmittedForm:
    """A form: its fields in order, and the pictures that were chosen, each with what it is to be: see ``ROLES``."""

    pairs: tuple[tuple[str, str], ...]
    pictures: tuple[tuple[str, bytes], ...]

    @property
    def parameters(self) -> tuple[tuple[str, str], ...]:
        """The fields that are parameters of a search."""
        return tuple(pair for pair in self.pairs if pair[0] not in _OF_THE_FORM)

    @property
    def shrunk(self) -> bool:
        """Whether the browser made the pictures smaller, as the server would have refused them."""
        return ("shrunk", "yes") in self.pairs


async def read_form(request: Request, settings: Settings) -> SubmittedForm:
    """Read a form with pictures.

    Args:
        request: any request with a form as its body. Its files are named after their roles; a field ``as`` sets
            another role for a file named ``picture``, so that one page can offer several buttons for one file.
        settings: how large all pictures together may be, and how long they may take.

    Raises:
        TooMuch: the body is larger than pictures may be.
        TooSlow: it did not come in time.
        InvalidParameter: the body is not a valid form, has a file of an unknown name, or ended early.
    """
    max_picture, seconds = settings.max_upload_bytes, settings.upload_seconds
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "multipart/form-data":
            stream = _limited(request, max_picture + _FIELDS, max_picture, seconds)
            form = await _InMemory(
                request.headers, stream, max_files=MAX_FILES, max_fields=_MAX_FIELDS, max_part_size=_FIELDS
            ).parse()
        elif kind == "application/x-www-form-urlencoded":
            stream = _limited(request, _FIELDS, _FIELDS, seconds)
            form = await FormParser(request.headers, stream, max_fields=_MAX_FIELDS, max_part_size=_FIELDS).parse()
        else:
            raise InvalidParameter(
                f"a body of type {kind or 'nothing'!r}; send multipart/form-data with a file `picture`"
            )
    except MultiPartException as cause:
        raise InvalidParameter(
            f"the body is not a valid form, or has more than {MAX_FILES} files or {_MAX_FIELDS} fields"
        ) from cause
    pictures: list[tuple[str, bytes]] = []
    pairs: list[tuple[str, str]] = []
    try:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                content = await value.read()
                if name not in ROLES:
                    raise unknown_name(name, nearest(name, ROLES), ROLES)
                if value.filename and not content:
                    raise EmptyFile(f"the file {value.filename[:80]} is empty")
                if content:
                    pictures.append((name, content))
            else:
                pairs.append((name, value))
    finally:
        await form.close()
    if sum(len(content) for _, content in pictures) > max_picture:
        raise _too_much(max_picture)
    wanted = next((value for name, value in pairs if name == "as"), "picture")
    if wanted not in ROLES:
        raise InvalidParameter(f"as: {wanted[:80]!r}; expected one of {', '.join(ROLES)}")
    return SubmittedForm(
        tuple(pairs), tuple((wanted if name == "picture" else name, content) for name, content in pictures)
    )


async def add_uploads(sent: SubmittedForm, uploads: Uploads, visitor: Visitor) -> list[tuple[str, str]]:
    """Keep the pictures of a form; each is charged to the visitor.

    Returns:
        Role and token of each.

    Raises:
        TooManyRequests: the visitor's allowance is used up.
        Unreadable: one of them is not a readable picture.
    """
    added: list[tuple[str, str]] = []
    for role, content in sent.pictures:
        note = SHRUNK if sent.shrunk else ""
        added.append((role, await run_in_threadpool(uploads.add, content, visitor, None, note)))
    return added


async def _limited(request: Request, limit: int, stated: int, seconds: float) -> AsyncGenerator[bytes, None]:
    """The body's chunks, as long as they come in time and are not too many."""
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > limit):
        raise _too_much(stated)
    total = 0
    chunks = request.stream()
    until = asyncio.get_running_loop().time() + seconds
    while True:
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(min(until, now + IDLE_SECONDS)):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise RequestTooSlow(f"the upload stalled after {total:,} bytes") from None
        except ClientDisconnect as cause:
            raise InvalidParameter(f"the upload ended after {total:,} bytes, before its end") from cause
        total += len(chunk)
        if total > limit:
            raise _too_much(stated)
        yield chunk


def _too_much(limit: int) -> TooLarge:
    return TooLarge(f"larger than the limit of {size(limit)}")
