"""SIGTERM and Ctrl-C end a run while it waits for a site that is down, and the wait ends when the site is up again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import dagster as dg
import psutil
import pytest

from ogaart.demo.http import DemoResponse
from ogaart.demo.model import DemoContent
from ogaart.orchestration.run_status import unfinished_runs
from ogaart.pipeline.runner import MOST_RETRIES
from ogaart.resources.site.client import SiteClient
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.fault_server import FaultServer, Serve, Status
from ogaart_tests.pipeline.test_changing_site import entry
from ogaart_tests.resources.site.site_bench import Bench, bench
from ogaart_tests.world import World, open_world

__all__ = ["bench"]

COMMAND = [sys.executable, "-c", "from ogaart.cli.main import main; main()", "materialize", "2d-art/0000"]
DOWN_FOR_LONG = {
    "OGAART_ATTEMPTS": "1",
    "OGAART_CIRCUIT_FAILURES": "1",
    "OGAART_CIRCUIT_URLS": "1",
    "OGAART_CIRCUIT_SECONDS": "600",
}


def until(condition: Callable[[], object], seconds: float = 120.0) -> None:
    """Wait for something that happens elsewhere."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_that_waits_for_the_site(tmp_path: Path, signum: int) -> None:
    with open_world(tmp_path) as world, FaultServer() as server:
        world.discover()
        server.everywhere = lambda _path: Status(503)
        environment = os.environ | DOWN_FOR_LONG | {"OGAART_SITE": server.base}
        process = subprocess.Popen(COMMAND, env=environment, stderr=subprocess.PIPE, start_new_session=True)
        try:
            launched = time.monotonic()
            until(lambda: server.arrivals)
            startup = time.monotonic() - launched
            time.sleep(3)  # it waits now; the circuit is open for ten minutes
            assert process.poll() is None
            began = time.monotonic()
            process.send_signal(signum)
            code = process.wait(30)
            took = time.monotonic() - began
        finally:
            process.kill()
            process.wait()

    assert took < max(5.0, startup)  # a busy machine takes longer for both
    assert code != 0
    assert len(server.arrivals) == 1


WAITING = """
import sys
from rich.console import Console
from ogaart.operations import runs
from ogaart.orchestration.instance import Interrupted, open_instance
from ogaart.settings import Settings
settings = Settings()
with open_instance(settings) as instance:
    pools = instance.event_log_storage
    pools.set_concurrency_slots("site", 1)
    pools.claim_concurrency_slot("site", "a run of another process", "a step")
print("ready", flush=True)
try:
    sys.argv[1] == "discover" and runs.discover(settings, Console(quiet=True))
    runs.materialize(settings, Console(quiet=True), ["2d-art/0000"])
except Interrupted:
    sys.exit(77)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("command", "signum"), [("discover", signal.SIGTERM), ("materialize", signal.SIGINT)])
def test_a_signal_ends_a_run_that_waits_for_a_pool_slot(tmp_path: Path, command: str, signum: int) -> None:
    with open_world(tmp_path) as world:
        world.discover()
        before = len(world.site.requests)
        process = subprocess.Popen(
            [sys.executable, "-c", WAITING, command], stdout=subprocess.PIPE, start_new_session=True
        )
        try:
            assert process.stdout is not None
            launched = time.monotonic()
            process.stdout.readline()
            startup = time.monotonic() - launched
            time.sleep(3 + startup)  # it waits now: the slot is never freed
            assert process.poll() is None
            used = psutil.Process(process.pid).cpu_times().user
            time.sleep(2)
            used = psutil.Process(process.pid).cpu_times().user - used
            began = time.monotonic()
            process.send_signal(signum)
            code = process.wait(60)
            took = time.monotonic() - began
        finally:
            process.kill()
            process.wait()

        assert code == 77
        assert took < max(5.0, startup)
        assert used < 1.0  # of two seconds: it sleeps between two looks
        assert len(world.site.requests) == before


@pytest.mark.slow
def test_a_run_that_waits_for_a_slot_gets_that_of_a_run_that_is_killed(tmp_path: Path) -> None:
    with open_world(tmp_path) as world, FaultServer() as server:
        world.discover()
        before = len(world.site.requests)
        server.everywhere = lambda _path: Status(503)
        environment = os.environ | DOWN_FOR_LONG | {"OGAART_SITE": server.base}
        holder = subprocess.Popen(COMMAND, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
        waiting = None
        try:
            until(lambda: server.arrivals)  # it has the slot, and waits for the site
            waiting = subprocess.Popen([*COMMAND[:-1], "2d-art/0001"], start_new_session=True)
            until(lambda: len(unfinished()) == 2)
            time.sleep(3)
            assert len(world.site.requests) == before
            holder.kill()
            holder.wait()

            until(lambda: len(world.site.requests) > before, seconds=60)
        finally:
            for process in filter(None, (holder, waiting)):
                process.kill()
                process.wait()


def unfinished() -> list[dg.DagsterRun]:
    with dg.DagsterInstance.get() as instance:
        return unfinished_runs(instance)


class Failing(ChangingSite):
    """A site that answers 503 to every request for which ``fails`` returns true; requests are counted from 1."""

    fails: Callable[[int], bool] = staticmethod(lambda _number: False)
    asked = 0

    def answer(self, target: str) -> DemoResponse:
        self.asked += 1
        return DemoResponse(503, b"", "text/plain") if self.fails(self.asked) else super().answer(target)


def failing(folder: Path) -> AbstractContextManager[World]:
    site = Failing(site=DemoContent([entry(n) for n in range(12)]))
    return open_world(folder, site, **DOWN_FOR_LONG | {"OGAART_CIRCUIT_SECONDS": "0.02"})


@pytest.mark.slow
def test_a_site_that_is_down_again_and_again_fails_no_run_while_it_responds_in_between(tmp_path: Path) -> None:
    with failing(tmp_path) as world:
        assert isinstance(world.site, Failing)
        world.discover()
        world.site.fails = lambda number: number % 4 == 0
        world.site.asked = 0

        report = world.materialize(assets=("search_pages", "content_pages", "file_links", "raw_files"))

        outages = world.site.asked // 4
        assert report.errors == []
        assert outages > 2 * MOST_RETRIES
        assert [row["failed"] for row in report.rows] == [0, 0, 0, 0]


@pytest.mark.slow
def test_a_site_that_stays_down_fails_the_run(tmp_path: Path) -> None:
    with failing(tmp_path) as world:
        assert isinstance(world.site, Failing)
        world.discover()
        world.site.fails = lambda number: number > 3
        world.site.asked = 0

        report = world.materialize(assets=("search_pages", "content_pages"))

        assert world.site.asked == 3 + 1 + MOST_RETRIES
        assert "failed" in report.errors[0]


@pytest.mark.parametrize(
    "wait",
    [
        lambda client: client.crawl_delay(),
        lambda client: client.wait_until_up(600),
    ],
    ids=["for its turn", "for a site that is down"],
)
def test_an_interruption_ends_a_wait_of_the_client_at_once(bench: Bench, wait: Callable[[SiteClient], object]) -> None:
    client = bench.client(delay=600.0, robots_hours=0)
    bench.client().get(bench.server.at("/warm", Serve(b"x")))

    def interrupt(_signum: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    began = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            wait(client)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert time.monotonic() - began < 5


def test_the_wait_ends_when_another_process_is_answered(bench: Bench) -> None:
    url = bench.server.at("/x", Serve(b"x"))
    program = (
        "import sys, time; from pathlib import Path; from ogaart.resources.storage.blobs import Blobs;"
        "from ogaart.resources.site.client import SiteClient; from ogaart.settings import Settings;"
        "root = Path(sys.argv[1]); time.sleep(0.5);"
        "SiteClient(Settings(site=sys.argv[2], data=root), Blobs(root / 'blobs'), root / 'site').get(sys.argv[3])"
    )
    client = bench.client()
    other = subprocess.Popen([sys.executable, "-c", program, str(bench.root), bench.server.base, url])
    began = time.monotonic()

    client.wait_until_up(120)

    assert time.monotonic() - began < 60
    assert other.wait(30) == 0
    assert client.is_open()
