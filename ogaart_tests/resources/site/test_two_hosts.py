"""The delay over two hosts that share a PostgreSQL database: as the server sees it, with kills and a restart."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from ogaart.resources.site.throttle import Throttle
from ogaart.resources.state.database import StateDatabase
from ogaart.settings import Settings
from ogaart_tests.fault_server import FaultServer, Serve, Silence
from ogaart_tests.postgres import Postgres, postgres
from ogaart_tests.resources.site.site_bench import QUICK
from ogaart_tests.ui import wait_until

__all__ = ["postgres"]

pytestmark = pytest.mark.slow

DELAY = 0.2
CRAWLER = """
import sys, time
from pathlib import Path
from pydantic import SecretStr
from ogaart.resources.site.client import SiteClient
from ogaart.resources.state.database import StateRefused
from ogaart.resources.storage.blobs import Blobs
from ogaart.settings import Settings
root, base, url, paths = Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
settings = Settings(site=base, data=root, database_url=SecretStr(url), timeout_connect=1.0)
client = SiteClient(settings, Blobs(root / "blobs"), root / "site")
for path in paths:
    while True:
        try:
            client.get(base + path)
            break
        except StateRefused:  # a step that fails so is retried
            time.sleep(0.1)
"""


class Hosts:
    """Two data roots of one id, each with kernel locks of its own, over one database and one site."""

    def __init__(self, folder: Path, url: str, site: FaultServer) -> None:
        self.url, self.site = url, site
        self.roots = [folder / "one", folder / "two"]
        with closing(StateDatabase(self.settings(0))) as state, state.reading():
            pass
        self.roots[1].mkdir()
        shutil.copy(self.roots[0] / "root.json", self.roots[1])

    def settings(self, host: int) -> Settings:
        """Those of a host."""
        return Settings(site=self.site.base, data=self.roots[host], database_url=SecretStr(self.url), **QUICK)

    def throttle(self, host: int) -> Throttle:
        """What a process of a host would open."""
        settings = self.settings(host)
        return Throttle(StateDatabase(settings), settings.data / "site", "site", settings)

    def crawl(self, host: int, paths: list[str]) -> "subprocess.Popen[bytes]":
        """Fetch paths in a process of a host."""
        words = [str(self.roots[host]), self.site.base, self.url, *paths]
        return subprocess.Popen([sys.executable, "-c", CRAWLER, *words])


def test_no_two_requests_come_closer_than_the_delay_whatever_ends_meanwhile(tmp_path: Path, postgres: Postgres) -> None:
    paths = [f"/{n}" for n in range(40)]
    with FaultServer(f"User-agent: *\nCrawl-delay: {DELAY}\n") as site:
        for path in paths:
            site.at(path, Serve(b"x" * 1000))
        site.at("/8", Silence(30.0), Serve(b"x" * 1000))
        hosts = Hosts(tmp_path, postgres.fresh("hosts"), site)
        crawlers = [hosts.crawl(0, paths[0::2]), hosts.crawl(1, paths[1::2])]

        wait_until(lambda: bool(site.requests_for("/8")), 60, "the first host to hold the lock")
        os.kill(crawlers[0].pid, signal.SIGKILL)
        killed_at = len(site.arrivals)
        wait_until(lambda: len(site.arrivals) > killed_at + 2, 60, "the other host to continue")
        crawlers[0].wait()
        crawlers[0] = hosts.crawl(0, paths[0::2])
        wait_until(lambda: bool(site.requests_for("/12")), 60, "both hosts to continue")
        postgres.restart()
        codes = [crawler.wait(120) for crawler in crawlers]

    times = sorted(arrival.at for arrival in site.arrivals)
    assert codes == [0, 0]
    assert min(b - a for a, b in itertools.pairwise(times)) >= DELAY
    assert {path: len(site.requests_for(path)) for path in paths if path != "/8"} == dict.fromkeys(
        [path for path in paths if path != "/8"], 1
    )
    assert len(site.requests_for("/8")) == 2  # the request in progress is repeated


def test_what_one_host_was_told_binds_the_other(tmp_path: Path, postgres: Postgres) -> None:
    with FaultServer() as site:
        hosts = Hosts(tmp_path, postgres.fresh("told"), site)
        first, second = hosts.throttle(0), hosts.throttle(1)
        with first.turn("/a", 0.1) as turn:
            turn.failed("429", pause=0.6)
        began = time.monotonic()

        with second.turn("/b", 0.1) as turn:
            turn.answered()
        assert 0.5 <= time.monotonic() - began < 5

        assert second.requests_of_last_day() == 2


def test_a_delay_is_not_shorter_where_the_clock_was_answered_late(tmp_path: Path, postgres: Postgres) -> None:
    with FaultServer() as site:
        hosts = Hosts(tmp_path, postgres.fresh("late"), site)
        first, second = hosts.throttle(0), hosts.throttle(1)
        with second.turn("/warm", 0.0) as turn:
            turn.answered()

        def answer_late(_: object, __: object, statement: str, *___: object) -> None:
            if "clock_timestamp" in statement:
                time.sleep(0.15)

        sa.event.listen(sa.Engine, "after_cursor_execute", answer_late)
        try:
            with first.turn("/a", 0.0) as turn:
                turn.answered()
                ended = time.monotonic()
        finally:
            sa.event.remove(sa.Engine, "after_cursor_execute", answer_late)
        with second.turn("/b", 0.5) as turn:
            began = time.monotonic()
            turn.answered()

        assert began - ended >= 0.5


def test_an_answer_whose_lock_was_lost_is_stored_still(tmp_path: Path, postgres: Postgres) -> None:
    with FaultServer() as site:
        hosts = Hosts(tmp_path, postgres.fresh("lost"), site)
        first, second = hosts.throttle(0), hosts.throttle(1)
        with first.turn("/a", 0.0) as turn:
            turn.answered()
        with first.turn("/a", 0.0) as turn:
            postgres.restart()
            turn.failed("429", pause=60.0)

        assert second.state().pause.left(second.now()) > 50
        assert not second.state().in_flight
