"""Cuts sprite sheets and tile sets into their cells: recognises what is a sheet, and leaves all else whole. Pure.

A wrong cut costs more than a missing one, since a picture that is not cut is still found whole. So a sheet needs
evidence of its own: lines that nothing crosses and that fill a regular grid, borders of tiles that stand out in both
directions, or many separate drawings on empty ground.
"""

import json
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness.grids import COMMON_SIZES, LEAST, Steps, size_of_touching, squared, steps_between, steps_of_seams

SPACE = "sheets-2"
"""Name of the derived space; its number rises when a sheet may be cut otherwise."""

MAX_PIXELS = 1 << 24
"""Larger pictures are left whole."""

MAX_CELLS = 4096
"""Of one sheet; one with more is left whole."""

_GROUND = 0.08  # share of a picture that its ground must have to be one
_SEAMS = 6.0
_LOOSE = 4  # separate drawings that make a sheet
_SPECKS = 0.1  # share of the shown pixels that may lie in drawings too small for a cell
_LEAST_IN_ROW = 4  # sprites of a sheet of one row whose steps leave a rest
_LONGEST = 8  # cells of one row: their length in their widths
_LEAST_WHOLE = 0.2  # share of the cells of one row, or one column, that hold one drawing
_SURE = 0.6  # confidence from which a sheet is cut
_SURE_OF_STRIPS = 0.68
_SURE_OF_LOOSE = 0.65


class CellKind(StrEnum):
    """What a cell was found by."""

    GRID = "grid"  # a regular grid
    STRIP = "strip"  # steps of one row among several
    LOOSE = "loose"  # a drawing that touches no other
    NAMED = "named"  # an atlas beside the picture


@dataclass(frozen=True)
class Cell:
    """A part of a sheet, in pixels from its left upper corner."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Sheet:
    """A sheet's cells that show something, row by row.

    Attributes:
        kind: what they were found by.
        confidence: 0 to 1.
        cells: each within the picture, none empty.
    """

    kind: CellKind
    confidence: float
    cells: tuple[Cell, ...]


def packed(sheet: Sheet | None) -> bytes:
    """A sheet as the derived space keeps it; empty for none."""
    if sheet is None:
        return b""
    cells = [[cell.x, cell.y, cell.width, cell.height] for cell in sheet.cells]
    return json.dumps([sheet.kind, sheet.confidence, cells], separators=(",", ":")).encode()


def unpacked(content: bytes) -> Sheet | None:
    """What ``packed`` made."""
    if not content:
        return None
    kind, confidence, cells = json.loads(content)
    return Sheet(CellKind(kind), confidence, tuple(Cell(*cell) for cell in cells))


def recognise(rgba: NDArray[np.uint8]) -> Sheet | None:
    """Cut a picture into its cells where it is a sheet.

    Args:
        rgba: (H, W, 4) uint8 canonical pixels.

    Returns:
        The sheet; None where the picture is not one, or nothing shows for sure how it is divided.
    """
    height, width = rgba.shape[:2]
    if max(height, width) < 2 * LEAST or height * width > MAX_PIXELS:
        return None
    shown = ground_removed(rgba)
    found = None
    if shown is not None and shown.any():
        found = _grid(shown) or _strips(shown) or _touching(shown) or _loose(shown)
    found = found or _tiles(rgba, shown)
    return found if found is not None and len(found.cells) <= MAX_CELLS else None


def ground_removed(rgba: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """Whether each pixel shows something (H, W); None where the picture has no empty ground."""
    clear = rgba[..., 3] < 8
    if clear.mean() >= _GROUND:
        return ~clear
    border = np.concatenate([rgba[0], rgba[-1], rgba[:, 0], rgba[:, -1]])
    colours, counts = np.unique(border.view(np.uint32), return_counts=True)
    ground = colours[counts.argmax()]
    same = (np.ascontiguousarray(rgba).view(np.uint32)[..., 0] == ground) | clear
    if counts.max() < 0.6 * len(border) or same.mean() < 2 * _GROUND:
        return None
    return np.asarray(~same)


def _grid(shown: NDArray[np.bool_]) -> Sheet | None:
    """Cells between lines that nothing crosses, in both directions."""
    across, down = steps_between(shown), steps_between(shown.T)
    height, width = shown.shape
    across, down = squared(shown, across, down), squared(shown.T, down, across)
    if across is None and down is None:
        return None
    if across is None or down is None:
        steps = across or down
        assert steps is not None
        if steps.count < _LEAST_IN_ROW and not steps.fits:
            return None  # letters, stalks, posts: three things beside each other are in many pictures
        if (height if across else width) > _LONGEST * steps.size:
            return None  # whole rows of something
    rows = down.cells(height) if down else [(0, height)]
    columns = across.cells(width) if across else [(0, width)]
    cells = _not_empty(shown, columns, rows)
    if len(cells) < 3:
        return None
    alike, whole = _contents(shown, cells)
    if whole < _LEAST_WHOLE and (across is None or down is None):
        return None  # divided further the other way, only not by straight lines: tiles
    confidence = 0.15 + 0.15 * _fit(across) + 0.15 * _fit(down)
    confidence += 0.25 * alike + 0.3 * whole + 0.1 * min(1.0, len(cells) / 16)
    if across is None or down is None:  # one row of sprites: less to go by
        confidence -= 0.05
    return Sheet(CellKind.GRID, round(min(confidence, 0.99), 2), cells) if confidence >= _SURE else None


def _touching(shown: NDArray[np.bool_]) -> Sheet | None:
    """Square cells between lines that little crosses: some sprites fill theirs and touch the next ones."""
    size = size_of_touching(shown)
    if size is None:
        return None
    height, width = shown.shape
    columns = [(x, x + size) for x in range(0, width, size)]
    rows = [(y, y + size) for y in range(0, height, size)]
    inner = shown.copy()  # what reaches over from the next cell is not a sprite
    for edge in (0, size - 1):
        inner[edge::size] = inner[:, edge::size] = False
    return Sheet(CellKind.GRID, _SURE, _not_empty(inner, columns, rows))


def _fit(steps: Steps | None) -> float:
    """How far the steps are what a person would have chosen."""
    if steps is None:
        return 0.5
    return (0.6 if steps.fits else 0.0) + (0.4 if steps.size % 8 == 0 else 0.2 if steps.size % 2 == 0 else 0.0)


def _not_empty(
    shown: NDArray[np.bool_], columns: list[tuple[int, int]], rows: list[tuple[int, int]]
) -> tuple[Cell, ...]:
    sums = np.zeros((shown.shape[0] + 1, shown.shape[1] + 1), np.int64)
    sums[1:, 1:] = shown.cumsum(axis=0, dtype=np.int64).cumsum(axis=1)
    return tuple(
        Cell(left, top, right - left, bottom - top)
        for top, bottom in rows
        for left, right in columns
        if sums[bottom, right] - sums[top, right] - sums[bottom, left] + sums[top, left]
    )


def _contents(shown: NDArray[np.bool_], cells: tuple[Cell, ...]) -> tuple[float, float]:
    """What speaks for a division, from what the cells hold.

    Returns:
        How alike they are in size, near 1 for frames of an animation and less for a scatter; and the share of those
        that hold one drawing, which no straight line divides.
    """
    sizes = []
    whole = 0
    some = cells[:: max(1, len(cells) // 128)]
    for cell in some:
        part = shown[cell.y : cell.y + cell.height, cell.x : cell.x + cell.width]
        rows, columns = _runs(_any(part, 1)), _runs(_any(part, 0))
        sizes.append((columns[-1][1] - columns[0][0], rows[-1][1] - rows[0][0]))
        whole += len(rows) == 1 and len(columns) == 1
    sides = np.sort(np.array(sizes, np.float64), axis=0)
    few = max(1, len(sides) // 4)
    return float((sides[:few].mean(axis=0) / sides[-few:].mean(axis=0)).mean()), whole / len(some)


def _tiles(rgba: NDArray[np.uint8], shown: NDArray[np.bool_] | None) -> Sheet | None:
    """Square tiles that touch each other: both sides are multiples of their size, and their borders stand out."""
    height, width = rgba.shape[:2]
    turned = np.ascontiguousarray(rgba.swapaxes(0, 1))
    best: tuple[float, int] | None = None
    for size in COMMON_SIZES:
        if width % size or height % size or width * height < 6 * size * size or min(width, height) < size:
            continue
        seams = [steps_of_seams(side, size) for side in (rgba, turned) if side.shape[1] > size]
        least = min(seams)
        if best is None or least > best[0]:
            best = (least, size)
    if best is None or best[0] < _SEAMS:
        return None
    least, size = best
    columns = [(x, x + size) for x in range(0, width, size)]
    rows = [(y, y + size) for y in range(0, height, size)]
    cells = _not_empty(np.ones((height, width), bool) if shown is None else shown, columns, rows)
    if len(cells) < 6 or _repeated(rgba, cells) > 0.6:
        return None
    return Sheet(CellKind.GRID, round(min(0.95, 0.6 + 0.02 * (least - _SEAMS)), 2), cells)


def _repeated(rgba: NDArray[np.uint8], cells: tuple[Cell, ...]) -> float:
    """Share of the cells that look like the one before: a texture repeats itself, a tile set does not."""
    parts = [rgba[c.y : c.y + c.height, c.x : c.x + c.width].astype(np.int16) for c in cells[:256]]
    same = [float(np.abs(one - other).mean()) < 12 for one, other in zip(parts[1:], parts[:-1], strict=True)]
    return float(np.mean(same))


def _strips(shown: NDArray[np.bool_]) -> Sheet | None:
    """Rows of sprites, each with steps of its own."""
    bands = _runs(_any(shown, 1))
    cells: list[Cell] = []
    sure = []
    for top, bottom in bands:
        if bottom - top < LEAST:
            continue
        band = shown[top:bottom]
        steps = steps_between(band)
        if steps is None or steps.count < 3:
            return None
        found = _not_empty(band, steps.cells(shown.shape[1]), [(0, bottom - top)])
        sure.append(_contents(band, found))
        cells += [Cell(cell.x, top, cell.width, cell.height) for cell in found]
    if len(bands) < 2 or len(cells) < 6:
        return None
    alike, whole = np.mean(sure, axis=0)
    confidence = 0.05 + 0.35 * float(alike) + 0.4 * float(whole) + 0.1 * min(1.0, len(cells) / 16)
    return Sheet(CellKind.STRIP, round(confidence, 2), tuple(cells)) if confidence >= _SURE_OF_STRIPS else None


def _any(shown: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    return np.asarray(shown.any(axis=axis))


def _runs(filled: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(start, end) of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], filled, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _loose(shown: NDArray[np.bool_]) -> Sheet | None:
    """Drawings that touch no other; specks beside them count to none."""
    from scipy import ndimage  # here, since every process of a run would load it for half a second

    labels, count = ndimage.label(ndimage.binary_dilation(shown, np.ones((3, 3), bool)), np.ones((3, 3), int))
    if not _LOOSE <= count <= 4 * MAX_CELLS:
        return None
    shares = np.bincount(labels[shown], minlength=count + 1)
    cells: list[Cell] = []
    specks = 0
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        rows, columns = box
        # Dilation has widened each by a pixel.
        top, left = rows.start + (rows.start > 0), columns.start + (columns.start > 0)
        bottom = rows.stop - (rows.stop < shown.shape[0])
        right = columns.stop - (columns.stop < shown.shape[1])
        if min(bottom - top, right - left) < LEAST:
            specks += int(shares[number])
        else:
            cells.append(Cell(left, top, right - left, bottom - top))
    if len(cells) < _LOOSE or specks > _SPECKS * shares[1:].sum() or _overlapping(cells):
        return None
    confidence = 0.5 + 0.2 * _alike_sizes(cells) + 0.1 * min(1.0, len(cells) / 16)
    return Sheet(CellKind.LOOSE, round(confidence, 2), tuple(cells)) if confidence >= _SURE_OF_LOOSE else None


def _overlapping(cells: list[Cell]) -> bool:
    """Whether boxes of several drawings overlap: then they are parts of one picture."""
    order = sorted(cells, key=lambda cell: cell.y)
    for n, one in enumerate(order):
        for other in order[n + 1 :]:
            if other.y >= one.y + one.height:
                break
            if one.x < other.x + other.width and other.x < one.x + one.width:
                return True
    return False


def _alike_sizes(cells: list[Cell]) -> float:
    """How alike the drawings are in size, 0 to 1."""
    sides = np.sort([max(cell.width, cell.height) for cell in cells])
    few = max(1, len(sides) // 4)
    return float(sides[:few].mean() / sides[-few:].mean())
