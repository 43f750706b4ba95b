"""Everything at once, with random kills: runs on overlapping partitions and queries, discoveries, a publisher, readers.

The site grows meanwhile and answers badly now and then. When the storm is over one calm run must find everything that
a platform which knew no storm finds.
"""

import random
import resource
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from ogaart.demo import plan
from ogaart.demo.http import DemoFault as Misbehaviour
from ogaart.demo.model import DemoEntry
from ogaart.resources.catalog.generations import Generations
from ogaart.resources.catalog.quality import check_recall
from ogaart.resources.index.factory import open_index
from ogaart.resources.storage.vectors import Vectors
from ogaart.settings import Settings
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.postgres import Postgres
from ogaart_tests.torture import steps
from ogaart_tests.torture.clients import Served
from ogaart_tests.torture.inspecting import CLOSE_ENOUGH, remains
from ogaart_tests.torture.reading import Analyst, Reader
from ogaart_tests.torture.running import Group, World, run
from ogaart_tests.torture.small_site import TWO_QUERIES, small_site

PARTITIONS = ("2d-art/0000", "2d-art/0001", "2d-art/0002", "some-tags/0000", "some-tags/0001")
LONGEST_LULL = 5.0
CRASHES = 0.05
"""Share of the lulls after which the database's server crashes."""
CALM = {"Locked", "BadPartition", "SweepRejected"}
"""Errors that a run may report here: another holds its partition, or the site changed while it was being swept."""
SERVER_AWAY = {"StateRefused", "LockLost", "OperationalError", "InstanceUnreachable"}
"""Those of a run during which the database's server was killed."""
CONTENT = {
    "entries": "slug, title, author, licences, tags, status, content_hash",
    "images": "image_id, slug, pixel_sha256, width, height, indexed",
    "occurrences": "image_id, fid, file_sha256, member_index, member_path, sha256",
    "raw_files": "slug, url, status, sha256, bytes",
}


@dataclass
class Weathered:
    """What the storm did, and what it left.

    Attributes:
        seconds: how long it lasted.
        runs: processes started.
        kills: process groups that were killed.
        crashes: crashes of the database's server.
        publications: generations that were in service.
        searches: searches answered, by HTTP status.
        looks: looks of readers and analyst at the publication.
        requests: requests at the site.
        peak_bytes: largest resident memory of one process.
        recall: share of the ten nearest of each image that the index finds afterwards.
        problems: what is lost or wrong, in words.
    """

    seconds: float = 0.0
    runs: int = 0
    kills: int = 0
    crashes: int = 0
    publications: int = 0
    searches: Counter[int] = field(default_factory=Counter)
    looks: int = 0
    requests: int = 0
    peak_bytes: int = 0
    recall: float = 0.0
    problems: list[str] = field(default_factory=list)


class Actor(threading.Thread):
    """Starts the same kind of run again and again, until told to stop; what it runs now may be killed."""

    def __init__(self, world: World, choose: Callable[[], Callable[[], Any]], stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._world, self._choose, self._stop_event = world, choose, stop
        self.group: Group | None = None
        self.runs = 0
        self.complaints: list[str] = []

    def run(self) -> None:
        """Run, over and over."""
        while not self._stop_event.is_set():
            self.group = Group(self._world, self._choose())
            self.runs += 1
            try:
                ended = self.group.wait(600)
            except TimeoutError as error:
                self.complaints.append(str(error))
                continue
            if not ended.killed:
                calm = CALM if self._world.server is None else CALM | SERVER_AWAY
                self.complaints += [e for e in ended.errors if not any(word in e for word in calm)]


def storm(root: Path, seed: int, seconds: float, *, clients: int = 10, server: Postgres | None = None) -> Weathered:
    """Let the storm blow, then compare what it left with a calm world of the same site.

    Args:
        root: where the data roots are.
        seed: of every choice.
        seconds: how long it lasts.
        clients: of the search service.
        server: where the databases are; it crashes meanwhile. By default they are SQLite's files.
    """
    chance, result = random.Random(seed), Weathered()
    with small_site() as site:
        world, calm = (World(root / name, site.base, TWO_QUERIES, server=server) for name in ("storm", "calm"))
        for place in (world, calm):
            place.clear()
        first = run(world, steps.everything)
        if not first.well:
            raise AssertionError(f"the first run failed: {first}")
        calm.data.mkdir(parents=True)
        with Served(world, clients, seed) as served:
            _blow(world, site, chance, seconds, result)
        result.searches, result.peak_bytes = served.answers, max(result.peak_bytes, served.peak_bytes)
        result.problems += served.complaints
        result.requests = len(site.requests)
        _compare(world, calm, result)
    result.peak_bytes = max(result.peak_bytes, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024)
    return result


def _blow(world: World, site: ChangingSite, chance: random.Random, seconds: float, result: Weathered) -> None:
    """The storm itself."""
    stop, began = threading.Event(), time.monotonic()
    some = partial(_some_partitions, random.Random(chance.random()))
    actors = [Actor(world, some, stop) for _ in range(3)]
    actors += [Actor(world, lambda: partial(steps.discovery, refresh=True), stop) for _ in range(2)]
    actors.append(Actor(world, lambda: steps.publishing, stop))
    newcomers = _newcomers(site)
    with Reader(world) as reader, Analyst(world) as analyst:
        for actor in actors:
            actor.start()
        while time.monotonic() - began < seconds:
            time.sleep(chance.uniform(0.2, LONGEST_LULL))
            group = chance.choice(actors).group
            if group is not None and group.running and chance.random() < 0.8:
                group.signal(signal.SIGKILL)
                result.kills += 1
            if world.server is not None and chance.random() < CRASHES:
                world.server.restart()
                result.crashes += 1
            if newcomers and chance.random() < 0.2:
                site.add_entry(newcomers.pop(0))
            path = chance.choice(_paths(site))
            site.fail(path, Misbehaviour(chance.choice((500, 503, 0)), after=chance.choice((0, 50))))
        stop.set()
        for actor in actors:
            actor.join(600)
    for path in _paths(site):
        while site.take_fault(path) is not None:
            pass  # faults that no request met: the calm runs must meet none
    result.seconds = time.monotonic() - began
    result.runs = sum(actor.runs for actor in actors)
    result.looks = reader.looks + analyst.looks
    result.publications = len(reader.seen)
    said = Counter(complaint.strip().splitlines()[-1] for actor in actors for complaint in actor.complaints)
    result.problems += [f"{number} times: {text}" for text, number in said.items()]
    result.problems += [f"seen by a reader: {text}" for text in {*reader.complaints, *analyst.complaints}]


def _paths(site: ChangingSite) -> list[str]:
    return ["/art-search-advanced", *(file.path for entry in site.site.entries for file in entry.files)]


def _some_partitions(chance: random.Random) -> Callable[[], Any]:
    return partial(known_partitions, tuple(chance.sample(PARTITIONS, 2)))


def known_partitions(keys: tuple[str, ...]) -> steps.Reports:
    """Inside a run's process: materialize those of the partitions that are known by now."""
    for key in keys:
        yield from steps.materialization((key,))


def _newcomers(site: ChangingSite) -> list[DemoEntry]:
    """Entries that the site does not have yet, posted after all it has: no page but the last one changes."""
    have = {entry.slug for entry in site.site.entries}
    last = max(entry.posted_at for entry in site.site.entries)
    new = [
        e for e in plan.load().entries if e.slug not in have and e.files and sum(len(f.data) for f in e.files) < 9000
    ]
    for days, entry in enumerate(new, start=1):
        entry.posted_at = last + timedelta(days=days)
    return new[:6]


def calmly() -> steps.Reports:
    """One run of everything when the storm is over."""
    yield from steps.discovery(refresh=True)
    yield from steps.materialization()
    yield from steps.publishing()


def _compare(world: World, calm: World, result: Weathered) -> None:
    """Run again in both worlds; everything must be the same, and nothing may be left over."""
    for store in ("vectors", "derived"):
        shutil.copytree(world.data / store, calm.data / store)
    for place in (world, calm):
        ended = run(place, calmly)
        if not ended.well:
            result.problems.append(f"the calm run in {place.root.name} failed: {ended.errors}")
            return
    for table in CONTENT:
        stormy, quiet = _rows(world, table), _rows(calm, table)
        if stormy != quiet:
            result.problems.append(
                f"{table}: {len(quiet - stormy)} rows lost, {len(stormy - quiet)} too many, such as "
                f"{sorted(map(repr, stormy ^ quiet))[:2]}"
            )
    result.problems += _points(world, result)
    result.problems += remains(world)


def _rows(world: World, table: str) -> set[str]:
    with duckdb.connect(str(world.data / "ogaart.duckdb"), read_only=True) as con:
        return {repr(row) for row in con.execute(f"SELECT {CONTENT[table]} FROM {table}").fetchall()}


def _points(world: World, result: Weathered) -> list[str]:
    """Points are the images that should be indexed, each with its vector, and each finds itself and its neighbours."""
    generation = Generations(world.data / "generations").current()
    assert generation is not None
    with duckdb.connect(str(generation.catalog), read_only=True) as con:
        wanted = dict(con.execute("SELECT image_id, pixel_sha256 FROM images WHERE indexed").fetchall())
    space = generation.manifest["space"]
    index = open_index(Settings(data=world.data), generation.index, space, 1280, read_only=True)
    try:
        ids = list(index.ids())
        if sorted(ids) != sorted(wanted):
            return [f"{len(set(wanted) - set(ids))} points lost, {len(set(ids) - set(wanted))} orphaned"]
        stored = Vectors(world.data / "vectors", space)
        with duckdb.connect(str(generation.catalog), read_only=True) as con:
            recall = check_recall(con, index, stored)
        result.recall = recall.counts["found"] / max(recall.counts["wanted"], 1)
        if not recall.passed:
            return [recall.message]
        vectors = stored.get([wanted[number] for number in ids])
        lost = sum(index.query(v, limit=1)[0].score < CLOSE_ENOUGH - 0.001 for v in vectors)
        drifted = sum(
            float(np.dot(record.vector, vector) / np.linalg.norm(record.vector)) < CLOSE_ENOUGH
            for record, vector in zip(index.retrieve(ids, with_vector=True), vectors, strict=True)
            if record.vector is not None
        )
    finally:
        index.close()
    return [f"{lost} points do not find themselves, {drifted} have another vector"] if lost or drifted else []
