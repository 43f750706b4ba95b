"""Noise is told from pictures, and pictures are never told to be noise."""

import io

import numpy as np
import pytest
from PIL import Image

from ogaart.likeness.noise import is_noise
from ogaart_tests.search.tiny_generation import ENTRIES, pictures


@pytest.mark.parametrize("size", [(32, 32), (64, 40), (700, 600)])
def test_random_pixels_are_noise(size: tuple[int, int]) -> None:
    rgba = np.random.default_rng(1).integers(0, 256, (*size, 4), np.uint8)

    assert is_noise(rgba)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.slug)
def test_game_art_is_no_noise(entry: object) -> None:
    paths = pictures(entry)  # type: ignore[arg-type]

    assert [path.name for path in paths if is_noise(np.asarray(Image.open(path).convert("RGBA")))] == []


def test_transparent_and_plain_pictures_are_no_noise() -> None:
    assert not is_noise(np.zeros((64, 64, 4), np.uint8))
    assert not is_noise(np.full((64, 64, 4), 200, np.uint8))


def made_smaller(pixels: np.ndarray, scale: float) -> np.ndarray:
    """As a browser sends what is too large."""
    picture = Image.fromarray(pixels)
    size = (round(picture.width * scale), round(picture.height * scale))
    out = io.BytesIO()
    picture.resize(size, Image.Resampling.BICUBIC, reducing_gap=2).save(out, "WEBP", quality=92)
    return np.asarray(Image.open(out).convert("RGBA"))


@pytest.mark.parametrize("scale", [1.0, 0.7, 0.5, 0.4])
@pytest.mark.parametrize("channels", [1, 3])
def test_noise_is_noise_after_it_was_made_smaller_and_saved_with_loss(scale: float, channels: int) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (1400, 1400, channels), np.uint8)

    assert is_noise(made_smaller(np.broadcast_to(noise, (1400, 1400, 3)), scale))


def test_what_shows_something_is_no_noise_after_it_was_made_smaller() -> None:
    rng = np.random.default_rng(3)
    across = np.linspace(0, 255, 1400)[None, :, None] + np.zeros((1400, 1, 3))
    gravel = np.kron(rng.integers(0, 256, (140, 140, 3)), np.ones((10, 10, 1)))
    grained = np.clip(across + rng.normal(0, 20, (1400, 1400, 3)), 0, 255)

    for pixels in (across, gravel, grained, np.full((1400, 1400, 3), 90)):
        for scale in (1.0, 0.5):
            assert not is_noise(made_smaller(pixels.astype(np.uint8), scale))


def test_noise_that_was_saved_with_much_loss_and_made_much_smaller_is_noise() -> None:
    out = io.BytesIO()
    Image.fromarray(np.random.default_rng(4).integers(0, 256, (1600, 1600, 3), np.uint8)).save(out, "JPEG", quality=40)

    assert is_noise(made_smaller(np.asarray(Image.open(out)), 0.25))
