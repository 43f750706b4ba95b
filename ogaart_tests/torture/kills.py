"""Every fault point, in its first pass and in a later one: the whole group is killed, the next run repairs it all.

Two stories are told: ``begun``, a crawl from nothing, and ``changed``, a publication in service whose site gained one
entry, lost another and so shifted its pages.
"""

import itertools
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from ogaart.core.fault_injection import Fault
from ogaart.demo import plan
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.postgres import Postgres
from ogaart_tests.torture import steps
from ogaart_tests.torture.inspecting import Holdings, holdings, losses, remains
from ogaart_tests.torture.reading import Reader
from ogaart_tests.torture.running import Ended, Group, World, run
from ogaart_tests.torture.small_site import small_site
from ogaart_tests.ui import wait_until

GONE, COME = "lava-and-water", ("circular-arrows", "crops")
SAVED = {Fault.SEGMENT_DRAFTED, Fault.SEGMENT_WRITTEN, Fault.DERIVED_DRAFTED, Fault.DERIVED_WRITTEN}
"""Points that are passed only where pictures are embedded; all other runs find what is stored."""


TERMS = (Fault.BODY_RECEIVED, Fault.TABLE_DRAFTED, Fault.POINTS_UPSERTED, Fault.CUT_MADE, Fault.CURRENT_SWITCHED)
"""Where a run gets SIGTERM."""

STORES = (
    Fault.FILE_DRAFTED, Fault.BODY_BEGUN, Fault.BODY_RECEIVED, Fault.BLOB_DRAFTED, Fault.STATE_DRAFTED,
    Fault.PACK_DRAFTED,
    Fault.TABLE_DRAFTED, Fault.SEGMENT_DRAFTED, Fault.SHARD_MADE, Fault.POINTS_UPSERTED, Fault.INDEX_FLUSHED,
    Fault.CUT_MADE, Fault.INDEX_COPIED, Fault.CATALOG_BUILT,
)  # fmt: skip
"""Where each kind of store may find the disk full."""

DELAY = 0.005
"""Seconds between two requests that the site asks for."""
CRASHES = (1, 8, 20, 34)
"""Requests after which the database's server crashes."""
SETTINGS = {
    "OGAART_KEEP_GENERATIONS": "1", "OGAART_CONFIRM_HOURS": "0",
    # With a database on a server, who finds a request in progress waits as long: its sender may be on another host.
    "OGAART_TIMEOUT_CONNECT": "0.5",
}  # fmt: skip


@dataclass(frozen=True)
class Blow:
    """One fault: where, in which pass, how (``kill``, ``term``, ``full``), and in which story."""

    story: str
    point: Fault
    nth: int = 1
    how: str = "kill"

    def __str__(self) -> str:
        return f"{self.story}: {self.how} at {self.point}, pass {self.nth}"


@dataclass(frozen=True)
class Crash:
    """The database's server, killed and started again amid the story from nothing.

    Attributes:
        requests: how many the site has seen by then.
    """

    requests: int
    how = "crash"

    def __str__(self) -> str:
        return f"begun: crash of the server after {self.requests} requests"


@dataclass(frozen=True)
class Outcome:
    """What became of one blow.

    Attributes:
        blow: the blow.
        problems: what was not as it should be after the next run, in words.
        repeated: requests made more than once.
        looks: how often the reader looked at the publication.
    """

    blow: Blow | Crash
    problems: tuple[str, ...]
    repeated: int
    looks: int


@dataclass(frozen=True)
class _Story:
    """A story's beginning (a world to start from, or none), what is run, and how it ends when nothing is killed."""

    start: World | None
    steps: Callable[[], Any]
    end: Holdings
    passes: dict[str, int]
    asked: Counter[str]


def everything_again() -> steps.Reports:
    """The graph, with all result pages fetched again; what is gone is refused by two runs, which withdraw it."""
    yield from steps.discovery(refresh=True)
    yield from steps.materialization(None, ("search_pages", "content_pages"))
    yield from steps.materialization()
    yield from steps.publishing()


class Bench:
    """One small site with both stories; each blow gets a data root of its own."""

    def __init__(self, root: Path, site: ChangingSite, server: Postgres | None = None) -> None:
        self._root = root
        self._site = site
        self._server = server
        self._stories: dict[str, _Story] = {}
        self._read = root / "reference-begun" / "data"

    def begin(self) -> None:
        """Run the graph from nothing, undisturbed."""
        world = self._world("reference-begun")
        world.clear()
        self._stories["begun"] = self._told(world, None, steps.everything)

    def change(self) -> None:
        """Change the site, and run the graph on a copy of what was published before."""
        start = self._world("reference-begun")
        self._site.delete(GONE)
        last = max(entry.posted_at for entry in self._site.site.entries)
        for days, entry in enumerate(e for e in plan.load().entries if e.slug in COME):
            entry.posted_at = last + timedelta(days=1 + days)
            self._site.add_entry(entry)
        world = self._world("reference-changed")
        world.clear(start)
        self._stories["changed"] = self._told(world, start, everything_again)
        self._read = world.data

    def blows(self, story: str) -> Iterator[Blow]:
        """A kill at every point that the story comes by: in its first pass at the beginning, in a later one after."""
        for point in Fault:
            passes = self._stories[story].passes.get(point, 0)
            if passes:
                yield Blow(story, point, 1 if story == "begun" else 1 + passes // 2)

    def other_blows(self) -> Iterator[Blow]:
        """Requests to end, and disks without room, in the story from nothing."""
        yield from (Blow("begun", point, how="term") for point in TERMS)
        yield from (Blow("begun", point, how="full") for point in STORES)

    def crash(self, crash: Crash) -> Outcome:
        """Crash the server amid a run, run again, and look at what there is."""
        assert self._server is not None
        story, world = self._stories["begun"], self._world("struck")
        world.clear()
        for store in ("vectors", "derived"):
            shutil.copytree(self._read / store, world.data / store)
        self._site.requests.clear()
        with Reader(world) as reader:
            group = Group(world, story.steps)
            wait_until(lambda: len(self._site.requests) >= crash.requests or not group.running, 600, "the requests")
            self._server.restart()
            group.wait()  # well or not: a run whose events Dagster cannot store fails
            second = run(world, story.steps)
        return self._outcome(crash, story, world, second, reader)

    def strike(self, blow: Blow) -> Outcome:
        """Run into the blow, run again, and look at what there is."""
        story = self._stories[blow.story]
        world = self._world("struck")
        world.clear(story.start)
        if blow.point not in SAVED:
            for store in ("vectors", "derived"):
                shutil.copytree(self._read / store, world.data / store, dirs_exist_ok=True)
        self._site.requests.clear()
        with Reader(world) as reader:
            first = run(world, story.steps, f"{blow.point}:{blow.nth}:{blow.how}")
            second = run(world, story.steps)
        problems = []
        if blow.how == "kill" and not first.killed:
            problems.append(f"was not killed but ended with {first.code}, {first.exits}")
        if blow.how == "term" and (first.code == 0 or "publish" in first.exits):
            problems.append(f"did not end at SIGTERM, but with {first.code}, {first.exits}")
        if blow.how == "full" and "No space left" not in "".join(first.errors):
            problems.append(f"the full disk was not told of: {first.errors}")
        found = self._outcome(blow, story, world, second, reader)
        return replace(found, problems=(*problems, *found.problems))

    def _outcome(self, blow: Blow | Crash, story: _Story, world: World, second: Ended, reader: Reader) -> Outcome:
        """Look at what there is after the second run."""
        problems = [f"seen by a reader: {complaint}" for complaint in sorted(set(reader.complaints))]
        if not second.well:
            problems.append(f"the next run failed: {second.exits}, {second.errors}")
        problems += _differences(world, story.end)
        problems += remains(world)
        repeated = self._repeated(story)
        if repeated > 1:
            problems.append(f"{repeated} requests were repeated")
        if (gap := _shortest_gap(self._site)) < DELAY:
            problems.append(f"a gap of {gap * 1000:.2f} ms between two requests, the delay is {DELAY * 1000:g} ms")
        return Outcome(blow, tuple(problems), repeated, reader.looks)

    def _world(self, name: str) -> World:
        return World(self._root / name, self._site.base, settings=SETTINGS, server=self._server)

    def _told(self, world: World, start: World | None, told: Callable[[], Any]) -> _Story:
        self._site.requests.clear()
        done = run(world, told, "")
        if not done.well:
            raise AssertionError(f"the undisturbed run failed: {done}")
        return _Story(start, told, holdings(world), done.passes, self._site.count())

    def _repeated(self, story: _Story) -> int:
        """Requests beyond those of the undisturbed run.

        Where the next run begins with a sweep of its own, the result pages do not count, and neither does one request
        for the entry that this sweep lacks as well: it confirms a refusal of the run before.
        """
        asked = self._site.count() - story.asked
        if story.start is not None:
            asked = Counter({t: n for t, n in asked.items() if not t.startswith("/art-search-advanced")})
            asked[f"/content/{GONE}"] -= 1
        return sum(n for n in asked.values() if n > 0)


def _differences(world: World, expected: Holdings) -> list[str]:
    try:
        return losses(expected, holdings(world))
    except LookupError as error:
        return [str(error)]


def _shortest_gap(site: ChangingSite) -> float:
    times = sorted(request.at for request in site.requests)
    return min((after - before for before, after in itertools.pairwise(times)), default=DELAY)


@contextmanager
def bench(root: Path, server: Postgres | None = None) -> Iterator[Bench]:
    """A bench with its own small site, its first story told.

    Args:
        root: where its data roots are.
        server: where their databases are; by default they are SQLite's files.
    """
    with small_site(delay=DELAY) as site:
        made = Bench(root, site, server)
        made.begin()
        yield made
