"""Raw parts: each sees what it is for, and is blind to what it is not."""

import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ogaart.likeness import parts

Pixels = NDArray[np.uint8]


def robot(body: tuple[int, int, int] = (200, 40, 40), *, side: int = 32, shift: int = 0) -> Pixels:
    """A figure on a transparent ground: a body, and a head with an eye."""
    rgba = np.zeros((32, 32, 4), np.uint8)
    rgba[14:28, 8 + shift : 24 + shift] = (*body, 255)
    rgba[6:14, 11 + shift : 21 + shift] = (240, 240, 240, 255)
    rgba[9:11, 13 + shift : 15 + shift] = (10, 10, 10, 255)
    return np.asarray(Image.fromarray(rgba).resize((side, side), Image.Resampling.NEAREST))


def cosine(one: Pixels, other: Pixels) -> float:
    a, b = one.astype(np.float64), other.astype(np.float64)
    return float(a @ b) / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-9)


def test_parts_are_bytes_of_fixed_sizes_one_after_the_other() -> None:
    raw = parts.raw_parts(robot())

    assert raw.dtype == np.uint8
    assert raw.shape == (parts.RAW_BYTES,)
    assert {name: len(part) for name, part in parts.split(raw).items()} == parts.SIZES
    assert np.array_equal(parts.split(raw)["shape"], parts.shape(robot()))
    assert np.array_equal(parts.split(raw)["palette"], parts.palette(robot()))


def test_equal_pixels_have_equal_parts_on_every_machine() -> None:
    # Fails where a definition changes: then SPACE needs a new name.
    digest = hashlib.sha256(parts.raw_parts(robot()).tobytes()).hexdigest()

    assert (parts.SPACE, digest[:16]) == ("parts-1", "3938b9e02f699cbd")


def test_a_recolour_has_the_same_shape_and_structure_and_another_palette() -> None:
    red, blue = (parts.split(parts.raw_parts(robot(body))) for body in ((200, 40, 40), (40, 40, 200)))

    assert cosine(red["shape"], blue["shape"]) > 0.99
    assert cosine(red["structure"], blue["structure"]) > 0.97
    assert cosine(red["palette"], blue["palette"]) < 0.5


def test_a_moved_figure_keeps_its_palette_and_not_its_layout() -> None:
    here, there = (parts.split(parts.raw_parts(robot(shift=shift))) for shift in (-8, 8))

    assert cosine(here["palette"], there["palette"]) > 0.999
    assert cosine(here["layout"], there["layout"]) < cosine(here["palette"], there["palette"])
    assert cosine(here["shape"], there["shape"]) < 0.8


@pytest.mark.parametrize("side", [64, 96, 512])
def test_another_size_of_the_same_picture_is_near_in_every_part(side: int) -> None:
    small, large = (parts.split(parts.raw_parts(robot(side=s))) for s in (32, side))

    assert min(cosine(small[name], large[name]) for name in parts.SIZES) > 0.9


def test_invisible_pixels_have_no_colour_and_an_empty_picture_has_no_palette_shape_or_structure() -> None:
    empty = parts.split(parts.raw_parts(np.zeros((8, 8, 4), np.uint8)))

    assert not empty["palette"].any()
    assert not empty["shape"].any()
    assert not empty["structure"].any()
    assert (empty["layout"] == parts.GREY).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (3000, 2), (129, 640)])
def test_any_size_has_parts(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 4), np.uint8)

    assert len(parts.raw_parts(pixels)) == parts.RAW_BYTES
