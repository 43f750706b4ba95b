"""Every recipe of docs/extending.md still fits the code; that what it makes works is tested in the slow tests."""

from pathlib import Path

import pytest

from ogaart_tests.extending.recipe import copy_package, follow


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_package(tmp_path_factory.mktemp("recipes"))


@pytest.mark.parametrize(
    ("heading", "by_hand"), [("An asset between two", 4), ("A model", 1), ("A column", 3), ("A filter", 3)]
)
def test_a_recipe_applies_to_the_code(copy: Path, heading: str, by_hand: int) -> None:
    touched = follow(heading, copy)

    assert len(touched) == by_hand
