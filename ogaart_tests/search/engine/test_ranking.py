"""What the index found is ordered by cosine, and a copy or a part's source comes before what is only similar."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ogaart.likeness import signatures
from ogaart.resources.index.base import ScoredPoint
from ogaart.search.engine.ranking import (
    Palette,
    Ranked,
    ReferenceImage,
    Subjects,
    compare,
    copies_among,
    rank,
    with_cells,
    with_kin,
    with_parts,
)
from ogaart.search.results import Relation

POINTS = [ScoredPoint(1, 0.8), ScoredPoint(2, 0.7), ScoredPoint(3, 0.6)]
IDS = [point.id for point in POINTS]
SIDES = {1: 64, 2: 64, 3: 64}
RED: Palette = ((0xE01010, 0.7), (0x400000, 0.3))
BLUE: Palette = ((0x1010E0, 0.7), (0x000040, 0.3))


def miniature(seed: int) -> NDArray[np.uint8]:
    """Opaque cells of 8 x 8 pixels, of colours by lot."""
    cells = np.random.default_rng(seed).integers(0, 255, (4, 4, 4), np.uint8)
    cells[..., 3] = 255
    return cells.repeat(8, 0).repeat(8, 1)


def ranked(reference: ReferenceImage | None, rows: NDArray[np.uint8]) -> list[tuple[int, Relation | None]]:
    known = np.ones(len(rows), np.bool_)
    found = rank(POINTS, SIDES, reference, rows, known, compares=True, typical=0.75, share=0.3)
    scores = [one.score or 0.0 for one in found]
    assert scores == sorted(scores, reverse=True)
    return [(one.image_id, one.relation) for one in found]


def test_without_a_picture_to_compare_with_the_cosine_orders() -> None:
    assert ranked(None, np.zeros((0, 32, 32, 4), np.uint8)) == [
        (1, Relation.SIMILAR),
        (2, Relation.UNLIKE),  # no nearer than most pairs of pictures are
        (3, Relation.UNLIKE),
    ]


def test_a_copy_comes_first_whatever_the_model_returns() -> None:
    rows = np.stack([miniature(1), miniature(2), miniature(3)])

    assert ranked(ReferenceImage(miniature(3), side=64), rows)[0] == (3, Relation.NEAR)


def test_a_copy_is_called_one_where_vectors_alone_decide_the_order() -> None:
    rows = np.stack([miniature(1), miniature(2), miniature(3)])
    known = np.ones(3, np.bool_)

    found = rank(
        POINTS, SIDES, ReferenceImage(miniature(3), side=64, cropped=False), rows, known,
        compares=True, typical=0.75, share=0.0, copies_first=False,
    )  # fmt: skip

    assert [one.image_id for one in found] == [1, 2, 3]
    assert found[2].relation is Relation.NEAR


def test_what_a_crop_was_cut_from_comes_first_and_is_not_a_copy() -> None:
    rows = np.stack([miniature(1), miniature(2), miniature(3)])
    crop = np.ascontiguousarray(miniature(3)[:16, 8:24]).repeat(2, 0).repeat(2, 1)

    assert ranked(ReferenceImage(crop, side=64, cropped=True), rows)[0] == (3, Relation.UNLIKE)
    assert ranked(ReferenceImage(crop, side=64, cropped=False), rows)[0] == (1, Relation.SIMILAR)


def test_points_that_the_catalog_does_not_hold_are_ranked_all_the_same() -> None:
    rows = np.stack([miniature(1), miniature(2), miniature(3)])
    known = np.array([False, True, True])

    found = rank(
        POINTS,
        {2: 64, 3: 64},
        ReferenceImage(miniature(9), side=64),
        rows,
        known,
        compares=True,
        typical=0.35,
        share=0.3,
    )

    assert {one.image_id for one in found} == {1, 2, 3}


def on_canvas(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A miniature of the picture in a corner of a white canvas."""
    canvas = np.full((32, 32, 4), 255, np.uint8)
    canvas[4:20, 8:24] = picture[::2, ::2]
    return canvas


def test_a_subject_on_a_canvas_is_compared_with_pictures_as_they_are() -> None:
    rows = np.stack([miniature(1), miniature(2), miniature(3)])
    reference = ReferenceImage(on_canvas(miniature(2)), 200, subject=ReferenceImage(miniature(2), 64))

    near = compare(reference, IDS, SIDES, rows, np.ones(3, np.bool_))

    assert near[2].copy
    assert near[2].subject
    assert near[2].side == 64
    assert not near[1].copy


def test_a_subject_is_compared_as_it_lies_on_its_ground_too() -> None:
    rows = np.stack([miniature(1), miniature(2), miniature(3)])
    torn = miniature(2)
    torn[::2] = 0  # much of it was taken for the ground
    reference = ReferenceImage(on_canvas(miniature(2)), 200, subject=ReferenceImage(torn, 64), cuts=[miniature(2)])

    near = compare(reference, IDS, SIDES, rows, np.ones(3, np.bool_))

    assert (near[2].copy, near[2].subject, near[2].side) == (True, True, 64)
    assert not near[1].copy


def test_a_picture_is_compared_with_the_subjects_of_points() -> None:
    rows = np.stack([on_canvas(miniature(seed)) for seed in (1, 2, 3)])
    subjects = Subjects(np.array([0, 2]), np.stack([miniature(1), miniature(3)]), np.array([40, 48], np.int32))

    near = compare(ReferenceImage(miniature(3), 64), IDS, SIDES, rows, np.ones(3, np.bool_), subjects)

    assert near[3].copy
    assert near[3].side == 48
    assert not near[3].subject
    assert not near[1].copy
    assert not near[2].copy


def changed(picture: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """A miniature with a share of another mixed in: 0.28 leaves a closeness of 0.74, 0.2 of 0.81, 0.06 of 0.94."""
    return (picture * (1 - share) + miniature(1) * share).astype(np.uint8)


def of_icon(
    share: float, cosines: dict[str, float] | None = None, mine: Palette = (), theirs: Palette = ()
) -> Relation | None:
    """What a changed icon is called beside the one that it was."""
    rows = np.stack([miniature(1), miniature(2), miniature(3)])
    icon = ReferenceImage(changed(miniature(3), share), side=16, palette=mine)
    parts = {3: cosines} if cosines is not None else {}
    found = rank(POINTS, dict.fromkeys(SIDES, 16), icon, rows, np.ones(3, np.bool_), None,
                 lambda ids: dict.fromkeys(ids, theirs), parts, compares=True, typical=0.5, share=0.3)  # fmt: skip
    return next(one.relation for one in found if one.image_id == 3)


@pytest.mark.parametrize(
    ("share", "theirs", "relation"),
    [
        (0.1, RED, Relation.NEAR),
        (0.1, BLUE, Relation.SIMILAR),
        (0.1, (), Relation.NEAR),  # a publication that does not know
        (0.02, BLUE, Relation.NEAR),  # on magenta, its half-transparent pixels have other colours
    ],
)
def test_a_copy_of_an_icon_needs_its_colours_too_where_miniatures_are_not_nearly_equal(
    share: float, theirs: Palette, relation: Relation
) -> None:
    assert of_icon(share, mine=RED, theirs=theirs) is relation


def nearly_black(seed: int) -> NDArray[np.uint8]:
    """A night sky: stars so faint that nothing else tells it from any other."""
    picture = np.zeros((32, 32, 4), np.uint8)
    picture[..., 3] = 255
    picture[..., :3] += (np.random.default_rng(seed).random((32, 32, 1)) < 0.05).astype(np.uint8) * 10
    return picture


def specks(seed: int) -> NDArray[np.uint8]:
    """What is left of a texture of which nearly all was taken for the ground."""
    picture = np.zeros((32, 32, 4), np.uint8)
    picture[np.random.default_rng(seed).random((32, 32)) < 0.02] = 40
    return picture


def test_what_shows_next_to_nothing_is_a_copy_of_nothing() -> None:
    rows = np.stack([nearly_black(1), specks(2), np.full((32, 32, 4), (0, 0, 0, 255), np.uint8)])
    textured = (miniature(4) // 6).astype(np.uint8)
    textured[..., 3] = 255

    for query in (nearly_black(7), specks(7), textured):
        assert Relation.NEAR not in [relation for _, relation in ranked(ReferenceImage(query, side=64), rows)]
    flat = Subjects(np.arange(3), rows, np.full(3, 64, np.int32))
    pictures = np.stack([miniature(1), miniature(2), miniature(3)])
    found = compare(ReferenceImage(nearly_black(7), 64), IDS, SIDES, pictures, np.ones(3, np.bool_), flat)
    assert not any(one.copy for one in found.values())


def test_of_two_near_copies_the_one_that_all_pixels_prove_is_first() -> None:
    nearest = [Ranked(1, 0.99, Relation.NEAR), Ranked(2, 0.988, Relation.NEAR)]

    found = with_parts(nearest, {2: (0.995, Relation.NEAR), 3: (0.95, Relation.PART)})

    assert [(one.image_id, one.score) for one in found] == [(2, 0.995), (1, 0.99), (3, 0.95)]


def test_a_sheet_with_a_near_copy_of_the_query_stays_one_where_exact_pixels_prove_less() -> None:
    nearest = with_cells([Ranked(1, 0.7, Relation.SIMILAR)], {1: (0.949, Relation.PART), 2: (0.94, Relation.PART)})

    found = with_parts(nearest, {1: (0.775, Relation.SIMILAR), 2: (0.95, Relation.CONTAINED)})

    assert [(one.image_id, one.score, one.relation) for one in found] == [
        (2, 0.95, Relation.CONTAINED),
        (1, 0.949, Relation.PART),
    ]


@pytest.mark.parametrize("before", [Relation.SIMILAR, Relation.UNLIKE, Relation.NEAR])
def test_a_sheet_that_is_nearer_as_a_whole_still_has_the_near_copy(before: Relation) -> None:
    """With weights by which copies do not come first, a cell may be behind its sheet."""
    [found] = with_cells([Ranked(1, 0.8, before)], {1: (0.7, Relation.PART)})

    assert (found.score, found.relation) == (0.8, Relation.NEAR if before is Relation.NEAR else Relation.PART)


@pytest.mark.parametrize(
    ("share", "cosines", "relation"),
    [
        (0.28, {"shape": 0.9, "layout": 0.9, "palette": -0.1}, Relation.SIMILAR),  # a snowball and a coin
        (0.28, {"shape": 0.9, "layout": 0.9, "palette": 0.4}, Relation.NEAR),  # at half its size
        (0.2, {"shape": 0.9, "layout": 0.9, "palette": -0.1}, Relation.NEAR),  # as JPEG
        (0.28, {"shape": 0.65, "layout": 0.89, "palette": 0.45}, Relation.SIMILAR),  # a round face and a coin
        (0.2, {"shape": 0.65, "layout": 0.08}, Relation.SIMILAR),  # a snowball and a capsule
        (0.2, {"shape": 0.96, "layout": 0.29}, Relation.NEAR),  # on magenta
        (0.2, {"shape": 0.63, "layout": 1.0}, Relation.NEAR),  # as JPEG
        (0.06, {"shape": -0.2, "layout": 0.3, "palette": 0.9}, Relation.NEAR),  # mirrored and enlarged
        (0.06, {"shape": 0.4, "layout": 1.0, "palette": 1.0}, Relation.NEAR),  # with noise
        (0.28, None, Relation.NEAR),
    ],
)
def test_a_copy_of_an_icon_needs_parts_that_are_alike_unless_miniatures_are_very_near(
    share: float, cosines: dict[str, float] | None, relation: Relation
) -> None:
    assert of_icon(share, cosines) is relation


@pytest.mark.parametrize("kind", ["straight", "slanting", "round"])
def test_a_soft_gradient_is_a_copy_only_of_what_is_as_close_as_a_large_picture_would_be(kind: str) -> None:
    down, across = np.mgrid[-1:1:32j, -1:1:32j]
    share = {"straight": down, "slanting": (down + across) / 2, "round": (down**2 + across**2) / 2}[kind]
    picture = np.full((32, 32, 4), 255, np.uint8)
    picture[..., :3] = (80 + 40 * share)[..., None]
    texture = picture.copy()
    texture[..., :3] += np.random.default_rng(1).integers(0, 24, (32, 32, 1), np.uint8)
    rows = np.stack([texture, miniature(2), picture])

    found = compare(ReferenceImage(picture, side=40), IDS, {1: 16, 2: 16, 3: 16}, rows, np.ones(3, np.bool_))

    assert 0.68 < found[1].closeness < 0.93
    assert {image_id for image_id, near in found.items() if near.copy} == {3}
    assert signatures.smooth(picture)
    assert not signatures.smooth(miniature(2))


def test_known_copies_and_frames_come_before_what_is_only_similar_and_behind_the_very_picture() -> None:
    nearest = [
        Ranked(1, 1.0, Relation.SAME), Ranked(2, 0.89, Relation.SIMILAR), Ranked(3, 0.7, Relation.SIMILAR),
        Ranked(4, 0.5, Relation.SIMILAR), Ranked(5, 0.6, Relation.NEAR),
    ]  # fmt: skip

    found = with_kin(nearest, copies={5}, frames={3, 4, 5})

    assert [one.image_id for one in found] == [1, 5, 3, 4, 2]
    assert [one.relation for one in found][:2] == [Relation.SAME, Relation.NEAR]
    assert 0.9 < (found[3].score or 0) < (found[2].score or 0) < (found[1].score or 0) < 1
    assert with_kin(nearest, (), ()) == nearest


@pytest.mark.parametrize("side", [16, 24, 64])
def test_what_is_called_a_copy_alone_is_what_a_comparison_with_all_calls_one(side: int) -> None:
    chance = np.random.default_rng(side)
    rows = np.stack([miniature(seed) for seed in (5, 5, 5, 6, 7)])
    for nth, strength in enumerate((0, 30, 120)):  # a copy, a changed one, and one that is hardly like it any more
        noise = chance.integers(-strength, strength + 1, rows[nth, ..., :3].shape)
        rows[nth, ..., :3] = np.clip(rows[nth, ..., :3] + noise, 0, 255)
    ids, sides, known = [1, 2, 3, 4, 5], dict.fromkeys(range(1, 6), side), np.array([True] * 4 + [False])
    reference = ReferenceImage(miniature(5), side=side, cropped=False)

    copies = copies_among(reference, ids, sides, rows, known, None, lambda _: {}, {})

    near = compare(reference, ids, sides, rows, known)
    assert copies == {image_id for image_id, one in near.items() if one.copy}
    assert 1 in copies
    assert 4 in near
    assert 4 not in copies
