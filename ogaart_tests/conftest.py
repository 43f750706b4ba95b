"""What tests share: the demo, materialized and published once; and which tests stay together on one worker."""

from collections.abc import Iterator

import pytest

from ogaart_tests.world import World, open_world


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a module's tests on one worker, and all that use the demo: it takes half a minute to make."""
    for item in items:
        shared = "demo_world" if "demo_world" in getattr(item, "fixturenames", ()) else item.nodeid.split("::")[0]
        item.add_marker(pytest.mark.xdist_group(shared))


@pytest.fixture(scope="session")
def demo_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The whole demo, materialized and published once; tests that use it change nothing in it."""
    with open_world(tmp_path_factory.mktemp("demo-world")) as world:
        world.all()
        yield world
