"""Weights of the blocks of fused vectors: from what a visitor wants to be alike to the score of a pair."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ogaart.likeness.projections import SUBJECT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

OTHER_COLOURS = 0.07
"""How far a hit of a like shape in other colours stays behind one that is alike in everything."""

SAME_DRAWING = 0.9
"""Cosine of shape and of structure from which a hit begins to be the same drawing: it then stays behind by less, and by
nothing where both are 1."""


@dataclass(frozen=True)
class Weights:
    """How much each side of a likeness counts, 0 to 2; 1 is usual.

    Attributes:
        subject: what is shown, as the model sees it.
        shape: outlines, and how regions differ.
        colours: which colours, and (as far as shape counts too) where.
    """

    subject: float = 1.0
    shape: float = 1.0
    colours: float = 1.0

    def in_ratio_of(self, other: Weights) -> bool:
        """Whether others rank alike: a score is a mean, so only the ratio of the three counts."""
        mine, theirs = (np.array([one.subject, one.shape, one.colours]) for one in (self, other))
        return bool(np.allclose(mine * theirs.max(), theirs * mine.max(), atol=0))

    def of_blocks(self) -> dict[str, float]:
        """The weight of each block."""
        return {
            SUBJECT: self.subject,
            "palette": 0.7 * self.colours,
            "layout": 0.3 * (self.colours * self.shape) ** 0.5,
            "shape": 0.8 * self.shape,
            "structure": 0.2 * self.shape,
        }

    def of_other_colours(self) -> dict[str, float]:
        """The weights of subject and outlines alone, by which a recolour is found; empty where these do not count."""
        blocks = self.of_blocks()
        kept = {name: blocks[name] for name in (SUBJECT, "shape")}
        return kept if self.colours > 0 and sum(kept.values()) > 0 else {}


USUAL = Weights()

SIDES: Mapping[str, tuple[str, ...]] = {
    "subject": (SUBJECT,),
    "shape": ("shape", "structure"),
    "colours": ("palette", "layout"),
}
"""What of a likeness each block speaks for."""


def fused_score(cosines: Mapping[str, NDArray[np.float32]], weights: Weights) -> NDArray[np.float32]:
    """The score of pairs from the cosines of their blocks.

    It is the weighted mean; where subject and outlines alone say more, it is theirs less ``OTHER_COLOURS``, of which
    nothing is left where outlines and structure are the very same: so a recolour is found without a visitor's request,
    before other things of the same colours.

    Args:
        cosines: (N,) float32 a block.
        weights: how much each side counts.

    Returns:
        (N,) float32, -1 to 1.
    """
    score = _mean(cosines, weights.of_blocks())
    other = weights.of_other_colours()
    if not other:
        return score
    alike = np.minimum(cosines["shape"], cosines["structure"])
    different = 1 - np.clip((alike - SAME_DRAWING) / (1 - SAME_DRAWING), 0, 1)
    return np.maximum(score, _mean(cosines, other) - np.float32(OTHER_COLOURS) * different)


def why(cosines: Mapping[str, float], weights: Weights) -> dict[str, float]:
    """How alike a pair is in subject, shape and colours, 0 to 1; a side that does not count is left out."""
    found: dict[str, float] = {}
    for side, counted, total in _sides(weights, tuple(cosines)):
        mean = sum([cosines[name] * weight for name, weight in counted]) / total
        found[side] = min(max(mean, 0.0), 1.0)
    return found


@lru_cache(maxsize=64)  # two hundred hits of a search have the same
def _sides(weights: Weights, known: tuple[str, ...]) -> tuple[tuple[str, tuple[tuple[str, float], ...], float], ...]:
    """Each side that counts, with its blocks among the known ones, their weights, and the sum of these."""
    blocks = weights.of_blocks()
    found = []
    for side, names in SIDES.items():
        counted = tuple((name, blocks[name]) for name in names if name in known and blocks[name] > 0)
        if counted:
            found.append((side, counted, sum(weight for _, weight in counted)))
    return tuple(found)


def _mean(cosines: Mapping[str, NDArray[np.float32]], weights: Mapping[str, float]) -> NDArray[np.float32]:
    counted = {name: weight for name, weight in weights.items() if name in cosines and weight > 0}
    if not counted:
        return np.zeros_like(next(iter(cosines.values())))
    total = sum(counted.values())
    return np.asarray(sum(cosines[name] * np.float32(weight / total) for name, weight in counted.items()), np.float32)
