"""How near vectors of a faster arithmetic are to the model's own: their cosines, and the neighbours they find."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 10
_TIED = 1e-6
"""Cosines that are nearer than that are equal, as those of two copies of a picture."""


@dataclass(frozen=True)
class Fidelity:
    """Vectors of the same pictures by two ways, compared.

    Attributes:
        pictures: how many.
        mean_cosine: of a picture's two vectors.
        least_cosine: the smallest of these.
        overlap: the share, 0 to 1, of the ten nearest pictures by the other way that are among the ten nearest by the
            model's own vectors; a picture that is as near as the tenth counts.
    """

    pictures: int
    mean_cosine: float
    least_cosine: float
    overlap: float

    def __str__(self) -> str:
        return (
            f"mean cosine {self.mean_cosine:.5f}, least {self.least_cosine:.5f}, overlap of the ten nearest "
            f"{self.overlap:.3f} on {self.pictures} pictures"
        )


def fidelity(own: NDArray[np.float32], other: NDArray[np.float32]) -> Fidelity:
    """Compare vectors.

    Args:
        own: (N, D), the model's own vectors, N at least 2.
        other: (N, D), of the same pictures by the other way.
    """
    a, b = _directions(own), _directions(other)
    cosines = np.clip((a * b).sum(axis=1), -1, 1)
    near = min(NEIGHBOURS, len(a) - 1)
    by_own, by_other = a @ a.T, b @ b.T
    for similarities in (by_own, by_other):
        np.fill_diagonal(similarities, -np.inf)
    tenth = np.sort(by_own, axis=1)[:, -near]
    found = np.argsort(-by_other, axis=1, kind="stable")[:, :near]
    right = np.take_along_axis(by_own, found, axis=1) >= tenth[:, None] - _TIED
    return Fidelity(len(a), float(cosines.mean()), float(cosines.min()), float(right.mean()))


def _directions(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Rows of length 1; a row that is not finite, or has no direction, is 0 and so near nothing."""
    rows = np.nan_to_num(vectors.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, np.inf))
