"""Features, colour names, thumbnails, preparation and the signature that finds a picture again."""

import colorsys
import io
import time
from dataclasses import fields

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ogaart.imaging import thumbnails
from ogaart.imaging.limits import Limits
from ogaart.imaging.pictures import decode
from ogaart.likeness import colours, features, signatures
from ogaart.resources.embedding import preprocessing
from ogaart.resources.storage.schema import IMAGES
from ogaart_tests.imaging.builders import ART, saved

Pixels = NDArray[np.uint8]
PICTURES = {path.name: decode(path, Limits()).rgba for path in sorted(ART.glob("*.png"))}


def flat(colour: tuple[int, int, int, int], size: tuple[int, int] = (8, 8)) -> Pixels:
    return np.array(Image.new("RGBA", size, colour))


def test_features_of_flat_colour() -> None:
    rgba = flat((255, 0, 0, 255))
    rgba[:2] = (0, 0, 255, 255)
    rgba[7] = 0
    found = features.describe(rgba)

    assert (found.has_alpha, found.colours, found.pixel_art) == (True, 2, True)
    assert found.palette == [0xFF0000, 0x0000FF]
    assert found.palette_shares == pytest.approx([5 / 7, 2 / 7])
    assert len(found.signature) == signatures.SIGNATURE_BYTES


def test_each_feature_is_a_column_of_images() -> None:
    assert {field.name for field in fields(features.Features)} <= set(IMAGES.schema.names)


def test_features_of_noise_and_of_nothing() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (600, 600, 4), dtype=np.uint8)
    noise[..., 3] = 255
    found = features.describe(noise)
    assert (found.has_alpha, found.colours, found.pixel_art) == (False, features.MAX_COLOURS, False)
    assert len(found.palette) == features.PALETTE
    assert sum(found.palette_shares) <= 1.0001

    nothing = features.describe(np.zeros((3, 3, 4), dtype=np.uint8))
    assert (nothing.has_alpha, nothing.colours, nothing.palette, nothing.pixel_art) == (True, 0, [], False)


def test_colours_are_counted_alike_whatever_the_size() -> None:
    small = np.zeros((100, 100, 4), dtype=np.uint8)
    small[..., 0], small[..., 1], small[..., 3] = np.arange(100), np.arange(100)[:, None], 255
    large = np.tile(small, (10, 10, 1))
    assert features.describe(small).colours == features.describe(large).colours == 10_000


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        (0x000000, "black"), (0xFFFFFF, "white"), (0x808080, "grey"), (0xE01010, "red"), (0xFF8C00, "orange"),
        (0xF5E020, "yellow"), (0x20A030, "green"), (0x30C8C8, "turquoise"), (0x2040E0, "blue"), (0x8020C0, "purple"),
        (0xFFA0C0, "pink"), (0x7A4A20, "brown"),
    ],
)  # fmt: skip
def test_colour_names(rgb: int, name: str) -> None:
    assert name in colours.COLOUR_NAMES
    assert colours.colour_names([rgb], [1.0]) == [name]


def test_colour_names_of_a_palette() -> None:
    assert colours.colour_names([0x20A030, 0x000000, 0x30B040, 0xFFFFFF], [0.4, 0.3, 0.28, 0.02]) == ["green", "black"]
    assert colours.colour_names([], []) == []


def test_colours_are_turned_into_hues_as_the_standard_library_does() -> None:
    channels = np.random.default_rng(2).choice([0, 1, 40, 41, 128, 254, 255], (5_000, 3)) / 255

    found = np.stack(colours._hsv(*channels.T), axis=1)

    assert found.tolist() == [list(colorsys.rgb_to_hsv(*one)) for one in channels.tolist()]


def test_many_palettes_are_named_as_each_alone() -> None:
    chance = np.random.default_rng(3)
    few = [0x000000, 0xFFFFFF, 0x808080, 0xE01010, 0xC01010, 0x20A030]
    palettes = [chance.choice(few, size).tolist() for size in chance.integers(0, 9, 500)]
    shares = [chance.choice([0.0, 0.02, 0.04, 0.08, 0.3], len(palette)).tolist() for palette in palettes]

    found = colours.main_colours_of(palettes, shares)

    named = [colours.names_of(row) for row in found.tolist()]
    assert named == [main_colours_of_one(*one) for one in zip(palettes, shares, strict=True)]
    assert {len(names) for names in named} == {0, 1, 2, 3, 4}


def main_colours_of_one(palette: list[int], shares: list[float]) -> list[str]:
    """The definition, colour by colour."""
    totals: dict[str, float] = {}
    for rgb, share in zip(palette, shares, strict=True):
        [name] = colours.colour_names([rgb], [1.0])
        totals[name] = totals.get(name, 0.0) + share
    ordered = sorted(totals, key=lambda name: (-totals[name], colours.COLOUR_NAMES.index(name)))
    return [name for name in ordered if totals[name] >= colours.MIN_SHARE] or ordered[:1]


def test_colours_without_shares_are_refused() -> None:
    with pytest.raises(ValueError, match="shares"):
        colours.colour_names([1, 2], [1.0])


def test_palettes_agree_where_one_is_in_the_other() -> None:
    red, on_white = ((0xE01010, 0.7), (0x400000, 0.3)), ((0xFFFFFF, 0.6), (0xD82018, 0.3), (0x480808, 0.1))

    assert colours.palette_agreement(red, on_white) == pytest.approx(1.0)
    assert colours.palette_agreement(on_white, red) == pytest.approx(1.0)
    assert colours.palette_agreement(red, ((0x1010E0, 1.0),)) == 0.0
    assert colours.palette_agreement(red, ()) == 0.0


def test_thumbnails_are_small_and_never_enlarged() -> None:
    for size, expected in (((1000, 500), (256, 128)), ((16, 20), (16, 20)), ((5000, 1), (256, 1))):
        thumbnail = Image.open(io.BytesIO(thumbnails.webp(flat((9, 200, 30, 255), size))))
        assert (thumbnail.format, thumbnail.size) == ("WEBP", expected)

    icon = PICTURES["frog_move.png"][:64, :64]
    kept = np.asarray(Image.open(io.BytesIO(thumbnails.webp(np.ascontiguousarray(icon)))).convert("RGBA"))
    assert (kept[icon[..., 3] > 0] == icon[icon[..., 3] > 0]).all()


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_thumbnails_look_like_their_pictures(name: str) -> None:
    """On white, beside the most careful reduction: what differs stays below what the eye sees of a lossy picture."""
    rgba = PICTURES[name].repeat(4, 0).repeat(4, 1)
    size = Image.open(io.BytesIO(thumbnails.webp(rgba))).size

    def on_white(image: Image.Image) -> NDArray[np.float64]:
        pixels = np.asarray(image.convert("RGBA"), np.float64)
        return np.asarray(255 + (pixels[..., :3] - 255) * pixels[..., 3:] / 255)

    ideal = on_white(Image.fromarray(rgba).resize(size, Image.Resampling.LANCZOS))
    found = on_white(Image.open(io.BytesIO(thumbnails.webp(rgba))))

    assert 10 * np.log10(255**2 / ((found - ideal) ** 2).mean()) > 30


def test_preparation_is_grey_behind_and_squashed() -> None:
    prepared = preprocessing.prepare(flat((255, 0, 0, 0), (10, 400)), 224)
    assert prepared.shape == (224, 224, 3)
    assert prepared.dtype == np.uint8
    assert (prepared == 128).all()
    assert (preprocessing.prepare(flat((10, 20, 30, 255)), 224) == [10, 20, 30]).all()
    half = preprocessing.prepare(flat((255, 255, 255, 128)), 224)
    assert abs(int(half[0, 0, 0]) - 192) <= 1


def copy_of(rgba: Pixels, background: str | None, scale: float, mirrored: bool) -> Pixels:
    """What a visitor has: flattened, scaled, saved as JPEG, perhaps mirrored."""
    image = Image.fromarray(rgba)
    if background:
        ground = Image.new("RGBA", image.size, background)
        ground.alpha_composite(image)
        image = ground.convert("RGB")
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    if mirrored:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    data = saved(image, "JPEG", quality=70) if background else saved(image, "PNG")
    return decode(data, Limits()).rgba


@pytest.mark.parametrize("background", ["white", "black", "magenta", "grey", "#285a3c", None])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("scale", [0.6, 1.7])
def test_a_copy_is_nearest_to_its_source(background: str | None, mirrored: bool, scale: float) -> None:
    blank = signatures.signature(np.zeros((4, 4, 4), dtype=np.uint8))
    known = np.stack([*(signatures.signature(rgba) for rgba in PICTURES.values()), blank])
    for place, rgba in enumerate(PICTURES.values()):
        query = signatures.signature(copy_of(rgba, background, scale, mirrored))
        near = signatures.closeness(query, known)
        assert near.shape == (len(known),)
        assert near.dtype == np.float32
        assert int(near.argmax()) == place
        assert near[place] > 0.6
        assert near[-1] < 0.5


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_turned_copy_is_nearest_to_its_source(turns: int, mirrored: bool) -> None:
    known = np.stack([signatures.signature(rgba) for rgba in PICTURES.values()])
    for place, rgba in enumerate(PICTURES.values()):
        turned = np.ascontiguousarray(np.rot90(rgba[:, ::-1] if mirrored else rgba, turns))
        near = signatures.closeness(signatures.signature(turned), known)
        assert int(near.argmax()) == place
        assert near[place] > 0.95


def test_closeness_of_equals_and_of_none() -> None:
    known = np.stack([signatures.signature(rgba) for rgba in PICTURES.values()])
    for place in range(len(known)):
        near = signatures.closeness(known[place], known)
        assert near[place] == pytest.approx(1.0, abs=0.01)
        assert ((near >= 0) & (near <= 1)).all()
    assert signatures.closeness(known[0], known[:0]).shape == (0,)


def test_closeness_costs_little_more_than_comparing_the_pixels_in_all_positions() -> None:
    candidates = np.random.default_rng(2).integers(0, 256, (200, 32, 32, 4), dtype=np.uint8)
    ratios = []
    for _ in range(5):
        start = time.thread_time()
        signatures.closeness(candidates[0], candidates)
        between = time.thread_time()
        for turns in range(8):
            np.abs(candidates.astype(np.float32) - np.rot90(candidates[0], turns)).sum()
        ratios.append((between - start) / (time.thread_time() - between))
    assert min(ratios) < 4
