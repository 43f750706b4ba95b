"""Copies, sizes, twins in other formats and recolours are found; what only looks like them is not."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmarks.sheets import art
from ogaart.likeness.families import Kin, KinKind, describe, families, find_kin
from ogaart.likeness.frames import animations, counts_things, numbered
from ogaart.likeness.signatures import signature

Pixels = NDArray[np.uint8]


@cache
def sprites() -> list[Pixels]:
    """The demo's pictures of 48 to 160 pixels a side."""
    return [picture for _, pictures in sorted(art().items()) for picture in pictures if min(picture.shape[:2]) >= 48]


def resized(pixels: Pixels, factor: float) -> Pixels:
    height, width = pixels.shape[:2]
    picture = Image.fromarray(pixels).resize((int(width * factor), int(height * factor)), Image.Resampling.BICUBIC)
    return np.asarray(picture)


def recoloured(pixels: Pixels) -> Pixels:
    return np.ascontiguousarray(pixels[..., [2, 0, 1, 3]])


def kin_of(pictures: Sequence[Pixels], names: Sequence[str] = (), formats: Sequence[str] = ()) -> list[Kin]:
    return find_kin(
        np.stack([signature(picture) for picture in pictures]),
        np.array([picture.shape[1::-1] for picture in pictures]),
        [picture.tobytes().hex() for picture in pictures],
        names or [""] * len(pictures),
        formats or ["png"] * len(pictures),
    )


def colourful() -> Pixels:
    """A sprite with an outline of its own and colours to change."""
    return next(p for p in sprites() if 0.2 < (p[..., 3] == 0).mean() < 0.8 and np.ptp(p[..., :3].mean(axis=2)) > 100)


def test_each_kind_is_named() -> None:
    sprite = colourful()
    others = [picture for picture in sprites()[::17] if picture is not sprite][:15]

    found = kin_of([sprite, *others, sprite.copy(), resized(sprite, 2), recoloured(sprite)])

    kinds = {kin.kind: (kin.one, kin.other) for kin in found if kin.one == 0}
    assert kinds[KinKind.PIXELS] == (0, len(others) + 1)
    assert kinds[KinKind.SIZE] == (0, len(others) + 2)
    assert kinds[KinKind.RECOLOUR] == (0, len(others) + 3)


def test_a_twin_is_the_same_name_in_another_format() -> None:
    sprite = colourful()
    soft = resized(resized(sprite, 0.5), 4)

    twin = kin_of([sprite, soft], ["oak", "oak"], ["png", "svg"])
    namesake = kin_of([sprite, sprites()[40]], ["oak", "oak"], ["png", "svg"])

    assert [kin.kind for kin in twin] == [KinKind.FORMAT]
    assert namesake == []


@pytest.mark.parametrize("picture", [np.zeros((64, 64, 4), np.uint8), np.full((64, 64, 4), 255, np.uint8)])
def test_flat_pictures_have_no_kin_but_their_equals(picture: Pixels) -> None:
    other = picture.copy()
    other[0, 0] = (1, 2, 3, 4)

    assert kin_of([picture, other]) == []
    assert [kin.kind for kin in kin_of([picture, picture])] == [KinKind.PIXELS]


def test_icons_are_too_small_to_prove_anything() -> None:
    small = resized(colourful(), 0.2)

    assert kin_of([small, resized(small, 1.01)[: small.shape[0], : small.shape[1]].copy() // 2 * 2]) == []


def test_strangers_are_in_no_family() -> None:
    pictures = [picture for folder, all_of in sorted(art().items()) for picture in all_of[:1]]

    assert [kin for kin in kin_of(pictures) if kin.kind is not KinKind.RECOLOUR] == []


def test_families_are_what_is_linked() -> None:
    links = [Kin(1, 4, KinKind.COPY, 1.0), Kin(0, 3, KinKind.SIZE, 1.0), Kin(3, 4, KinKind.COPY, 1.0)]

    assert families(6, links).tolist() == [0, 0, 2, 0, 0, 5]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("walk/hero_03.png", ("walk/hero#.png", 3)),
        ("Hero (12).PNG", ("hero#.png", 12)),
        ("frame7", ("frame#", 7)),
        ("a-b.0001.tga", ("a-b#.tga", 1)),
        ("hero.png", None),
        ("2x/hero.png", None),
    ],
)
def test_numbered_names(path: str, expected: tuple[str, int] | None) -> None:
    assert numbered(path) == expected


def frame(step: int, size: int = 32) -> Pixels:
    picture = np.zeros((size, size, 4), np.uint8)
    picture[6:26, 8 + step : 22 + step] = (200, 80, 40, 255)
    picture[8:12, 12 + step : 16 + step] = (20, 20, 20, 255)
    return picture


def test_frames_are_numbered_names_of_near_pictures() -> None:
    other = np.full((32, 32, 4), (10, 200, 240, 255), np.uint8)
    named = [("a/walk_2.png", frame(2)), ("a/walk_1.png", frame(1)), ("a/walk_3.png", other), ("a/walk_10.png", other),
             ("b/walk_4.png", frame(1)), ("a/idle.png", frame(1)), ("a/walk_11.png", frame(1, 48))]  # fmt: skip
    signatures = np.stack([signature(picture) for _, picture in named])
    sizes = np.array([picture.shape[1::-1] for _, picture in named])

    found = animations([path for path, _ in named], sizes, signatures)

    assert [animation.frames for animation in found] == [(1, 0), (2, 3)]


@pytest.mark.parametrize(
    "names",
    [
        ["cards/cardHearts2.png", "cards/cardHearts3.png"],
        ["pack/card_01.png", "pack/card_02.png"],
        ["Dice/red1.png", "Dice/red2.png"],
        ["suits/pik_2.png", "suits/pik_3.png", "suits/pik_K.png", "suits/pik_Q.png"],
    ],
)
def test_cards_and_dice_are_numbered_and_not_animated(names: list[str]) -> None:
    signatures = np.stack([signature(frame(n)) for n in range(len(names))])

    assert animations(names, np.full((len(names), 2), 32), signatures) == []


def test_other_numbers_count_frames() -> None:
    names = ["hero/jackal_walk_1.png", "hero/jackal_walk_2.png", "hero/jackal_walk_K.png"]
    signatures = np.stack([signature(frame(n)) for n in range(3)])

    assert [found.frames for found in animations(names, np.full((3, 2), 32), signatures)] == [(0, 1)]
    assert not counts_things("discard/cardinal_fly1.png")


def test_what_is_known_of_many_miniatures_is_what_is_known_of_each() -> None:
    chance = np.random.default_rng(5)
    noise = chance.integers(0, 256, (40, 32, 32, 4), np.uint8)
    grounds = chance.integers(0, 230, (60, 1, 1, 4)) + chance.integers(0, 26, (60, 32, 32, 4))
    halves = np.full((20, 32, 32, 4), 100)
    halves[:, :, 16:, :3] += np.r_[14:24, 25:35][:, None, None, None]  # nearly or just as far apart as what is not flat
    miniatures = np.concatenate([noise, grounds, halves, np.zeros((2, 32, 32, 4))]).astype(np.uint8)

    found = describe(miniatures)

    assert np.array_equal(found, np.concatenate([describe(one[None]) for one in miniatures]))
    means = miniatures.reshape(-1, 8, 4, 8, 4, 4).astype(np.float64).mean(axis=(2, 4))
    assert np.array_equal(found[:, :256], means.reshape(-1, 256).astype(np.uint8))
    grey = (miniatures[..., :3] + (255.0 - miniatures[..., 3:]) / 2) @ [0.3, 0.59, 0.11]
    assert np.array_equal(found[:, -1] > 0, np.ptp(grey.reshape(-1, 1024), axis=1) < 24)
    assert 10 < found[:, -1].sum() < 70
