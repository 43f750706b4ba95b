"""Visitors' pictures for a short while: in memory only, under a token that nobody can guess, gone after an hour."""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from ogaart.search.errors import UploadGone
from ogaart.search.query import Box, QueryPicture

LIFETIME = 3600.0
CAPACITY = 256 << 20  # bytes of all pictures together; the oldest go first
_PARTS = 16  # of one picture that are remembered, while somebody plays with the frame


@dataclass(eq=False)
class Upload:
    """One picture: its bytes (a crop needs them again), and what was seen of it and of its crops."""

    content: bytes
    expires: float
    seen: dict[Box | None, QueryPicture] = field(default_factory=dict)
    thumbnails: dict[Box | None, bytes] = field(default_factory=dict)


class UploadReader(Protocol):
    """Whoever looks at visitors' pictures: the service."""

    def read_image(self, content: bytes, box: Box | None = None) -> QueryPicture:
        """Look at a picture, or at a part of it."""

    def thumbnail(self, content: bytes, box: Box | None = None) -> bytes:
        """A picture, or a part of it, as a small WebP."""


class Uploads:
    """Pictures by token.

    Args:
        reader: decodes and embeds a picture, or a part of it.
        lifetime: seconds a picture is kept.
        capacity: bytes kept.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        reader: UploadReader,
        lifetime: float = LIFETIME,
        capacity: int = CAPACITY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = reader
        self._lifetime = lifetime
        self._capacity = capacity
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Upload] = OrderedDict()

    def add(self, content: bytes, key: str | None = None) -> str:
        """Keep a picture that can be read; give its token (or keep it under ``key``).

        Raises:
            Unreadable: it is no readable picture; nothing is kept.
        """
        seen = self._reader.read_image(content)
        token = key or secrets.token_urlsafe(16)
        with self._lock:
            self._kept[token] = Upload(content, self._clock() + self._lifetime, {None: seen})
            self._evict()
        return token

    def has(self, token: str) -> bool:
        """Whether the picture is still there."""
        with self._lock:
            self._evict()
            return token in self._kept

    def __len__(self) -> int:
        """How many pictures are kept."""
        with self._lock:
            return len(self._kept)

    def picture(self, token: str, box: Box | None = None, space: str | None = None) -> QueryPicture:
        """What was seen of a picture, or is now: a part of it, or the picture for another vector space.

        Raises:
            UploadGone: unknown or expired.
        """
        upload = self._upload(token)
        if space is not None:
            upload.seen = {part: seen for part, seen in upload.seen.items() if seen.space == space}
        if box not in upload.seen:
            if len(upload.seen) > _PARTS:
                upload.seen = {}
            upload.seen[box] = self._reader.read_image(upload.content, box)
        return upload.seen[box]

    def thumbnail(self, token: str, box: Box | None = None) -> bytes:
        """A picture, or a part of it, as a small WebP.

        Raises:
            UploadGone: unknown or expired.
        """
        upload = self._upload(token)
        if box not in upload.thumbnails:
            if len(upload.thumbnails) > _PARTS:
                upload.thumbnails = {}
            upload.thumbnails[box] = self._reader.thumbnail(upload.content, box)
        return upload.thumbnails[box]

    def _upload(self, token: str) -> Upload:
        with self._lock:
            self._evict()
            upload = self._kept.get(token)
        if upload is None:
            raise UploadGone
        return upload

    def _evict(self) -> None:
        now = self._clock()
        for token in [token for token, upload in self._kept.items() if upload.expires <= now]:
            del self._kept[token]
        total = sum(len(upload.content) for upload in self._kept.values())
        while total > self._capacity and len(self._kept) > 1:
            total -= len(self._kept.popitem(last=False)[1].content)
