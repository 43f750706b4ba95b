"""A platform that a test may damage: a copy of the demo's data root, over the demo's own running site."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ogaart.settings import Settings
from ogaart_tests.world import World


@pytest.fixture
def copied(demo_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The demo's world with a data root of its own."""
    return copy_world(demo_world, tmp_path / "data", monkeypatch.setenv)


def copy_world(world: World, data: Path, setenv: Callable[[str, str], None]) -> World:
    """A copy of a world's data root at ``data``, named in the environment."""
    shutil.copytree(world.settings.data, data, symlinks=True)
    setenv("OGAART_DATA", str(data))
    setenv("DAGSTER_HOME", str(data / "dagster"))
    return World(world.site, Settings())
