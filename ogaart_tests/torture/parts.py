"""The parts of the torture, each with its rows of the table and what broke."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

import pytest

from ogaart_tests.postgres import Postgres
from ogaart_tests.torture import steps
from ogaart_tests.torture.attack import Force, attack, p95
from ogaart_tests.torture.damage import try_damages
from ogaart_tests.torture.deceit import deceit
from ogaart_tests.torture.flood import flood
from ogaart_tests.torture.kills import CRASHES, Bench, Blow, Crash, Outcome, bench
from ogaart_tests.torture.lost_databases import LOSSES
from ogaart_tests.torture.mutations import try_files, try_pages
from ogaart_tests.torture.page_faults import page_faults
from ogaart_tests.torture.rot import rot
from ogaart_tests.torture.running import World, run
from ogaart_tests.torture.service import serving
from ogaart_tests.torture.small_site import small_site
from ogaart_tests.torture.spoils import Spoiler, batches
from ogaart_tests.torture.storm import storm
from ogaart_tests.tracing import AVAILABLE

BENCHES = 2
"""Benches that strike at the same time."""
LYING_ROUNDS = 6
MiB = 1 << 20


@dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    seed: int = 1
    seconds: float = 180.0
    answers: int = 10_000
    files: int = 8_000
    pages: int = 5_000
    malformed: int = 6_000
    damages: int = 150
    server: Postgres | None = None
    """Where the databases of state and of Dagster's instance are; by default they are SQLite's files."""

    def lasting(self, seconds: float) -> "Sizes":
        """The same with a storm of another length."""
        return replace(self, seconds=seconds)


@dataclass
class Part:
    """Rows of the table, and what is not as promised."""

    rows: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def row(self, what: str, seen: object) -> None:
        """Add a row."""
        self.rows.append((what, f"{seen:,}" if isinstance(seen, int) else str(seen)))


def kills(root: Path, sizes: Sizes) -> Part:
    """Every fault point in its first pass and in a later one; requests to end; full disks."""
    part, began = Part(), time.monotonic()
    with ExitStack() as stack, ThreadPoolExecutor(BENCHES) as pool:
        benches = [stack.enter_context(bench(root / f"bench-{n}", sizes.server)) for n in range(BENCHES)]
        outcomes = list(_struck(pool, benches, lambda b: [*b.blows("begun"), *b.other_blows()]))
        if sizes.server is not None:  # one after the other: all worlds are on it
            outcomes += [benches[0].crash(Crash(requests)) for requests in CRASHES]
        for one in benches:
            one.change()
        outcomes += _struck(pool, benches, lambda b: list(b.blows("changed")))
    killed = [o for o in outcomes if o.blow.how == "kill"]
    part.row("fault points × passes killed at (SIGKILL, whole group)", len(killed))
    part.row("fault points among them", len({o.blow.point for o in killed if isinstance(o.blow, Blow)}))
    part.row("ended by SIGTERM", sum(o.blow.how == "term" for o in outcomes))
    part.row("disks full, one for each kind of store", sum(o.blow.how == "full" for o in outcomes))
    if sizes.server is not None:
        part.row("crashes of the database's server amid a run", sum(o.blow.how == "crash" for o in outcomes))
    part.row("requests repeated after a kill, at most", max(o.repeated for o in outcomes))
    part.row("looks of a reader at the publication meanwhile", sum(o.looks for o in outcomes))
    part.problems += [f"{o.blow}: {problem}" for o in outcomes for problem in o.problems]
    part.row("kills with anything lost or left over", sum(bool(o.problems) for o in outcomes))
    part.row("seconds of the kills", round(time.monotonic() - began))
    return part


def _struck(pool: ThreadPoolExecutor, benches: list[Bench], blows: Callable[[Bench], list[Blow]]) -> Iterator[Outcome]:
    """Each bench strikes its share of the same list."""

    def share(number: int) -> list[Outcome]:
        return [benches[number].strike(blow) for blow in blows(benches[number])[number :: len(benches)]]

    for outcomes in pool.map(share, range(len(benches))):
        yield from outcomes


def spoils(root: Path, sizes: Sizes) -> Part:
    """A file of each kind, rotten or torn; a clock that jumps."""
    part = Part()
    with small_site() as site:
        spoiler = Spoiler(root, site, sizes.server, older=sizes.server is not None)
        part.problems += spoiler.jump()
        spoiled = batches(sizes.server)
        for batch in spoiled:
            part.problems += spoiler.spoil(batch)
        lost = LOSSES if sizes.server is not None else ()
        for loss in lost:
            part.problems += spoiler.lose(loss)
    part.row("files torn or rotten, of every kind", sum(map(len, spoiled)))
    if lost:
        part.row("databases dropped, put back from an older copy, damaged in part", len(lost))
    part.row("of these not noticed or not repaired", len(part.problems))
    part.row("clock set back an hour between two runs", "1")
    return part


def rotten_files(root: Path, sizes: Sizes) -> Part:
    """A flipped bit in each file that any command reads, as seen by the kernel."""
    part = Part()
    if not AVAILABLE:
        part.row("files that commands read: not traced, which needs Linux", "0")
        return part
    root.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as inner:
        inner.chdir(root)
        seen = rot(root, sizes.seed, lambda data: inner.setenv("OGAART_DATA", str(data)))
    part.row("files that commands read, each with a flipped bit", seen.read)
    part.row("kinds of files of which one was damaged and repaired", seen.kinds)
    part.row("of these not noticed or not repaired", len(seen.problems))
    part.problems += [f"rot: {problem}" for problem in seen.problems]
    return part


def full_disk(root: Path, sizes: Sizes) -> Part:
    """The disk is full under the mapped files of the index."""
    part = Part()
    seen = page_faults(root)
    part.row("runs with a full disk under mapped files", seen.skipped or seen.runs)
    part.row("of these ended by SIGBUS, with the disk named", seen.bus_errors)
    part.row("of these with anything lost, or silent", len(seen.problems))
    part.problems += [f"page faults: {problem}" for problem in seen.problems]
    return part


def damaged_files(root: Path, sizes: Sizes) -> Part:
    """Commands with files that are missing, empty, nonsense, folders, or of another content."""
    part = Part()
    root.mkdir(parents=True)
    seen = try_damages(root, sizes.seed, sizes.damages)
    part.row("commands with a damaged file", seen.tried)
    part.row("of these ended in a traceback or without a sentence", len(seen.problems))
    part.problems += [f"damage: {problem}" for problem in seen.problems]
    return part


def hostile_site(root: Path, sizes: Sizes) -> Part:
    """Three answers in ten are faults."""
    part = Part()
    seen = flood(root, sizes.seed, round(sizes.answers * 0.62), server=sizes.server)
    part.row("requests at the hostile site", seen.answers)
    part.row("answered by a fault", f"{seen.faults:,} ({seen.faults / seen.answers:.0%})")
    part.row("things wanted, all of them there at the end", seen.things)
    part.row("requests repeated, all owed to faults", seen.repeats)
    part.row("shortest gap between two requests", f"{seen.shortest_gap * 1000:.1f} ms (delay {seen.delay * 1000:g} ms)")
    part.row("requests inside one of the Retry-After pauses", f"{seen.inside_pauses} (of {seen.pauses} pauses)")
    part.row("requests while the site was down for 3 s", seen.probes)
    part.row("seconds of the crawl", round(seen.seconds))
    part.problems += [f"hostile site: {problem}" for problem in seen.problems]
    return part


def lying_site(root: Path, sizes: Sizes) -> Part:
    """Answers of status 200 that are something else, and a site that refuses everything during a refresh."""
    part = Part()
    seen = deceit(root, sizes.seed, LYING_ROUNDS, sizes.server)
    part.row("refreshes of a site that lies, refuses, recovers, deletes", seen.rounds)
    part.row("of these failed, for a later run", seen.failed)
    part.row("requests at that site", seen.requests)
    part.row("lies of status 200", sum(n for kind, n in seen.lies.items() if kind != "403 to everything"))
    part.row("kinds of lies", len(seen.lies))
    part.row("refreshes after which anything in service was lost or wrong", len(seen.problems))
    part.problems += [f"lying site: {problem}" for problem in seen.problems]
    return part


def hostile_content(root: Path, sizes: Sizes) -> Part:
    """Broken files and pages."""
    part = Part()
    (root / "files").mkdir(parents=True)
    archives = sizes.files * 3 // 8
    files = try_files(root / "files", sizes.seed, archives, sizes.files - archives)
    pages = try_pages(sizes.seed, sizes.pages)
    part.row("broken archives unpacked", files.archives)
    part.row("broken pictures decoded", files.pictures)
    part.row("members and pictures: " + ", ".join(sorted(files.outcomes)), _counts(files.outcomes))
    part.row("children of the unpacker that crashed or hung", files.restarts)
    part.row("peak memory of the unpacker", f"{files.peak_bytes // MiB} MiB")
    part.row("broken pages parsed", pages.pages)
    part.row("slowest file, slowest page", f"{files.slowest:.2f} s, {pages.slowest:.2f} s")
    part.problems += files.problems + pages.problems
    part.row("undeclared exceptions, files written outside", len(part.problems))
    return part


def _counts(outcomes: "dict[str, int]") -> str:
    return ", ".join(f"{outcomes[name]:,}" for name in sorted(outcomes))


def storms(root: Path, sizes: Sizes) -> Part:
    """Everything at once, with random kills."""
    part = Part()
    seen = storm(root, sizes.seed, sizes.seconds, server=sizes.server)
    part.row("storm: seconds", round(seen.seconds))
    part.row("storm: processes started (3 runs, 2 discoveries, 1 publisher at a time)", seen.runs)
    part.row("storm: killed at random", seen.kills)
    if sizes.server is not None:
        part.row("storm: crashes of the database's server", seen.crashes)
    part.row("storm: generations put in service", seen.publications)
    part.row("storm: requests at the site", seen.requests)
    part.row("storm: looks of reader and analyst", seen.looks)
    part.row("storm: searches answered, by status", ", ".join(f"{s}: {n:,}" for s, n in sorted(seen.searches.items())))
    part.row("storm: peak memory of one process", f"{seen.peak_bytes // MiB} MiB")
    part.row("storm: recall@10 of the index afterwards", f"{seen.recall:.3f}")
    part.row("storm: rows, points or vectors lost, orphaned or drifted", len(seen.problems))
    part.problems += [f"storm: {problem}" for problem in seen.problems]
    return part


def service(root: Path, sizes: Sizes) -> Part:
    """The search page under attack."""
    part = Part()
    with small_site() as site:
        world = World(root, site.base)
        made = run(world, steps.everything)
    if not made.well:
        return Part(problems=[f"service: the world to serve was not made: {made.errors}"])
    with serving(world.data) as (port, pid, said):
        seen = attack(port, pid, sizes.seed, Force(malformed=sizes.malformed))
        tracebacks = said.read_text(errors="replace").count("Traceback")
    part.row("service: malformed requests, answers by status (0: closed)", _statuses(seen.malformed))
    part.row("service: slow and endless bodies, answers by status", _statuses(seen.slow))
    part.row("service: crowd of 200, answers by status", _statuses(seen.crowd))
    part.row("service: answers 500, and tracebacks in its log", seen.failures + tracebacks)
    part.row(
        "service: slowest answer 503",
        f"{max(seen.busy, default=0.0):.2f} s (half in {median(seen.busy or [0.0]):.2f} s)",
    )
    part.row("service: visits beside slow and broken clients: 95 % within", f"{p95(seen.visits):.2f} s")
    part.row("service: visits beside the crowd, where answered: 95 % within", f"{p95(seen.crowded):.2f} s")
    part.row("service: memory gained at most", f"{seen.gained // MiB} MiB")
    part.row("service: connections of attackers still held", seen.held)
    if tracebacks:
        part.problems.append(f"service: {tracebacks} tracebacks in the service's log")
    part.problems += [f"service: {problem}" for problem in seen.problems]
    return part


def _statuses(counts: "dict[int, int]") -> str:
    return ", ".join(f"{status}: {number:,}" for status, number in sorted(counts.items()))


PARTS: dict[str, Callable[[Path, Sizes], Part]] = {
    "kills": kills,
    "spoils": spoils,
    "rot": rotten_files,
    "damage": damaged_files,
    "pagefaults": full_disk,
    "site": hostile_site,
    "lies": lying_site,
    "content": hostile_content,
    "service": service,
    "storm": storms,
}
ON_A_SERVER = ("kills", "spoils", "site", "lies", "storm")
"""Those in which it matters where the database is."""
