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
_MANY_GREYS = 64  # of 256
_GREYS_APART = 24  # that much is left of them where noise was made a quarter as large
_TINT = 4  # of 255: what saving with loss makes of grey
_APART = (2, 3, 4)  # pixels between neighbours, where noise was made smaller or saved with loss
_LEAST_SIDE_APART = 128
_BLOCKS = 8  # a side is divided into
_EVEN = 0.1  # spread of the blocks' means, as a share of that of the pixels; textures of grass or gravel have more


def is_noise(rgba: NDArray[np.uint8]) -> bool:
    """Whether a picture is noise, as it is or after it was made smaller or saved with loss.

    Args:
        rgba: (H, W, 4) uint8 canonical pixels.
    """
    if not rgba[..., 3].any():
        return False
    part = rgba[:_SAMPLED, :_SAMPLED]
    if min(rgba.shape[:2]) >= _LEAST_SIDE and _unrelated(part) and _many_coloured(part):
        return True
    if min(rgba.shape[:2]) < _LEAST_SIDE_APART * _APART[0] or not _even(rgba):
        return False
    # Made smaller, noise is soft: neighbours know of each other, and pixels some apart do not.
    apart = (rgba[::step, ::step][:_SAMPLED, :_SAMPLED] for step in _APART)
    return any(
        min(part.shape[:2]) >= _LEAST_SIDE_APART and _unrelated(part) and len(np.unique(part[..., 1])) >= _GREYS_APART
        for part in apart
    )


def _many_coloured(part: NDArray[np.uint8]) -> bool:
    """Whether pixels have many colours, or many greys."""
    colours = len(np.unique(np.ascontiguousarray(part).view(np.uint32)))
    if colours < _MANY * part.shape[0] * part.shape[1]:
        channels = part[..., :3].astype(np.int16)
        colourless = np.abs(channels[..., :1] - channels[..., 1:]).max() <= _TINT
        return bool(colourless) and len(np.unique(part[..., 1])) >= _MANY_GREYS
    return True


def _unrelated(part: NDArray[np.uint8]) -> bool:
    """Whether the brightness of pixels tells nothing of that of their neighbours."""
    if not part[..., 3].any():
        return False
    grey = _grey(part)
    pairs = ((grey[:, 1:], grey[:, :-1]), (grey[1:], grey[:-1]))
    return all(abs(_correlation(one.ravel(), other.ravel())) < _UNRELATED for one, other in pairs)


def _grey(rgba: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W) float32: the mean of the three colours, added channel by channel, which is faster than ``mean``."""
    red, green, blue = (rgba[..., channel].astype(np.float32) for channel in range(3))
    return (red + green + blue) / np.float32(3)


def _even(rgba: NDArray[np.uint8]) -> bool:
    """Whether all parts of a picture are as bright as the others."""
    height, width = (side // _BLOCKS for side in rgba.shape[:2])
    grey = _grey(rgba[: height * _BLOCKS, : width * _BLOCKS])
    blocks = grey.reshape(_BLOCKS, height, _BLOCKS, width).mean(axis=(1, 3))
    return bool(blocks.std() < _EVEN * grey.std())


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    spread = float(one.std() * other.std())
    return 1.0 if spread < 1e-3 else float(((one - one.mean()) * (other - other.mean())).mean()) / spread
