"""Finds the flat ground behind a picture by flooding from its border, and removes it. Pure.

Uploads on white, screenshots, JPEG copies and art keyed with magenta have such a ground; the subject without it
compares with the same subject on any other ground, or on none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Mask = NDArray[np.bool_]

BORDER_SHARE = 0.4
"""Share of the border that a ground covers at least: of a trimmed sprite's border the sprite covers the rest."""
EXACT_TOLERANCE = 2
"""Of 255, each channel: how far a ground of one exact colour reaches. Shades of the subject begin near it."""
NOISY_TOLERANCE = 36
"""The same for a ground that JPEG has been over."""
CUT_TOLERANCES = (12, 24, 64)
"""Of cuts: where soft subjects end, the usual, and what JPEG has smeared. Of 98 pictures on canvases as JPEG, 0.36 were
near copies as subjects alone, 0.60 with one cut, and 0.70 with these."""
MOST_KEPT = 0.9
"""Share of the area up to which a subject on a transparent ground is trimmed: a thin margin changes nothing."""
LEAST_SIDE = 4
"""Pixels a side; anything smaller is a speck."""
MOST_PIXELS = 1 << 20
"""A larger subject is reduced by a whole number before its ground is flooded: what compares it is smaller by far."""
_KEYS = ((255, 0, 255), (0, 255, 0))
_FAINT = 16  # alpha: less cannot be told from the ground once a picture is flattened
_EXACT_SHARE = 0.9
_NOISE = 10
_NOISE_SHADES = 20
_SHIFT = 5  # border colours are gathered in cubes of 32 shades a side


@dataclass(frozen=True)
class Ground:
    """The ground of a picture.

    Attributes:
        colour: red, green, blue; None: transparent.
        tolerance: difference of each channel, of 255, up to which a pixel is of the ground.
    """

    colour: tuple[int, int, int] | None
    tolerance: int = 0

    @property
    def keyed(self) -> bool:
        """Whether its colour stands for transparency by convention: holes of it are ground wherever they are."""
        return self.colour in _KEYS and self.tolerance == EXACT_TOLERANCE


def find_ground(rgba: Pixels) -> Ground | None:
    """Find the ground of a picture by its outermost pixels.

    Args:
        rgba: (H, W, 4) uint8 canonical pixels.

    Returns:
        None where no colour covers ``BORDER_SHARE`` of the border and two corners.
    """
    border = np.concatenate([rgba[0], rgba[-1], rgba[1:-1, 0], rgba[1:-1, -1]])
    clear = border[:, 3] == 0
    if clear.mean() >= BORDER_SHARE:
        return Ground(None)
    opaque = border[border[:, 3] == 255, :3]
    if len(opaque) < BORDER_SHARE * len(border):
        return None
    cubes = (opaque >> _SHIFT).astype(np.int32) @ np.array((1, 8, 64), np.int32)
    common = opaque[cubes == np.bincount(cubes).argmax()]
    colour = np.median(common, axis=0).astype(np.int16)
    exact = float((opaque == colour).all(axis=1).sum())
    like = float((np.abs(opaque - colour) <= NOISY_TOLERANCE).all(axis=1).sum())
    if like < BORDER_SHARE * len(border):
        return None
    corners = rgba[[0, 0, -1, -1], [0, -1, 0, -1]]
    near = (np.abs(corners[:, :3] - colour) <= NOISY_TOLERANCE).all(axis=1) & (corners[:, 3] == 255)
    if np.count_nonzero(near) < 2:
        return None
    red, green, blue = (int(channel) for channel in colour)
    return Ground((red, green, blue), EXACT_TOLERANCE if exact >= _EXACT_SHARE * like else NOISY_TOLERANCE)


def without_ground(rgba: Pixels) -> Pixels | None:
    """Return the subject alone: its ground transparent, trimmed to what is left.

    Args:
        rgba: (H, W, 4) uint8 canonical pixels.

    Returns:
        (h, w, 4) uint8 canonical pixels, of ``MOST_PIXELS`` at most unless it is a cut of a transparent ground; None
        where there is no flat ground, nothing but the ground, or only a thin transparent margin.
    """
    ground = find_ground(rgba)
    if ground is None:
        return None
    if ground.colour is None:
        box = _box(rgba[..., 3] >= _FAINT)
        if box is None or _area(box) > MOST_KEPT * rgba.shape[0] * rgba.shape[1]:
            return None
        return np.ascontiguousarray(rgba[_inside(box)])
    other = ~_is_ground(rgba, ground.colour, ground.tolerance)
    box = _box(other)
    if box is None:
        return None
    if ground.tolerance == NOISY_TOLERANCE or _has_noise(rgba[_inside(box)], ground.colour, other[_inside(box)]):
        other = _without_specks(~_is_ground(rgba, ground.colour, NOISY_TOLERANCE))
        box = _box(other)
        if box is None:
            return None
    # Cut first: the flood needs only what surrounds the subject, and a canvas may be much larger than that.
    subject, outside = _reduced(rgba[_inside(box)], ~other[_inside(box)])
    removed = _flooded(outside)
    if ground.keyed:
        removed |= (subject[..., :3] == ground.colour).all(axis=-1)
    if not removed.any() and box == (0, 0, rgba.shape[1], rgba.shape[0]):
        return None
    subject = subject.copy()
    subject[removed] = 0
    box = _box(subject[..., 3] >= _FAINT)
    return None if box is None else np.ascontiguousarray(subject[_inside(box)])


def cuts(rgba: Pixels) -> list[Pixels]:
    """Cut a picture to its subject, the ground left in, for each way of telling where it ends.

    A soft or pale border is lost with the ground, and traces of JPEG are kept with the subject: a copy that is compared
    on its own ground needs neither to be told from it, only to be cut where the other one ends.

    Args:
        rgba: (H, W, 4) uint8 canonical pixels.

    Returns:
        Up to three different cuts (h, w, 4) uint8; none where there is no flat ground of a colour.
    """
    ground = find_ground(rgba)
    if ground is None or ground.colour is None:
        return []
    found: dict[tuple[int, int, int, int], Pixels] = {}
    left = top = 0
    for tolerance in CUT_TOLERANCES:
        box = _box(_without_specks(~_is_ground(rgba, ground.colour, tolerance)))
        if box is None:
            break
        rgba, left, top = rgba[_inside(box)], left + box[0], top + box[1]  # a higher tolerance leaves no more
        found.setdefault((left, top, rgba.shape[1], rgba.shape[0]), rgba)
    return [np.ascontiguousarray(cut) for cut in found.values()]


def _is_ground(rgba: Pixels, colour: tuple[int, int, int], tolerance: int) -> Mask:
    """(H, W) bool: which pixels are of a colour."""
    mask: Mask = rgba[..., 3] == 255
    for channel, value in enumerate(colour):
        low, high = max(value - tolerance, 0), min(value + tolerance, 255)
        # One comparison for both bounds: uint8 wraps around below the lower one.
        mask &= (rgba[..., channel] - np.uint8(low)) <= high - low
    return mask


def _flooded(ground: Mask) -> Mask:
    """Those of the ground's pixels from which the border is reached over other such pixels, side by side."""
    from scipy import ndimage  # here, since only pictures with a ground need it

    labels, count = ndimage.label(ground)
    reached = np.zeros(count + 1, np.bool_)
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        reached[edge] = True
    reached[0] = False
    return np.asarray(reached[labels])


def _has_noise(rgba: Pixels, colour: tuple[int, int, int], other: Mask) -> bool:
    """Whether many shades near the ground's surround a subject: the border of a large canvas is exact in a JPEG too."""
    traces = rgba[other & _is_ground(rgba, colour, _NOISE)]
    if len(traces) < rgba.shape[0] + rgba.shape[1]:
        return False
    wide = traces.astype(np.uint32)
    return len(np.unique((wide[:, 0] << 16) | (wide[:, 1] << 8) | wide[:, 2])) >= _NOISE_SHADES


def _without_specks(other: Mask) -> Mask:
    """Pixels that at least three of their eight neighbours accompany: JPEG leaves single ones beside the subject."""
    padded = np.pad(other, 1).astype(np.uint8)
    rows = padded[:-2] + padded[1:-1] + padded[2:]
    around = rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]
    return np.asarray(other & (around >= 4))


def _reduced(subject: Pixels, ground: Mask) -> tuple[Pixels, Mask]:
    """Subject and mask of its ground with ``MOST_PIXELS`` at most; a reduced pixel is ground if all of it is."""
    height, width = ground.shape
    step = int(np.ceil(np.sqrt(height * width / MOST_PIXELS)))
    if step <= 1:
        return subject, ground
    # Alpha is premultiplied while pixels are averaged, as everywhere where pictures are made smaller.
    small = Image.fromarray(np.ascontiguousarray(subject)).convert("RGBa").reduce(step).convert("RGBA")
    share = Image.fromarray(ground.astype(np.uint8) * np.uint8(255)).reduce(step)
    return np.asarray(small), np.asarray(share) == 255


def _box(mask: Mask) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of what is set, right and bottom exclusive; None where that is a speck or nothing."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    box = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    return None if min(box[2] - box[0], box[3] - box[1]) < LEAST_SIDE else box


def _area(box: tuple[int, int, int, int]) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def _inside(box: tuple[int, int, int, int]) -> tuple[slice, slice]:
    left, top, right, bottom = box
    return slice(top, bottom), slice(left, right)
