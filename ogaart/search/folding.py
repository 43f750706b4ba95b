"""Folds hits that say the same: equal pixels once, near-identical pictures under the first, entries on demand. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ogaart.search.store import Brief

# Difference of two coarse signatures, as a share of what both show together, up to which two pictures are variants of
# one. Within an entry the frames of an animation may differ more than pictures of different people ever should.
SAME_ENTRY_DISTANCE = 0.12
OTHER_ENTRY_DISTANCE = 0.02
COARSE = 16
_SIZE = COARSE * COARSE * 4


@dataclass
class Fold:
    """The hit shown, and those under it."""

    head: int
    members: list[int] = field(default_factory=list)


def coarse(signatures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Shrink signatures (N, 32, 32, 4) to (N, 1024) float32, so that all pairs of a page can be compared."""
    step = signatures.shape[1] // COARSE
    shape = (len(signatures), COARSE, step, COARSE, step, 4)
    small: NDArray[np.float32] = signatures.reshape(shape).mean(axis=(2, 4), dtype=np.float32)
    return small.reshape(len(signatures), -1)


class Folder:
    """Takes hits in their order, and says under which earlier one each falls.

    Args:
        near: fold near-identical pictures.
        group: fold everything of one entry.
    """

    def __init__(self, *, near: bool, group: bool) -> None:
        self.folds: list[Fold] = []
        self._near = near
        self._group = group
        self._by_pixels: dict[str, int | None] = {}
        self._by_slug: dict[str, int] = {}
        self._slugs: list[str] = []
        self._coarse: NDArray[np.float32] = np.empty((64, _SIZE), np.float32)  # of the heads; grows by doubling

    def add(self, briefs: Sequence[Brief], signatures: NDArray[np.uint8], known: NDArray[np.bool_]) -> None:
        """Fold more hits; signatures (N, 32, 32, 4), valid where ``known``."""
        small = coarse(signatures)
        for brief, row, has_signature in zip(briefs, small, known, strict=True):
            if brief.pixel_sha256 in self._by_pixels:
                continue  # shown as one more place of the same picture
            self._by_pixels[brief.pixel_sha256] = None
            home = self._home(brief, row if has_signature else None)
            if home is not None:
                self.folds[home].members.append(brief.image_id)
                continue
            self._by_slug.setdefault(brief.slug, len(self.folds))
            if len(self.folds) == len(self._coarse):
                self._coarse = np.concatenate([self._coarse, np.empty_like(self._coarse)])
            # Without a signature nothing may fold under it: not-a-number is near nothing.
            self._coarse[len(self.folds)] = row if has_signature else np.nan
            self._slugs.append(brief.slug)
            self.folds.append(Fold(brief.image_id))

    def _home(self, brief: Brief, row: NDArray[np.float32] | None) -> int | None:
        if self._group and brief.slug in self._by_slug:
            return self._by_slug[brief.slug]
        if not self._near or row is None or not self.folds:
            return None
        distances = differences(self._coarse[: len(self.folds)], row)
        limits = np.array(
            [SAME_ENTRY_DISTANCE if slug == brief.slug else OTHER_ENTRY_DISTANCE for slug in self._slugs], np.float32
        )
        inside = distances <= limits
        if not inside.any():
            return None
        return int(np.argmin(np.where(inside, distances, np.inf)))


def differences(many: NDArray[np.float32], one: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much of what two pictures show differs: 0 to 1, whatever share of them is empty.

    Args:
        many: (N, 1024) coarse signatures.
        one: (1024,).
    """
    shown = np.maximum(many[:, 3::4], one[3::4]).sum(axis=1) * 4
    different = np.abs(many - one).sum(axis=1)
    return np.asarray(different / np.maximum(shown, 1.0), np.float32)
