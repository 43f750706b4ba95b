"""Finds the equal steps at which sprites or tiles follow each other along one side of a picture. Pure.

Two kinds of evidence: lines that no sprite crosses, where there is empty ground between them, and lines of edges at
equal distances, where tiles touch each other.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST = 8  # pixels of a cell's side; below it, grids are found in anything
MOST_CELLS = 256  # along one side
COMMON_SIZES = (8, 16, 24, 32, 48, 64, 96, 128, 192, 256)  # of tiles
_CROSSED = 0.02  # share of the usual crossings that a line between cells may have: a sword that reaches over
_FILLED = 0.75  # share of the cells along a side that hold something
_TOLD, _CLEAR = 6, 0.75  # lines between two sprites that tell of squares, and the share of them that is clear
_FEW_STEPS = 4  # cells along each side of a sheet whose sprites touch
_RARELY, _NEARLY_ALL = 0.45, 0.85  # crossings at its lines, as a share of those elsewhere, and the lines with so few
_SEAMS = 0.7  # share of the borders that must stand out at all


@dataclass(frozen=True)
class Steps:
    """Equal steps along one side.

    Attributes:
        start: where the first cell begins, in pixels; may be negative where its empty part is cut off.
        size: of a cell, in pixels.
        gap: between two cells, in pixels.
        count: of cells.
        fits: whether cells of this size without gaps make up the whole side.
    """

    start: int
    size: int
    gap: int
    count: int
    fits: bool

    def cells(self, length: int) -> list[tuple[int, int]]:
        """(start, end) of each cell within a side of that length, end exclusive."""
        step = self.size + self.gap
        starts = [self.start + n * step for n in range(self.count)]
        return [(max(0, start), min(length, start + self.size)) for start in starts]


def crossings(shown: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many pixels touch across each line between two columns.

    Args:
        shown: (H, W) whether a pixel shows something.

    Returns:
        (W + 1,) int64, 0 at both ends; diagonal neighbours touch too.
    """
    wide = shown.copy()
    wide[1:] |= shown[:-1]
    wide[:-1] |= shown[1:]
    touching = np.count_nonzero(wide[:, 1:] & shown[:, :-1], axis=0)
    return np.concatenate([[0], touching, [0]]).astype(np.int64)


def steps_between(shown: NDArray[np.bool_]) -> Steps | None:
    """The steps along a row whose lines no sprite crosses; None where there are none.

    Args:
        shown: (H, W) whether a pixel shows something; its transpose for the steps down a column.
    """
    length = shown.shape[1]
    counts = np.count_nonzero(shown, axis=0)
    filled = counts > 0
    if not filled.any():
        return None
    crossed = crossings(shown)
    inner = crossed[crossed > 0]
    usual = float(inner.mean()) if len(inner) else 0.0
    first, last = int(np.argmax(filled)), length - int(np.argmax(filled[::-1]))
    gutters = _gutters(crossed, first, last)
    if not gutters.any():
        return None
    alike = _repeats(counts)
    best: tuple[float, int, int] | None = None
    least = max(LEAST, -(-length // MOST_CELLS))
    for step in range(least, min(length // 2, (last - first) * 3 // 4) + 1):
        offset = _clear_offset(crossed, step, usual)
        if offset is None:
            continue
        share = _share_filled(filled, step, offset, first, last)
        if share < _FILLED:
            continue
        fits = offset == 0 and length % step == 0
        # In a multiple of the right step each cell would hold several sprites, with gutters that no line uses.
        lines = np.arange(offset, length, step)
        used = np.count_nonzero(np.unique(gutters[lines]))
        score = share + used / max(1, gutters.max()) + 0.15 * fits + 0.5 * alike[step] - 0.1 * step / length
        if best is None or score > best[0]:
            best = (score, step, offset)
    return None if best is None else _steps(filled, best[1], best[2])


def squared(shown: NDArray[np.bool_], across: Steps | None, down: Steps | None) -> Steps | None:
    """The steps along a row, as short as those down a column where square cells are what is there.

    Sprites that fill their cells touch in some rows, so that no line between them is clear all the way down, but for
    those between every second or third. Squares count where nearly all of the other lines are clear in their own rows.

    Args:
        shown: (H, W) whether a pixel shows something.
        across: the steps that were found.
        down: those down a column.

    Returns:
        Steps of ``down.size``, or ``across`` as it is.
    """
    height, width = shown.shape
    if down is None or not down.fits or width % down.size or width < 2 * down.size:
        return across
    size = down.size
    if across is not None and (across.size + across.gap < 2 * size or (across.size + across.gap) % size):
        return across
    own = {start for start, _ in across.cells(width)} if across is not None else set()
    bands = [crossings(shown[top:bottom]) for top, bottom in down.cells(height)]
    held = np.asarray(shown.reshape(height // size, size, width // size, size).any(axis=(1, 3)))
    clear = [
        band[line] == 0
        for row, band in enumerate(bands)
        for line in range(size, width, size)
        if line not in own and held[row, line // size - 1] and held[row, line // size]
    ]
    if len(clear) < _TOLD or np.mean(clear) < _CLEAR:
        return across
    return Steps(0, size, 0, width // size, fits=True)


def size_of_touching(shown: NDArray[np.bool_]) -> int | None:
    """The side of square cells most of whose sprites end at their borders, though some touch the next ones.

    Args:
        shown: (H, W) whether a pixel shows something.

    Returns:
        The smallest of ``COMMON_SIZES`` at whose lines much less touches than at the lines elsewhere, in both
        directions; None where there is none.
    """
    height, width = shown.shape
    both = crossings(shown), crossings(shown.T)
    for size in COMMON_SIZES:
        fits = width % size == 0 and height % size == 0 and min(width, height) >= _FEW_STEPS * size
        if fits and all(_rarely_crossed(crossed, size) for crossed in both):
            return size
    return None


def _rarely_crossed(crossed: NDArray[np.int64], size: int) -> bool:
    lines = np.arange(size, len(crossed) - 1, size)
    elsewhere = np.delete(crossed, np.arange(0, len(crossed), size)).mean()
    at_lines = crossed[lines]
    few = np.mean(at_lines < _RARELY * elsewhere) >= _NEARLY_ALL
    return bool(few and at_lines.mean() < _RARELY * elsewhere)


def _gutters(crossed: NDArray[np.int64], first: int, last: int) -> NDArray[np.int64]:
    """(W + 1,): for each line the number, from 1, of the run of clear lines amid the content that it is in; else 0."""
    clear = crossed == 0
    clear[: first + 1] = False
    clear[last:] = False
    starts = clear & ~np.concatenate([[False], clear[:-1]])
    return np.where(clear, np.cumsum(starts), 0)


def _repeats(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """How alike a profile is to itself moved by each distance: 1 for equal ones."""
    centred = counts - counts.mean()
    size = 1 << (2 * len(counts) - 1).bit_length()
    spectrum = np.fft.rfft(centred, size)
    found = np.fft.irfft(spectrum * spectrum.conj(), size)[: len(counts)]
    overlap = np.arange(len(counts), 0, -1)
    return np.clip(found / overlap / max(float(centred.var()), 1e-9), -1, 1)


def _clear_offset(crossed: NDArray[np.int64], step: int, usual: float) -> int | None:
    """Where lines at this distance cross next to nothing: at 0 where they may, else amid the widest clear run."""
    length = len(crossed) - 1
    padded = np.zeros(-(-len(crossed) // step) * step, np.int64)
    padded[: len(crossed)] = crossed
    lines = padded.reshape(-1, step)
    count = np.maximum(1, (length - 1 - np.arange(step)) // step)
    clear = (lines.sum(axis=0) <= _CROSSED * usual * count) & (lines.max(axis=0) <= max(1.0, 0.25 * usual))
    if not clear.any():
        return None
    if clear[0]:
        return 0
    found = np.flatnonzero(clear)
    widest = max(np.split(found, np.flatnonzero(np.diff(found) > 1) + 1), key=len)
    return int(widest[len(widest) // 2])


def _share_filled(filled: NDArray[np.bool_], step: int, offset: int, first: int, last: int) -> float:
    """Share of the cells from the first to the last shown pixel that hold something; 0 of fewer than two."""
    edges = np.unique(np.concatenate([[0], np.arange(offset, len(filled), step), [len(filled)]]))
    held = np.add.reduceat(filled, edges[:-1]) > 0
    inside = (edges[1:] > first) & (edges[:-1] < last)
    return float(held[inside].mean()) if np.count_nonzero(held) > 1 else 0.0


def _steps(filled: NDArray[np.bool_], step: int, offset: int) -> Steps:
    """The steps, with cells as large as what any of them holds; whole ones where they make up the whole side."""
    length = len(filled)
    if offset == 0 and length % step == 0:
        return Steps(0, step, 0, length // step, fits=True)
    shown = np.flatnonzero(filled)
    inside = (shown - offset) % step
    low, high = (0, step) if offset == 0 else (int(inside.min()), int(inside.max()) + 1)
    cell = (shown - offset) // step
    start = offset + int(cell.min()) * step + low
    return Steps(start, high - low, step - (high - low), int(cell.max() - cell.min()) + 1, fits=False)


def steps_of_seams(rgba: NDArray[np.uint8], size: int) -> float:
    """How far the borders of tiles of that size stand out among all lines between columns.

    Args:
        rgba: (H, W, 4) uint8; transposed for the lines between rows. W is a multiple of the size.
        size: of a tile, in pixels.

    Returns:
        Standard errors above the lines elsewhere; 0 where too few of the borders stand out.
    """
    edges = _edges(rgba)
    peak = edges - (np.concatenate([edges[:1], edges[:-1]]) + np.concatenate([edges[1:], edges[-1:]])) / 2
    lines = np.arange(size, rgba.shape[1], size) - 1
    if len(lines) < 1:
        return 0.0
    other = np.delete(peak, lines)
    if np.mean(edges[lines] > np.median(edges)) < _SEAMS:
        return 0.0
    return float((peak[lines].mean() - other.mean()) / (other.std() / np.sqrt(len(lines)) + 1e-3))


def _edges(rgba: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(W - 1,): share of the rows in which two neighbouring columns clearly differ."""
    pixels = rgba.astype(np.int16)
    pixels[..., :3] = pixels[..., :3] * pixels[..., 3:] // 255
    different = np.abs(pixels[:, 1:] - pixels[:, :-1]).max(axis=2) > 24
    return np.asarray(different.mean(axis=0))
