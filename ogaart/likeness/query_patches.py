"""The patches of a query, dense enough to meet what any picture of the index keeps: at each scale, and turned."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness.orientations import MIRRORED, oriented
from ogaart.likeness.patches import DENSEST, LARGEST_SIDE, SIDE, Patches, hashed, sampled, undo_enlargement

FACTORS = (2, 3, 4)
"""Enlargements that are looked for in parts of a query; of a whole one, any up to 16 is undone."""
ASKED, ASKED_MIRRORED, ASKED_TURNED = 32_768, 8_192, 4_096
"""Patches of a query that are looked up, at one scale: of it upright, mirrored, and turned."""
# Pixels of a query that are hashed: upright, turned, and mirrored, as pieces of scenes often are. Of a larger one, its
# middle.
_HASHED, _HASHED_TURNED, _HASHED_MIRRORED = 1 << 22, 1 << 16, 1 << 18
_COLOURS_PIXELS = 1 << 20  # pixels of a query up to which its colours are kept
_SPREAD = np.uint32(0x9E3779B1)


@dataclass(frozen=True)
class QueryPatches:
    """The patches of a query, and what is needed to look for it turned and mirrored.

    Attributes:
        upright: enlargement and patches: of the picture as it is, and of what is enlarged somewhere in it.
        colours: (height, width) uint8, a number of each pixel's colour, equal for equal ones; None of a large picture.
        middle: (h, w, 4) uint8, the middle of the picture, which is what is mirrored; of it, the middle is turned.
        right: where the middle begins.
        down: likewise.
        width: pixels of the picture after an enlargement of the whole was undone, at most ``LARGEST_SIDE``.
        height: likewise.
        enlarged: by how much it was enlarged.
    """

    upright: tuple[tuple[int, Patches], ...]
    colours: NDArray[np.uint8] | None
    middle: NDArray[np.uint8]
    right: int
    down: int
    width: int
    height: int
    enlarged: int

    @classmethod
    def of(cls, rgba: NDArray[np.uint8]) -> "QueryPatches":
        """Those of a picture, (H, W, 4) uint8 canonical pixels; of one with longer sides, of what the index keeps."""
        reduced, enlarged = undo_enlargement(rgba)
        reduced = reduced[:LARGEST_SIDE, :LARGEST_SIDE]  # places are kept in 16 bits
        height, width = reduced.shape[:2]
        part, right, down = _middle(reduced, _HASHED)
        found = [(factor, hashed(part, DENSEST) if factor == 1 else sampled(part, factor, DENSEST))
                 for factor in (1, *FACTORS)]  # fmt: skip
        upright = tuple(
            (factor, patches.at_most(ASKED).moved(right, down, width, height))
            for factor, patches in found
            if len(patches)
        )
        middle, right, down = _middle(reduced, _HASHED_MIRRORED)
        # A copy: a view would keep the whole picture in memory.
        return cls(upright, _colours(reduced), middle.copy(), right, down, width, height, enlarged)

    @property
    def nbytes(self) -> int:
        """Bytes of memory, about."""
        colours = 0 if self.colours is None else self.colours.nbytes
        return self.middle.nbytes + colours + sum(13 * len(patches) for _, patches in self.upright)

    def turned(self, orientation: int, factor: int = 1) -> Patches:
        """The patches of the picture turned and mirrored (see ``orientations.oriented``), or of what is enlarged in it.

        Args:
            orientation: how it is turned.
            factor: by how much they are enlarged.
        """
        middle, right, down = self.middle, 0, 0
        if orientation != MIRRORED:
            middle, right, down = _middle(middle, _HASHED_TURNED)
        pixels = oriented(middle, orientation)
        found = hashed(pixels, DENSEST) if factor == 1 else sampled(pixels, factor, DENSEST)
        found = found.at_most(ASKED_MIRRORED if orientation == MIRRORED else ASKED_TURNED)
        # What lies left of the middle, above it, right of it and below it, in the turned picture.
        height, width = middle.shape[:2]
        across = [self.right + right, self.width - self.right - right - width]
        left, right = across[::-1] if orientation >= MIRRORED else across
        above = self.down + down
        sides = [left, above, right, self.height - above - height]
        for _ in range(orientation % MIRRORED):
            sides = [*sides[1:], sides[0]]
        whole = (self.width, self.height) if orientation % 2 == 0 else (self.height, self.width)
        return found.moved(sides[0], sides[1], *whole)


def _colours(rgba: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """A number of each pixel's colour; different colours rarely have the same one. None of a large picture."""
    if rgba.shape[0] * rgba.shape[1] > _COLOURS_PIXELS:
        return None
    packed = np.ascontiguousarray(rgba).view(np.uint32)[..., 0]
    return ((packed ^ (packed >> np.uint32(15))) * _SPREAD >> np.uint32(24)).astype(np.uint8)


def _middle(rgba: NDArray[np.uint8], pixels: int) -> tuple[NDArray[np.uint8], int, int]:
    """The middle of a picture, of at most so many pixels and of its shape, and where it begins."""
    height, width = rgba.shape[:2]
    share = min(1.0, math.sqrt(pixels / (height * width)))
    rows, columns = max(SIDE, int(height * share)), max(SIDE, int(width * share))
    down, right = max(0, (height - rows) // 2), max(0, (width - columns) // 2)
    return rgba[down : down + rows, right : right + columns], right, down
