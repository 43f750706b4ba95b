"""Within a block the garbage collector runs seldom, and as before after it."""

import gc

import pytest

from ogaart.core.garbage import collected_seldom


def collections() -> int:
    return sum(generation["collections"] for generation in gc.get_stats())


def made(count: int) -> list[list[int]]:
    return [[number] for number in range(count)]


def test_many_objects_are_made_without_a_collection() -> None:
    with collected_seldom():
        gc.collect()
        before = collections()
        kept = made(40_000)

        assert (len(kept), collections() - before) == (40_000, 0)
        kept += made(20_000)
        assert collections() - before >= 1


def test_afterwards_it_runs_as_before() -> None:
    before = gc.get_threshold()

    with pytest.raises(ValueError, match="of the block"), collected_seldom():
        raise ValueError("an error of the block")

    assert gc.get_threshold() == before
