"""Folds hits that show the same: equal pixels once, near-identical pictures under the first, entries if requested."""

from collections.abc import Callable, Sequence
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
ReadSignatures = Callable[[Sequence[int]], tuple[NDArray[np.uint8], NDArray[np.bool_]]]
"""Reads signatures (N, 32, 32, 4) of images, and which of them are known."""


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
        self._heads: list[Brief] = []
        self._coarse: dict[int, NDArray[np.float32]] = {}  # of those that were compared

    @property
    def entries(self) -> tuple[str, ...]:
        """The entries of all hits so far."""
        return tuple(self._first_of)

    def add(self, briefs: Sequence[Brief], read: ReadSignatures) -> None:
        """Fold more hits.

        Args:
            briefs: the hits, in their order.
            read: reads signatures; called for those that have to be compared alone.
        """
        near = self._near_earlier(briefs, read) if self._near and len(briefs) else {}
        earlier = len(self.folds)
        fold_of: dict[int, int] = dict(zip(range(earlier), range(earlier), strict=True))  # by column of the comparison
        for n, brief in enumerate(briefs):
            if brief.pixels in self._pixels:
                continue  # shown as one more place of the same picture
            self._pixels.add(brief.pixels)
            home = self._first_of.get(brief.slug) if self._group else None
            if home is None and n in near:
                home = next((fold_of[column] for column in near[n] if column in fold_of), None)
            if home is not None:
                self.folds[home].members.append(brief.image_id)
                continue
            fold_of[earlier + n] = len(self.folds)
            self._first_of.setdefault(brief.slug, len(self.folds))
            self._heads.append(brief)
            self.folds.append(CollapsedHits(brief.image_id))

    def _near_earlier(self, briefs: Sequence[Brief], read: ReadSignatures) -> dict[int, list[int]]:
        """The columns (heads, then hits of this batch before it) that hits are near to, the nearest first.

        Pairs fold that are copies in any entries or frames of one animation, and near ones within an entry; across
        entries distance decides only where the publication does not know what is a copy of what.
        """
        every = [*self._heads, *briefs]
        numbers: dict[str, int] = {}
        entry = np.array([numbers.setdefault(brief.slug, len(numbers)) for brief in every], np.int64)
        copy = np.array([-1 if brief.copy_id is None else brief.copy_id for brief in every], np.int64)
        frame = np.array([-1 if brief.animation_id is None else brief.animation_id for brief in every], np.int64)
        own = slice(len(self._heads), None)
        before = np.arange(len(every))[None, :] < len(self._heads) + np.arange(len(briefs))[:, None]
        same_entry = entry[own, None] == entry[None, :]
        known = (copy[own, None] >= 0) & (copy[None, :] >= 0)
        copies = known & (copy[own, None] == copy[None, :])
        frames = (frame[own, None] >= 0) & (frame[own, None] == frame[None, :])
        sure = (copies | frames) & before
        # Where entries are folded, one that is before a hit in its entry is its home already.
        perhaps = (~known if self._group else same_entry | ~known) & before & ~sure
        # Among several, the nearest is its home.
        compared = perhaps | (sure & ((sure | perhaps).sum(axis=1, keepdims=True) > 1))
        distances = self._distances(every, compared, read) if compared.any() else np.zeros(compared.shape, np.float32)
        limits = np.where(same_entry, np.float32(SAME_ENTRY), np.float32(OTHER_ENTRY))
        inside = sure | (perhaps & (distances <= limits))
        found: dict[int, list[int]] = {}
        for n in np.flatnonzero(inside.any(axis=1)).tolist():
            close = np.flatnonzero(inside[n])
            found[n] = close[np.argsort(distances[n, close])].tolist()
        return found

    def _distances(
        self, every: Sequence[Brief], compared: NDArray[np.bool_], read: ReadSignatures
    ) -> NDArray[np.float32]:
        """``differences`` of the hits of a batch with all columns, of those rows and columns that are compared."""
        rows, columns = np.flatnonzero(compared.any(axis=1)), np.flatnonzero(compared.any(axis=0))
        ids = [brief.image_id for brief in every]
        first = len(every) - len(compared)
        needed = sorted({*(rows + first).tolist(), *columns.tolist()})
        unread = [ids[n] for n in needed if ids[n] not in self._coarse]
        signatures, known = read(unread)
        small = coarse(signatures)
        # Without a signature nothing may fold: not-a-number is near nothing.
        small[~known] = np.nan
        self._coarse.update(zip(unread, small, strict=True))
        distances = np.full(compared.shape, np.nan, np.float32)
        some, others = (np.stack([self._coarse[ids[n]] for n in of.tolist()]) for of in (rows + first, columns))
        distances[np.ix_(rows, columns)] = differences(some, others)
        return distances


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
