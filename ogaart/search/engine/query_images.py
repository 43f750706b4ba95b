"""Looks at visitors' pictures: decoded in the imaging child, embedded in the network's; neither in this process."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ogaart.imaging import borders, identity, signatures, thumbnails
from ogaart.imaging.limits import Limits
from ogaart.imaging.unpacker import Unpacker
from ogaart.resources.embedding.embedder import Embedder
from ogaart.resources.embedding.registry import UnknownModel, WeightsMissing, find_weights
from ogaart.search.query import Box, QueryPicture
from ogaart.settings import Settings

logger = logging.getLogger(__name__)

DECODE_SECONDS = 10.0
KEPT_BYTES = 32 << 20
KEPT_SECONDS = 60.0
_BLIND = "This server has no network at hand: it finds this very picture, but nothing that is only like it."


class QueryImageReader(Protocol):
    """Whoever looks at visitors' pictures."""

    def read_image(self, content: bytes, box: Box | None, space: str) -> QueryPicture:
        """Look at one picture, or at a part of it, for a vector space."""

    def thumbnail(self, content: bytes, box: Box | None) -> bytes:
        """One picture, or a part of it, as a small WebP."""

    def close(self) -> None:
        """Let go of everything."""


class DecodedImageCache:
    """Pictures just decoded: each is looked at again for its inside, and for each frame that somebody draws.

    Args:
        capacity: bytes kept, of pixels and of the files they came from; the oldest go first.
        seconds: how long, at most, from the moment of decoding.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        capacity: int = KEPT_BYTES,
        seconds: float = KEPT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._capacity = capacity
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, tuple[float, NDArray[np.uint8]]] = OrderedDict()

    def get(self, content: bytes) -> NDArray[np.uint8] | None:
        """The pixels of a picture file, if they are still here."""
        with self._lock:
            self._evict()
            found = self._kept.get(content)
            return None if found is None else found[1]

    def put(self, content: bytes, rgba: NDArray[np.uint8]) -> None:
        """Keep the pixels of a picture file, if they have room."""
        with self._lock:
            self._kept[content] = (self._clock() + self._seconds, rgba)
            self._kept.move_to_end(content)
            self._evict()

    def _evict(self) -> None:
        now = self._clock()
        total = sum(len(content) + rgba.nbytes for content, (_, rgba) in self._kept.items())
        while self._kept:
            content, (expires, rgba) = next(iter(self._kept.items()))
            if expires > now and total <= self._capacity:
                return
            total -= len(content) + rgba.nbytes
            del self._kept[content]


class WorkerQueryImageReader:
    """The two child processes, started when first needed; one picture at a time goes through each."""

    def __init__(self, settings: Settings, scratch: Path) -> None:
        self._settings = settings
        limits = Limits(
            max_member_bytes=settings.max_upload_bytes,
            max_unpacked_bytes=settings.max_upload_bytes,
            max_members=1,
            max_depth=0,
            max_pixels=settings.max_query_pixels,
            member_seconds=DECODE_SECONDS,
            file_seconds=DECODE_SECONDS,
            worker_bytes=settings.worker_bytes,
        )
        self._unpacker = Unpacker(limits, scratch)
        self._embedder: Embedder | None = None
        self._space = ""
        self._why_blind = ""
        self._embedding = threading.Lock()
        self._decoded = DecodedImageCache()

    def read_image(self, content: bytes, box: Box | None, space: str) -> QueryPicture:
        """Decode, cut, hash, sign and embed one picture.

        Args:
            content: the picture file's bytes.
            box: the part to look at; None: all of it.
            space: the vector space to search in: its model embeds.

        Raises:
            Unreadable: it is no picture that can be read within the limits; the message names them.
            EmbedderBroken: the network's child does not work.
        """
        rgba = self._decode(content, box)
        vector, note = self._embed(rgba, space)
        return QueryPicture(
            pixel_sha256=identity.pixel_sha256(rgba),
            signature=signatures.signature(rgba),
            vector=vector,
            space=space,
            width=rgba.shape[1],
            height=rgba.shape[0],
            note=note,
            part=box is not None,
            inner=None if box is not None else Box.of(borders.inside(rgba), rgba.shape[1], rgba.shape[0]),
        )

    def thumbnail(self, content: bytes, box: Box | None) -> bytes:
        """Decode, cut and shrink one picture, for the page that shows it.

        Raises:
            Unreadable: it is no picture that can be read within the limits; the message names them.
        """
        return thumbnails.webp(self._decode(content, box))

    def close(self) -> None:
        """End the child processes."""
        self._unpacker.close()
        with self._embedding:
            self._drop()

    def _decode(self, content: bytes, box: Box | None) -> NDArray[np.uint8]:
        rgba = self._decoded.get(content)
        if rgba is None:
            rgba = self._unpacker.decode_one(
                content,
                max_bytes=self._settings.max_upload_bytes,
                max_pixels=self._settings.max_query_pixels,
                seconds=DECODE_SECONDS,
            ).rgba
            self._decoded.put(content, rgba)
        return rgba if box is None else box.cut(rgba)

    def _embed(self, rgba: NDArray[np.uint8], space: str) -> tuple[NDArray[np.float32] | None, str]:
        with self._embedding:
            if space != self._space:
                self._drop()
                self._embedder, self._why_blind = self._open(space)
                self._space = space
            if self._embedder is None:
                return None, self._why_blind
            batch = self._embedder.embed_rgba([rgba])
        if not len(batch.vectors):
            return None, f"The network cannot take this picture ({batch.failures[0].message}). {_BLIND}"
        return np.asarray(batch.vectors[0], np.float32), ""

    def _open(self, space: str) -> tuple[Embedder | None, str]:
        model = space.split("-", 1)[0]
        settings = self._settings.model_copy(update={"model": model})
        try:
            weights = find_weights(settings)
            embedder = Embedder(settings)
        except (UnknownModel, WeightsMissing) as cause:
            logger.warning("pictures cannot be embedded: %s", cause)
            return None, _BLIND
        # Searching never downloads: half a gigabyte does not come while a visitor waits.
        if weights.path is None or embedder.space.name != space:
            logger.warning("pictures cannot be embedded: weights here %s, published is %s", weights, space)
            return None, _BLIND
        return embedder, ""

    def _drop(self) -> None:
        if self._embedder is not None:
            self._embedder.close()
        self._embedder, self._space = None, ""
