"""Looks at visitors' pictures: decoded in the imaging child, embedded in the network's; neither in this process."""

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from ogaart.imaging import identity, signatures, thumbnails
from ogaart.imaging.limits import Limits
from ogaart.imaging.unpacker import Unpacker
from ogaart.search.query import Box, QueryPicture
from ogaart.settings import Settings

if TYPE_CHECKING:
    from ogaart.resources.embedder import Embedder

DECODE_SECONDS = 10.0
_BLIND = "Without the network's weights only this very picture can be found, not what is like it."


class Sees(Protocol):
    """Whoever looks at visitors' pictures."""

    def see(self, content: bytes, box: Box | None = None) -> QueryPicture:
        """Look at one picture, or at a part of it."""

    def close(self) -> None:
        """Let go of everything."""


class Eyes:
    """The two child processes, started when first needed; one picture at a time goes through each."""

    def __init__(self, settings: Settings, scratch: Path) -> None:
        self._settings = settings
        self._scratch = scratch
        self._limits = Limits(
            max_member_bytes=settings.max_upload_bytes,
            max_unpacked_bytes=settings.max_upload_bytes,
            max_members=1,
            max_depth=0,
            max_pixels=settings.max_query_pixels,
            member_seconds=DECODE_SECONDS,
            file_seconds=DECODE_SECONDS,
            worker_bytes=settings.worker_bytes,
        )
        self._children = ExitStack()
        self._unpacker: Unpacker | None = None
        self._embedder: Embedder | None = None
        self._blind = False
        self._decoding = threading.Lock()
        self._embedding = threading.Lock()

    def see(self, content: bytes, box: Box | None = None) -> QueryPicture:
        """Decode, cut, hash, sign and embed one picture.

        Raises:
            Unreadable: it is no picture that can be read within the limits; the message names them.
        """
        rgba = self._decode(content)
        if box is not None:
            rgba = box.cut(rgba)
        vector = self._embed(rgba)
        return QueryPicture(
            pixel_sha256=identity.pixel_sha256(rgba),
            signature=signatures.signature(rgba),
            vector=vector,
            width=rgba.shape[1],
            height=rgba.shape[0],
            thumbnail=thumbnails.webp(rgba),
            note="" if vector is not None else _BLIND,
        )

    def close(self) -> None:
        """End the child processes."""
        with self._decoding, self._embedding:
            self._children.close()
            self._unpacker = self._embedder = None

    def _decode(self, content: bytes) -> NDArray[np.uint8]:
        with self._decoding:
            if self._unpacker is None:
                self._unpacker = self._children.enter_context(Unpacker(self._limits, self._scratch))
            return self._unpacker.decode_one(
                content,
                max_bytes=self._settings.max_upload_bytes,
                max_pixels=self._settings.max_query_pixels,
                seconds=DECODE_SECONDS,
            ).rgba

    def _embed(self, rgba: NDArray[np.uint8]) -> NDArray[np.float32] | None:
        from ogaart.resources.embedder import Embedder, WeightsMissing

        with self._embedding:
            if self._blind:
                return None
            try:
                if self._embedder is None:
                    self._embedder = self._children.enter_context(Embedder(self._settings))
                batch = self._embedder.embed_rgba([rgba])
            except WeightsMissing:
                self._blind = True
                return None
            return np.asarray(batch.vectors[0], np.float32)
