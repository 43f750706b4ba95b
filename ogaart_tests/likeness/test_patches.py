"""Patches: what is kept of a picture, and what two pictures with equal patches prove."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ogaart.likeness.orientations import MIRRORED, ORIENTATIONS, oriented, turned_back
from ogaart.likeness.patch_matching import Match, PartRelation, best_of_each, match
from ogaart.likeness.patches import (
    LARGEST_SIDE,
    MOST,
    hashed,
    no_patches,
    packed,
    patches,
    sampled,
    undo_enlargement,
    unpacked,
)
from ogaart.likeness.query_patches import QueryPatches
from ogaart_tests.likeness.patch_art import MemoryIndex, Picture, enlarged, ground, paste, sheet, sprite

LARGE_SHEET = Path(__file__).parents[2] / "ogaart/demo/art/angband-data/graf/32x32.png"
FRAME = LARGE_SHEET.parents[2] / "whichwayisup/pictures/menu_bg.png"
SPRITES = [sprite(seed) for seed in range(12)]
SHEET = sheet(SPRITES, columns=4, cell=32)
STRANGERS = [sprite(seed) for seed in range(100, 104)]


def claims(query: Picture, index: MemoryIndex) -> list[Match]:
    return [one for one in best_of_each(match(QueryPatches.of(query), index)) if one.claimed]


def test_the_same_pixels_have_the_same_patches_wherever_they_are() -> None:
    small = hashed(SPRITES[0], 4)

    large = hashed(paste(np.zeros((200, 300, 4), np.uint8), SPRITES[0], 133, 77), 4)

    places = set(zip(small.hashes.tolist(), (small.x + 133).tolist(), (small.y + 77).tolist(), strict=True))
    assert places <= set(zip(large.hashes.tolist(), large.x.tolist(), large.y.tolist(), strict=True))


def test_patches_of_known_pixels_never_change() -> None:
    found = patches(SHEET)

    assert (len(found), found.step, hex(int(found.hashes.min()))) == PINNED


PINNED = (282, 16, "0xe94bcf69a03a0")


@pytest.mark.parametrize(
    "rgba",
    [
        np.zeros((40, 40, 4), np.uint8),
        np.full((40, 40, 4), 255, np.uint8),
        np.dstack(
            [np.repeat(np.arange(40, dtype=np.uint8)[:, None] // 20 * 200, 40, 1)] * 3 + [np.full((40, 40), 255)]
        ),
        SPRITES[0][:5, :5],
        SPRITES[0][:, :3],
    ],
    ids=["transparent", "white", "an edge", "smaller than a patch", "narrower"],
)
def test_what_is_flat_or_too_small_has_none(rgba: Picture) -> None:
    assert len(patches(np.asarray(rgba, np.uint8))) == 0


def test_a_small_picture_is_kept_densely_and_a_huge_one_within_bounds() -> None:
    random = np.random.default_rng(1)
    huge = np.full((1500, 2000, 4), 255, np.uint8)
    huge[..., :3] = random.integers(0, 256, (1500, 2000, 3))

    small, large = patches(SPRITES[0]), patches(huge)

    assert (small.step, large.step) == (2, 64)
    assert MOST / 2 < len(large) <= MOST
    assert np.ptp(large.x) > 1900
    assert np.ptp(large.y) > 1400


def test_a_large_sheet_keeps_enough_of_its_small_tiles() -> None:
    rgba = np.array(Image.open(LARGE_SHEET).convert("RGBA"))
    rgba[rgba[..., 3] == 0] = 0
    found = patches(rgba)

    proved = visible = 0
    for top in range(0, 960, 32):
        for left in range(0, 4096, 32):
            if np.count_nonzero(rgba[top : top + 32, left : left + 32, 3]) > 60:
                visible += 1
                inside = (found.x >= left) & (found.x <= left + 26) & (found.y >= top) & (found.y <= top + 26)
                proved += len(np.unique(found.hashes[inside])) >= 3

    assert visible > 2_000
    assert proved / visible > 0.85


def test_small_sprites_of_a_sheet_keep_more_of_their_few_patches() -> None:
    icons = [sprite(seed, 13, 13) for seed in range(60)]
    icon_sheet = sheet(icons, columns=10, cell=20)
    large = [paste(icon_sheet, sprite(n, 180, 70), 10, 20) for n in (90, 91)]  # most patches are of something large
    index = MemoryIndex(icon_sheet, *STRANGERS, *large)

    named = [{one.picture for one in claims(icon, index)} for icon in icons[50:]]  # in a row that nothing covers

    assert index.of[0].step == 16
    assert all(found >= {0, 5, 6} for found in named)
    assert len(index.of[0]) < 60 * 16
    assert not any(claims(sprite(seed, 13, 13), index) for seed in range(200, 210))


def test_patches_survive_being_stored() -> None:
    found = patches(SHEET)

    again = unpacked(packed(found))

    assert again is not None
    assert (again.width, again.height, again.enlarged, again.step) == (128, 96, 1, 16)
    for name in ("hashes", "x", "y", "opaque"):
        assert np.array_equal(getattr(again, name), getattr(found, name))
    assert unpacked(packed(no_patches())) is None


def test_an_enlargement_is_undone_whole() -> None:
    assert [undo_enlargement(enlarged(SHEET, n))[1] for n in (1, 2, 3, 16)] == [1, 2, 3, 16]
    assert np.array_equal(undo_enlargement(enlarged(SHEET, 3))[0], SHEET)
    assert undo_enlargement(np.full((64, 64, 4), 7, np.uint8))[1] == 1


def test_what_is_enlarged_within_a_picture_is_found_at_any_phase() -> None:
    scene = paste(ground(1, 160, 120), enlarged(SPRITES[2], 3), 41, 23)

    found = sampled(scene, 3, 2)

    inside = hashed(SPRITES[2], 2)
    of_sprite = {
        (h, 3 * x + 41, 3 * y + 23)
        for h, x, y, opaque in zip(
            inside.hashes.tolist(), inside.x.tolist(), inside.y.tolist(), inside.opaque, strict=True
        )
        if opaque
    }
    assert of_sprite
    assert of_sprite <= set(zip(found.hashes.tolist(), found.x.tolist(), found.y.tolist(), strict=True))


@pytest.mark.parametrize("orientation", range(ORIENTATIONS))
def test_boxes_are_turned_back(orientation: int) -> None:
    picture = np.arange(30 * 40 * 4, dtype=np.uint32).view(np.uint8)[: 30 * 40 * 4].reshape(30, 40, 4)
    turned = oriented(picture, orientation)

    x, y, width, height = turned_back((3, 4, 5, 6), orientation, 40, 30)

    assert np.array_equal(oriented(picture[y : y + height, x : x + width], orientation), turned[4:10, 3:8])


def test_a_sprite_is_found_in_its_sheet_with_its_place() -> None:
    index = MemoryIndex(*STRANGERS, SHEET)

    [found] = claims(SPRITES[6], index)

    assert (found.picture, found.relation, found.picture_box) == (4, PartRelation.WHOLE, (64, 32, 24, 24))
    assert (found.query_box, found.scale, found.orientation) == ((0, 0, 24, 24), 1, 0)


@pytest.mark.parametrize(
    ("change", "scale"),
    [
        (lambda rgba: enlarged(rgba, 2), 2),
        (lambda rgba: enlarged(rgba, 5), 5),
        (lambda rgba: rgba[:, ::-1], 1),
        (lambda rgba: np.rot90(rgba), 1),
        (lambda rgba: enlarged(np.rot90(rgba, 3), 2), 2),
        (lambda rgba: rgba[3:21, 4:22], 1),
    ],
    ids=["x2", "x5", "mirrored", "turned", "turned, x2", "cropped"],
)  # fmt: skip
def test_however_it_is_enlarged_turned_or_cropped(change: "object", scale: int) -> None:
    index = MemoryIndex(*STRANGERS, SHEET)

    [found] = claims(np.ascontiguousarray(change(SPRITES[6])), index)  # type: ignore[operator]

    x, y, width, height = found.picture_box
    assert (found.picture, found.relation, found.scale) == (4, PartRelation.WHOLE, scale)
    assert x >= 64
    assert y >= 32
    assert x + width <= 88
    assert y + height <= 56


def test_a_turned_picture_is_found_on_a_ground_along_which_its_straight_edges_are_equal_patches() -> None:
    frame = np.array(Image.open(FRAME).convert("RGBA"))
    on_black = np.zeros((184, 278, 4), np.uint8)
    on_black[..., 3] = 255
    query = paste(on_black, np.ascontiguousarray(np.rot90(frame)), 17, 3)

    [found] = claims(query, MemoryIndex(*STRANGERS, frame))

    assert (found.picture, found.query_box) == (4, (17, 3, 250, 165))


def test_a_scene_contains_its_pieces_each_at_its_place_and_scale() -> None:
    scene = paste(paste(ground(5, 240, 160), SPRITES[1], 17, 31), enlarged(SPRITES[3], 2), 150, 60)
    index = MemoryIndex(*SPRITES, *STRANGERS)

    found = {one.picture: (one.relation, one.query_box, one.scale) for one in claims(scene, index)}

    assert found == {1: (PartRelation.PART, (17, 31, 24, 24), 1), 3: (PartRelation.PART, (150, 60, 48, 48), 2)}


@pytest.mark.parametrize("place", [(20, 30), (300, 210)], ids=["near a corner", "near the other"])
def test_a_mirrored_piece_is_found_beside_one_that_is_as_it_is(place: tuple[int, int]) -> None:
    scene = paste(ground(1, 400, 300), SPRITES[0], 150, 120)
    scene = paste(scene, SPRITES[1][:, ::-1], *place)
    index = MemoryIndex(*SPRITES[:4])

    found = {one.picture: one for one in claims(scene, index)}

    assert sorted(found) == [0, 1]
    assert (found[0].orientation, found[1].orientation) == (0, MIRRORED)
    assert found[1].query_box == (*place, 24, 24)
    assert found[1].picture_box == (0, 0, 24, 24)


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("beside", [True, False], ids=["beside another", "alone"])
def test_a_mirrored_piece_may_be_enlarged(factor: int, beside: bool) -> None:
    scene = paste(ground(1, 400, 300), enlarged(SPRITES[1][:, ::-1], factor), 31, 47)
    if beside:
        scene = paste(scene, SPRITES[0], 250, 120)
    index = MemoryIndex(*SPRITES[:4], *STRANGERS)

    found = {one.picture: one for one in claims(scene, index)}

    side = 24 * factor
    assert sorted(found) == ([0, 1] if beside else [1])
    assert (found[1].orientation, found[1].scale) == (MIRRORED, factor)
    assert (found[1].query_box, found[1].picture_box) == ((31, 47, side, side), (0, 0, 24, 24))


def test_a_piece_that_is_its_own_mirror_image_is_found_once() -> None:
    symmetric = np.concatenate([SPRITES[0][:, :12], SPRITES[0][:, :12][:, ::-1]], axis=1)
    scene = paste(paste(ground(1, 200, 100), symmetric, 30, 40), SPRITES[1], 120, 40)

    found = claims(scene, MemoryIndex(symmetric, SPRITES[1]))

    assert sorted((one.picture, one.orientation) for one in found) == [(0, 0), (1, 0)]


def test_a_piece_behind_another_is_still_claimed() -> None:
    scene = paste(paste(ground(5, 100, 100), SPRITES[1], 20, 20), SPRITES[2], 37, 20)

    assert {one.picture for one in claims(scene, MemoryIndex(*SPRITES))} == {1, 2}


def test_a_sheet_of_known_sprites_is_every_one_of_them() -> None:
    index = MemoryIndex(*SPRITES, *STRANGERS)

    assert {one.picture for one in claims(SHEET, index)} == set(range(12))


def test_the_same_sprite_twice_is_found_at_both_places() -> None:
    scene = paste(paste(ground(5, 140, 60), SPRITES[1], 10, 20), SPRITES[1], 90, 30)

    found = [one for one in match(QueryPatches.of(scene), MemoryIndex(SPRITES[1])) if one.claimed]

    assert {one.query_box for one in found} == {(10, 20, 24, 24), (90, 30, 24, 24)}


def test_strangers_prove_nothing() -> None:
    index = MemoryIndex(SHEET, *SPRITES)

    assert [claims(picture, index) for picture in (*STRANGERS, ground(3, 90, 90))] == [[], [], [], [], []]


def test_frames_that_share_half_of_their_pixels_are_not_parts_of_each_other() -> None:
    other = SPRITES[4].copy()
    other[:, 11:] = sprite(200)[:, 11:]

    assert claims(other, MemoryIndex(SPRITES[4])) == []


@pytest.mark.parametrize("shape", [(70_000, 12), (12, 70_000), (140_000, 7)])
def test_a_query_with_a_very_long_side_is_looked_for_by_the_part_that_the_index_keeps(shape: tuple[int, int]) -> None:
    """Places are kept in 16 bits; the middle of such a picture lies beyond them, and turned so does its beginning."""
    rgba = np.full((*shape, 4), 255, np.uint8)
    rgba[..., :3] = np.random.default_rng(1).integers(0, 255, (*shape, 3))

    query = QueryPatches.of(rgba)

    assert max(query.width, query.height) == LARGEST_SIDE
    for one in (*(found for _, found in query.upright), *(query.turned(turn) for turn in range(8))):
        assert len(one)
    assert query.middle.base is None  # nothing keeps the whole picture in memory
