"""Weights of the sides of a likeness, and the score of a pair."""

import numpy as np
import pytest

from ogaart.likeness.fusion import OTHER_COLOURS, USUAL, Weights, fused_score, why


def cosines(**blocks: float) -> dict[str, np.ndarray]:
    return {name: np.array([value], np.float32) for name, value in blocks.items()}


def test_the_same_in_everything_is_one() -> None:
    alike = cosines(subject=1, palette=1, layout=1, shape=1, structure=1)

    assert fused_score(alike, USUAL)[0] == pytest.approx(1)
    assert fused_score(alike, Weights(0, 0, 1))[0] == pytest.approx(1)


def test_a_recolour_is_scored_by_subject_and_shape() -> None:
    recolour = cosines(subject=0.95, palette=0, layout=0.2, shape=0.98, structure=0.9)

    assert fused_score(recolour, USUAL)[0] == pytest.approx((0.95 + 0.8 * 0.98) / 1.8 - OTHER_COLOURS)
    assert fused_score(recolour, Weights(1, 1, 0))[0] > 0.93
    assert fused_score(recolour, Weights(0, 0, 1))[0] == pytest.approx(0)


def test_the_same_drawing_in_other_colours_comes_before_other_things_in_the_same_colours() -> None:
    recolour = cosines(subject=0.96, palette=0.5, layout=0.9, shape=1, structure=1)
    relative = cosines(subject=0.97, palette=1, layout=0.87, shape=0.92, structure=0.41)

    assert fused_score(recolour, USUAL)[0] == pytest.approx((0.96 + 0.8) / 1.8)
    assert fused_score(recolour, USUAL)[0] > fused_score(relative, USUAL)[0]


def test_one_outline_filled_otherwise_is_not_the_same_drawing() -> None:
    button = cosines(subject=0.9, palette=0, layout=0.2, shape=1, structure=0.6)

    assert fused_score(button, USUAL)[0] == pytest.approx((0.9 + 0.8) / 1.8 - OTHER_COLOURS)


def test_same_palette_does_not_look_at_places() -> None:
    assert Weights(0, 0, 1).of_blocks()["layout"] == 0
    assert Weights(1, 1, 1).of_blocks()["layout"] > 0


@pytest.mark.parametrize("weight", [2, 1, 0.1, 1e-5, 1e-9, 1e-30])
def test_only_the_ratio_counts_however_small_the_weights_are(weight: float) -> None:
    assert Weights(weight, weight, weight).in_ratio_of(USUAL)
    assert Weights(weight, weight, 0).in_ratio_of(Weights(1, 1, 0))
    assert not Weights(weight, 0, 0).in_ratio_of(USUAL)
    assert not Weights(weight, weight, weight / 2).in_ratio_of(USUAL)


def test_why_names_the_sides_that_count() -> None:
    pair = {"subject": 0.5, "palette": 0.4, "layout": 0.4, "shape": 0.9, "structure": 1.0}

    assert why(pair, USUAL) == {"subject": 0.5, "shape": pytest.approx(0.92), "colours": pytest.approx(0.4)}
    assert why(pair, Weights(1, 1, 0)).keys() == {"subject", "shape"}
    assert why({"palette": -0.3}, Weights(0, 0, 1)) == {"colours": 0.0}
