"""The catalog: a new generation built from one frozen cut of all tables, not yet in service."""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from ogaart.assets.labels import OWNERS, READS_ROWS
from ogaart.assets.qdrant_collection import qdrant_collection
from ogaart.assets.step import described
from ogaart.faults import Fault, fault
from ogaart.resources.catalog import CatalogBuild, Source, index_facts
from ogaart.resources.catalog_tables import FORMAT_VERSION, IMAGES, PUBLIC, RUNS, Blocked
from ogaart.resources.collection import Collection
from ogaart.resources.decisions import read_decisions
from ogaart.resources.durable import read_json, temporary, write_durably
from ogaart.resources.embedder import Embedder
from ogaart.resources.generations import Building, Generation, Generations
from ogaart.resources.index import IndexBroken, open_index
from ogaart.resources.locks import hold
from ogaart.resources.platform import Platform, Stores
from ogaart.resources.quality import holding_back, outcome
from ogaart.resources.reconciliation import Reconciled, reconcile, repair
from ogaart.resources.vectors import Vectors
from ogaart.words import RowState

CATALOG_VERSION = "1"
SEGMENTS = "segment-*.parquet"
INPUTS = "inputs.json"
COUNTED_AGAIN = """SELECT (SELECT count(*) FROM entries) AS entries, count(*) AS images,
    count(*) FILTER (indexed) AS points FROM images"""
"""SQL that gives a generation's numbers again, on its ogaart.duckdb."""
REBUILD = "ogaart/rebuild"
"""Tag of a run that builds a generation although nothing changed; its value does not matter."""


@dg.asset(
    deps=[qdrant_collection],
    group_name="publication",
    kinds={"duckdb", "sqlite", "qdrant"},
    owners=OWNERS,
    tags=READS_ROWS,
    code_version=CATALOG_VERSION,
    metadata={
        **described(IMAGES),
        "tables": {table.name: table.comment for table in PUBLIC},
        "layout": "generations/<number>/{ogaart.duckdb,words.sqlite,index,signatures.npy,packs,manifest.json}",
    },
)
def catalog(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """ogaart.duckdb, words.sqlite and a copy of the index, built from a frozen cut of all partitions.

    Here, once for the whole collection, points that nothing stands for are deleted and payloads that disagree are
    set. The generation is not in service before `publication` has audited it.
    """
    stores = platform.stores
    stores.root.require_free(stores.settings.min_free_bytes)
    lacking = nothing_embedded(stores)
    if lacking is not None:
        raise dg.Failure(lacking, allow_retries=False)
    with hold(stores.root.locks / "catalog.lock", timeout=stores.settings.lock_seconds, what="the catalog"):
        generations = Generations(stores.root.generations)
        newest = generations.all()[-1:]
        inputs = inputs_digest(stores)
        unchanged = newest and _inputs_of(newest[0]) == inputs and not _failed(newest[0])
        unchanged = unchanged and server_holds(stores, newest[0])
        if unchanged and REBUILD not in context.run.tags:
            context.log.info("nothing changed since generation %d", newest[0].number)
            return dg.MaterializeResult(metadata=_metadata(newest[0], RowState.UNCHANGED, None))
        building = generations.begin()
        try:
            generation, done = build(stores, building, inputs, runs_table(context.instance))
        except BaseException:
            building.abandon()
            raise
    return dg.MaterializeResult(metadata=_metadata(generation, RowState.NEW, done))


def build(stores: Stores, building: Building, inputs: str, runs: pa.Table) -> tuple[Generation, Reconciled]:
    """Build the generation: reconcile the collection under its lock, then write the files from the cut.

    The lock is held from the cut to the copy of the shard, so that tables and collection are of one moment.
    """
    embedder = Embedder(stores.settings)
    vectors = Vectors(stores.root.vectors, embedder.space)
    collection = Collection(stores, embedder.space, embedder.dimension)
    stores.root.scratch.mkdir(parents=True, exist_ok=True)
    cut = temporary(stores.root.scratch / f"cut-{building.number:06d}")
    shutil.rmtree(cut, ignore_errors=True)
    source = Source(
        cut=cut,
        space=embedder.space,
        model=embedder.model,
        vectors=str(vectors.folder / SEGMENTS),
        blocked=blocked(stores),
        runs=runs,
    )
    try:
        with ExitStack() as files:
            with collection.writer() as index:
                cut.mkdir(parents=True)
                stores.tables.cut(cut)
                fault(Fault.CUT_MADE)
                work = files.enter_context(CatalogBuild(source, building.path, building.number))
                held = np.sort(np.fromiter(index.ids(), np.int64))
                done = reconcile(index, work.eligible(), held)
                if len(done.missing):
                    repair(index, work.eligible(), done.missing, vectors)
                index.flush()
                fault(Fault.INDEX_FLUSHED)
                held = np.sort(np.fromiter(index.ids(), np.int64))
                facts = index_facts(index, held)
                if stores.settings.qdrant_url is None:
                    index.copy_to(building.path / "index")
            write_durably(building.path / INPUTS, json.dumps({"inputs": inputs}).encode())
            work.finish(held, done, facts)
        return building.finish(), done
    finally:
        shutil.rmtree(cut, ignore_errors=True)


def blocked(stores: Stores) -> Blocked:
    """The decisions in force, for the catalog."""
    found = read_decisions(stores.root.decisions)
    return Blocked(slugs=frozenset(found.entries), authors=frozenset(found.authors), pixels=frozenset(found.pixels))


def inputs_digest(stores: Stores) -> str:
    """sha256 over what a catalog is built from: names, sizes and times of all table files, space and decisions."""
    digest = hashlib.sha256(f"{CATALOG_VERSION} {FORMAT_VERSION} {Embedder(stores.settings).space}".encode())
    for path in sorted(_inputs(stores.root.tables)):
        status = path.stat()
        digest.update(f"{path.relative_to(stores.root.tables)} {status.st_size} {status.st_mtime_ns}\n".encode())
    if stores.root.decisions.exists():
        digest.update(stores.root.decisions.read_bytes())
    return digest.hexdigest()


def server_holds(stores: Stores, generation: Generation) -> bool:
    """Whether a collection on a server has as many points as were published with it: what it lost comes back.

    A collection in this process is copied into the generation, and needs no such look.
    """
    if stores.settings.qdrant_url is None:
        return True
    embedder = Embedder(stores.settings)
    try:
        index = open_index(stores.settings, stores.root.index, embedder.space, embedder.dimension, read_only=True)
    except IndexBroken:
        return False
    try:
        return index.count() == int(generation.manifest["counts"].get("points_in_collection", -1))
    finally:
        index.close()


def nothing_embedded(stores: Stores) -> str | None:
    """Why there is nothing that could be published: no picture has a vector in the model's space; else None."""
    space = Embedder(stores.settings).space
    if any(Vectors(stores.root.vectors, space).folder.glob(SEGMENTS)):
        return None
    return (
        f"there is nothing to publish: no picture is embedded in the space {space} yet; materialize partitions first, "
        "through to `embeddings`"
    )


def awaiting_publication(stores: Stores) -> tuple[bool, str]:
    """Whether publishing would change anything, and why it would or would not.

    Raises:
        WeightsMissing: the model cannot be told.
    """
    generations = Generations(stores.root.generations)
    newest = generations.all()[-1:]
    lacking = nothing_embedded(stores)
    if lacking is not None:
        return False, lacking
    if not newest:
        return True, "nothing is published yet"
    generation, current = newest[0], generations.replaceable()
    if _inputs_of(generation) != inputs_digest(stores):
        return True, f"rows changed since generation {generation.number}"
    if _failed(generation):
        return False, f"generation {generation.number} was held back by its audits, and no row changed since"
    failed = holding_back(outcome(generation) or [])
    if failed:
        names = ", ".join(check.name for check in failed)
        return False, f"generation {generation.number} was held back by its checks ({names}), and no row changed since"
    if current is None or current.number != generation.number:
        return True, f"generation {generation.number} is built and not in service"
    return False, f"nothing changed since generation {generation.number}, which is in service"


def _inputs(tables: Path) -> Sequence[Path]:
    """Table files that change what is published; the history of steps grows with every run and does not."""
    return [
        p for p in tables.rglob("*.parquet") if not p.name.startswith(".") and p.relative_to(tables).parts[0] != "steps"
    ]


def _inputs_of(generation: Generation) -> str | None:
    """What it was built from; None where that cannot be told, and so it is built again."""
    found = read_json(generation.path / INPUTS)
    return None if found is None else str(found["inputs"])


def _failed(generation: Generation) -> bool:
    return any(not audit["passed"] for audit in generation.audits)


def runs_table(instance: dg.DagsterInstance, limit: int = 5_000) -> pa.Table:
    """The newest runs of the instance, in the columns of the catalog's table ``runs``."""
    rows = []
    for record in instance.get_run_records(limit=limit):
        run = record.dagster_run
        tags = run.tags
        rows.append(
            {
                "run_id": run.run_id,
                "job": run.job_name,
                "partition": tags.get("dagster/partition") or _range(tags),
                "status": run.status.value,
                "started_at": _micros(record.start_time),
                "ended_at": _micros(record.end_time),
            }
        )
    return pa.Table.from_pylist(rows, schema=RUNS.schema)


def _range(tags: Mapping[str, str]) -> str | None:
    """The partitions of a run of several, first and last, as Dagster writes them."""
    first, last = (tags.get(f"dagster/asset_partition_range_{end}") for end in ("start", "end"))
    return first if first == last else f"{first}...{last}"


def _micros(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1_000_000)


def _metadata(generation: Generation, state: RowState, done: Reconciled | None) -> dict[str, Any]:
    counts = generation.manifest["counts"]
    facts: dict[str, Any] = {
        "state": state.value,
        "generation": generation.number,
        "entries": counts.get("entries", 0),
        "images": counts.get("images", 0),
        "points": counts.get("searchable", 0),
        "dagster/row_count": counts.get("images", 0),
        "path": str(generation.path),
        "bytes": sum(generation.manifest.get("files", {}).values()),
        "sql": dg.MetadataValue.md(f"```sql\n{COUNTED_AGAIN}\n```"),
    }
    if done is not None:
        summary = done.summary()
        facts |= {
            "points_deleted": summary.deleted,
            "payloads_set": summary.payload_updated,
            "points_repaired": summary.missing,
            "points_pending": summary.pending,
        }
    return facts
