"""Reads visitors' pictures: decoded in the imaging child, embedded in the model's; neither in this process."""

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
from cachetools import TTLCache
from numpy.typing import NDArray
from PIL import Image

from ogaart.imaging import identity, thumbnails
from ogaart.imaging.errors import Reason, Unreadable
from ogaart.imaging.limits import Limits
from ogaart.imaging.unpacker import Unpacker
from ogaart.likeness import features, parts, signatures
from ogaart.likeness.cells import TrimmedPicture, trimmed_picture
from ogaart.likeness.grounds import cuts, without_ground
from ogaart.likeness.noise import is_noise
from ogaart.likeness.premultiplied import premultiplied
from ogaart.likeness.query_patches import QueryPatches
from ogaart.resources.embedding.embedder import Embedder
from ogaart.resources.embedding.registry import UnknownModel, WeightsMissing, exact_space, find_weights
from ogaart.search.engine.concurrency import Meanwhile
from ogaart.search.errors import TooLarge
from ogaart.search.query import Box, QueryPicture
from ogaart.settings import Settings

logger = logging.getLogger(__name__)

DECODE_SECONDS = 10.0
KEPT_BYTES = 32 << 20
KEPT_SECONDS = 60.0
_LARGE = 1 << 16  # pixels from which the patches take longer than another thread takes to begin
_NO_MODEL = "This server has no embedding model installed. It can find exact copies, but not similar pictures."


class QueryImageReader(Protocol):
    """Decodes and embeds visitors' pictures."""

    def read_image(self, content: bytes, box: Box | None, space: str) -> QueryPicture:
        """Decode and embed one picture, or a part of it, for a vector space."""

    def thumbnail(self, content: bytes, box: Box | None) -> bytes:
        """One picture, or a part of it, as a small WebP."""

    def close(self) -> None:
        """Release all resources."""


class DecodedImageCache:
    """Pixels of pictures decoded a moment ago: each is needed again for its inside, and for each crop of it.

    Args:
        capacity: bytes kept, of pixels and of the files they came from; the least used are dropped first.
        seconds: how long, from the moment of decoding.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        capacity: int = KEPT_BYTES,
        seconds: float = KEPT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lock = threading.Lock()
        self._capacity = capacity
        self._kept: TTLCache[bytes, tuple[int, NDArray[np.uint8]]] = TTLCache(
            capacity, seconds, timer=clock, getsizeof=lambda kept: kept[0]
        )

    def get(self, content: bytes) -> NDArray[np.uint8] | None:
        """The pixels of a picture file, if they are still here."""
        with self._lock:
            found = self._kept.get(content)
            return None if found is None else found[1]

    def put(self, content: bytes, rgba: NDArray[np.uint8]) -> None:
        """Keep the pixels of a picture file, if they fit."""
        size = len(content) + rgba.nbytes
        if size <= self._capacity:
            with self._lock:
                self._kept[content] = size, rgba


def _described(rgba: NDArray[np.uint8], space: str, picture: Image.Image) -> QueryPicture:
    """A picture, or one of its forms, without its vector and its patches; ``picture`` is the same, premultiplied."""
    return QueryPicture(
        pixel_sha256=identity.pixel_sha256(rgba),
        signature=signatures.signature(rgba, picture),
        vector=None,
        space=space,
        width=rgba.shape[1],
        height=rgba.shape[0],
        palette=features.main_colours(rgba),
        parts=parts.raw_parts(rgba, picture),
    )


def _trimmed(
    picture: QueryPicture, rgba: NDArray[np.uint8], alone: QueryPicture | None, subject: NDArray[np.uint8] | None
) -> tuple[TrimmedPicture, ...]:
    """A picture as it is and without its ground, as cells of sheets are compared with it.

    A tile's rim may look like a ground: cells with transparent margins keep it, cells without them do not.
    """
    forms = [(picture.parts, rgba)]
    if alone is not None and subject is not None:
        forms.append((alone.parts, subject))
        if (inner := without_ground(subject)) is not None:
            forms.append((None, inner))
    found: list[TrimmedPicture] = []
    for known, pixels in forms:
        one = trimmed_picture(pixels, parts.raw_parts(pixels) if known is None else known)
        if not any(one.same_as(other) for other in found):
            found.append(one)
    return tuple(found)


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
        self._why_no_model = ""
        self._embedding = threading.Lock()
        self._threads = ThreadPoolExecutor(1, "embedding")
        self._patching = ThreadPoolExecutor(os.cpu_count(), "patches")
        self._closed = False
        self._decoded = DecodedImageCache()

    def read_image(self, content: bytes, box: Box | None, space: str) -> QueryPicture:
        """Decode, cut, hash, sign and embed one picture.

        Args:
            content: the picture file's bytes.
            box: the part to read; None: all of it.
            space: the vector space to search in: its model embeds.

        Raises:
            Unreadable: it is not a readable picture.
            TooLarge: it has more bytes or pixels than the limits.
            EmbedderBroken: the model's child does not work.
        """
        rgba = self._decode(content, box)
        subject = without_ground(rgba)
        # The child embeds while this process computes everything else.
        forms = [rgba] if subject is None else [rgba, subject]
        embedding = self._threads.submit(self._embed, forms, space)
        threads = self._patching if rgba.shape[0] * rgba.shape[1] >= _LARGE else None
        with Meanwhile(lambda: [QueryPatches.of(form) for form in forms], threads) as patching:
            whole = premultiplied(rgba)
            picture = _described(rgba, space, whole)
            alone = None if subject is None else _described(subject, space, premultiplied(subject))
            picture = replace(
                picture,
                part=box is not None,
                cuts=() if subject is None else tuple(signatures.signature(cut) for cut in cuts(rgba)),
                trimmed=_trimmed(picture, rgba, alone, subject),
                thumbnail=thumbnails.webp(rgba, whole),
                noise=is_noise(rgba),
            )
            patches = patching.result
        vectors, note = embedding.result()
        if alone is not None:
            alone = replace(alone, vector=vectors[1], patches=patches[1])
        return replace(picture, vector=vectors[0], note=note, patches=patches[0], subject=alone)

    def thumbnail(self, content: bytes, box: Box | None) -> bytes:
        """Decode, cut and shrink one picture, for the page that shows it.

        Raises:
            Unreadable: it is not a readable picture.
            TooLarge: it has more bytes or pixels than the limits.
        """
        return thumbnails.webp(self._decode(content, box))

    def close(self) -> None:
        """End the child processes, also while a picture goes through them or the model is being loaded."""
        self._closed = True
        self._unpacker.close()
        embedder = self._embedder
        if embedder is not None:
            embedder.stop()
        self._threads.shutdown(wait=False)
        self._patching.shutdown(wait=False)
        with self._embedding:
            self._drop()

    def _decode(self, content: bytes, box: Box | None) -> NDArray[np.uint8]:
        rgba = self._decoded.get(content)
        if rgba is None:
            rgba = self._decode_in_child(content)
            self._decoded.put(content, rgba)
        return rgba if box is None else box.cut(rgba)

    def _decode_in_child(self, content: bytes) -> NDArray[np.uint8]:
        settings = self._settings
        if len(content) > settings.max_upload_bytes:
            raise TooLarge(f"the picture has {len(content):,} bytes; the limit is {settings.max_upload_bytes:,}")
        try:
            return self._unpacker.decode_one(
                content,
                max_bytes=settings.max_upload_bytes,
                max_pixels=settings.max_query_pixels,
                seconds=DECODE_SECONDS,
            ).rgba
        except Unreadable as cause:
            if cause.error_class is Reason.TOO_MANY_PIXELS:
                raise TooLarge(
                    f"the picture has more than {settings.max_query_pixels:,} pixels, which is the limit"
                ) from cause
            raise

    def _embed(self, forms: list[NDArray[np.uint8]], space: str) -> tuple[list[NDArray[np.float32] | None], str]:
        """A vector for each form of a picture, and why the first has none."""
        none: list[NDArray[np.float32] | None] = [None for _ in forms]
        with self._embedding:
            if space != self._space:
                self._drop()
                self._embedder, self._why_no_model = self._open(space)
                self._space = space
            if self._embedder is None or self._closed:
                return none, self._why_no_model
            batch = self._embedder.embed_rgba(forms)
        found = {
            int(key): np.asarray(vector, np.float32) for key, vector in zip(batch.keys, batch.vectors, strict=True)
        }
        if 0 not in found:
            logger.info("a picture cannot be embedded: %s", batch.failures[0].message)
            return none, "The model cannot embed this picture: only exact copies of it are found."
        return [found.get(place) for place in range(len(forms))], ""

    def _open(self, space: str) -> tuple[Embedder | None, str]:
        model = space.split("-", 1)[0]
        precision = "exact" if space == exact_space(space) else "fast"
        settings = self._settings.model_copy(update={"model": model, "precision": precision})
        try:
            weights = find_weights(settings)
            embedder = Embedder(settings)
        except (UnknownModel, WeightsMissing) as cause:
            logger.warning("pictures cannot be embedded: %s", cause)
            return None, _NO_MODEL
        # Searching never downloads weights: a visitor would wait for half a gigabyte.
        if weights.path is None or embedder.space.name != space:
            logger.warning("pictures cannot be embedded: weights here %s, published is %s", weights, space)
            return None, _NO_MODEL
        return embedder, ""

    def _drop(self) -> None:
        if self._embedder is not None:
            self._embedder.close()
        self._embedder, self._space = None, ""
