"""What equal patches prove: plain pieces, as every user interface has them, are no part of a sheet that has them."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ogaart.likeness import patch_matching, query_patches
from ogaart.likeness.patch_evidence import EVIDENCE, KnownPatches, looked_at
from ogaart.likeness.patch_matching import Match, PartRelation, best_of_each, match
from ogaart.likeness.patches import SIDE, Patches
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


def test_of_too_many_places_a_sample_and_the_rarest_are_looked_at() -> None:
    hashes = np.arange(64, dtype=np.uint64)
    counts = np.full(64, 50, np.int64)
    counts[[3, 5]] = 1
    counts[7] = 0
    counts[9] = 300

    rows, step = looked_at(hashes, counts, common=200, at_most=1_000)

    assert step == 8
    assert set(range(0, 64, 8)) | {3, 5} <= set(rows.tolist())
    assert counts[rows].sum() <= 1_000


def test_where_there_is_room_for_all_places_all_are_looked_at() -> None:
    hashes, counts = np.arange(8, dtype=np.uint64), np.array([0, 1, 2, 300, 4, 5, 6, 7])

    rows, step = looked_at(hashes, counts, common=200, at_most=25)

    assert (rows.tolist(), step) == ([1, 2, 4, 5, 6, 7], 1)


def test_a_copy_is_proved_where_there_are_too_many_of_it_to_look_at_every_patch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    picture = ground(1, 120, 120)
    widened = [np.concatenate([picture, ground(n, 6, 120)], axis=1) for n in range(2, 14)]
    every = [one for one in matches(picture, *widened) if one.claimed]
    monkeypatch.setattr(patch_matching, "POSTINGS", 3_000)

    found = [one for one in matches(picture, *widened) if one.claimed]

    assert len(found) == len(every) == len(widened)
    assert {one.relation for one in found} == {PartRelation.WHOLE}
    assert {one.picture_box for one in found} == {(0, 0, 120, 120)}
    assert sum(one.votes for one in found) <= 3_000 < sum(one.votes for one in every)


def test_what_shares_half_of_its_patches_is_no_copy_however_few_are_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    picture = ground(1, 120, 120)
    others = [np.concatenate([picture[:, :60], ground(n, 60, 120)], axis=1) for n in range(2, 14)]

    for postings in (200, 800, 3_000):
        monkeypatch.setattr(patch_matching, "POSTINGS", postings)
        assert [one for one in matches(picture, *others) if one.claimed] == []


def test_a_piece_that_shares_less_than_half_is_none_however_many_of_its_patches_are_in_the_sample(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    picture = ground(1, 120, 120)
    widened = [np.concatenate([picture, ground(n, 6, 120)], axis=1) for n in range(2, 10)]
    places = np.random.default_rng(0).integers(0, 120 - 32, (40, 2)).tolist()
    pieces = [
        np.concatenate([picture[y : y + 32, x : x + 16], ground(100 + n, 16, 32)], axis=1)
        for n, (x, y) in enumerate(places)
    ]
    monkeypatch.setattr(patch_matching, "POSTINGS", 2_000)

    found = {one.picture for one in matches(picture, *widened, *pieces) if one.claimed}

    assert found == set(range(len(widened)))


@pytest.mark.parametrize(("different", "proves"), [(128, True), (8, False)])
def test_a_sample_tells_less_of_a_share_the_more_of_its_patches_are_equal(different: int, proves: bool) -> None:
    sampled = np.arange(1, different + 1, dtype=np.uint64).repeat(128 // different) * np.uint64(64)
    hashes = np.concatenate([sampled, sampled + np.uint64(2)])  # of those, none was looked at
    x, side = np.arange(len(hashes), dtype=np.uint16) * SIDE, SIDE * len(hashes)
    query = Patches(hashes, x, np.zeros_like(x), np.ones(len(x), np.bool_), side, SIDE, 1, 2)

    share = KnownPatches(query, 1, None).share(np.arange(96), (0, 0, side, SIDE), SIDE, step=2, complete=64)

    assert (share > 0.6) == proves
