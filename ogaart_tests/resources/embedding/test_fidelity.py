"""Vectors of a faster arithmetic are compared with the model's own by cosine and by the neighbours they find."""

import numpy as np
import pytest

from ogaart.resources.embedding.fidelity import fidelity


def vectors(count: int = 60) -> np.ndarray:
    return np.random.default_rng(3).normal(size=(count, 16)).astype(np.float32)


def test_equal_directions_are_the_same_whatever_their_lengths() -> None:
    own = vectors()

    found = fidelity(own, own * 3)

    assert found.mean_cosine == pytest.approx(1)
    assert found.overlap == 1
    assert found.pictures == 60


def test_other_vectors_find_other_neighbours() -> None:
    own = vectors()

    assert fidelity(own, own + 0.3 * np.random.default_rng(4).normal(size=own.shape).astype(np.float32)).overlap < 0.95
    assert fidelity(own, own[::-1]).overlap < 0.4


def test_a_picture_as_near_as_the_tenth_counts() -> None:
    own = np.repeat(vectors(3), 20, axis=0)  # twenty copies each: any ten of them are the nearest

    assert (
        fidelity(own, own + np.float32(1e-4) * np.random.default_rng(4).random(own.shape).astype(np.float32)).overlap
        == 1
    )


def test_vectors_that_are_not_finite_are_near_nothing() -> None:
    own = vectors()
    broken = own.copy()
    broken[7] = np.nan

    assert fidelity(own, broken).least_cosine == 0


def test_two_pictures_are_enough() -> None:
    assert fidelity(vectors(2), vectors(2)).overlap == 1
