"""Delays, pauses and the circuit breaker, as the server sees them."""

import subprocess
import sys
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ogaart.resources.site.client import FetchFailed, SiteDown
from ogaart.resources.site.site_state import SiteState, Span
from ogaart.resources.site.site_state_store import KIND
from ogaart.resources.site.throttle import Throttle
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.facts import read_fact, write_fact
from ogaart.resources.state.schema import FACTS
from ogaart.resources.storage.sealed_json import seal_json
from ogaart.settings import Settings
from ogaart_tests.fault_server import Cut, Redirect, Reset, Serve, Status
from ogaart_tests.resources.site.site_bench import QUICK, Bench, bench

__all__ = ["bench"]

CRAWLER = """
import sys
from pathlib import Path
from ogaart.resources.storage.blobs import Blobs
from ogaart.resources.site.client import SiteClient
from ogaart.settings import Settings
root, base, paths = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
client = SiteClient(Settings(site=base, data=root), Blobs(root / "blobs"), root / "site")
for path in paths:
    client.get(base + path)
"""


def crawl(bench: Bench, paths: list[str]) -> subprocess.Popen[bytes]:
    """Fetch paths in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", CRAWLER, str(bench.root), bench.server.base, *paths])


def test_two_processes_keep_one_delay(bench: Bench) -> None:
    bench.server.at("/robots.txt", Serve(b"User-agent: *\nCrawl-delay: 0.2\n"))
    paths = [f"/{n}" for n in range(12)]
    for path in paths:
        bench.server.at(path, Serve(b"x" * 1000))

    crawlers = [crawl(bench, paths[0::2]), crawl(bench, paths[1::2])]
    codes = [crawler.wait(30) for crawler in crawlers]

    assert codes == [0, 0]
    assert bench.server.arrivals[0].path == "/robots.txt"
    assert sorted(arrival.path for arrival in bench.server.arrivals[1:]) == sorted(paths)
    assert min(bench.server.gaps()) >= 0.2


def test_two_processes_fetch_one_url_once(bench: Bench) -> None:
    bench.server.at("/robots.txt", Serve(b"User-agent: *\nCrawl-delay: 0.05\n"))
    paths = [f"/{n}" for n in range(8)]
    for path in paths:
        bench.server.at(path, Serve(b"x" * 1000))

    crawlers = [crawl(bench, paths), crawl(bench, paths)]
    codes = [crawler.wait(30) for crawler in crawlers]

    assert codes == [0, 0]
    assert [len(bench.server.requests_for(path)) for path in paths] == [1] * 8


def test_every_kind_of_request_waits(bench: Bench) -> None:
    bench.server.at("/robots.txt", Serve(b"User-agent: *\nCrawl-delay: 0.1\n"))
    bench.server.at("/one", Redirect("/two"))
    data = Serve(b"x" * 100_000)
    bench.server.at("/two", Status(500), Reset(), Cut(data, 50_000, reset=False), data)

    bench.client(attempts=5).get(bench.server.base + "/one")

    paths = [arrival.path for arrival in bench.server.arrivals]
    assert paths == ["/robots.txt", "/one", "/two", "/one", "/two", "/one", "/two", "/one", "/two"]
    assert min(bench.server.gaps()) >= 0.1


def test_the_larger_delay_counts(bench: Bench) -> None:
    bench.server.at("/robots.txt", Serve(b"User-agent: *\nCrawl-delay: 0.05\n"))
    client = bench.client(delay=0.2)

    for n in range(3):
        client.get(bench.server.at(f"/{n}", Serve(b"x")))

    assert min(bench.server.gaps()) >= 0.2
    assert client.stats.wait_seconds > 0


def test_reading_robots_again_keeps_the_old_delay(bench: Bench) -> None:
    bench.server.at("/robots.txt", Serve(b"User-agent: *\nCrawl-delay: 0.2\n"), Serve(b""))
    bench.client().get(bench.server.at("/a", Serve(b"x")))

    bench.client(robots_hours=0).get(bench.server.at("/b", Serve(b"x")))

    assert [arrival.path for arrival in bench.server.arrivals][-2:] == ["/robots.txt", "/b"]
    assert bench.server.gaps()[1] >= 0.2


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_binds_every_process(bench: Bench, status: int, as_date: bool) -> None:
    url = bench.server.at("/x", Status(status, retry_after=1, as_date=as_date), Serve(b"x"))
    other = bench.server.at("/other", Serve(b"x"))
    bench.client().get(bench.server.at("/warm", Serve(b"x")))

    with pytest.raises(FetchFailed):
        bench.client(attempts=1).get(url)
    bench.client().get(other)

    paused = bench.server.requests_for("/other")[0].at - bench.server.requests_for("/x")[0].at
    assert 1.0 <= paused < 3


def test_a_429_without_retry_after_slows_everybody(bench: Bench) -> None:
    url = bench.server.at("/x", Status(429), Serve(b"x"))
    other = bench.server.at("/other", Serve(b"x"))

    with pytest.raises(FetchFailed):
        bench.client(attempts=1, backoff=0.2).get(url)
    bench.client().get(other)

    assert bench.server.requests_for("/other")[0].at - bench.server.requests_for("/x")[0].at >= 0.4


@pytest.mark.parametrize("retry_after", [b"0", b"Thu, 01 Oct 1996 03:37:00 GMT", b"soon"])
def test_a_429_whose_pause_is_over_already_slows_everybody(bench: Bench, retry_after: bytes) -> None:
    url = bench.server.at("/x", Odd(retry_after, b"429 Slow"))
    other = bench.server.at("/other", Serve(b"x"))

    with pytest.raises(FetchFailed):
        bench.client(attempts=1, backoff=0.2).get(url)
    bench.client().get(other)

    assert bench.server.requests_for("/other")[0].at - bench.server.requests_for("/x")[0].at >= 0.4


def test_a_pause_beyond_all_patience_is_a_site_that_is_down(bench: Bench) -> None:
    url = bench.server.at("/x", Status(503, retry_after=3600))
    other = bench.server.at("/other", Serve(b"x"))

    for wanted in (url, other):
        with pytest.raises(SiteDown, match="OGAART_MAX_WAIT is 900 s") as down:
            bench.client().get(wanted)
        assert 3500 < down.value.retry_after <= 3600

    assert len(bench.server.requests_for("/x")) == 1
    assert bench.server.requests_for("/other") == []


def test_an_unreadable_retry_after_is_ignored(bench: Bench) -> None:
    url = bench.server.at("/x", Serve(b"x"))
    for text in ("soon", "-5", "Thu, 99 Oct 2026", "Thu, 01 Oct 1996 03:37:00 GMT", "٣"):
        bench.server.at("/x", Odd(text.encode()), Serve(b"x"))

        assert bench.client().get(url, refresh=True).attempts == 2


class Odd:
    """A 503, or another status, with a Retry-After of any bytes."""

    def __init__(self, retry_after: bytes, status: bytes = b"503 Later") -> None:
        self.retry_after = retry_after
        self.status = status

    def answer(self, exchange: Any) -> None:
        exchange.write(
            b"HTTP/1.1 " + self.status + b"\r\nRetry-After: " + self.retry_after + b"\r\nContent-Length: 0\r\n\r\n"
        )


# The circuit breaker


def test_a_site_that_goes_down_is_probed_gently_and_comes_back(bench: Bench) -> None:
    urls = [bench.server.at(f"/{n}", Serve(b"x")) for n in range(20)]
    patience = {"attempts": 2, "circuit_failures": 6, "circuit_urls": 3, "circuit_seconds": 0.6}
    client = bench.client(**patience)
    client.get(urls[0])
    bench.server.everywhere = lambda _path: Status(502)

    for url in urls[1:3]:
        with pytest.raises(FetchFailed):
            client.get(url)
    with pytest.raises(SiteDown, match="failed 6 times in a row"):
        client.get(urls[3])
    down_at = len(bench.server.arrivals)
    other = bench.client(**patience)
    for url in urls[4:7]:  # while the circuit is open, no process sends a request
        with pytest.raises(SiteDown):
            other.get(url)
    assert len(bench.server.arrivals) == down_at

    time.sleep(0.61)
    with pytest.raises(SiteDown) as probe:  # one probe, then twice as long
        bench.client(**patience).get(urls[4])
    assert len(bench.server.arrivals) == down_at + 1
    assert 1.0 < probe.value.retry_after <= 1.2

    bench.server.everywhere = lambda _path: None
    time.sleep(1.21)
    assert [bench.client(**patience).get(url).status for url in urls[1:]] == [200] * 19


def test_one_bad_url_does_not_open_the_circuit(bench: Bench) -> None:
    bad = bench.server.at("/bad", Status(500))
    good = bench.server.at("/good", Serve(b"x"))
    client = bench.client(attempts=10, backoff=0.0, circuit_failures=4, circuit_urls=2)

    with pytest.raises(FetchFailed):
        client.get(bad)

    assert client.get(good).status == 200


def test_a_site_out_of_reach_opens_the_circuit_by_one_url(tmp_path: Path) -> None:
    process = throttle(tmp_path, Clock(), circuit_failures=3, circuit_urls=3)
    for _ in range(2):
        with process.turn("/a", 0.0) as turn:
            turn.failed("no connection", unreachable=True)

    with pytest.raises(SiteDown), process.turn("/a", 0.0) as turn:
        turn.failed("no connection", unreachable=True)
    with pytest.raises(SiteDown, match="no request is sent for another"), process.turn("/b", 0.0):
        pass


def test_bodies_that_break_count_as_failures(bench: Bench) -> None:
    broken = Cut(Serve(b"x" * 50_000), 10, reset=False)
    urls = [bench.server.at(f"/{n}", broken) for n in range(9)]
    client = bench.client(attempts=2, circuit_failures=6, circuit_urls=3)

    for url in urls[:3]:
        with pytest.raises(FetchFailed):
            client.get(url)

    with pytest.raises(SiteDown):
        client.get(urls[4])


# The clock, and what a dead process leaves


class Clock:
    """A wall clock that jumps."""

    def __init__(self) -> None:
        self.jump = 0.0

    def __call__(self) -> float:
        return time.time() + self.jump


def throttle(folder: Path, clock: Clock, **changes: Any) -> Throttle:
    """What a new process would open."""
    settings = Settings(data=folder, **QUICK | changes)
    return Throttle(StateDatabase(settings), folder / "site", "site", settings, clock=clock)


def test_a_clock_that_jumps_back_an_hour_costs_one_delay(tmp_path: Path) -> None:
    clock = Clock()
    with throttle(tmp_path, clock).turn("/a", 0.2) as turn:
        turn.answered()
    clock.jump = -3600.0

    began = time.monotonic()
    for _ in range(2):
        with throttle(tmp_path, clock).turn("/b", 0.2) as turn:
            turn.answered()

    assert 0.4 <= time.monotonic() - began < 60


def test_a_clock_that_jumps_ahead_does_not_hurry_the_process(tmp_path: Path) -> None:
    clock = Clock()
    process = throttle(tmp_path, clock)
    with process.turn("/a", 0.2) as turn:
        turn.failed("429", pause=0.3)
    began = time.monotonic()
    clock.jump = 3600.0

    with process.turn("/b", 0.2) as turn:
        turn.answered()

    assert time.monotonic() - began >= 0.29


def test_a_pause_survives_a_clock_that_jumps_back(tmp_path: Path) -> None:
    clock = Clock()
    with throttle(tmp_path, clock).turn("/a", 0.0) as turn:
        turn.failed("429", pause=0.3)
    clock.jump = -3600.0

    began = time.monotonic()
    with throttle(tmp_path, clock).turn("/b", 0.0) as turn:
        turn.answered()

    assert 0.29 <= time.monotonic() - began < 60


@pytest.mark.parametrize("what", ["an open circuit", "a pause beyond all patience"])
def test_what_is_in_force_lasts_no_longer_for_a_clock_that_jumps_back(tmp_path: Path, what: str) -> None:
    clock = Clock()
    settings = {"circuit_failures": 1, "circuit_urls": 1, "circuit_seconds": 30.0, "max_wait": 10.0}
    with throttle(tmp_path, clock, **settings).turn("/a", 0.0) as turn, pytest.raises(SiteDown):
        turn.failed("no answer", pause=30.0 if what == "a pause beyond all patience" else None)
    clock.jump = -3 * 3600.0
    with pytest.raises(SiteDown), throttle(tmp_path, clock, **settings).turn("/b", 0.0):
        pass
    clock.jump += 31.0

    with throttle(tmp_path, clock, **settings).turn("/b", 0.0) as turn:
        turn.answered()

    assert throttle(tmp_path, clock).state().shut == Span()


def spoil(folder: Path, how: str) -> None:
    with closing(StateDatabase(Settings(data=folder))) as state:
        if how == "lost":
            state.discard()
            return
        with state.writing() as connection:
            if how == "in flight":
                kept = read_fact(connection, KIND, "site")
                write_fact(connection, KIND, "site", kept | {"in_flight": True, "asked_at": 0.0})
            else:
                connection.execute(sa.update(FACTS).values(content=b"{"))


@pytest.mark.parametrize("state", ["in flight", "torn", "lost"])
def test_a_request_of_a_dead_process_may_have_arrived_just_now(tmp_path: Path, state: str) -> None:
    clock = Clock()
    with throttle(tmp_path, clock).turn("/a", 0.3) as turn:
        turn.answered()
    spoil(tmp_path, state)

    began = time.monotonic()
    with throttle(tmp_path, clock).turn("/b", 0.3) as turn:
        turn.answered()

    assert time.monotonic() - began >= 0.29


@pytest.mark.parametrize("state", ["torn", "lost"])
def test_a_lost_database_forgets_neither_pause_nor_delay_nor_circuit(tmp_path: Path, state: str) -> None:
    clock = Clock()
    with throttle(tmp_path, clock).turn("/a", 5.0) as turn, pytest.raises(SiteDown):
        turn.failed("429", pause=3600.0)
    spoil(tmp_path, state)

    with pytest.raises(SiteDown) as down, throttle(tmp_path, clock).turn("/b", None):
        pass

    assert 3500 < down.value.retry_after <= 3600
    assert throttle(tmp_path, clock).state().delay == 5.0


def test_the_file_of_a_version_before_is_followed_until_the_first_turn(tmp_path: Path) -> None:
    clock = Clock()
    (tmp_path / "site").mkdir()
    now = time.time()
    fields = asdict(SiteState(asked_at=now, pause=Span(now, 3600.0)))
    (tmp_path / "site" / "site.json").write_bytes(seal_json(fields))

    for _ in range(2):  # from the file, then from the row
        with pytest.raises(SiteDown, match="wants no request for 3"), throttle(tmp_path, clock).turn("/a", 0.0):
            pass


# The day's requests


def test_requests_of_a_day_are_counted_whatever_came_of_them(bench: Bench) -> None:
    bench.server.at("/robots.txt", Serve(b""))
    bench.server.at("/there", Serve(b"x"))
    bench.server.at("/old", Redirect("/there"))
    patience = {"attempts": 2, "circuit_failures": 4, "circuit_urls": 2}
    client = bench.client(**patience)
    client.get(f"{bench.server.base}/old")
    for path in ("/a", "/b"):
        bench.server.at(path, *[Status(503)] * 2)

    with pytest.raises(FetchFailed):
        client.get(f"{bench.server.base}/a")
    with pytest.raises(SiteDown):  # the step that requested it fails, and writes no row
        client.get(f"{bench.server.base}/b")

    assert bench.client().requests_of_last_day() == len(bench.server.arrivals) == 7


def test_requests_are_forgotten_after_a_day_and_not_when_the_clock_jumps_back(tmp_path: Path) -> None:
    clock = Clock()
    for jump in (0.0, 3600.0, 20 * 3600.0):
        clock.jump = jump
        with throttle(tmp_path, clock).turn("/a", 0.0) as turn:
            turn.answered()
    counted = {}
    for hours in (19, 20, 23, 24.5, 25.5, 45):
        clock.jump = hours * 3600.0
        counted[hours] = throttle(tmp_path, clock).requests_of_last_day()

    assert counted == {19: 3, 20: 3, 23: 3, 24.5: 2, 25.5: 1, 45: 0}
