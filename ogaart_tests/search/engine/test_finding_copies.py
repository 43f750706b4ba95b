"""A copy of a demo picture finds its source: the promise of the whole."""

import pytest

from benchmarks.copies import KINDS, measure
from ogaart_tests.world import World


@pytest.mark.slow
def test_every_picture_at_60_percent_as_jpeg_has_its_source_first(demo_world: World) -> None:
    kind = "60 % as JPEG, on white"

    tally = measure(demo_world.settings, {kind: KINDS[kind]})[kind]

    print(f"source first: {tally.first / tally.tried:.3f}; the index alone: {tally.index_first / tally.tried:.3f}")  # noqa: T201
    assert tally.tried == 431  # all of the art but one fully transparent picture
    assert tally.first / tally.tried >= 0.90
    assert tally.first > tally.index_first


@pytest.mark.slow
def test_most_parts_of_pictures_have_their_source_first(demo_world: World) -> None:
    kind = "cropped anywhere"

    tally = measure(demo_world.settings, {kind: KINDS[kind]})[kind]

    print(f"source first: {tally.first / tally.tried:.3f}; the index alone: {tally.index_first / tally.tried:.3f}")  # noqa: T201
    assert tally.first / tally.tried >= 0.72
    assert tally.first > 1.2 * tally.index_first
