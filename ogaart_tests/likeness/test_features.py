"""Features of pixels, against slow computations that say what they mean."""

import numpy as np
import pytest
from PIL import Image

from ogaart.imaging.canonical import cleared, is_empty
from ogaart.likeness import features
from ogaart.likeness.premultiplied import premultiplied
from ogaart.likeness.signatures import signature

KINDS = ["noise", "blocks", "opaque", "invisible", "one colour", "one pixel", "column"]


def picture(kind: str, side: int = 61) -> np.ndarray:
    random = np.random.default_rng(3)
    rgba = random.integers(0, 256, (side, side + 4, 4), dtype=np.uint8)
    if kind == "blocks":
        rgba = random.integers(0, 256, (5, 7, 4), dtype=np.uint8).repeat(9, 0).repeat(9, 1)
        rgba[..., 3] &= 0x80
    elif kind == "opaque":
        rgba[..., 3] = 255
    elif kind == "invisible":
        rgba[..., 3] = 0
    elif kind == "one colour":
        rgba[:] = (1, 2, 3, 4)
    elif kind == "one pixel":
        rgba = rgba[:1, :1]
    elif kind == "column":
        rgba = rgba[:, :1]
    return np.ascontiguousarray(rgba)


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_what_they_say(kind: str) -> None:
    rgba = cleared(picture(kind))
    pixels = [tuple(map(int, pixel)) for pixel in rgba.reshape(-1, 4)]
    visible = [pixel for pixel in pixels if pixel[3]]

    found = features.describe(rgba, premultiplied(rgba))

    assert found.colours == len({pixel[:3] for pixel in visible})
    assert found.has_alpha == any(pixel[3] < 255 for pixel in pixels)
    assert found == features.describe(rgba)
    assert is_empty(rgba) == (len(set(pixels)) == 1)


def test_colours_of_a_large_picture_are_counted_up_to_the_limit() -> None:
    values = np.arange(1024 * 1100, dtype=np.uint32)

    def of(colours: np.ndarray) -> int:
        rgba = np.dstack([colours >> 16, colours >> 8, colours, np.full_like(colours, 255)]).astype(np.uint8)
        return features.describe(rgba).colours

    assert of((values % 5000).reshape(1024, 1100)) == 5000
    assert of(values.reshape(1024, 1100)) == features.MAX_COLOURS
    assert of(values[: 300 * 300].reshape(300, 300)) == features.MAX_COLOURS


@pytest.mark.parametrize("kind", KINDS)
def test_invisible_pixels_lose_their_colour_and_no_others(kind: str) -> None:
    rgba = picture(kind)
    expected = np.where(rgba[..., 3:] == 0, 0, rgba)

    assert (cleared(rgba.copy()) == expected).all()
    assert (cleared(np.asfortranarray(rgba)) == expected).all()


@pytest.mark.parametrize("kind", KINDS)
def test_premultiplied_is_pillows_conversion(kind: str) -> None:
    rgba = cleared(picture(kind))

    found = premultiplied(rgba)

    assert found.mode == "RGBa"
    assert found.tobytes() == Image.fromarray(rgba).convert("RGBa").tobytes()
    assert (signature(rgba, found) == signature(rgba)).all()
