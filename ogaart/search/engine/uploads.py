"""Visitors' pictures, kept in memory only, under a token that cannot be guessed, for one hour.

Where they become too many, the client that holds most loses its least used: none can displace those of others.
"""

import secrets
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from ogaart.search.engine.visitors import Visitor
from ogaart.search.errors import UploadGone
from ogaart.search.query import Box, QueryPicture

LIFETIME = 3600.0
CAPACITY = 256 << 20  # bytes of all pictures together, with what was read of them
_PARTS = 16  # crops of one picture that are remembered while a visitor moves the frame


T = TypeVar("T")


@dataclass(eq=False)
class Upload:
    """One picture: its bytes, which a crop needs again, and what was read of it and of its crops.

    Attributes:
        content: the file's bytes.
        client: whose it is.
        until: when it expires.
        note: shown with its results.
        seen: what was read, by crop; of the whole under None.
        thumbnails: likewise.
    """

    content: bytes
    client: str
    until: float
    note: str = ""
    seen: dict[Box | None, QueryPicture] = field(default_factory=dict)
    thumbnails: dict[Box | None, bytes] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of memory: of the file, and of what was read of it."""
        read = sum(seen.nbytes for seen in self.seen.values()) + sum(map(len, self.thumbnails.values()))
        return len(self.content) + read

    def forget_crops(self) -> bool:
        """Drop what was read of crops, which can be read again; False where there is nothing of them."""
        before = len(self.seen) + len(self.thumbnails)
        self.seen = {box: seen for box, seen in self.seen.items() if box is None}
        self.thumbnails = {box: thumbnail for box, thumbnail in self.thumbnails.items() if box is None}
        return len(self.seen) + len(self.thumbnails) < before


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
        capacity: bytes kept, with what was read of the pictures.
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
        self._kept: OrderedDict[str, Upload] = OrderedDict()  # the least used first

    def add(self, content: bytes, visitor: Visitor, key: str | None = None, note: str = "") -> str:
        """Keep a picture and return its token (``key`` if one is passed); ``note`` is shown with its results.

        Raises:
            TooManyRequests: the visitor's allowance is used up.
            Unreadable: it is not a readable picture; nothing is kept.
        """
        visitor.charge()
        seen = self._reader.read_image(content, None, visitor)
        token = key or secrets.token_urlsafe(16)
        with self._lock:
            upload = Upload(content, visitor.client, self._clock() + self._lifetime, note)
            self._kept.pop(token, None)
            self._kept[token] = upload
            self._remember(upload, None, _noted(seen, note))
        return token

    def has(self, token: str) -> bool:
        """Whether the picture is still there."""
        with self._lock:
            self._expire()
            return token in self._kept

    def __len__(self) -> int:
        """How many pictures are kept."""
        with self._lock:
            self._expire()
            return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Bytes of memory of all of them, with what was read of them."""
        with self._lock:
            return sum(upload.nbytes for upload in self._kept.values())

    def picture(self, token: str, visitor: Visitor, box: Box | None = None, space: str | None = None) -> QueryPicture:
        """A picture, or a part of it, as it was read before, or is now for another crop or vector space.

        Raises:
            UploadGone: unknown or expired.
            TooManyRequests: it has to be read, and the visitor's allowance is used up.
        """
        upload = self._upload(token)
        if (seen := upload.seen.get(box)) is None or space not in (None, seen.space):
            visitor.charge()
            seen = _noted(self._reader.read_image(upload.content, box, visitor), upload.note)
            with self._lock:
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
            with self._lock:
                upload.thumbnails = _with_crop(upload.thumbnails, box, thumbnail)
                self._make_room()
        return thumbnail

    def _remember(self, upload: Upload, box: Box | None, seen: QueryPicture) -> None:
        """Keep what was read of a picture, as long as there is room for it."""
        upload.seen = _with_crop(upload.seen, box, seen)
        if seen.thumbnail:
            upload.thumbnails = _with_crop(upload.thumbnails, box, seen.thumbnail)
        self._make_room()

    def _make_room(self) -> None:
        """Drop crops, then pictures of the client that holds most, the least used first, until what is left fits."""
        self._expire()
        sizes = {token: upload.nbytes for token, upload in self._kept.items()}
        held: Counter[str] = Counter()
        for token, upload in self._kept.items():
            held[upload.client] += sizes[token]
        while held.total() > self._capacity and len(self._kept) > 1:
            [(most, _)] = held.most_common(1)
            token, upload = next((token, upload) for token, upload in self._kept.items() if upload.client == most)
            held[most] -= sizes[token]
            if upload.forget_crops():
                sizes[token] = upload.nbytes
                held[most] += sizes[token]
            else:
                del self._kept[token]

    def _expire(self) -> None:
        now = self._clock()
        for token in [token for token, upload in self._kept.items() if upload.until <= now]:
            del self._kept[token]

    def _upload(self, token: str) -> Upload:
        with self._lock:
            self._expire()
            upload = self._kept.get(token)
            if upload is None:
                raise UploadGone
            self._kept.move_to_end(token)
        return upload


def _with_crop(kept: dict[Box | None, T], box: Box | None, one: T) -> dict[Box | None, T]:
    """What is kept by crop, with one more; the oldest crop goes where there are too many, the whole never."""
    crops = [crop for crop in kept if crop not in (None, box)]
    dropped = set(crops[: max(0, len(crops) + (box is not None) - _PARTS)])
    return {crop: value for crop, value in kept.items() if crop not in dropped} | {box: one}


def _noted(seen: QueryPicture, note: str) -> QueryPicture:
    return replace(seen, note=" ".join(filter(None, (note, seen.note)))) if note else seen
