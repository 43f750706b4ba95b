"""Ways of ranking that are compared: each scores every published picture for a query, higher is nearer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness import parts, signatures
from ogaart.resources.embedding.embedder import Embedder
from ogaart.resources.patches.index import PatchRuns
from ogaart.search.parts.shared_parts import find_parts
from ogaart.search.query import QueryPicture

Scores = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Seen:
    """A query as the rankings see it.

    Attributes:
        rgba: (H, W, 4) uint8 canonical pixels.
        vector: (D,) float32, the model's.
        signature: (32, 32, 4) uint8.
        picture: as the search reads it; None for one of the publication.
    """

    rgba: NDArray[np.uint8]
    vector: NDArray[np.float32]
    signature: NDArray[np.uint8]
    picture: QueryPicture | None = None


class Ranking(Protocol):
    """One way of ranking."""

    name: str

    def scores(self, query: Seen) -> Scores:
        """(N,) float32, of all published pictures in their order."""


class Squashed:
    """The vector of the picture squashed to a square, without regard to what is transparent: the plain recipe."""

    name = "plain vector"

    def __init__(self, embedder: Embedder, pictures: Sequence[NDArray[np.uint8]]) -> None:
        self._embedder = embedder
        self._vectors = np.stack([self._vector(rgba) for rgba in pictures])

    def scores(self, query: Seen) -> Scores:
        return np.asarray(self._vectors @ self._vector(query.rgba), np.float32)

    def _vector(self, rgba: NDArray[np.uint8]) -> NDArray[np.float32]:
        opaque = rgba.copy()
        opaque[..., 3] = 255  # what reading a picture as RGB does: transparent pixels are black
        return np.asarray(self._embedder.embed_rgba([opaque]).vectors[0], np.float32)


class Model:
    """The model's vector as it is stored: on grey."""

    name = "model"

    def __init__(self, vectors: NDArray[np.float32]) -> None:
        self._vectors = vectors

    def scores(self, query: Seen) -> Scores:
        return np.asarray(self._vectors @ query.vector, np.float32)

    def vector(self, row: int) -> NDArray[np.float32]:
        """The vector of a published picture."""
        return np.asarray(self._vectors[row], np.float32)


class Miniature:
    """Closeness of the miniatures of 32 x 32."""

    name = "miniature"

    def __init__(self, miniatures: NDArray[np.uint8]) -> None:
        self._miniatures = miniatures

    def scores(self, query: Seen) -> Scores:
        if signatures.flat(query.signature):
            return np.zeros(len(self._miniatures), np.float32)
        return signatures.closeness(query.signature, self._miniatures)


class Part:
    """One of the parts, such as the palette: the cosine of the raw numbers less the publication's means.

    Args:
        name: of the part.
        pictures: (H, W, 4) uint8 each.
    """

    def __init__(self, name: str, pictures: Sequence[NDArray[np.uint8]]) -> None:
        self.name = name
        self._make = {"palette": parts.palette, "layout": parts.layout, "shape": parts.shape,
                      "structure": parts.structure}[name]  # fmt: skip
        raw = np.stack([self._make(rgba) for rgba in pictures]).astype(np.float32)
        self._means = raw.mean(axis=0)
        self._vectors = _unit(raw - self._means)

    def scores(self, query: Seen) -> Scores:
        raw = self._make(query.rgba).astype(np.float32)
        return np.asarray(self._vectors @ _unit((raw - self._means)[None])[0], np.float32)


class Patches:
    """Exact patches that are shared: copies and wholes, then pieces, as the search finds them.

    Args:
        index: of the publication.
        same_images: the images of a picture by the hash of its pixels.
        hashes: of the published pictures in their order.
    """

    name = "patches"

    def __init__(self, index: PatchRuns, same_images: Callable[[str], list[int]], hashes: Sequence[str]) -> None:
        self._index = index
        self._same_images = same_images
        self._rows = {image_id: row for row, pixels in enumerate(hashes) for image_id in same_images(pixels)}
        self._count = len(hashes)

    def scores(self, query: Seen) -> Scores:
        out = np.zeros(self._count, np.float32)
        if query.picture is not None:
            for image_id, (score, _) in find_parts(query.picture, self._index, self._same_images).scores.items():
                if image_id in self._rows:
                    out[self._rows[image_id]] = max(score, out[self._rows[image_id]])
        return out


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6), np.float32)


def place(scores: Scores, right: NDArray[np.bool_], left_out: NDArray[np.bool_] | None = None) -> int:
    """How many other pictures score as high as the best right one: 0 is first; ties count against a ranking."""
    others = ~right if left_out is None else ~right & ~left_out
    return int(np.count_nonzero(scores[others] >= scores[right].max()))


def share_in(scores: Scores, right: NDArray[np.bool_], left_out: NDArray[np.bool_], top: int = 10) -> float:
    """Share of the right ones among the first ``top``, of as many as there can be."""
    wanted = right & ~left_out
    order = np.argsort(-np.where(left_out, -np.inf, scores), kind="stable")[:top]
    return float(np.count_nonzero(wanted[order])) / min(top, int(np.count_nonzero(wanted)))
