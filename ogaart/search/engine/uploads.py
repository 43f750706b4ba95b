"""Visitors' pictures, kept in memory only, under a token that cannot be guessed, for one hour."""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from cachetools import TTLCache

from ogaart.search.engine.visitors import Visitor
from ogaart.search.errors import UploadGone
from ogaart.search.query import Box, QueryPicture

LIFETIME = 3600.0
CAPACITY = 256 << 20  # bytes of all pictures together; the least used are dropped first
_PARTS = 16  # crops of one picture that are remembered while a visitor moves the frame


@dataclass(eq=False)
class Upload:
    """One picture: its bytes, which a crop needs again, and what was read of it and of its crops."""

    content: bytes
    note: str = ""
    seen: dict[Box | None, QueryPicture] = field(default_factory=dict)
    thumbnails: dict[Box | None, bytes] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of memory: of the file, and of what was read of it when it came."""
        whole = self.seen.get(None)
        patches = whole.patches if whole is not None else None
        return len(self.content) + (patches.nbytes if patches is not None else 0)


class UploadReader(Protocol):
    """Decodes and embeds visitors' pictures: the service."""

    def read_image(self, content: bytes, box: Box | None, visitor: Visitor) -> QueryPicture:
        """Decode and embed a picture, or a part of it."""

    def thumbnail(self, content: bytes, box: Box | None, visitor: Visitor) -> bytes:
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
        self._lock = threading.Lock()
        self._kept: TTLCache[str, Upload] = TTLCache(
            capacity, lifetime, timer=clock, getsizeof=lambda upload: min(upload.nbytes, capacity)
        )

    def add(self, content: bytes, visitor: Visitor, key: str | None = None, note: str = "") -> str:
        """Keep a picture and return its token (``key`` if one is passed); ``note`` is shown with its results.

        Raises:
            TooManyRequests: the visitor's allowance is used up.
            Unreadable: it is not a readable picture; nothing is kept.
        """
        visitor.charge()
        seen = self._reader.read_image(content, None, visitor)
        token = key or secrets.token_urlsafe(16)
        upload = Upload(content, note)
        self._remember(upload, None, _noted(seen, note))
        with self._lock:
            self._kept[token] = upload
        return token

    def has(self, token: str) -> bool:
        """Whether the picture is still there."""
        with self._lock:
            return token in self._kept

    def __len__(self) -> int:
        """How many pictures are kept."""
        with self._lock:
            self._kept.expire()
            return len(self._kept)

    def picture(self, token: str, visitor: Visitor, box: Box | None = None, space: str | None = None) -> QueryPicture:
        """A picture, or a part of it, as it was read before, or is now for another crop or vector space.

        Raises:
            UploadGone: unknown or expired.
            TooManyRequests: it has to be read, and the visitor's allowance is used up.
        """
        upload = self._upload(token)
        if space is not None:
            upload.seen = {part: seen for part, seen in upload.seen.items() if seen.space == space}
        if (seen := upload.seen.get(box)) is None:
            visitor.charge()
            seen = _noted(self._reader.read_image(upload.content, box, visitor), upload.note)
            self._remember(upload, box, seen)
        return seen

    def thumbnail(self, token: str, visitor: Visitor, box: Box | None = None) -> bytes:
        """A picture, or a part of it, as a small WebP; free where it was searched with before.

        Raises:
            UploadGone: unknown or expired.
            TooManyRequests: it has to be decoded, and the visitor's allowance is used up.
        """
        upload = self._upload(token)
        if (thumbnail := upload.thumbnails.get(box)) is None:
            visitor.charge()
            thumbnail = self._reader.thumbnail(upload.content, box, visitor)
            self._keep_thumbnail(upload, box, thumbnail)
        return thumbnail

    def _remember(self, upload: Upload, box: Box | None, seen: QueryPicture) -> None:
        if len(upload.seen) > _PARTS:
            upload.seen = {}
        upload.seen[box] = seen
        if seen.thumbnail:
            self._keep_thumbnail(upload, box, seen.thumbnail)

    @staticmethod
    def _keep_thumbnail(upload: Upload, box: Box | None, thumbnail: bytes) -> None:
        if len(upload.thumbnails) > _PARTS:
            upload.thumbnails = {}
        upload.thumbnails[box] = thumbnail

    def _upload(self, token: str) -> Upload:
        with self._lock:
            upload = self._kept.get(token)
        if upload is None:
            raise UploadGone
        return upload


def _noted(seen: QueryPicture, note: str) -> QueryPicture:
    return replace(seen, note=" ".join(filter(None, (note, seen.note)))) if note else seen
