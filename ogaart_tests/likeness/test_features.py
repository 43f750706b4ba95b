"""Features of pixels, against slow computations that say what they mean."""

import numpy as np
import pytest
from PIL import Image

from ogaart.imaging.canonical import cleared, is_empty
from ogaart.likeness import alpha, features
from ogaart.likeness.premultiplied import premultiplied
from ogaart.likeness.signatures import signature

KINDS = [
    "noise", "blocks", "opaque", "invisible", "one colour", "one pixel", "column", "every alpha", "hard", "few soft",
    "soft far down", "large",
]  # fmt: skip


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
    elif kind == "every alpha":
        rgba = np.tile(np.array([0, 1, 127, 254, 255], np.uint8)[:, None, None], (1, 256, 4))
        rgba[..., 3] = np.arange(256)
    elif kind == "hard":
        rgba[..., 3] = np.where(rgba[..., 3] > 100, 255, 0)
    elif kind == "few soft":
        rgba[..., 3] = np.where(random.random(rgba.shape[:2]) < 0.01, rgba[..., 3], 255)
    elif kind == "soft far down":
        rgba = np.full((300, 301, 4), 255, np.uint8)
        rgba[-2:, ::3, 3] = 77
        rgba[:40] = 0
    elif kind == "large":
        rgba = random.integers(0, 6, (1025, 1030, 4), dtype=np.uint8) * np.uint8(51)
    return np.ascontiguousarray(rgba)


@pytest.mark.parametrize("kind", KINDS)
def test_features_are_what_they_say(kind: str) -> None:
    rgba = cleared(picture(kind))
    pixels = [tuple(pixel) for pixel in rgba.reshape(-1, 4).tolist()]
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
    for rgba in (cleared(picture(kind)), picture(kind), np.asfortranarray(picture(kind)), picture(kind)[:, ::-1]):
        before = rgba.copy()
        found = premultiplied(rgba)

        assert (found.mode, found.size) == ("RGBX", rgba.shape[1::-1])
        assert found.tobytes() == Image.fromarray(rgba).convert("RGBa").tobytes()
        assert (rgba == before).all()
        assert (signature(rgba, found) == signature(rgba)).all()


@pytest.mark.parametrize("kind", ["noise", "opaque", "hard", "few soft", "column", "one pixel", "soft far down"])
def test_signatures_are_those_of_pillows_own_premultiplied_mode(kind: str) -> None:
    rgba = cleared(picture(kind))
    own = Image.fromarray(rgba).convert("RGBa").resize((32, 32), Image.Resampling.BILINEAR)

    assert (signature(rgba) == np.asarray(own)).all()


def test_a_picture_that_multiplying_does_not_change_is_not_copied() -> None:
    rgba = cleared(picture("hard"))

    shared = premultiplied(rgba)
    rgba[0, 0] = (9, 8, 7, 255)

    assert shared.getpixel((0, 0)) == (9, 8, 7, 255)


@pytest.mark.parametrize("kind", KINDS)
def test_alpha_is_counted(kind: str) -> None:
    rgba = picture(kind)
    channel = rgba[..., 3]

    expected = alpha.AlphaCounts(channel.size, int((channel > 0).sum()), int((channel == 255).sum()))

    assert alpha.alpha_counts(rgba) == expected
    assert alpha.shows_anything(rgba) == channel.any()


@pytest.mark.parametrize("side", [1, 7, 61, 100, 200])
@pytest.mark.parametrize("shades", [1, 2, 3, 5, 24, 200])
def test_the_palette_is_that_of_a_plain_computation(side: int, shades: int) -> None:
    random = np.random.default_rng(side * shades)
    rgba = cleared(random.choice(random.integers(0, 256, (shades, 4), dtype=np.uint8), (side, side)))

    assert features.main_colours(rgba) == palette_of(rgba)


def test_the_palette_of_noise_is_that_of_a_plain_computation() -> None:
    for kind in KINDS:
        rgba = cleared(picture(kind))
        assert features.main_colours(rgba) == palette_of(rgba), kind


def palette_of(rgba: np.ndarray) -> tuple[tuple[int, float], ...]:
    """Main colours as they are defined, from Pillow's median cut of a sample as a picture."""
    flat = rgba.reshape(-1, 4)
    sample = [tuple(p) for p in flat[:: len(flat) // 8192 | 1 if len(flat) > 8192 else 1].tolist() if p[3]]
    if not sample:
        return ()
    counts: dict[int, int] = {}
    for r, g, b, _ in sample:
        counts[r << 16 | g << 8 | b] = counts.get(r << 16 | g << 8 | b, 0) + 1
    if len(counts) > features.PALETTE:
        cut = Image.fromarray(np.array(sample, np.uint8)[None, :, :3]).quantize(
            24, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
        )
        table = np.array(cut.getpalette("RGB")).reshape(-1, 3).tolist()
        boxes = sorted(enumerate(cut.histogram()), key=lambda box: (-box[1], box[0]))
        shades: dict[tuple[int, ...], int] = {}
        for number, count in boxes:
            if not count:
                break
            colour = tuple(table[number])
            alike = (one for one in shades if sum((x - y) ** 2 for x, y in zip(one, colour, strict=True)) < 30**2)
            kept = next(alike, colour)
            shades[kept] = shades.get(kept, 0) + count
        counts = {r << 16 | g << 8 | b: count for (r, g, b), count in shades.items()}
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[: features.PALETTE]
    return tuple((colour, count / len(sample)) for colour, count in order)
