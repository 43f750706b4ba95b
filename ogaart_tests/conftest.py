"""What tests share: the demo, materialized and published once on each worker."""

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ogaart.demo.http import Request
from ogaart_tests.world import World, copy_data_root, copy_world, open_world

PREFIXES = ("OGAART_", "QDRANT_", "DAGSTER_HOME")


def pytest_configure() -> None:
    """Let Ctrl-C through: a shell's background job ignores it, and Dagster would make SIGTERM ignored as well."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """Tests kill processes but never cut the power, so none has to wait until its files are on the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        yield


@dataclass(frozen=True)
class _Demo:
    world: World
    environment: dict[str, str]
    requests: tuple[Request, ...]

    def state(self) -> tuple[int, list[str]]:
        """What any run would change: the generation in service, and Dagster's runs."""
        runs = self.world.settings.data / "dagster" / "history" / "runs"
        return self.world.generation.number, sorted(path.name for path in runs.glob("*-*.db"))


@pytest.fixture(scope="session")
def _demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Demo]:
    """The demo's world and the environment it was made in, which its tests alone shall see."""
    folder = tmp_path_factory.mktemp("demo-world")
    with open_world(folder) as world:
        world.all()
        world.unopened = folder / "unopened"
        copy_data_root(world.settings.data, world.unopened)
        environment = {name: value for name, value in os.environ.items() if name.startswith(PREFIXES)}
        for name in environment:
            del os.environ[name]
        yield _Demo(world, environment, tuple(world.site.requests))


@pytest.fixture
def demo_world(_demo: _Demo, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The whole demo, materialized and published once; a test that changes it fails, and should take ``copied``."""
    for name, value in _demo.environment.items():
        monkeypatch.setenv(name, value)
    before = _demo.state()
    yield _demo.world
    assert _demo.state() == before, "this test changed the demo that all tests share: let it take `copied`"


@pytest.fixture
def first_requests(_demo: _Demo) -> tuple[Request, ...]:
    """The requests to the demo's site while the whole demo was materialized for the first time."""
    return _demo.requests


@pytest.fixture
def copied(demo_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """The demo's world with a data root of its own, over the same running site."""
    return copy_world(demo_world, tmp_path / "data", monkeypatch.setenv)
