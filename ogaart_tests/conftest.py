"""What tests share: the demo, materialized and published once."""

from collections.abc import Iterator

import pytest

from ogaart_tests.world import World, open_world


@pytest.fixture(scope="session")
def demo_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The whole demo, materialized and published once; tests that use it change nothing in it."""
    with open_world(tmp_path_factory.mktemp("demo-world")) as world:
        world.all()
        yield world
