"""How many sprites of made sheets are cut right, and how many single pictures are wrongly cut.

Sheets are laid out from the pictures of ``ogaart/demo/art`` in each of the ways below, so that it is known where every
sprite is. A cell is right where what it shows is exactly one sprite, no pixel more or less. Recall counts the sprites
that have such a cell, precision the cells that are right.

    .venv/bin/python -m benchmarks.sheets
"""

import argparse
import csv
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ogaart.likeness.sheets import Cell, recognise

ART = Path(__file__).parent.parent / "ogaart" / "demo" / "art"
Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]


@dataclass
class MadeSheet:
    """A sheet, and where its sprites are: their shown pixels' boxes."""

    pixels: Pixels
    ground: tuple[int, int, int, int]
    sprites: list[Box] = field(default_factory=list)

    def place(self, sprite: Pixels, left: int, top: int) -> None:
        """Put a sprite on the sheet."""
        height, width = sprite.shape[:2]
        part = self.pixels[top : top + height, left : left + width]
        whole = Image.fromarray(part.copy())
        part[...] = np.asarray(Image.alpha_composite(whole, Image.fromarray(sprite)))
        if (box := shown(visible(part, self.ground), left, top)) is not None:
            self.sprites.append(box)


def visible(pixels: Pixels, ground: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """Which pixels are not the ground."""
    return np.asarray((pixels[..., 3] > 7) & (pixels != ground).any(axis=2))


def shown(mask: NDArray[np.bool_], left: int = 0, top: int = 0) -> Box | None:
    """The box of what a mask holds; None where it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    return left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]) + 1, top + int(rows[-1]) + 1


@cache
def art() -> dict[str, list[Pixels]]:
    """The pictures by folder, those of 12 to 160 pixels a side."""
    found: dict[str, list[Pixels]] = {}
    with (ART / "manifest.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(line for line in lines):
            path = ART / row["file"]
            if path.suffix.lower() not in (".png", ".gif", ".webp"):
                continue
            with Image.open(path) as picture:
                if min(picture.size) >= 12 and max(picture.size) <= 160:
                    found.setdefault(str(path.parent), []).append(np.asarray(picture.convert("RGBA")))
    return {folder: pictures for folder, pictures in found.items() if len(pictures) >= 4}


def blank(width: int, height: int, colour: tuple[int, int, int, int] = (0, 0, 0, 0)) -> MadeSheet:
    """An empty sheet."""
    return MadeSheet(np.full((height, width, 4), colour, np.uint8), colour)


def in_cells(
    sprites: list[Pixels],
    rng: random.Random,
    *,
    columns: int,
    gap: int = 0,
    margin: int = 0,
    loosen: float = 1.0,
    ground: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> MadeSheet:
    """Sprites amid the cells of a grid, whose size is rounded to whole tens or eights."""
    step = rng.choice((8, 10))
    width = max(s.shape[1] for s in sprites)
    height = max(s.shape[0] for s in sprites)
    cell = [-(-int(side * loosen + 1) // step) * step for side in (width, height)]
    rows = -(-len(sprites) // columns)
    sheet = blank(2 * margin + columns * (cell[0] + gap) - gap, 2 * margin + rows * (cell[1] + gap) - gap, ground)
    for n, sprite in enumerate(sprites):
        left = margin + (n % columns) * (cell[0] + gap) + (cell[0] - sprite.shape[1]) // 2
        top = margin + (n // columns) * (cell[1] + gap) + cell[1] - sprite.shape[0]
        sheet.place(sprite, left, top)
    return sheet


def strip(sprites: list[Pixels], rng: random.Random) -> MadeSheet:
    """One row of equal cells."""
    return in_cells(sprites[:8], rng, columns=len(sprites[:8]))


def grid(sprites: list[Pixels], rng: random.Random) -> MadeSheet:
    """A grid that fills the picture."""
    return in_cells(sprites, rng, columns=rng.randint(3, 8))


def spaced(sprites: list[Pixels], rng: random.Random) -> MadeSheet:
    """A grid with margin and spacing."""
    return in_cells(sprites, rng, columns=rng.randint(3, 8), gap=rng.randint(1, 6), margin=rng.randint(1, 8))


def roomy(sprites: list[Pixels], rng: random.Random) -> MadeSheet:
    """A grid whose cells are larger than the sprites."""
    return in_cells(sprites, rng, columns=rng.randint(3, 8), loosen=1.5)


def keyed(sprites: list[Pixels], rng: random.Random) -> MadeSheet:
    """A grid on magenta."""
    return in_cells(sprites, rng, columns=rng.randint(3, 8), gap=2, ground=(255, 0, 255, 255))


def packed(sprites: list[Pixels], rng: random.Random) -> MadeSheet:
    """Shelves of sprites of several sizes, a pixel or more apart, as packing programs write them."""
    gap, width = rng.randint(2, 4), 512
    left = top = shelf = 0
    places = []
    for sprite in sorted(sprites, key=lambda s: -s.shape[0]):
        if left + sprite.shape[1] > width:
            left, top, shelf = 0, top + shelf + gap, 0
        places.append((sprite, left, top))
        left, shelf = left + sprite.shape[1] + gap, max(shelf, sprite.shape[0])
    sheet = blank(width, top + shelf)
    for sprite, x, y in places:
        sheet.place(sprite, x, y)
    return sheet


def rows_of_their_own(sprites: list[Pixels], rng: random.Random) -> MadeSheet:
    """Each row of frames has a cell size of its own."""
    parts = [in_cells([sprites[n]] * rng.randint(4, 7), rng, columns=7, gap=0) for n in range(min(4, len(sprites)))]
    sheet = blank(max(p.pixels.shape[1] for p in parts), sum(p.pixels.shape[0] + 4 for p in parts))
    top = 0
    for part in parts:
        height, width = part.pixels.shape[:2]
        sheet.pixels[top : top + height, :width] = part.pixels
        sheet.sprites += [(a, b + top, c, d + top) for a, b, c, d in part.sprites]
        top += height + 4
    return sheet


def tiles(sprites: list[Pixels], rng: random.Random) -> MadeSheet | None:
    """Tiles without a gap: opaque parts of the size of the most of them."""
    side = rng.choice((16, 32))
    cut = [s[:side, :side] for s in sprites if min(s.shape[:2]) >= side and (s[:side, :side, 3] == 255).all()]
    if len(cut) < 8:
        return None
    columns = rng.randint(4, 8)
    rows = len(cut) // columns
    sheet = blank(columns * side, rows * side)
    for n, tile in enumerate(cut[: rows * columns]):
        sheet.place(tile, n % columns * side, n // columns * side)
    return sheet


LAYOUTS: tuple[Callable[[list[Pixels], random.Random], MadeSheet | None], ...] = (
    strip, grid, roomy, spaced, keyed, packed, rows_of_their_own, tiles,
)  # fmt: skip


def cut_box(sheet: MadeSheet, cell: Cell) -> Box | None:
    """The box of what a cell shows."""
    part = sheet.pixels[cell.y : cell.y + cell.height, cell.x : cell.x + cell.width]
    return shown(visible(part, sheet.ground), cell.x, cell.y)


def made(folders: dict[str, list[Pixels]], seed: int, each: int) -> Iterator[tuple[str, MadeSheet]]:
    """Sheets of each layout."""
    rng = random.Random(seed)
    for layout in LAYOUTS:
        for _ in range(each):
            pictures = folders[rng.choice(sorted(folders))]
            sprites = rng.sample(pictures, min(len(pictures), rng.randint(6, 40)))
            sheet = layout(sprites, rng)
            if sheet is not None:
                yield layout.__name__, sheet


def main() -> None:
    """Print a line a layout."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=40, help="sheets of each layout (default: 40)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folders = art()
    counts: dict[str, list[int]] = {}
    seconds = 0.0
    for name, sheet in made(folders, options.seed, options.each):
        started = time.perf_counter()
        found = recognise(sheet.pixels)
        seconds += time.perf_counter() - started
        boxes = {cut_box(sheet, cell) for cell in found.cells} if found else set()
        right = len(boxes & set(sheet.sprites))
        line = counts.setdefault(name, [0, 0, 0, 0, 0])
        for place, value in enumerate((1, found is not None, len(set(sheet.sprites)), len(boxes), right)):
            line[place] += value
    print(f"{'layout':20} {'sheets':>6} {'cut':>5} {'sprites':>8} {'recall':>7} {'precision':>9}")
    for name, (sheets, cut, sprites, cells, right) in counts.items():
        print(f"{name:20} {sheets:6} {cut:5} {sprites:8} {right / sprites:7.2f} {right / max(1, cells):9.2f}")
    total = np.sum(list(counts.values()), axis=0)
    print(f"{'all':20} {total[0]:6} {total[1]:5} {total[2]:8} {total[4] / total[2]:7.2f} {total[4] / total[3]:9.2f}")
    print(f"{1000 * seconds / total[0]:.1f} ms a sheet")
    single = [picture for pictures in folders.values() for picture in pictures]
    started = time.perf_counter()
    wrong = sum(recognise(picture) is not None for picture in single)
    each = 1000 * (time.perf_counter() - started) / len(single)
    print(f"single pictures cut: {wrong} of {len(single)}, {each:.1f} ms each")


if __name__ == "__main__":
    main()
