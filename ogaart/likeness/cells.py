"""The distinct cells of a sheet, described as pictures of their own, so that an altered sprite finds its sheet.

A cell is compared as a picture is, but by its parts alone: the model would have to see every cell. Both a cell and a
query are trimmed to what they show, so that it does not matter how a sprite was cut out. Any change of a definition, of
``sheets``, ``grounds`` or ``parts``, needs a new ``SPACE``.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ogaart.likeness import parts, sheets, signatures
from ogaart.likeness.grounds import without_ground
from ogaart.likeness.premultiplied import premultiplied
from ogaart.likeness.sheets import Cell, CellKind, Sheet

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

SPACE = f"cells-1-{sheets.SPACE}-{parts.SPACE}"
"""Name and version of what is kept of cells: the derived space that keeps them."""

MOST = 128
"""Cells that are kept of one sheet; a publication may take fewer."""

LEAST_SIDE = 8
"""Pixels that a cell shows a side; of smaller ones too many are alike."""

MINIATURE = 16
"""Pixels a side of a cell's miniature."""

CELL = np.dtype(
    [
        ("x", "<u4"), ("y", "<u4"), ("width", "<u4"), ("height", "<u4"), ("side", "<u2"), ("group", "<u2"),
        ("miniature", "u1", (MINIATURE, MINIATURE, 4)), ("parts", "u1", (parts.RAW_BYTES,)),
    ]
)  # fmt: skip
"""What is kept of a cell: its place in the sheet, the smaller side of what it shows, its animation, its likeness."""

_VISIBLE = 16  # alpha: less cannot be told from the ground once a picture is flattened
_SAME_ANIMATION = 0.7  # nearness of the miniatures of two neighbours from which they are frames of one thing


@dataclass(frozen=True, eq=False)
class TrimmedPicture:
    """A picture trimmed to what it shows, as it is compared with cells.

    Attributes:
        miniature: (16, 16, 4) uint8, alpha-premultiplied.
        parts: (3512,) uint8, see ``parts``.
        side: the smaller one, in pixels.
    """

    miniature: NDArray[np.uint8]
    parts: NDArray[np.uint8]
    side: int

    @property
    def nbytes(self) -> int:
        """Bytes of memory, about."""
        return self.miniature.nbytes + self.parts.nbytes

    def same_as(self, other: TrimmedPicture) -> bool:
        """Whether both are compared alike."""
        return self.side == other.side and np.array_equal(self.parts, other.parts)


def trimmed(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture without its flat ground and without empty margins; as it is where it has neither.

    Args:
        rgba: (H, W, 4) uint8 canonical pixels.
    """
    subject = without_ground(rgba)
    return without_margins(rgba if subject is None else subject)


def without_margins(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture trimmed to its visible pixels; as it is where there are none, or all sides have one."""
    shown = rgba[..., 3] >= _VISIBLE
    rows, columns = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    if not len(rows):
        return rgba
    return np.ascontiguousarray(rgba[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def trimmed_picture(alone: NDArray[np.uint8], raw: NDArray[np.uint8]) -> TrimmedPicture:
    """A query as it is compared with cells.

    Args:
        alone: (H, W, 4) uint8 canonical pixels, without their flat ground if they have one.
        raw: (3512,) uint8, the raw parts of these pixels.
    """
    shown = without_margins(alone)
    same = shown.shape == alone.shape
    return TrimmedPicture(_miniature(shown), raw if same else parts.raw_parts(shown), min(shown.shape[:2]))


def describe(rgba: NDArray[np.uint8], sheet: Sheet | None) -> bytes:
    """What is kept of the cells of a sheet; empty where a picture is none.

    Args:
        rgba: (H, W, 4) uint8 canonical pixels.
        sheet: how it is divided.
    """
    found = distinct_cells(rgba, sheet) if sheet is not None else np.zeros(0, CELL)
    return zlib.compress(found.tobytes(), 6) if len(found) else b""


def named_sheet(boxes: Iterable[Sequence[int]]) -> Sheet:
    """The sheet that an atlas names, of boxes x, y, width, height within the picture."""
    return Sheet(CellKind.NAMED, 1.0, tuple(Cell(*(int(value) for value in box)) for box in boxes))


def key_of_named(pixels: str, boxes: Iterable[Sequence[int]]) -> str:
    """The key under which the cells are kept that an atlas names: other atlases divide the same pixels otherwise.

    Args:
        pixels: the hash of the picture's pixels.
        boxes: x, y, width, height of each cell, in any order.

    Returns:
        64 hexadecimal digits, as a hash of pixels has.
    """
    stated = ";".join(",".join(str(int(value)) for value in box) for box in sorted(map(tuple, boxes)))
    return hashlib.sha256(f"{pixels} {stated}".encode()).hexdigest()


def unpacked(content: bytes) -> NDArray[Any]:
    """What ``describe`` made: (N,) of ``CELL``, those first that a smaller number of cells should keep.

    Raises:
        ValueError: it is something else.
    """
    try:
        return np.frombuffer(zlib.decompress(content), CELL) if content else np.zeros(0, CELL)
    except zlib.error as cause:
        raise ValueError(f"{len(content)} bytes are not what is kept of cells: {cause}") from cause


def distinct_cells(rgba: NDArray[np.uint8], sheet: Sheet) -> NDArray[Any]:
    """Describe the cells that show something of their own, ``MOST`` at most.

    The frames of an animation are one group. Of each group one cell comes first, then the second of each, and so on.

    Args:
        rgba: (H, W, 4) uint8 canonical pixels.
        sheet: how it is divided.

    Returns:
        (N,) of ``CELL``.
    """
    seen: set[bytes] = set()
    shown: list[tuple[int, NDArray[np.uint8]]] = []
    for number, cell in enumerate(sheet.cells):
        part = np.ascontiguousarray(rgba[cell.y : cell.y + cell.height, cell.x : cell.x + cell.width])
        if min(part.shape[:2]) < LEAST_SIDE:
            continue
        part = trimmed(part)
        key = np.array(part.shape[:2], np.uint32).tobytes() + part.tobytes()
        if min(part.shape[:2]) >= LEAST_SIDE and key not in seen:
            seen.add(key)
            shown.append((number, part))
    if not shown:
        return np.zeros(0, CELL)
    miniatures = np.stack([_miniature(part) for _, part in shown])
    telling = np.flatnonzero(~signatures.which_are_flat(miniatures))
    groups = _groups(miniatures[telling])
    order = np.argsort([n * len(groups) + group for group, n in zip(groups, _counted(groups), strict=True)])[:MOST]
    found = np.zeros(len(order), CELL)
    for row, place in zip(found, order, strict=True):
        number, part = shown[telling[place]]
        cell = sheet.cells[number]
        row["x"], row["y"], row["width"], row["height"] = cell.x, cell.y, cell.width, cell.height
        row["side"], row["group"] = min(*part.shape[:2], 0xFFFF), groups[place]
        row["miniature"], row["parts"] = miniatures[telling[place]], parts.raw_parts(part)
    return found


def _groups(miniatures: NDArray[np.uint8]) -> list[int]:
    """The number of the animation that each cell is of: neighbours that look nearly the same are of one."""
    groups: list[int] = []
    for n in range(len(miniatures)):
        near = n > 0 and signatures.nearness(miniatures[n], miniatures[n - 1 : n])[0] >= _SAME_ANIMATION
        groups.append(groups[-1] + (not near) if groups else 0)
    return groups


def _counted(groups: Sequence[int]) -> list[int]:
    """How many earlier cells of its group each cell has."""
    counts: dict[int, int] = {}
    found = []
    for group in groups:
        found.append(counts.get(group, 0))
        counts[group] = found[-1] + 1
    return found


def _miniature(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(premultiplied(rgba).resize((MINIATURE, MINIATURE), Image.Resampling.BILINEAR)).copy()
