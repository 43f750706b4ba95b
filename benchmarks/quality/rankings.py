"""Ways of ranking that are compared: each scores every published picture for a query, higher is nearer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness import signatures
from ogaart.resources.embedding.embedder import Embedder

Scores = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Seen:
    """A query as the rankings see it.

    Attributes:
        rgba: (H, W, 4) uint8 canonical pixels.
        vector: (D,) float32, the model's.
        signature: (32, 32, 4) uint8.
    """

    rgba: NDArray[np.uint8]
    vector: NDArray[np.float32]
    signature: NDArray[np.uint8]


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


def place(scores: Scores, right: NDArray[np.bool_], left_out: NDArray[np.bool_] | None = None) -> int:
    """How many other pictures score as high as the best right one: 0 is first; ties count against a ranking."""
    others = ~right if left_out is None else ~right & ~left_out
    return int(np.count_nonzero(scores[others] >= scores[right].max()))


def share_in(scores: Scores, right: NDArray[np.bool_], left_out: NDArray[np.bool_], top: int = 10) -> float:
    """Share of the right ones among the first ``top``, of as many as there can be."""
    wanted = right & ~left_out
    order = np.argsort(-np.where(left_out, -np.inf, scores), kind="stable")[:top]
    return float(np.count_nonzero(wanted[order])) / min(top, int(np.count_nonzero(wanted)))
