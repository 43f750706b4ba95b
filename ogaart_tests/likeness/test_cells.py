"""What is kept of the cells of sheets: each distinct one once, however it was cut out, one of each animation first."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ogaart.likeness import cells, parts, signatures
from ogaart.likeness.sheets import Cell, CellKind, Sheet
from ogaart_tests.likeness.patch_art import sprite

Pixels = NDArray[np.uint8]
CELL = 40


def laid_out(sprites: list[Pixels], ground: tuple[int, int, int, int] = (0, 0, 0, 0)) -> tuple[Pixels, Sheet]:
    """A row of cells of 40 pixels with sprites in their middle."""
    picture = np.full((CELL, CELL * len(sprites), 4), ground, np.uint8)
    for n, one in enumerate(sprites):
        top, left = (CELL - one.shape[0]) // 2, n * CELL + (CELL - one.shape[1]) // 2
        picture[top : top + one.shape[0], left : left + one.shape[1]] = one
    return picture, Sheet(CellKind.GRID, 0.9, tuple(Cell(n * CELL, 0, CELL, CELL) for n in range(len(sprites))))


def lefts(found: NDArray[np.void]) -> list[int]:
    return sorted(int(x) // CELL for x in found["x"])


def test_equal_cells_are_kept_once_and_small_flat_and_empty_ones_not() -> None:
    one, other, speck = sprite(1, 24, 24), sprite(2, 24, 20), sprite(3, 6, 6)
    flat = np.full((CELL, CELL, 4), 255, np.uint8)
    picture, sheet = laid_out([one, other, one, speck, flat, np.zeros((8, 8, 4), np.uint8)])

    found = cells.distinct_cells(picture, sheet)

    assert lefts(found) == [0, 1]
    assert (cells.unpacked(cells.describe(picture, sheet)) == found).all()


@pytest.mark.parametrize("ground", [(0, 0, 0, 0), (255, 0, 255, 255), (255, 255, 255, 255)], ids=str)
def test_a_sprite_is_the_same_with_margins_without_them_and_on_a_flat_ground(ground: tuple[int, ...]) -> None:
    art = sprite(5, 24, 30)
    picture, sheet = laid_out([art, sprite(6, 20, 20)], (ground[0], ground[1], ground[2], ground[3]))
    [kept] = [row for row in cells.distinct_cells(picture, sheet) if row["x"] == 0]

    alone = cells.trimmed(np.asarray(picture[:, :CELL]))
    query = cells.trimmed_picture(alone, parts.raw_parts(alone))

    assert signatures.nearness(query.miniature, kept["miniature"][None])[0] > 0.99
    assert query.side == kept["side"]
    assert (query.parts == kept["parts"]).all()


def test_of_each_animation_one_frame_comes_first() -> None:
    walk = sprite(7, 24, 24)
    frames = []
    for shift in range(3):
        frame = walk.copy()
        frame[shift : shift + 2, :2] = (9, 9, 9, 255)
        frames.append(frame)
    picture, sheet = laid_out([*frames, sprite(8, 24, 24)])

    found = cells.distinct_cells(picture, sheet)

    assert [int(x) // CELL for x in found["x"]] == [0, 3, 1, 2]
    assert len(set(found["group"][[0, 2, 3]].tolist())) == 1


def test_of_a_large_sheet_a_bounded_number_is_kept() -> None:
    picture, sheet = laid_out([sprite(seed, 16, 16) for seed in range(cells.MOST + 9)])

    assert len(cells.distinct_cells(picture, sheet)) == cells.MOST


def test_what_is_no_sheet_has_no_cells() -> None:
    assert cells.describe(np.asarray(Image.effect_noise((40, 40), 90).convert("RGBA")), None) == b""
    assert len(cells.unpacked(b"")) == 0
    with pytest.raises(ValueError, match="3 bytes are not what is kept of cells"):
        cells.unpacked(b"abc")


def test_what_an_atlas_names_is_kept_under_the_pixels_and_its_boxes_whatever_their_order() -> None:
    boxes = [(0, 0, 40, 40), (40, 0, 40, 40)]

    keys = {cells.key_of_named("a" * 64, some) for some in (boxes, boxes[::-1], [[*box] for box in boxes])}
    others = {cells.key_of_named(*one) for one in (("b" * 64, boxes), ("a" * 64, boxes[:1]), ("a" * 64, []))}

    assert len(keys) == 1
    assert len(others - keys) == 3
    assert {len(key) for key in keys | others} == {64}


def test_cells_that_only_an_atlas_names_are_described() -> None:
    """Packed without a regular grid, one on top of the other, as packing programs do it."""
    one, other = sprite(1, 24, 30), sprite(2, 40, 20)
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[1:31, 3:27] = one
    picture[31:51, 20:60] = other

    found = cells.distinct_cells(picture, cells.named_sheet([[3, 1, 24, 30], [20, 31, 40, 20]]))

    assert [tuple(int(row[name]) for name in ("x", "y", "width", "height")) for row in found] == [
        (3, 1, 24, 30),
        (20, 31, 40, 20),
    ]
    assert (found[0]["parts"] == parts.raw_parts(one)).all()
