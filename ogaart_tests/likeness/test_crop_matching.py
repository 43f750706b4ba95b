"""A crop is found in the picture it was cut from."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ogaart.likeness.crop_matching import fit
from ogaart.likeness.signatures import signature


def drawn(seed: int, *, clear: bool = False) -> NDArray[np.uint8]:
    """A picture of some thirty coloured squares, on nothing or on a colour: (128, 128, 4)."""
    chance = np.random.default_rng(seed)
    picture = np.zeros((128, 128, 4), np.uint8)
    if not clear:
        picture[:] = (*chance.integers(0, 256, 3), 255)
    for _ in range(30):
        top, left = chance.integers(0, 112, 2)
        picture[top : top + 24, left : left + 24] = (*chance.integers(0, 256, 3), 255)
    return picture


PICTURES = [drawn(seed, clear=seed % 2 == 0) for seed in range(12)]
SIGNATURES = np.stack([signature(picture) for picture in PICTURES])


@pytest.mark.parametrize("number", range(12))
def test_a_crop_fits_best_into_its_source(number: int) -> None:
    crop = PICTURES[number][30:110, 10:90]

    fits = fit(signature(crop), SIGNATURES)

    assert int(np.argmax(fits)) == number
    assert fits[number] > np.delete(fits, number).max() + 0.05


def test_the_whole_is_a_part_of_itself() -> None:
    fits = fit(SIGNATURES[3], SIGNATURES)

    assert fits[3] == pytest.approx(1.0, abs=0.01)
    assert (fits <= 1.0).all()
    assert (fits >= 0.0).all()


def test_nothing_to_fit_into() -> None:
    assert fit(SIGNATURES[0], SIGNATURES[:0]).shape == (0,)


def test_a_flat_picture_is_not_an_error() -> None:
    flat = np.full((32, 32, 4), 255, np.uint8)

    assert np.isfinite(fit(flat, SIGNATURES)).all()
    assert np.isfinite(fit(np.zeros((32, 32, 4), np.uint8), SIGNATURES)).all()
