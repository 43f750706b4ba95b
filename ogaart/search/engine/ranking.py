"""Orders the points that the index found: by cosine, by signature, and by the parts that a query fits into. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness import crop_matching, signatures
from ogaart.resources.index.base import ScoredPoint
from ogaart.search.engine import likeness
from ogaart.search.results import Relation

FITTED = 20  # nearest points into whose parts the query is fitted: a crop's source is nearly always among them
FITTED_QUICKLY = 6  # where only the best counts, and a visitor waits for two searches


@dataclass(frozen=True)
class Ranked:
    """A point, its likeness from 0 to 1, and its relation to the query; None in a search without pictures."""

    image_id: int
    score: float | None
    relation: Relation | None


@dataclass(frozen=True)
class ReferenceImage:
    """The one picture that hits are compared with: its signature, its smaller side, and whether it may be a crop."""

    signature: NDArray[np.uint8]
    side: int
    cropped: bool | None = None
    """True for one whose frame a visitor drew, None for any other of a visitor's, False for one of the catalog."""


def rank(
    points: Sequence[ScoredPoint],
    sides: Mapping[int, int],
    reference: ReferenceImage | None,
    rows: NDArray[np.uint8],
    known: NDArray[np.bool_],
    *,
    compares: bool,
    typical: float,
    share: float,
    fitted: int = FITTED,
) -> list[Ranked]:
    """Compute each point's similarity and relation, and order them by similarity.

    Args:
        points: what the index found, nearest first.
        sides: smaller side in pixels of those that the catalog holds.
        reference: what they are compared with; None: the cosine alone counts.
        rows: (N, 32, 32, 4) uint8 signatures of the points, valid where ``known``; unused without a reference.
        known: (N,) bool.
        compares: whether points have a relation to the query, since it is one picture.
        typical: cosine that half of all pairs of pictures stay below; see ``likeness.relation``.
        share: weight of the signatures in what is not a copy; see ``likeness.likeness``.
        fitted: into the parts of how many points the query is fitted.
    """
    near: dict[int, float] = {}
    fits: dict[int, float] = {}
    if reference is not None and points and not signatures.flat(reference.signature):
        closeness = signatures.closeness(reference.signature, rows)
        near = {point.id: float(closeness[n]) for n, point in enumerate(points) if known[n]}
        if reference.cropped is not False and max(near.values(), default=1.0) < likeness.near_copy(reference.side):
            # No copy of a whole picture, so perhaps of a part: its source is among the nearest few.
            few = crop_matching.fit(reference.signature, rows[:fitted])
            fits = {point.id: float(few[n]) for n, point in enumerate(points[:fitted]) if known[n]}
    ranked: list[Ranked] = []
    for point in points:
        close = near.get(point.id)
        side = min(reference.side if reference else 0, sides.get(point.id, 0))
        score = likeness.likeness(point.score, close, side, share)
        if reference is not None and point.id in fits:
            known_part = reference.cropped is True
            score = max(score, likeness.likeness_of_part(point.score, fits[point.id], known=known_part))
        relation = likeness.relation(point.score, close, side, typical) if compares else None
        ranked.append(Ranked(point.id, score, relation))
    return sorted(ranked, key=lambda r: -(r.score or 0.0))
