"""``ogaart up`` runs once, and nothing of it outlives it, however it ends: real processes, real signals."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import requests

from ogaart.cli.demo_command import free_port
from ogaart.demo import plan
from ogaart.demo.model import DemoContent
from ogaart.orchestration.service_processes import MARK, end_marked_processes, marked_processes
from ogaart.orchestration.services import RECORD, AddressInUse, Services
from ogaart.resources.storage.lock_names import services_lock
from ogaart.resources.storage.locks import Locked, is_free
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.ui import wait_until
from ogaart_tests.world import World, open_world

SLEEPER = "import time; time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty platform."""
    with open_world(tmp_path, ChangingSite(site=DemoContent(plan.load().by_age()[:1]))) as opened:
        yield opened


def marked(mark: str, program: str) -> "subprocess.Popen[bytes]":
    """A process with a mark that does nothing."""
    return subprocess.Popen([sys.executable, "-c", program], env={**os.environ, MARK: mark}, stdout=subprocess.PIPE)


def test_marked_processes_are_ended_and_no_others() -> None:
    mine, other, stubborn = marked("mine", SLEEPER), marked("other", SLEEPER), marked("mine", STUBBORN)
    try:
        assert stubborn.stdout is not None
        stubborn.stdout.readline()  # it ignores SIGTERM by now

        assert end_marked_processes("mine", grace=0.5) == sorted([mine.pid, stubborn.pid])

        assert not any(psutil.pid_exists(process.pid) for process in (mine, stubborn))
        assert [process.pid for process in marked_processes("other")] == [other.pid]
    finally:
        for process in (mine, other, stubborn):
            process.kill()
            process.wait()


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1"])
def test_an_address_that_cannot_be_used_is_refused_before_anything_starts(world: World, host: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        with pytest.raises(AddressInUse, match=rf"cannot listen on {host}:{port} .*--port"):
            Services(world.settings, host, port)

    assert not (world.settings.data / "dagster" / RECORD).exists()
    assert is_free(services_lock(world.stores.root))


@contextmanager
def up(world: World) -> Iterator[tuple["subprocess.Popen[bytes]", str]]:
    """``ogaart up`` as a shell starts it, with its UI answering; yields the process and the UI's base URL."""
    port = free_port(0)
    base = f"http://127.0.0.1:{port}"
    program = [sys.executable, "-c", "from ogaart.cli.main import main; main()", "up", "--port", str(port)]
    process = subprocess.Popen(program, cwd=world.settings.data.parent)
    try:
        wait_until(lambda: process.poll() is not None or answers(base), 120, "the Dagster UI to answer")
        assert process.poll() is None
        yield process, base
    finally:
        process.kill()
        process.wait()


def answers(base: str) -> bool:
    try:
        return requests.get(f"{base}/server_info", timeout=5).ok
    except requests.ConnectionError:
        return False


def mark_of(world: World) -> str:
    """The mark of the services that run on the world's data root, or were killed there."""
    return str(json.loads((world.settings.data / "dagster" / RECORD).read_text())["mark"])


def roles(mark: str) -> set[str]:
    """What the marked processes are."""
    lines = [" ".join(process.cmdline()) for process in marked_processes(mark)]
    words = {"supervisor", "webserver", "daemon", "code-server start", "api grpc"}
    return {word for word in words for line in lines if f" {word} " in line}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_after_a_kill_nothing_is_left_and_the_next_one_starts(world: World) -> None:
    with up(world) as (process, base):
        mark = mark_of(world)
        assert roles(mark) == {"supervisor", "webserver", "daemon", "code-server start", "api grpc"}
        with pytest.raises(Locked, match=rf"already running on the data root .* \(process {process.pid}\)"):
            Services(world.settings, "127.0.0.1", free_port(0))

        process.kill()

        wait_until(lambda: not marked_processes(mark), 30, "every process of a killed `ogaart up` to end")
        assert not answers(base)
    with up(world) as (process, _):
        assert roles(mark_of(world)) >= {"supervisor", "webserver", "daemon"}
        process.send_signal(signal.SIGTERM)
        assert process.wait(90) == 0
        assert not (world.settings.data / "dagster" / RECORD).exists()
        assert marked_processes(mark) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_hangs_after_a_kill_is_ended_by_the_next_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ogaart.orchestration.services.TAKE_OVER", 1.0)
    with up(world) as (process, _):
        mark = mark_of(world)
        hanging = marked_processes(mark)
        for one in hanging:
            one.suspend()
        process.kill()
        process.wait()
    time.sleep(1)
    assert len(marked_processes(mark)) == len(hanging)

    services = Services(world.settings, "127.0.0.1", free_port(0))

    assert marked_processes(mark) == []
    assert services.poll() is None
    services.stop()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("role", ["supervisor", "webserver", "daemon"])
def test_a_part_that_is_killed_ends_the_whole(world: World, role: str) -> None:
    with up(world) as (process, _):
        mark = mark_of(world)
        [part] = [p for p in marked_processes(mark) if f" {role} " in " ".join(p.cmdline())]

        part.kill()

        assert process.wait(120) != 0
        gone, _ = psutil.wait_procs([part], timeout=5)
        assert gone
        wait_until(lambda: not marked_processes(mark), 10, "the rest to end")
