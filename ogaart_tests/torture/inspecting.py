"""What a data root holds, compared with an undamaged one, and what must not be in it between runs."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from ogaart.core.report import Report
from ogaart.orchestration.run_status import UNFINISHED
from ogaart.resources.catalog.generations import Generation, Generations
from ogaart.resources.index.factory import open_index
from ogaart.resources.serving.layers import open_layers
from ogaart.resources.storage.vectors import Vectors
from ogaart.settings import Settings
from ogaart_tests.content_digest import content_digest
from ogaart_tests.torture.running import World, run

CLOSE_ENOUGH = 0.99999
_SESSIONS = sa.text("SELECT count(*) FROM pg_stat_activity WHERE datname = ANY(:names)")
_LOCKS = sa.text(
    "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database "
    "WHERE locktype = 'advisory' AND datname = ANY(:names)"
)


@dataclass(frozen=True)
class Holdings:
    """What is published: digests of the public tables' content, the points with payloads, the stored vectors."""

    digests: dict[str, str]
    points: dict[int, str]
    vectors: dict[str, NDArray[np.float32]]


def holdings(world: World) -> Holdings:
    """Read what ``world`` has published.

    Raises:
        LookupError: nothing is published.
    """
    generation = Generations(world.data / "generations").current()
    if generation is None:
        raise LookupError("nothing is published")
    space = generation.manifest["space"]
    stored = Vectors(world.data / "vectors", space)
    keys = sorted(stored.keys())
    return Holdings(
        content_digest(generation, world.site), _points(generation), dict(zip(keys, stored.get(keys), strict=True))
    )


def _points(generation: Generation) -> dict[int, str]:
    """Ids of the published points, with what matters of the payloads that the collection has of them."""
    space = generation.manifest["space"]
    dimension = 1280
    data = generation.path.parent.parent
    settings = Settings(data=data)
    with open_index(settings, generation.index, space, dimension, read_only=True) as published:
        ids = list(published.ids())
    with open_index(settings, data / "index" / space / "shard", space, dimension, read_only=True) as collection:
        found = {record.id: record.payload for record in collection.retrieve(ids)}
    return {
        one: repr(sorted((k, v) for k, v in found[one].items() if k != "fetched_at")) if one in found else "none"
        for one in ids
    }


def losses(expected: Holdings, found: Holdings) -> list[str]:
    """What differs, in words; empty where all is as expected."""
    said = [f"table {name} differs" for name, digest in expected.digests.items() if found.digests.get(name) != digest]
    if expected.points.keys() != found.points.keys():
        missing, extra = expected.points.keys() - found.points.keys(), found.points.keys() - expected.points.keys()
        said.append(f"{len(missing)} points lost, {len(extra)} points too many")
    elif expected.points != found.points:
        said.append("payloads differ")
    lacking = expected.vectors.keys() - found.vectors.keys()
    if lacking:
        said.append(f"{len(lacking)} vectors lost")
    for key in expected.vectors.keys() & found.vectors.keys():
        cosine = float(expected.vectors[key] @ found.vectors[key])
        if cosine < CLOSE_ENOUGH:
            said.append(f"vector of {key[:12]} has cosine {cosine:.6f} with the expected one")
            break
    return said


def remains(world: World) -> list[str]:
    """What must not be there between runs: temporary files, runs in progress, pool slots in use, locks on a server."""
    linked = (world.data / "ogaart.duckdb").resolve().is_file()
    return [
        *_files(world.data),
        *_dagster(world),
        *_sessions(world),
        *([] if linked else ["ogaart.duckdb leads nowhere"]),
    ]


def _files(data: Path) -> list[str]:
    found = []
    for folder, folders, files in os.walk(data):
        where = Path(folder)
        if where == data / "dagster":
            folders.clear()
            continue
        names = [*(n for n in folders if n.startswith(".tmp-")), *files]
        found += [f"left over: {(where / n).relative_to(data)}" for n in names if _unwanted(where / n, data)]
    return found


def _unwanted(path: Path, data: Path) -> bool:
    place = path.relative_to(data).parts
    temporary = path.name.startswith(".tmp-") or path.suffix in {".new", ".holder"}
    return temporary or place[0] == "scratch" or place[:2] in {("site", "partial"), ("locks", "runs")}


def open_runs() -> Iterator[tuple[str, Report]]:
    """Inside a run's process: what Dagster counts as in progress, or as held; none of it is repaired meanwhile."""
    report = Report(("what",))
    with dg.DagsterInstance.from_config(str(Settings().data / "dagster")) as instance:
        going = instance.get_run_records(dg.RunsFilter(statuses=list(UNFINISHED)))
        said = [f"run {r.dagster_run.run_id} is still {r.dagster_run.status.value}" for r in going]
        storage = instance.event_log_storage
        for key in storage.get_concurrency_keys():
            info = storage.get_concurrency_info(key)
            if info.active_slot_count or info.pending_step_count:
                said.append(f"pool {key}: {info.active_slot_count} slots held, {info.pending_step_count} steps wait")
    report.rows += [{"what": what} for what in said]
    yield "look", report


def _dagster(world: World) -> list[str]:
    if not (world.data / "dagster").exists():
        return []
    looked = run(world, open_runs)
    return [*looked.errors, *(str(row["what"]) for row in looked.rows.get("look", []))]


def _sessions(world: World) -> list[str]:
    """What processes that are gone still have on the server: it notices within a moment that one was killed."""
    if world.server is None:
        return []
    names = list(world.databases.values())
    until = time.monotonic() + 60
    with world.server.administering() as connection:
        while True:
            sessions = connection.execute(_SESSIONS, {"names": names}).scalar_one()
            locks = connection.execute(_LOCKS, {"names": names}).scalar_one()
            if not sessions and not locks:
                return []
            if time.monotonic() > until:
                return [f"{sessions} sessions and {locks} advisory locks on the server after all processes ended"]
            time.sleep(0.05)


def published_whole(world: World, seen: set[int]) -> str | None:
    """Look at the publication as a reader does; what is wrong with it, or None.

    Args:
        world: where to look.
        seen: numbers of generations looked at before; they never change.
    """
    generation = Generations(world.data / "generations").current()
    if generation is None or generation.number in seen:
        return None
    for name, size in generation.manifest["files"].items():
        item = generation.path / name
        files = [item] if item.is_file() else [p for p in item.rglob("*") if p.is_file()]
        if sum(p.stat().st_size for p in files) != size:
            return f"generation {generation.number}: {name} has not its size"
    with open_layers(generation.path) as layers:
        images = {row[0] for words in layers for row in words.execute("SELECT image_id FROM images")}
    if images != _points(generation).keys():
        return f"generation {generation.number}: words and index disagree"
    link = world.data / "ogaart.duckdb"
    if link.is_symlink() and not link.resolve().is_file():
        return "ogaart.duckdb leads nowhere"
    seen.add(generation.number)
    return None
