"""Folds hits that show the same: equal pixels once, near-identical pictures under the first, entries if requested."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ogaart.search.store.serving_store import Brief

# Squared difference of two coarse signatures, as a share of the stronger one, up to which two pictures are variants of
# one. Within an entry the frames of an animation may differ more than pictures of different people ever should.
SAME_ENTRY = 0.035
OTHER_ENTRY = 0.002
COARSE = 8
_SIZE = COARSE * COARSE * 4


@dataclass
class CollapsedHits:
    """The hit shown, and those under it."""

    head: int
    members: list[int] = field(default_factory=list)


class Collapser:
    """Takes hits in their order, and decides under which earlier one each is folded.

    Args:
        near: fold near-identical pictures.
        group: fold everything of one entry.
    """

    def __init__(self, *, near: bool, group: bool) -> None:
        self.folds: list[CollapsedHits] = []
        self._near = near
        self._group = group
        self._pixels: set[int] = set()
        self._first_of: dict[str, int] = {}  # the first fold of each entry
        self._entries: list[str] = []  # of the heads
        self._coarse: list[NDArray[np.float32]] = []  # of the heads
        self._heads: list[Brief] = []

    @property
    def entries(self) -> tuple[str, ...]:
        """The entries of all hits so far."""
        return tuple(self._first_of)

    def add(self, briefs: Sequence[Brief], signatures: NDArray[np.uint8], known: NDArray[np.bool_]) -> None:
        """Fold more hits; signatures (N, 32, 32, 4), valid where ``known``."""
        small = coarse(signatures)
        # Without a signature nothing may fold: not-a-number is near nothing.
        small[~known] = np.nan
        near = self._near_earlier(briefs, small) if self._near and len(briefs) else [()] * len(briefs)
        earlier = len(self.folds)
        fold_of: dict[int, int] = dict(zip(range(earlier), range(earlier), strict=True))  # by column of the comparison
        for n, brief in enumerate(briefs):
            if brief.pixels in self._pixels:
                continue  # shown as one more place of the same picture
            self._pixels.add(brief.pixels)
            home = self._first_of.get(brief.slug) if self._group else None
            if home is None:
                home = next((fold_of[column] for column in near[n] if column in fold_of), None)
            if home is not None:
                self.folds[home].members.append(brief.image_id)
                continue
            fold_of[earlier + n] = len(self.folds)
            self._first_of.setdefault(brief.slug, len(self.folds))
            self._entries.append(brief.slug)
            self._coarse.append(small[n])
            self._heads.append(brief)
            self.folds.append(CollapsedHits(brief.image_id))

    def _near_earlier(self, briefs: Sequence[Brief], small: NDArray[np.float32]) -> list[Sequence[int]]:
        """For each hit the columns (heads, then hits of this batch before it) that it is near to, the nearest first."""
        entries = {slug: n for n, slug in enumerate({*self._entries, *(brief.slug for brief in briefs)})}
        rows = np.array([entries[brief.slug] for brief in briefs])
        columns = np.concatenate([np.array([entries[slug] for slug in self._entries], rows.dtype), rows])
        distances = differences(small, np.vstack([*self._coarse, small]))
        limits = np.where(rows[:, None] == columns[None, :], np.float32(SAME_ENTRY), np.float32(OTHER_ENTRY))
        before = np.arange(len(columns))[None, :] < len(self._entries) + np.arange(len(rows))[:, None]
        inside = self._same_art(briefs, distances <= limits, rows[:, None] == columns[None, :]) & before
        found: list[Sequence[int]] = []
        for n in range(len(rows)):
            close = np.flatnonzero(inside[n])
            found.append([int(column) for column in close[np.argsort(distances[n, close])]] if len(close) else ())
        return found

    def _same_art(
        self, briefs: Sequence[Brief], near: NDArray[np.bool_], same_entry: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Which pairs fold: copies in any entries and frames of one animation; near ones within an entry.

        Across entries distance decides only where the publication does not know what is a copy of what.
        """
        every = [*self._heads, *briefs]
        copy = np.array([-1 if brief.copy_id is None else brief.copy_id for brief in every], np.int64)
        frame = np.array([-1 if brief.animation_id is None else brief.animation_id for brief in every], np.int64)
        own = slice(len(self._heads), None)
        known = (copy[own, None] >= 0) & (copy[None, :] >= 0)
        copies = known & (copy[own, None] == copy[None, :])
        frames = (frame[own, None] >= 0) & (frame[own, None] == frame[None, :])
        return np.asarray(copies | frames | (near & (same_entry | ~known)))


def coarse(signatures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Shrink signatures (N, 32, 32, 4) to (N, 256) float32, so that all pairs of a page can be compared."""
    count, side = signatures.shape[:2]
    step = side // COARSE
    # Whole rows are added, then whole columns: a reduction goes through the bytes one by one.
    pixels = signatures.reshape(count, COARSE, step, side * 4)
    rows = pixels[:, :, 0].astype(np.uint16)
    for n in range(1, step):
        rows += pixels[:, :, n]
    columns = rows.reshape(count, COARSE * COARSE, step, 4)
    cells = columns[:, :, 0].copy()
    for n in range(1, step):
        cells += columns[:, :, n]
    return np.asarray(cells.reshape(count, _SIZE) / np.float32(step * step), np.float32)


def differences(some: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much of what two pictures show differs, for all pairs: 0 for equal ones, whatever share of them is empty.

    Args:
        some: (N, 256) coarse signatures.
        others: (M, 256).

    Returns:
        (N, M) float32; not a number where a picture shows nothing.
    """
    left, right = (some * some).sum(axis=1)[:, None], (others * others).sum(axis=1)[None, :]
    stronger = np.maximum(left, right)
    # Not the matrix product: its threads would fight those of other requests for the cores, over half a millisecond.
    products = np.einsum("nd,md->nm", some, others)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.maximum(left + right - 2 * products, 0) / stronger, np.float32)
