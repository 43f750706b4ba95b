"""Noise is told from pictures, and pictures are never told to be noise."""

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
