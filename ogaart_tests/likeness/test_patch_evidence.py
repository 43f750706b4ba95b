"""What equal patches prove: plain pieces, as every user interface has them, are no part of a sheet that has them."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ogaart.likeness import query_patches
from ogaart.likeness.patch_evidence import EVIDENCE
from ogaart.likeness.patch_matching import Match, best_of_each, match
from ogaart.likeness.query_patches import QueryPatches
from ogaart_tests.likeness.patch_art import MemoryIndex, Picture, enlarged, ground, paste, sheet, sprite

BLACK, RED, WHITE, BLUE = (0, 0, 0, 255), (255, 0, 0, 255), (255, 255, 255, 255), (0, 0, 255, 255)


def drawn(width: int, height: int, colour: tuple[int, ...]) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    image = Image.new("RGBA", (width, height), colour)
    return image, ImageDraw.Draw(image)


def box() -> Picture:
    image, draw = drawn(10, 10, BLACK)
    draw.rectangle((3, 2, 6, 6), fill=RED)
    return np.array(image)


def bar() -> Picture:
    image, draw = drawn(40, 9, BLACK)
    draw.rectangle((1, 1, 38, 7), fill=WHITE)
    draw.rectangle((2, 2, 20, 6), fill=RED)
    return np.array(image)


def stripes() -> Picture:
    made = np.zeros((24, 24, 4), np.uint8)
    odd = np.indices((24, 24)).sum(axis=0) // 3 % 2 == 1
    made[odd], made[~odd] = RED, BLACK
    return made


def bricks() -> Picture:
    image, draw = drawn(32, 16, RED)
    for row in range(4):
        draw.line((0, row * 4, 32, row * 4), fill=BLACK)
        for left in range(row % 2 * 8, 32, 16):
            draw.line((left, row * 4, left, row * 4 + 4), fill=BLACK)
    return np.array(image)


def arrow() -> Picture:
    image, draw = drawn(12, 12, (0, 0, 0, 0))
    draw.polygon([(1, 6), (8, 1), (8, 10)], fill=WHITE)
    return np.array(image)


def interface(piece: Picture) -> Picture:
    """A sheet that has the same piece among sprites."""
    return paste(sheet([sprite(n) for n in range(12)], columns=4, cell=48), piece, 58, 100)


def matches(query: Picture, *pictures: Picture) -> list[Match]:
    return best_of_each(match(QueryPatches.of(query), MemoryIndex(*pictures)))


@pytest.mark.parametrize(
    "piece", [box(), bar(), stripes(), bricks(), arrow()], ids=["box", "bar", "stripes", "bricks", "arrow"]
)
@pytest.mark.parametrize("factor", [1, 2])
def test_a_plain_piece_is_no_part_of_a_sheet_that_has_the_same(piece: Picture, factor: int) -> None:
    query = enlarged(piece, factor)

    found = matches(query, interface(piece))

    assert not any(one.claimed for one in found)


def test_a_plain_piece_that_proves_nothing_stays_a_candidate() -> None:
    assert [one.picture for one in matches(stripes(), interface(stripes()))] == [0]


def test_a_plain_piece_of_a_scene_is_not_claimed_beside_a_sprite_that_is() -> None:
    scene = paste(paste(ground(5, 120, 80), bricks(), 10, 10), sprite(3), 70, 40)

    found = matches(scene, bricks(), sprite(3), sprite(4))

    assert [one.picture for one in found if one.claimed] == [1]


def test_a_small_sprite_in_many_colours_is_a_part_of_its_sheet() -> None:
    icons = [sprite(n, 11, 11) for n in range(60)]

    found = matches(icons[7], sheet(icons, columns=10, cell=16))

    assert [(one.claimed, one.votes < EVIDENCE) for one in found] == [(True, True)]


def test_a_drawing_in_two_colours_is_a_part_of_its_sheet_where_it_is_large_enough() -> None:
    random = np.random.default_rng(3)
    drawing = np.array([BLACK, BLUE], np.uint8)[random.integers(0, 2, (20, 20))]

    assert [one.claimed for one in matches(drawing, interface(drawing))] == [True]


def test_a_query_whose_colours_are_not_kept_needs_more_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_patches, "_COLOURS_PIXELS", 10)
    scene = paste(paste(ground(5, 120, 80), sprite(8, 9, 9), 10, 10), sprite(3), 70, 40)

    found = matches(scene, sprite(8, 9, 9), sprite(3))

    assert [one.picture for one in found if one.claimed] == [1]
