"""Patches: hashes of the small windows of a picture, of which index and query keep the same few.

As winnowing does for texts: a window of 6 x 6 canonical pixels becomes a 64-bit hash, and is kept where the hash is a
multiple of the picture's step. What is cut out of a picture, or pasted into one, keeps its windows, and so its hashes;
where they are in both pictures tells the place. Compression with loss changes every pixel, and so all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness.islands import more_of_small_sprites

SPACE = "patches-1"
"""Name and version of the patches: the derived space that keeps them. Other patches of the same pixels need another."""
SIDE = 6
LEAST_VISIBLE = 18
"""Pixels of a window that are not fully transparent."""
LEAST_CHANGES = 7
"""Neighbouring pixels of a window, of 60 pairs, that differ: a straight edge, with six, is in every other picture."""
DENSEST, USUAL = 2, 16
"""Steps: of the smallest pictures, which have few windows, and of most."""
ENOUGH, AMPLE = 96, 384
"""Opaque patches, and patches in all, with fewer than which a picture is kept more densely than usual."""
MOST = 65_536
"""Patches kept of one picture; of one with more, every second window is left out, evenly, until so many are left."""
REPEATS = 16
"""Places kept of one patch in a picture: frames of an animation share most of theirs."""
LARGEST_SIDE = 1 << 16
"""Windows further to the right or down are left out: places are kept in 16 bits."""
MAX_ENLARGEMENT = 16
_STRIP = 1 << 16  # pixels hashed at once: their sums stay in the processor's cache
_DENSE_PIXELS = 1 << 18  # pixels up to which all windows are looked at as densely as the smallest pictures'

_T = TypeVar("_T", bound=np.generic)
Hashes = NDArray[np.uint64]
Places = NDArray[np.uint16]


@dataclass(frozen=True)
class Patches:
    """The patches of one picture.

    Attributes:
        hashes: (N,) uint64, in no order; of equal ones at most ``REPEATS``.
        x: (N,) uint16, columns of the windows' left edges.
        y: (N,) uint16, rows of their upper edges.
        opaque: (N,) bool, whether each window is opaque: only these survive another background.
        width: pixels of the picture in which the places are, so after an enlargement was undone.
        height: likewise.
        enlarged: by how much the picture was a whole-number enlargement; 1 for most.
        step: hashes are multiples of it, but for those of small sprites of sheets.
    """

    hashes: Hashes
    x: Places
    y: Places
    opaque: NDArray[np.bool_]
    width: int
    height: int
    enlarged: int
    step: int

    def __len__(self) -> int:
        return len(self.hashes)

    def thinned(self, step: int) -> Self:
        """Those that are multiples of a larger step."""
        return self if step <= self.step else self._where((self.hashes & np.uint64(step - 1)) == 0, step)

    def _where(self, kept: NDArray[np.bool_] | NDArray[np.int64], step: int) -> Self:
        return type(self)(
            self.hashes[kept], self.x[kept], self.y[kept], self.opaque[kept],
            self.width, self.height, self.enlarged, step,
        )  # fmt: skip

    def moved(self, right: int, down: int, width: int, height: int) -> Self:
        """The same as patches of a larger picture, in which theirs begins so far to the right and down."""
        x, y = (self.x + np.uint16(right), self.y + np.uint16(down)) if right or down else (self.x, self.y)
        return replace(self, x=x, y=y, width=width, height=height)

    def at_most(self, count: int) -> Self:
        """The same with a step so large that no more than ``count`` are left."""
        step, hashes = self.step, self.hashes
        while len(hashes) > count:
            step *= 2
            hashes = hashes[(hashes & np.uint64(step - 1)) == 0]
        return self.thinned(step)

    def without_repeats(self, places: int = REPEATS) -> Self:
        """The same with at most so many places of each patch, the uppermost first."""
        order = np.lexsort((self.x, self.y, self.hashes))
        ranked = self.hashes[order]
        starts = np.flatnonzero(np.concatenate(([True], ranked[1:] != ranked[:-1]))) if len(ranked) else order
        nth = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
        kept = np.sort(order[nth < places])
        return self if len(kept) == len(self) else self._where(kept, self.step)


def patches(rgba: NDArray[np.uint8]) -> Patches:
    """The patches by which a picture is indexed.

    Args:
        rgba: (H, W, 4) uint8 canonical pixels: RGB zero where alpha is 0.

    Returns:
        At most ``MOST``, and more of small sprites of sheets (``islands``), whose hashes are not all multiples of the
        step; none of a picture without windows that are visible and not flat.
    """
    reduced, enlarged = undo_enlargement(rgba)
    every = hashed(reduced, DENSEST, enlarged)
    if reduced.shape[0] * reduced.shape[1] > _DENSE_PIXELS and len(every) >= AMPLE * USUAL // DENSEST:
        found = every.thinned(USUAL).without_repeats()
    else:
        found = every.without_repeats()
    while found.step < USUAL:
        thinner = found.thinned(found.step * 2)
        if int(np.count_nonzero(thinner.opaque)) < ENOUGH and len(thinner) < AMPLE:
            break
        found = thinner
    found = found.at_most(MOST)
    more = more_of_small_sprites(reduced[..., 3] != 0, every.hashes, every.x, every.y, found.step)
    if not len(more):
        return found
    few = every._where(more, found.step).without_repeats()
    both = [(one.hashes, one.x, one.y, one.opaque) for one in (found, few)]
    return _joined(both, found.width, found.height, enlarged, found.step)


def hashed(rgba: NDArray[np.uint8], step: int, enlarged: int = 1) -> Patches:
    """All patches of a picture whose hashes are multiples of a step (a power of two), with every place of each."""
    pixels = _packed(rgba)
    height, width = pixels.shape
    found = [
        _strip(pixels[top : top + rows + SIDE - 1], step, top, None)
        for top, rows in _strips(min(height, LARGEST_SIDE), min(width, LARGEST_SIDE))
    ]
    return _joined(found, width, height, enlarged, step)


def sampled(rgba: NDArray[np.uint8], factor: int, step: int) -> Patches:
    """The patches of what is ``factor`` times enlarged somewhere in a picture, at whatever phase.

    Args:
        rgba: (H, W, 4) uint8 canonical pixels.
        factor: 2 or more.
        step: hashes are multiples of it.

    Returns:
        Patches of windows of 6 x 6 blocks, each of one colour, with their places in pixels of ``rgba``.
    """
    pixels = _packed(rgba)[:LARGEST_SIDE, :LARGEST_SIDE]
    whole = _whole_blocks(pixels, factor)
    found = []
    for down in range(factor):
        for right in range(factor):
            blocks = whole[down::factor, right::factor]
            if min(blocks.shape) < SIDE or not _box(blocks).any():
                continue
            part = pixels[down::factor, right::factor][: blocks.shape[0], : blocks.shape[1]]
            for top, rows in _strips(*part.shape):
                strip = slice(top, top + rows + SIDE - 1)
                hashes, x, y, opaque = _strip(part[strip], step, top, blocks[strip])
                places = (x.astype(np.int64) * factor + right, y.astype(np.int64) * factor + down)
                found.append((hashes, places[0].astype(np.uint16), places[1].astype(np.uint16), opaque))
    return _joined(found, pixels.shape[1], pixels.shape[0], 1, step)


def undo_enlargement(rgba: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """The picture before a whole-number enlargement, and by how much it was enlarged; 1 where it was not."""
    pixels = _packed(rgba)
    height, width = pixels.shape
    # A run of equal pixels that is not a multiple of a number excludes it: the greatest common divisor is left.
    factor = int(np.gcd(width, height))
    for axis in (1, 0):
        if factor > 1:
            edges = np.flatnonzero((np.diff(pixels, axis=axis) != 0).any(axis=1 - axis)) + 1
            factor = int(np.gcd.reduce(edges, initial=factor)) if len(edges) else factor
    # A picture of one colour is any number of times enlarged.
    if factor < 2 or factor > MAX_ENLARGEMENT or min(width, height) // factor < SIDE:
        return rgba, 1
    return np.ascontiguousarray(rgba[::factor, ::factor]), factor


def _strips(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Upper edges and numbers of rows of windows, so many at a time as are hashed at once."""
    windows = height - SIDE + 1
    rows = max(_STRIP // max(width, 1), SIDE)
    if width >= SIDE:
        for top in range(0, windows, rows):
            yield top, min(rows, windows - top)


def no_patches() -> Patches:
    """Those of a picture that has none."""
    return _joined([], 0, 0, 1, USUAL)


_HEADER = np.dtype([("width", "<u4"), ("height", "<u4"), ("enlarged", "<u2"), ("step", "<u2"), ("count", "<u4")])


def packed(found: Patches) -> bytes:
    """The patches of a picture as bytes; 12 and an eighth for each, and empty where there are none."""
    if not len(found):
        return b""
    header = np.array((found.width, found.height, found.enlarged, found.step, len(found)), _HEADER)
    columns = (found.hashes.astype("<u8"), found.x.astype("<u2"), found.y.astype("<u2"), np.packbits(found.opaque))
    return header.tobytes() + b"".join(column.tobytes() for column in columns)


def unpacked(content: bytes) -> Patches | None:
    """The patches that ``packed`` made bytes of; None of none."""
    if not content:
        return None
    width, height, enlarged, step, count = np.frombuffer(content, _HEADER, 1)[0].tolist()
    rest = memoryview(content)[_HEADER.itemsize :]
    hashes = np.frombuffer(rest, "<u8", count)
    x = np.frombuffer(rest, "<u2", count, 8 * count)
    y = np.frombuffer(rest, "<u2", count, 10 * count)
    bits = np.unpackbits(np.frombuffer(rest, np.uint8, -1, 12 * count), count=count)
    return Patches(hashes, x, y, bits.astype(np.bool_), width, height, enlarged, step)


_Found = tuple[Hashes, Places, Places, NDArray[np.bool_]]


def _joined(found: list[_Found], width: int, height: int, enlarged: int, step: int) -> Patches:
    if not found:
        found = [(np.empty(0, np.uint64), np.empty(0, np.uint16), np.empty(0, np.uint16), np.empty(0, np.bool_))]
    hashes, x, y, opaque = (np.concatenate(column) for column in zip(*found, strict=True))
    return Patches(hashes, x, y, opaque, width, height, enlarged, step)


def _packed(rgba: NDArray[np.uint8]) -> NDArray[np.uint32]:
    return np.ascontiguousarray(rgba).view(np.uint32)[..., 0]


_ALPHA = np.array([[[0, 0, 0, 255]]], np.uint8).view(np.uint32)[0, 0, 0]
_SPREAD, _AGAIN = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD6E8FEB86659FD93)
_ACROSS, _DOWN = np.uint64(0xA0761D6478BD642F), np.uint64(0xE7037ED1A0B428DB)
_MIXES = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def _strip(pixels: NDArray[np.uint32], step: int, top: int, blocks: NDArray[np.bool_] | None) -> _Found:
    """Patches of some rows of windows.

    Args:
        pixels: (rows + 5, W) uint32 packed RGBA.
        step: hashes are multiples of it.
        top: row of the first.
        blocks: (rows + 5, W) bool: only windows in which all are true count; None: all do.
    """
    alpha = pixels & _ALPHA
    kept = _sums(_sums((alpha != 0).view(np.uint8), SIDE, 1), SIDE, 0) >= LEAST_VISIBLE
    across = _sums(_sums((pixels[:, 1:] != pixels[:, :-1]).view(np.uint8), SIDE - 1, 1), SIDE, 0)
    down = _sums(_sums((pixels[1:] != pixels[:-1]).view(np.uint8), SIDE, 1), SIDE - 1, 0)
    kept &= across + down >= LEAST_CHANGES
    if blocks is not None:
        kept &= _box(blocks)
    if not kept.any():
        return np.empty(0, np.uint64), np.empty(0, np.uint16), np.empty(0, np.uint16), np.empty(0, np.bool_)
    values = pixels * _SPREAD
    values ^= values >> np.uint64(32)
    values *= _AGAIN
    hashes = _mixed(_polynomial(_polynomial(values, _ACROSS, 1), _DOWN, 0))
    kept &= (hashes & np.uint64(step - 1)) == 0
    y, x = np.nonzero(kept)
    opaque = _box(alpha == _ALPHA)[y, x]
    return hashes[y, x], x.astype(np.uint16), (y + top).astype(np.uint16), opaque


def _polynomial(values: NDArray[np.uint64], base: np.uint64, axis: int) -> NDArray[np.uint64]:
    """Each six neighbours along an axis as one number, whose order matters."""
    many = values.shape[axis] - SIDE + 1
    total = _shifted(values, 0, many, axis).copy()
    for nth in range(1, SIDE):
        total *= base
        total += _shifted(values, nth, many, axis)
    return total


def _mixed(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread every bit over all (the finalizer of SplitMix64): the low bits choose, the high ones sort."""
    for shift, factor in _MIXES:
        hashes ^= hashes >> np.uint64(shift)
        hashes *= np.uint64(factor)
    hashes ^= hashes >> np.uint64(31)
    return hashes


def _sums(counts: NDArray[np.uint8], width: int, axis: int) -> NDArray[np.uint8]:
    """Sums of each 5 or 6 neighbours along an axis."""
    many = counts.shape[axis] - width + 1
    pairs = _shifted(counts, 0, counts.shape[axis] - 1, axis) + _shifted(counts, 1, counts.shape[axis] - 1, axis)
    total = _shifted(pairs, 0, many, axis) + _shifted(pairs, 2, many, axis)
    return total + (_shifted(pairs, 4, many, axis) if width == SIDE else _shifted(counts, 4, many, axis))


def _box(wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Windows in which all are true."""
    for axis in (1, 0):
        many = wanted.shape[axis] - SIDE + 1
        pairs = _shifted(wanted, 0, wanted.shape[axis] - 1, axis) & _shifted(wanted, 1, wanted.shape[axis] - 1, axis)
        wanted = _shifted(pairs, 0, many, axis) & _shifted(pairs, 2, many, axis) & _shifted(pairs, 4, many, axis)
    return wanted


def _shifted(values: NDArray[_T], start: int, count: int, axis: int) -> NDArray[_T]:
    """A slice along an axis."""
    return values[:, start : start + count] if axis == 1 else values[start : start + count]


def _whole_blocks(pixels: NDArray[np.uint32], factor: int) -> NDArray[np.bool_]:
    """Whether the block of ``factor`` x ``factor`` pixels from each pixel on is of one colour."""
    height, width = pixels.shape
    if min(height, width) < factor:
        return np.zeros((0, 0), np.bool_)
    same = np.ones((height, width - factor + 1), np.bool_)
    equal = pixels[:, 1:] == pixels[:, :-1]
    for nth in range(factor - 1):
        same &= equal[:, nth : nth + same.shape[1]]
    whole = same[: height - factor + 1].copy()
    below = pixels[1:] == pixels[:-1]
    for nth in range(factor - 1):
        whole &= same[nth + 1 : nth + 1 + len(whole)]
        whole &= below[nth : nth + len(whole), : whole.shape[1]]
    return whole
