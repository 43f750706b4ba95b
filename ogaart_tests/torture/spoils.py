"""Files that rot or are torn, one of each kind, and a clock that jumps: noticed, and all equal after the next run."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.postgres import Postgres
from ogaart_tests.torture import steps
from ogaart_tests.torture.inspecting import Holdings, holdings, losses, remains
from ogaart_tests.torture.lost_databases import keep_older_copy
from ogaart_tests.torture.running import Ended, World, run

Harm = Callable[[Path], None]
HOUR = 3600.0


def torn(path: Path) -> None:
    """Leave the first half of a file."""
    data = path.read_bytes()
    _replace(path, data[: len(data) // 2])


def rotten(path: Path) -> None:
    """Turn one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    _replace(path, bytes(data))


def gone(path: Path) -> None:
    """Delete a file."""
    path.unlink()


def _replace(path: Path, data: bytes) -> None:
    path.unlink()  # hard links and read-only modes: another file of that name, as a bad disk would leave
    path.write_bytes(data)


class Harmful(Protocol):
    """Something that is lost or damaged."""

    @property
    def noticed(self) -> bool:
        """Whether ``verify`` must report it; else the next run repairs it in passing."""

    def strike(self, world: World) -> str:
        """Do it; returns where, as ``verify`` names the place."""


@dataclass(frozen=True)
class Spoil:
    """One kind of file, and what happens to it.

    Attributes:
        name: the kind.
        pattern: where such files lie under the data root; the first is spoiled.
        begins: how the file begins, where its name does not tell.
        harm: what happens to it.
        noticed: whether ``verify`` must report it; else the next run repairs it in passing.
    """

    name: str
    pattern: str
    harm: Harm
    begins: bytes = b""
    noticed: bool = True

    def __str__(self) -> str:
        return f"{self.harm.__name__} {self.name}"

    def strike(self, world: World) -> str:
        """Spoil a file."""
        path = self.chosen(world.data)
        self.harm(path)
        return str(path)

    def chosen(self, data: Path) -> Path:
        """The file to spoil.

        Raises:
            LookupError: there is none of this kind.
        """
        for path in sorted(data.glob(self.pattern)):
            if path.is_file() and path.stat().st_size > 8 and path.read_bytes().startswith(self.begins):
                return path.resolve()  # what the fixed name of a table or pack leads to
        raise LookupError(f"no {self.pattern} under {data} that begins with {self.begins!r}")


BATCHES = (
    (
        Spoil("blob of an archive", "blobs/*/*/*", rotten, b"PK"),
        Spoil("database of state", "state.db", torn),
        Spoil("pack", "packs/extracted_images/2d-art/0001.zip", torn),
        Spoil("segment", "vectors/*/segment-*.parquet", torn),
        Spoil("catalog", "generations/0*/ogaart.duckdb", torn),
    ),
    (
        Spoil("blob of a picture", "blobs/*/*/*", torn, b"\x89PNG"),
        Spoil("journal of fetch records", "site/fetches.jsonl", rotten),
        Spoil("table of entries", "tables/entries/content_pages/2d-art/0000.parquet", torn),
        Spoil("segment", "vectors/*/segment-*.parquet", rotten),
        Spoil("derived segment", "derived/*/segment-*.parquet", torn),
        Spoil("derived segment", "derived/*/segment-*.parquet", rotten),
        Spoil("words", "generations/0*/words.sqlite", torn),
        Spoil("audits", "generations/0*/audits.json", torn, noticed=False),
        Spoil("configuration of Dagster", "dagster/dagster.yaml", torn, noticed=False),
    ),
    (
        Spoil("blob of a page", "blobs/*/*/*", rotten, b"<!DOCTYPE"),
        Spoil("journal of fetch records", "site/fetches.jsonl", torn),
        Spoil("table of images", "tables/images/extracted_images/2d-art/0001.parquet", torn),
        Spoil("shard", "index/*/shard/*/edge_config.json", torn),
        Spoil("manifest", "generations/0*/manifest.json", torn),
        Spoil("checks", "generations/0*/checks.json", torn, noticed=False),
        Spoil("name of the collection", "index/*/identity.json", torn, noticed=False),
    ),
    (
        Spoil("ledger of points", "tables/points/qdrant_collection/2d-art/0000.parquet", torn),
        Spoil("database of state", "state.db", rotten, noticed=False),
        Spoil("pack", "packs/extracted_images/2d-art/0000.zip", rotten),
        Spoil("index copy", "generations/0*/index/*/edge_config.json", torn),
        Spoil("hashes of weights", "vectors/weights.json", torn, noticed=False),
    ),
    (
        Spoil("database of state", "state.db", gone, noticed=False),
        Spoil("failures of files", "tables/failures/raw_files/2d-art/0001.parquet", torn),
        Spoil("failures of members", "tables/failures/extracted_images/2d-art/0000.parquet", torn),
        Spoil("digest of what was published", "generations/0*/inputs.json", torn),
    ),
)
"""What is spoiled together: one file of each kind, so that none of them hides another."""


def batches(server: Postgres | None) -> list[list[Spoil]]:
    """Those that there are where the database is SQLite's file, or on a server."""
    return [[spoil for spoil in batch if server is None or spoil.pattern != "state.db"] for batch in BATCHES]


def checking() -> steps.Reports:
    """Inside a run's process: verify."""
    yield "verify", steps.verify()


def repairing() -> steps.Reports:
    """Inside a run's process: verify and repair."""
    yield "repair", steps.repair()


class Spoiler:
    """Spoils copies of one undisturbed data root.

    Args:
        root: where the data roots are.
        site: what they are made of.
        server: where their databases are; by default they are SQLite's files.
        older: whether a copy of the database is made when half of it is done, for what puts one back.
    """

    def __init__(self, root: Path, site: ChangingSite, server: Postgres | None = None, *, older: bool = False) -> None:
        self._root, self._site, self._server = root, site, server
        self._whole = self._world("whole")
        self._whole.clear()
        if older:
            self._do(steps.first_partition)
            keep_older_copy(self._whole)
        self._do(steps.everything)
        self._expected: Holdings = holdings(self._whole)

    def _world(self, name: str) -> World:
        return World(self._root / name, self._site.base, server=self._server)

    def _do(self, told: Callable[[], Any]) -> None:
        done = run(self._whole, told)
        if not done.well:
            raise AssertionError(f"the undisturbed run failed: {done}")

    def spoil(self, batch: Sequence[Harmful]) -> list[str]:
        """Spoil files and databases, have them noticed and repaired; returns what went wrong, as sentences."""
        world = self._world("spoiled")
        world.clear(self._whole)
        spoiled = [(harm, harm.strike(world)) for harm in batch]
        seen = run(world, checking)
        said = [
            f"{harm}: verify noticed nothing: {seen.rows or seen.errors}"
            for harm, place in spoiled
            if harm.noticed and not _named(seen, place)
        ]
        repaired = run(world, repairing)
        if not repaired.well:
            said.append(f"repair failed: {repaired.exits}, {repaired.errors}, {repaired.rows}")
        again = run(world, steps.everything)
        if not again.well:
            said.append(f"the next run failed: {again.errors}")
        return said + [f"after repair: {problem}" for problem in self._differences(world)]

    def lose(self, loss: Harmful) -> list[str]:
        """Harm the database of state alone: besides, one request at most is repeated for it."""
        self._site.requests.clear()
        said = self.spoil([loss])
        if len(self._site.requests) > 1:
            said.append(f"{len(self._site.requests)} requests, such as {self._site.requests[-1].target}")
        return [f"{loss}: {problem}" for problem in said]

    def jump(self) -> list[str]:
        """A run while the clock is an hour ahead, then one by the right clock: it must find all as it should be."""
        world = self._world("jumped")
        world.clear()
        for store in ("vectors", "derived"):
            shutil.copytree(self._whole.data / store, world.data / store)
        said = []
        for told in (partial(ahead, HOUR), steps.everything):
            done = run(world, told)
            if not done.well:
                said.append(f"clock: a run failed: {done.errors}")
        return said + [f"clock: {problem}" for problem in self._differences(world)]

    def _differences(self, world: World) -> list[str]:
        try:
            return losses(self._expected, holdings(world)) + remains(world)
        except (LookupError, OSError) as error:
            return [str(error)]


def _named(seen: Ended, place: str) -> bool:
    """Whether a row of ``verify`` names the file or database, or the folder that is read as one thing."""
    places = [str(row.get("where", "")) for row in seen.rows.get("verify", [])]
    return any(found and place.startswith(found) for found in places)


def ahead(seconds: float) -> Iterator[Any]:
    """Inside a run's process: everything, by a clock that is ahead."""
    import datetime

    import time_machine

    then = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    with time_machine.travel(then, tick=True):
        yield from steps.everything()
