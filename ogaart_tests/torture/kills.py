"""Every fault point, in its first pass and in a later one: the whole group is killed, the next run repairs it all.

Two stories are told: ``begun``, a crawl from nothing, and ``changed``, a publication in service whose site gained one
entry, lost another and so shifted its pages.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from ogaart.core.fault_injection import Fault
from ogaart.demo import plan
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.torture import steps
from ogaart_tests.torture.inspecting import Holdings, holdings, losses, remains
from ogaart_tests.torture.reading import Reader
from ogaart_tests.torture.running import World, run
from ogaart_tests.torture.small_site import small_site
from ogaart_tests.world import copy_data_root

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

SETTINGS = {"OGAART_KEEP_GENERATIONS": "1", "OGAART_CONFIRM_HOURS": "0"}


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
class Outcome:
    """What became of one blow.

    Attributes:
        blow: the blow.
        problems: what was not as it should be after the next run, in words.
        repeated: requests made more than once.
        looks: how often the reader looked at the publication.
    """

    blow: Blow
    problems: tuple[str, ...]
    repeated: int
    looks: int


@dataclass(frozen=True)
class _Story:
    """A story's beginning (a data root to start from, or none), what is run, and how it ends when nothing is killed."""

    start: Path | None
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

    def __init__(self, root: Path, site: ChangingSite) -> None:
        self._root = root
        self._site = site
        self._stories: dict[str, _Story] = {}
        self._read = root / "reference-begun" / "data"

    def begin(self) -> None:
        """Run the graph from nothing, undisturbed."""
        world = self._world("reference-begun")
        self._stories["begun"] = self._told(world, None, steps.everything)

    def change(self) -> None:
        """Change the site, and run the graph on a copy of what was published before."""
        start = self._root / "reference-begun" / "data"
        self._site.delete(GONE)
        last = max(entry.posted_at for entry in self._site.site.entries)
        for days, entry in enumerate(e for e in plan.load().entries if e.slug in COME):
            entry.posted_at = last + timedelta(days=1 + days)
            self._site.add_entry(entry)
        world = self._world("reference-changed")
        copy_data_root(start, world.data)
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

    def strike(self, blow: Blow) -> Outcome:
        """Run into the blow, run again, and look at what there is."""
        story = self._stories[blow.story]
        world = self._world("struck")
        shutil.rmtree(world.root, ignore_errors=True)
        if story.start is not None:
            copy_data_root(story.start, world.data)
        if blow.point not in SAVED:
            for store in ("vectors", "derived"):
                shutil.copytree(self._read / store, world.data / store, dirs_exist_ok=True)
        self._site.requests.clear()
        with Reader(world) as reader:
            first = run(world, story.steps, f"{blow.point}:{blow.nth}:{blow.how}")
            second = run(world, story.steps)
        problems = [f"seen by a reader: {complaint}" for complaint in sorted(set(reader.complaints))]
        if blow.how == "kill" and not first.killed:
            problems.append(f"was not killed but ended with {first.code}, {first.exits}")
        if blow.how == "term" and (first.code == 0 or "publish" in first.exits):
            problems.append(f"did not end at SIGTERM, but with {first.code}, {first.exits}")
        if blow.how == "full" and "No space left" not in "".join(first.errors):
            problems.append(f"the full disk was not told of: {first.errors}")
        if not second.well:
            problems.append(f"the next run failed: {second.exits}, {second.errors}")
        problems += _differences(world, story.end)
        problems += remains(world)
        repeated = self._repeated(story)
        if repeated > 1:
            problems.append(f"{repeated} requests were repeated")
        return Outcome(blow, tuple(problems), repeated, reader.looks)

    def _world(self, name: str) -> World:
        return World(self._root / name, self._site.base, settings=SETTINGS)

    def _told(self, world: World, start: Path | None, told: Callable[[], Any]) -> _Story:
        self._site.requests.clear()
        done = run(world, told, "")
        if not done.well:
            raise AssertionError(f"the undisturbed run failed: {done}")
        return _Story(start, told, holdings(world), done.passes, self._site.count())

    def _repeated(self, story: _Story) -> int:
        """Requests beyond those of the undisturbed run; result pages that must be fetched again do not count."""
        asked = self._site.count() - story.asked
        if story.start is not None:
            asked = Counter({t: n for t, n in asked.items() if not t.startswith("/art-search-advanced")})
        return asked.total()


def _differences(world: World, expected: Holdings) -> list[str]:
    try:
        return losses(expected, holdings(world))
    except LookupError as error:
        return [str(error)]


@contextmanager
def bench(root: Path) -> Iterator[Bench]:
    """A bench with its own small site, its first story told."""
    with small_site() as site:
        made = Bench(root, site)
        made.begin()
        yield made
