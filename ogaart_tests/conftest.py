"""What tests share: the demo, materialized and published once; and which worker runs which tests."""

import contextlib
import fcntl
import gc
import os
import re
import signal
import struct
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from ogaart.demo.http import Request
from ogaart.orchestration.dagster_internals import keep_compiled
from ogaart_tests.world import World, copy_data_root, copy_world, open_world

PREFIXES = ("OGAART_", "QDRANT_", "DAGSTER_HOME")


def pytest_configure() -> None:
    """Let Ctrl-C through: a shell's background job ignores it, and Dagster would make SIGTERM ignored as well."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure() -> None:
    """Let Python take apart what was frozen: else DuckDB reports each of its types as leaked."""
    gc.unfreeze()


LONGEST = ("test_short", "test_changing_site", "test_renamed_entries", "test_dagster_operations")
"""Test modules that take minutes: they begin first, so that no worker waits for another at the end."""
_DEMO = re.compile(r"\b(demo_world|copied|first_requests)\b")


@cache
def _group_of(module: Path) -> str:
    """What one worker runs: a test module, or all that use the shared demo, which then is made once."""
    return "demo" if _DEMO.search(module.read_text(encoding="utf-8")) else module.stem


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while modules are imported, a fifth of the time that takes; nor later in what they made."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""

    def place(item: pytest.Item) -> int:
        group = _group_of(item.path)
        return ("demo", *LONGEST, group).index(group)

    items.sort(key=place)


class _Groups(LoadScopeScheduling):  # type: ignore[misc]
    """Each group of tests on one worker, in the order of the tests."""

    def _split_scope(self, nodeid: str) -> str:
        return _group_of(self.config.rootpath / nodeid.partition("::")[0])


@pytest.hookimpl(tryfirst=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    """Let ``--dist loadfile`` keep the tests of the shared demo together, too."""
    return _Groups(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    """Tests kill processes but never cut the power, so none has to wait until its files are on the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _dagster_kept() -> None:
    """As each command does: tests without one open hundreds of databases."""
    keep_compiled()


_GET_FLAGS, _SET_FLAGS, _TOP_FOLDER = 0x80086601, 0x40086602, 0x00020000
"""ext4's requests to read and write a folder's attributes, and the attribute that ``chattr +T`` sets."""


@pytest.fixture(scope="session", autouse=True)
def _folders_apart(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let ext4 put the files of each test into a region of the disk of its own, as ``chattr +T`` does.

    ext4 waits minutes before it uses the number of a deleted file again, and until then passes over it whenever a file
    is made in that region. In the one region of all tests, whose data roots are deleted after each, a thousand new
    files took 0.35 s of system time; apart they take 0.02 s.
    """
    handle = os.open(tmp_path_factory.getbasetemp(), os.O_RDONLY)
    with contextlib.suppress(OSError):  # another file system
        [flags] = struct.unpack("l", fcntl.ioctl(handle, _GET_FLAGS, struct.pack("l", 0)))
        fcntl.ioctl(handle, _SET_FLAGS, struct.pack("l", flags | _TOP_FOLDER))
    os.close(handle)


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
