"""What tests share: the demo, materialized and published once on each worker."""

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from ogaart_tests.world import World, open_world

PREFIXES = ("OGAART_", "QDRANT_", "DAGSTER_HOME")


def pytest_configure() -> None:
    """Let Ctrl-C through: a shell's background job ignores it, and Dagster would make SIGTERM ignored as well."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class _Demo:
    world: World
    environment: dict[str, str]


@pytest.fixture(scope="session")
def _demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Demo]:
    """The demo's world and the environment it was made in, which its tests alone shall see."""
    with open_world(tmp_path_factory.mktemp("demo-world")) as world:
        world.all()
        environment = {name: value for name, value in os.environ.items() if name.startswith(PREFIXES)}
        for name in environment:
            del os.environ[name]
        yield _Demo(world, environment)


@pytest.fixture
def demo_world(_demo: _Demo, monkeypatch: pytest.MonkeyPatch) -> World:
    """The whole demo, materialized and published once; tests that use it change nothing in it."""
    for name, value in _demo.environment.items():
        monkeypatch.setenv(name, value)
    return _demo.world
