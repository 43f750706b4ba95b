"""A site that lies with status 200, and one that refuses everything amid a refresh: nothing in service may be lost.

Log-in, maintenance and error pages, other entries' pages, other searches' results, other files' bytes come in the place
of four answers in ten. Every entry is read again meanwhile, and everything is published again after each round.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
from rich.console import Console

from ogaart.demo.http import DemoResponse
from ogaart.operations.refresh import refresh
from ogaart.settings import Settings
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.postgres import Postgres
from ogaart_tests.torture import steps
from ogaart_tests.torture.running import Ended, World, run
from ogaart_tests.torture.small_site import PER_PAGE, records
from ogaart_tests.torture.storm import CONTENT

SHARE = 0.4
REFUSED_FROM = 5
"""Requests of a refresh that are served before everything is refused."""
GONE = "coins-and-a-star"
SETTINGS = {
    "OGAART_ATTEMPTS": "2", "OGAART_CIRCUIT_SECONDS": "0.02", "OGAART_LISTING_HOURS": "0.0001",
    "OGAART_ROBOTS_HOURS": "0.002",
}  # fmt: skip
WITHDRAWING = SETTINGS | {"OGAART_CONFIRM_HOURS": "0"}
FAILURES = "SELECT stage, key, error_class FROM failures"

_LOG_IN = b"<!DOCTYPE html><html><head><title>Log in</title></head><body><form id='user-login'></form></body></html>"
_PAGES = {
    "log-in page": _LOG_IN,
    "access denied": b"<html><body><h1>Access denied</h1></body></html>",
    "maintenance page": b"<html><head><title>Site under maintenance</title></head><body>Back soon.</body></html>",
    "cut page": b"<html><body>Mainten",
    "empty page": b"",
    "JSON": b'{"error": "rate limited"}',
}


@dataclass
class Deceived:
    """What was tried, and what it changed.

    Attributes:
        rounds: refreshes of everything.
        lies: lies told, by kind.
        failed: refreshes that failed, for a later run.
        requests: requests at the site.
        problems: what is not as promised, in words.
    """

    rounds: int = 0
    lies: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    requests: int = 0
    problems: list[str] = field(default_factory=list)


class Liar(ChangingSite):
    """The small site, with a share of lies, or refusing everything from some request on."""

    def __init__(self, seed: int) -> None:
        super().__init__(delay=0.0, per_page=PER_PAGE, site=records())
        self._chance = random.Random(seed)
        self.share = 0.0
        self.served: int | None = None  # before everything is refused; None: for ever
        self.lies: Counter[str] = Counter()

    def answer(self, target: str) -> DemoResponse:
        """Answer truthfully, falsely, or with a refusal."""
        if self.served is not None:
            self.served -= 1
            if self.served < 0:
                self.lies["403 to everything"] += 1
                return DemoResponse(403, b"Forbidden", "text/plain")
        truth = super().answer(target)
        if truth.status != 200 or self._chance.random() >= self.share:
            return truth
        kind, lie = self._lie(target)
        if lie.body == truth.body:
            return truth
        self.lies[kind] += 1
        return lie

    def _lie(self, target: str) -> tuple[str, DemoResponse]:
        lies = {name: DemoResponse(200, body) for name, body in _PAGES.items()}
        if target == "/robots.txt":
            return "an error as robots.txt", DemoResponse(200, b"Error: no database\n", "text/plain")
        if target.startswith("/art-search-advanced"):
            lies["another search"] = super().answer(target.replace("sort_order=ASC", "sort_order=DESC"))
            lies["another result page"] = super().answer(f"{target.rpartition('=')[0]}=99")
        elif target.startswith(("/content/", "/node/")):
            lies["another entry's page"] = super().answer(self._chance.choice(self.site.entries).path)
        else:
            files = [file for entry in self.site.entries for file in entry.files]
            lies["another file"] = super().answer(self._chance.choice(files).path)
        name = self._chance.choice(sorted(lies))
        return name, lies[name]


def refreshing() -> steps.Reports:
    """Inside a run's process: read everything from the site again."""
    yield "refresh", refresh(Settings(), Console(quiet=True), None, publish=False)


def deceit(root: Path, seed: int, rounds: int, server: Postgres | None = None) -> Deceived:
    """Publish once, then let the site lie, refuse, recover, and at last delete an entry.

    Args:
        root: where the data root is.
        seed: of every choice.
        rounds: refreshes of a site that lies.
        server: where the databases are; by default they are SQLite's files.
    """
    result = Deceived()
    with Liar(seed) as site:
        world = World(root, site.base, settings=SETTINGS, server=server)
        world.clear()
        first = run(world, steps.everything)
        if not first.well:
            raise AssertionError(f"the first run failed: {first}")
        before = {table: _rows(world, query) for table, query in _queries().items()}
        failures = _rows(world, FAILURES)
        for number in range(rounds):
            site.share = SHARE
            _round(world, result, f"round {number + 1} of lies")
            site.share = 0.0
            _compare(world, before, result, f"round {number + 1} of lies")
        site.served = REFUSED_FROM
        refused = _round(world, result, "a refresh that is refused")
        if refused.well:
            result.problems.append("a refresh of which everything was refused did not fail")
        site.served = None
        _compare(world, before, result, "a refresh that is refused")
        _round(world, result, "an honest refresh")
        _compare(world, before, result, "an honest refresh")
        if (left := _rows(world, FAILURES) ^ failures) and not result.problems:
            result.problems.append(f"an honest refresh left other failures than at first: {sorted(left)[:3]}")
        _withdraw(World(root, site.base, settings=WITHDRAWING, server=server), site, before, result)
        result.requests, result.lies = len(site.requests), site.lies
    return result


def _round(world: World, result: Deceived, what: str) -> Ended:
    """Refresh, then publish whatever came of it; each in a run's process."""
    refreshed = run(world, refreshing)
    result.rounds += 1
    result.failed += not refreshed.well
    if refreshed.code:
        result.problems.append(f"{what}: the command broke: {refreshed.errors[-1:]}")
    published = run(world, steps.publishing)
    if not published.well:
        result.problems.append(f"{what}: publishing failed: {published.errors}")
    return refreshed


def _withdraw(world: World, site: Liar, before: dict[str, set[str]], result: Deceived) -> None:
    """Delete an entry: it leaves with the second refusal, and nothing else does."""
    site.delete(GONE)
    _round(world, result, "the first refusal")
    if GONE not in "".join(_rows(world, "SELECT DISTINCT slug FROM images WHERE indexed")):
        result.problems.append("an entry was withdrawn by one refusal")
    _round(world, result, "the second refusal")
    gone = _rows(world, f"SELECT status FROM entries WHERE slug = '{GONE}'")
    if gone != {"('deleted',)"}:
        result.problems.append(f"an entry refused twice is {gone or 'missing'}, expected deleted")
    images = _rows(world, _queries()["images"])
    wrong = {row for row in before["images"] ^ images if f"'{GONE}'" not in row}
    if wrong or len(images) >= len(before["images"]):
        result.problems.append(f"the withdrawal of an entry changed other images: {sorted(wrong)[:2]}")


def _queries() -> dict[str, str]:
    return {table: f"SELECT {columns} FROM {table}" for table, columns in CONTENT.items()}


def _rows(world: World, query: str) -> set[str]:
    with duckdb.connect(str(world.data / "ogaart.duckdb"), read_only=True) as con:
        return {repr(row) for row in con.execute(query).fetchall()}


def _compare(world: World, before: dict[str, set[str]], result: Deceived, what: str) -> None:
    for table, query in _queries().items():
        if differing := before[table] ^ _rows(world, query):
            result.problems.append(f"{what}: {len(differing)} rows of {table} differ: {sorted(differing)[:2]}")
