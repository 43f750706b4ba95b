"""What patches of a query that agree on one place prove: how many there are, of how many, and how plain they are."""

import math

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness.patches import DENSEST, SIDE, Hashes, Patches

LEAST_KINDS = 3
"""Different patches without which nothing is proved."""
EVIDENCE = 48
"""Different windows that prove something in two colours; a quarter of them does in three, a ninth in four.

Of 2,400 made boxes, bars, stripes, bricks and icons, searched for among 970 pictures of which half are such things,
eight had a claim before, of 3 to 25 patches in two colours; sprites found by as few patches show six colours and more.
"""
ENOUGH_UNSEEN = EVIDENCE // 4
"""Different windows that prove something where the pixels are not at hand: as in three colours."""
_CERTAIN = 2.0  # standard deviations by which a share may be smaller than that of a sample
_SAMPLED = 0.75  # of the places that are weighed, where these are too many
Box = tuple[int, int, int, int]
"""x, y, width, height in pixels."""


class KnownPatches:
    """What many judgements need of a query's patches, computed once.

    ``powers`` says of each the power of two that its hash is a multiple of, ``kinds`` numbers equal hashes alike.

    Args:
        patches: the query's.
        factor: by how much they are enlarged.
        colours: (height, width) uint8, numbers of the colours of the query's pixels; None: unknown.
    """

    def __init__(self, patches: Patches, factor: int, colours: NDArray[np.uint8] | None) -> None:
        self._patches, self._factor, self._colours = patches, factor, colours
        self._x, self._y = patches.x.astype(np.int64), patches.y.astype(np.int64)
        self._powers = _powers_of_two(patches.hashes)
        self._kinds = np.unique(patches.hashes, return_inverse=True)[1].reshape(-1)
        self._extents: dict[int, Box | None] = {}
        self._could: dict[tuple[Box, int], NDArray[np.int64]] = {}
        self._samples: dict[tuple[Box, int, int], NDArray[np.int64]] = {}

    def kinds_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """One row of each kind among some: its first."""
        first = np.full(len(self._kinds), -1)
        first[self._kinds[rows[::-1]]] = rows[::-1]
        return first[first >= 0]

    def tell_of_one_picture(self, rows: NDArray[np.int64], step: int) -> bool:
        """Whether patches that agree are evidence: three different ones, and more the fewer colours they show.

        The corners of a box in two or three colours, a bar, stripes and bricks are the same in many pictures.

        Args:
            rows: those that agree.
            step: of whose multiples both pictures keep all.
        """
        different = self.kinds_of(rows)
        if len(different) < LEAST_KINDS:
            return False
        windows = self._windows(different, step)
        if self._colours is None or windows >= EVIDENCE:
            return windows >= ENOUGH_UNSEEN
        return windows * (self._colours_of(different, self._colours) - 1) ** 2 >= EVIDENCE

    def _windows(self, different: NDArray[np.int64], step: int) -> float:
        """How many different windows agree at least, were all kept that the smallest pictures keep.

        What is kept of them is a sample, which may be larger by chance: by its standard deviation, the root.
        """
        sample = np.count_nonzero(self._powers[different] >= step.bit_length() - 1)
        return max(len(different), float(sample - np.sqrt(sample)) * step / DENSEST)

    def _colours_of(self, rows: NDArray[np.int64], colours: NDArray[np.uint8]) -> int:
        """How many colours the windows of some patches show together, nothing being one."""
        size, factor = SIDE * self._factor, self._factor
        places = zip(self._x[rows].tolist(), self._y[rows].tolist(), strict=True)
        windows = [colours[y : y + size : factor, x : x + size : factor] for x, y in places]
        return len(np.unique(np.stack(windows)))

    def extent(self, step: int) -> Box | None:
        """Left, top, right and bottom of all windows that are multiples of a step; None where there are none."""
        if step not in self._extents:
            kept = self._powers >= step.bit_length() - 1
            x, y = self._x[kept], self._y[kept]
            some = (int(x.min()), int(y.min()), int(x.max()) + SIDE, int(y.max()) + SIDE) if len(x) else None
            self._extents[step] = some
        return self._extents[step]

    def share(self, rows: NDArray[np.int64], inner: Box, size: int, step: int, complete: int = 1) -> float:
        """The share that agrees of the query's patches, each of a size, that the index keeps at one place.

        It keeps all multiples of the step, and an unknown number more of small sprites: of those that could be kept,
        the largest share counts of which three agree. Where fewer are kept than that, the share is only smaller; so it
        is where not all were looked at, but for the multiples of ``complete``.
        """
        voting, could = _at_least(self._powers[rows]), self._could_agree(inner, size)
        shares = voting / np.maximum(could, 1)
        highest, lowest = step.bit_length() - 1, self._patches.step.bit_length() - 1
        share = float(shares[highest])
        if shares[lowest:highest].max(initial=0.0) > share:
            kinds = _at_least(self._powers[self.kinds_of(rows)])
            share = float(shares[lowest:highest][kinds[lowest:highest] >= LEAST_KINDS].max(initial=share))
        if complete > step and voting[complete.bit_length() - 1]:
            share = max(share, self._sampled_share(rows, inner, size, complete))
        return share

    def _sampled_share(self, rows: NDArray[np.int64], inner: Box, size: int, complete: int) -> float:
        """The share that agrees at least of the query's patches at one place, by the multiples of a step."""
        if (inner, size, complete) not in self._samples:
            self._samples[inner, size, complete] = self._places(np.flatnonzero(self._within(inner, size)), complete)
        all_places = self._samples[inner, size, complete]
        could = max(int(all_places.sum()), 1)
        different = could**2 / max(int((all_places**2).sum()), 1)  # as many equally frequent ones tell as much
        return _smallest_share(min(int(self._places(rows, complete).sum()) / could, 1.0), different)

    def share_of_picture(self, rows: NDArray[np.int64], patches: float, complete: int) -> float:
        """The share that agrees at least of a picture's patches, by the multiples of a step.

        Args:
            rows: those that agree.
            patches: how many of the picture's are multiples of the step, about.
            complete: the step.
        """
        places = self._places(rows, complete)
        return float(places.sum() - _CERTAIN * math.sqrt(int((places**2).sum()))) / max(patches, 1.0)

    def _places(self, rows: NDArray[np.int64], complete: int) -> NDArray[np.int64]:
        """(K,) int64: places of each different multiple of a step among some patches.

        Equal ones are in a sample together or not at all, so that it tells less the more of them are equal.
        """
        kinds = self._kinds[rows[self._powers[rows] >= complete.bit_length() - 1]]
        return np.asarray(np.unique(kinds, return_counts=True)[1], np.int64)

    def _could_agree(self, inner: Box, size: int) -> NDArray[np.int64]:
        """How many patches of a size lie at one place, by power of two; of many pictures that is all of the query."""
        if (inner, size) not in self._could:
            self._could[inner, size] = _at_least(self._powers[self._within(inner, size)])
        return self._could[inner, size]

    def _within(self, inner: Box, size: int) -> NDArray[np.bool_]:
        """Which patches of a size lie in a box of left, top, right and bottom."""
        x, y = self._x, self._y
        return np.asarray((x >= inner[0]) & (x + size <= inner[2]) & (y >= inner[1]) & (y + size <= inner[3]), np.bool_)


def _smallest_share(share: float, sample: float) -> float:
    """The smallest share of all that a sample of so many, of which a share agrees, is likely of: Wilson's bound."""
    more = _CERTAIN**2 / sample
    deviation = _CERTAIN * math.sqrt(share * (1 - share) / sample + more / sample / 4)
    return (share + more / 2 - deviation) / (1 + more)


def looked_at(hashes: Hashes, counts: NDArray[np.int64], common: int, at_most: int) -> tuple[NDArray[np.int64], int]:
    """Which patches of a query are weighed, where those that are found are too many.

    A sample of all, by their hashes, and the rarest of the others: pieces of a scene are found by few patches that
    little else has, and a copy among many others of itself by a sample that tells its share.

    Args:
        hashes: (Q,) of the query's patches.
        counts: (Q,) int64: places of each in the index.
        common: places from which on a patch tells of nothing.
        at_most: places, in all.

    Returns:
        The rows, and the step of whose multiples all are among them: 1 where none was left out.
    """
    found = np.flatnonzero((counts > 0) & (counts <= common))
    if int(counts[found].sum()) <= at_most:
        return found, 1
    step, sampled = 1, found
    while int(counts[sampled].sum()) > at_most * _SAMPLED:
        step *= 2
        sampled = found[(hashes[found] & np.uint64(step - 1)) == 0]
    others = found[(hashes[found] & np.uint64(step - 1)) != 0]
    others = others[np.argsort(counts[others], kind="stable")]
    room = at_most - int(counts[sampled].sum())
    return np.sort(np.concatenate((sampled, others[np.cumsum(counts[others]) <= room]))), step


def _powers_of_two(hashes: Hashes) -> NDArray[np.int64]:
    """The power of two that each hash is a multiple of; 63 of 0."""
    lowest = hashes & (~hashes + np.uint64(1))
    return np.where(hashes == 0, 63, np.log2(np.maximum(lowest, np.uint64(1)).astype(np.float64)).astype(np.int64))


def _at_least(powers: NDArray[np.int64]) -> NDArray[np.int64]:
    """(64,): how many are at least 0, 1, 2 ..."""
    return np.asarray(np.bincount(powers, minlength=64)[::-1].cumsum()[::-1], np.int64)
