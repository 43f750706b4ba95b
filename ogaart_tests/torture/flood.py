"""A site of which three answers in ten are faults: two crawlers share it until they have everything that exists."""

import gzip
import hashlib
import itertools
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from ogaart.operations.runs import Report
from ogaart.resources.site.client import FetchFailed, SiteClient, SiteDown
from ogaart.resources.site.partial_downloads import clean_up_partials
from ogaart.resources.storage.blobs import Blobs
from ogaart.settings import Settings
from ogaart_tests.fault_server import (
    Announce,
    Behaviour,
    Chunked,
    Cut,
    Drip,
    Encoded,
    FaultServer,
    IgnoreRange,
    Redirect,
    Reset,
    Serve,
    Silence,
    Status,
)
from ogaart_tests.postgres import Postgres
from ogaart_tests.torture.running import Group, World

DELAY = 0.004
"""Seconds that robots.txt requires between two requests."""
SHARE = 0.3
READ_SECONDS = 0.3
DOWN_SECONDS = 3.0
CRAWLERS = 2
SETTINGS = {
    "OGAART_ATTEMPTS": "4", "OGAART_BACKOFF": "0.005", "OGAART_TIMEOUT_READ": str(READ_SECONDS), "OGAART_MIN_RATE": "0",
    "OGAART_CIRCUIT_FAILURES": "12", "OGAART_CIRCUIT_SECONDS": "0.25", "OGAART_TIMEOUT_TOTAL": "2",
    "OGAART_MAX_PAGE_BYTES": "100000",
}  # fmt: skip

Wanted = tuple[str, str, int | None, bool]
"""(URL, sha256 of what it holds or "" where nothing is, length that the page states, whether it is a page)."""


@dataclass(frozen=True)
class Flooded:
    """What the server saw, and what the crawlers got.

    Attributes:
        answers: requests that came, robots.txt included.
        faults: how many of them were answered by a fault.
        things: URLs that were wanted.
        repeats: requests beyond one for each URL, all of them owed to faults.
        shortest_gap: seconds between two requests at the server, at least.
        delay: seconds that robots.txt requires.
        pauses: answers with Retry-After.
        inside_pauses: requests that came while such a pause was on.
        probes: requests that came while the site was down.
        seconds: how long it took.
        lost: what is missing or wrong, in words.
    """

    answers: int
    faults: int
    things: int
    repeats: int
    shortest_gap: float
    delay: float
    pauses: int
    inside_pauses: int
    probes: int
    seconds: float
    lost: tuple[str, ...]

    @property
    def problems(self) -> list[str]:
        """What is not as promised."""
        said = list(self.lost)
        if self.shortest_gap < self.delay:
            said.append(f"a gap of {self.shortest_gap * 1000:.2f} ms, the delay is {self.delay * 1000:g} ms")
        if self.inside_pauses:
            said.append(f"{self.inside_pauses} requests inside Retry-After")
        return said


class Faults:
    """A seeded choice of faults, with a while in which everything fails; notes when pauses were requested."""

    def __init__(self, seed: int, down_after: int | None) -> None:
        self._random = random.Random(seed)
        self._down_after = down_after
        self.asked = 0
        self.served = 0
        self.truth: dict[str, Serve] = {}
        self.pauses: list[tuple[float, float]] = []
        self.down: tuple[float, float] | None = None
        whole = Serve(b"some other bytes" * 60, etag="")  # no validator: two lies must not be put together
        self._kinds: list[tuple[int, Behaviour]] = [
            (20, Status(500)), (10, Status(502)), (20, Status(503)), (10, Status(504)), (20, Reset()),
            (10, Cut(whole, 0)), (10, Cut(whole, 500)), (10, Chunked(whole, 100, broken=True)),
            (10, Announce(whole, 2000)), (5, IgnoreRange(whole, 100)),
            (5, Redirect("/a-circle")), (5, Status(408)), (2, Status(429)), (3, Drip(whole, 1, READ_SECONDS / 20)),
            (1, Silence(READ_SECONDS * 2)), (1, Cut(whole, 300, stall=READ_SECONDS * 2)), (1, Status(503, 1)),
            (1, Status(429, 1)), (1, Status(503, 1, as_date=True)),
        ]  # fmt: skip

    def __call__(self, path: str) -> Behaviour | None:
        """What answers ``path`` in the place of the truth; None: the truth."""
        now = time.monotonic()
        self.asked += 1
        if self._down_after is not None and self.asked == self._down_after:
            self.down = (now, now + DOWN_SECONDS)
        if self.down is not None and self.down[0] <= now < self.down[1]:
            return Reset()
        if path == "/robots.txt" or path == "/a-circle" or self._random.random() >= SHARE:
            return None
        self.served += 1
        own = self.truth.get(path)
        if own is not None and self._random.random() < 0.2:
            return Cut(own, self._random.randrange(len(own.data) + 1))  # resumed where it broke
        if path.startswith("/file") and self._random.random() < 0.05:
            # A well-formed answer with other bytes: only the length that the page states shows it.
            return self._random.choice((Encoded(b"no gzip" * 20, lie=True), Serve(b"<html>not here</html>")))
        [chosen] = self._random.choices([k for _, k in self._kinds], [weight for weight, _ in self._kinds])
        if isinstance(chosen, Status) and chosen.retry_after:
            self.pauses.append((now, now + chosen.retry_after))
        return chosen


def flood(root: Path, seed: int, things: int, *, down: bool = True, server: Postgres | None = None) -> Flooded:
    """Crawl a hostile site of ``things`` URLs until everything is there.

    Args:
        root: where the data root is.
        seed: of every choice.
        things: how many URLs.
        down: whether the site is down for a while.
        server: where the database is; by default it is SQLite's file.
    """
    faults = Faults(seed, things // 2 if down else None)
    with FaultServer(f"User-agent: *\nCrawl-delay: {DELAY}\n") as site:
        site.at("/a-circle", Redirect("/a-circle"))
        site.everywhere = faults
        wanted = _site(site, random.Random(seed), things, faults.truth)
        world = World(root, site.base, settings=SETTINGS, server=server)
        world.clear()
        began = time.monotonic()
        groups = [Group(world, partial(crawl, tuple(_shuffled(wanted, seed + n)))) for n in range(CRAWLERS)]
        ends = [group.wait(1800) for group in groups]
        seconds = time.monotonic() - began
        lost = [*_missing(world, wanted), *(error for end in ends for error in end.errors)]
        arrivals = sorted(arrival.at for arrival in site.arrivals)
    gaps = [after - before for before, after in itertools.pairwise(arrivals)]
    return Flooded(
        answers=len(arrivals),
        faults=faults.served,
        things=len(wanted),
        repeats=len(arrivals) - len(wanted),
        shortest_gap=min(gaps),
        delay=DELAY,
        pauses=len(faults.pauses),
        inside_pauses=sum(start < at < end for start, end in faults.pauses for at in arrivals),
        probes=sum(faults.down[0] <= at < faults.down[1] for at in arrivals) if faults.down else 0,
        seconds=seconds,
        lost=tuple(lost),
    )


def _site(server: FaultServer, chance: random.Random, things: int, truth: dict[str, Serve]) -> list[Wanted]:
    """Files of which the page states the length, pages that come compressed, and some that are gone."""
    wanted: list[Wanted] = []
    for number in range(things):
        data = chance.randbytes(chance.choice((0, 10, 500, 3000, 20_000)))
        digest = hashlib.sha256(data).hexdigest()
        match number % 10:
            case 0:
                wanted.append((server.at(f"/gone-{number}", Status(chance.choice((404, 410)))), "", None, False))
            case 1 | 2:
                page = b"<html>" + data.hex().encode() + b"</html>"
                headers = {"Content-Encoding": "gzip"}
                url = server.at(f"/page-{number}", Serve(gzip.compress(page), "text/html", etag="", headers=headers))
                wanted.append((url, hashlib.sha256(page).hexdigest(), None, True))
            case 3:
                server.at(f"/moved-{number}", Serve(data))
                url = server.at(f"/file-{number}", Redirect(f"/moved-{number}"))
                wanted.append((url, digest, len(data), False))
            case _:
                truth[f"/file-{number}"] = Serve(data)
                url = server.at(f"/file-{number}", truth[f"/file-{number}"])
                wanted.append((url, digest, len(data), False))
    return wanted


def _shuffled(wanted: Sequence[Wanted], seed: int) -> list[Wanted]:
    mixed = list(wanted)
    random.Random(seed).shuffle(mixed)
    return mixed


def crawl(wanted: Sequence[Wanted]) -> Iterator[tuple[str, Report]]:
    """Inside a crawler's process: go round until nothing fails any more; a site that is down is waited for."""
    settings = Settings()
    report = Report(("requests",))
    client = SiteClient(settings, Blobs(settings.data / "blobs"), settings.data / "site")
    left = list(wanted)
    while left:
        failed: list[Wanted] = []
        for thing in left:
            url, _, length, page = thing
            try:
                client.get(url, expected_length=length, page=page)
            except SiteDown as down:
                failed.append(thing)
                time.sleep(min(down.retry_after or 0.1, 5.0))
            except FetchFailed:
                failed.append(thing)  # each fault of the server is a passing one, whatever it looks like
        try:
            client.confirm_refusals()  # what is gone is recorded once the site serves another URL
        except SiteDown:
            failed = failed or list(wanted)
        left = failed
    clean_up_partials(settings.data / "site", timedelta(0))
    client.close()
    report.rows.append({"requests": client.stats.requests})
    yield "crawl", report


def _missing(world: World, wanted: Sequence[Wanted]) -> list[str]:
    """What is not stored as the site has it, without a request."""
    named = world.urls.get("OGAART_DATABASE_URL")
    database = None if named is None else SecretStr(named)
    settings = Settings(site=world.site, data=world.data, database_url=database)
    client = SiteClient(settings, Blobs(world.data / "blobs"), world.data / "site")
    said = []
    for url, sha256, length, page in wanted:
        before = client.stats.requests
        found = client.get(url, expected_length=length, page=page, verify=True)
        if client.stats.requests != before or (found.sha256 or "") != sha256:
            said.append(f"{url} is not as the site has it")
    return said
