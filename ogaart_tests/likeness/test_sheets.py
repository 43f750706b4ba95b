"""Sheets are cut into their sprites; what is not a sheet stays whole."""

import random

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.sheets import LAYOUTS, art, cut_box, made
from ogaart.likeness.grids import crossings, steps_between
from ogaart.likeness.sheets import MAX_PIXELS, Cell, CellKind, packed, recognise, unpacked

Pixels = NDArray[np.uint8]


def blank(width: int, height: int) -> Pixels:
    return np.zeros((height, width, 4), np.uint8)


def disc(sheet: Pixels, x: int, y: int, radius: int, colour: tuple[int, int, int] = (200, 60, 20)) -> None:
    rows, columns = np.ogrid[: sheet.shape[0], : sheet.shape[1]]
    sheet[(rows - y) ** 2 + (columns - x) ** 2 <= radius**2] = (*colour, 255)


def walk(columns: int, rows: int, *, cell: int = 32, gap: int = 0, margin: int = 0, empty: int = 0) -> Pixels:
    """Frames of something that grows and moves a little, ``empty`` cells missing at the end."""
    step = cell + gap
    sheet = blank(2 * margin + columns * step - gap, 2 * margin + rows * step - gap)
    for n in range(columns * rows - empty):
        left, top = margin + n % columns * step, margin + n // columns * step
        disc(sheet, left + cell // 2 + n % 3, top + cell // 2 - n % 2, cell // 3 + n % 2)
    return sheet


def test_a_grid_is_cut_into_its_cells_and_empty_ones_are_left_out() -> None:
    sheet = recognise(walk(4, 3, empty=2))

    assert sheet is not None
    assert sheet.kind is CellKind.GRID
    assert sheet.cells == tuple(Cell(32 * (n % 4), 32 * (n // 4), 32, 32) for n in range(10))
    assert sheet.confidence > 0.8


@pytest.mark.parametrize(
    "pixels",
    [
        walk(6, 1),
        walk(4, 4, gap=3, margin=5),
        walk(5, 3, cell=50),
        np.where(walk(4, 4, gap=2)[..., 3:] > 0, walk(4, 4, gap=2), np.array((255, 0, 255, 255), np.uint8)),
    ],
    ids=["strip", "margin and gaps", "cells of 50", "on magenta"],
)
def test_every_frame_is_whole_in_a_cell_of_its_own(pixels: Pixels) -> None:
    ground = pixels[0, 0]
    shown = (pixels != ground).any(axis=2)
    cells = recognise(pixels)

    assert cells is not None
    covered = np.zeros(shown.shape, int)
    for cell in cells.cells:
        covered[cell.y : cell.y + cell.height, cell.x : cell.x + cell.width] += 1
    assert (covered[shown] == 1).all()


def rotated(rows: int = 6, columns: int = 6, cell: int = 22) -> Pixels:
    """A bar that turns: in its level frames it touches the next ones, as on sheets of a ship's sixty directions."""
    sheet = blank(columns * cell, rows * cell)
    for n in range(rows * columns):
        left, top = n % columns * cell, n // columns * cell
        if n // columns in (0, 3) and n % columns < 2:
            sheet[top + 10 : top + 13, left : left + cell] = (90, 90, 200, 255)
        else:
            disc(sheet, left + cell // 2, top + cell // 2, cell // 3)
    return sheet


def test_frames_that_touch_in_some_rows_are_cut_into_squares() -> None:
    for pixels in (rotated(), rotated().swapaxes(0, 1)):
        sheet = recognise(np.ascontiguousarray(pixels))

        assert sheet is not None
        assert {(cell.width, cell.height) for cell in sheet.cells} == {(22, 22)}
        assert len(sheet.cells) == 36


def crowded(rows: int = 8, columns: int = 12, cell: int = 32) -> Pixels:
    """A sheet of things of which every third reaches into the next cells on both sides, and some are missing."""
    sheet = blank(columns * cell, rows * cell)
    for n in range(rows * columns):
        x, y = n % columns * cell + cell // 2, n // columns * cell + cell // 2
        if n % 17:
            disc(sheet, x, y, cell // 2 if n % 3 == 0 else cell // 2 - 2)
    return sheet


def test_a_crowded_sheet_is_cut_where_least_touches() -> None:
    sheet = recognise(crowded())

    assert sheet is not None
    assert {(cell.width, cell.height) for cell in sheet.cells} == {(32, 32)}
    assert len(sheet.cells) == 96 - 6


def bars(*places: tuple[int, int], width: int = 128, height: int = 128) -> Pixels:
    """Upright bars from one column to another."""
    pixels = blank(width, height)
    for left, right in places:
        pixels[height // 4 : height * 3 // 4, left:right] = 255
    return pixels


def test_three_things_beside_each_other_are_one_picture() -> None:
    assert recognise(bars((10, 44), (48, 82), (86, 120))) is None  # letters of a word
    assert recognise(bars((0, 2), (3, 9), (12, 16), width=16, height=16)) is None  # stalks of wheat


def test_rows_of_a_large_map_are_not_cells() -> None:
    pixels = np.random.default_rng(2).integers(0, 255, (96, 1024, 4), np.uint8)
    pixels[..., 3] = 255
    pixels[[31, 63], :] = 0
    pixels[:9, 400:] = 0

    sheet = recognise(pixels)

    assert sheet is None or all(cell.width <= 256 for cell in sheet.cells)


def test_separate_drawings_of_several_sizes_are_cells() -> None:
    pixels = blank(160, 120)
    for x, y, radius in ((25, 25, 20), (80, 22, 18), (135, 30, 21), (40, 85, 25), (110, 90, 22)):
        disc(pixels, x, y, radius)

    sheet = recognise(pixels)

    assert sheet is not None
    assert sheet.kind is CellKind.LOOSE
    assert Cell(5, 5, 41, 41) in sheet.cells
    assert len(sheet.cells) == 5


def test_touching_tiles_are_told_by_their_borders() -> None:
    rng = np.random.default_rng(1)
    tiles = rng.integers(0, 255, (6, 8, 1, 1, 3), np.uint8)
    shade = np.linspace(0.6, 1, 16)[None, None, :, None, None] * np.linspace(0.8, 1, 16)[None, None, None, :, None]
    flat = (tiles * shade).astype(np.uint8).transpose(0, 2, 1, 3, 4).reshape(96, 128, 3)
    pixels = np.dstack([flat, np.full(flat.shape[:2], 255, np.uint8)])

    sheet = recognise(pixels)

    assert sheet is not None
    assert sheet.cells == tuple(Cell(16 * (n % 8), 16 * (n // 8), 16, 16) for n in range(48))


def test_a_texture_that_repeats_itself_is_not_a_tile_set() -> None:
    brick = np.full((16, 16, 4), (150, 60, 40, 255), np.uint8)
    brick[0] = brick[:, 0] = (60, 50, 50, 255)

    assert recognise(np.tile(brick, (8, 8, 1))) is None


@pytest.mark.parametrize(
    "pixels",
    [
        blank(64, 64),
        blank(4, 4),
        np.full((64, 64, 4), 255, np.uint8),
        np.random.default_rng(3).integers(0, 255, (64, 96, 4), np.uint8),
        walk(1, 1, cell=64),
        walk(2, 1, cell=48),
        blank(1, MAX_PIXELS + 1),
        blank(MAX_PIXELS // 8, 9),
    ],
    ids=["empty", "tiny", "white", "noise", "one sprite", "two", "a line", "too large"],
)
def test_what_is_not_a_sheet_stays_whole(pixels: Pixels) -> None:
    assert recognise(pixels) is None


def test_made_sheets_are_cut_right_or_not_at_all() -> None:
    folders = art()
    sprites = cells = right = 0
    for _, sheet in made(folders, seed=3, each=3):
        found = recognise(sheet.pixels)
        boxes = {cut_box(sheet, cell) for cell in found.cells} if found else set()
        sprites, cells = sprites + len(set(sheet.sprites)), cells + len(boxes)
        right += len(boxes & set(sheet.sprites))

    assert len(LAYOUTS) == 8
    assert right >= 0.95 * cells
    assert right >= 0.8 * sprites


def test_single_pictures_of_the_demo_stay_whole() -> None:
    pictures = [picture for pictures in art().values() for picture in pictures]
    some = random.Random(5).sample(pictures, 60)

    assert sum(recognise(picture) is not None for picture in some) <= 3


def test_a_sheet_is_stored_and_read() -> None:
    sheet = recognise(walk(4, 3))

    assert unpacked(packed(sheet)) == sheet
    assert unpacked(packed(None)) is None


def test_lines_are_crossed_where_pixels_touch_also_at_a_corner() -> None:
    shown = np.array([[1, 0, 0, 1], [0, 1, 0, 1]], bool)

    assert crossings(shown).tolist() == [0, 1, 0, 0, 0]


def test_without_a_gutter_there_are_no_steps() -> None:
    assert steps_between(np.ones((10, 64), bool)) is None
    assert steps_between(np.zeros((10, 64), bool)) is None
