"""Tells noise from pictures: pixels that know nothing of their neighbours. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST_SIDE = 16  # pixels: in less there is too little to tell
_SAMPLED = 512  # pixels of a side that are looked at
_UNRELATED = 0.12  # correlation of neighbours; drawings have 0.5 and more, dithered ones 0.2 and more
_MANY = 0.2  # colours, as a share of the pixels


def is_noise(rgba: NDArray[np.uint8]) -> bool:
    """Whether a picture is noise.

    Args:
        rgba: (H, W, 4) uint8 canonical pixels.
    """
    part = rgba[:_SAMPLED, :_SAMPLED]
    if min(part.shape[:2]) < _LEAST_SIDE or not part[..., 3].any():
        return False
    colours = len(np.unique(np.ascontiguousarray(part).view(np.uint32)))
    if colours < _MANY * part.shape[0] * part.shape[1]:
        return False
    grey = part[..., :3].astype(np.float32).mean(axis=2)
    pairs = ((grey[:, 1:], grey[:, :-1]), (grey[1:], grey[:-1]))
    return all(abs(_correlation(one.ravel(), other.ravel())) < _UNRELATED for one, other in pairs)


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    spread = float(one.std() * other.std())
    return 1.0 if spread < 1e-3 else float(((one - one.mean()) * (other - other.mean())).mean()) / spread
