"""The catalog: a new generation built from one frozen cut of all tables, not yet in service."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import pyarrow as pa

from ogaart.assets.qdrant_collection import qdrant_collection
from ogaart.core.states import RowState
from ogaart.pipeline.step import OWNERS, STORED, described
from ogaart.resources.catalog.generations import Generation, Generations
from ogaart.resources.catalog.history import HistoryFiles
from ogaart.resources.catalog.publishing import (
    CATALOG_VERSION,
    _failed,
    _inputs_of,
    build,
    inputs_digest,
    nothing_embedded,
    server_holds,
)
from ogaart.resources.catalog.tables import IMAGES, PUBLIC, RUNS
from ogaart.resources.index.reconciliation import Reconciled
from ogaart.resources.platform import Platform
from ogaart.resources.storage.lock_names import catalog_lock
from ogaart.resources.storage.locks import hold

COUNTED_AGAIN = """SELECT (SELECT count(*) FROM entries) AS entries, count(*) AS images,
    count(*) FILTER (indexed) AS points FROM images"""
"""SQL that counts a generation's rows again, on its ogaart.duckdb."""
REBUILD = "ogaart/rebuild"
"""Tag of a run that builds a generation although nothing changed; its value does not matter."""


@dg.asset(
    deps=[qdrant_collection],
    group_name="publication",
    kinds={"duckdb", "sqlite", "qdrant"},
    owners=OWNERS,
    tags=STORED,
    code_version=CATALOG_VERSION,
    metadata={
        **described(IMAGES),
        "tables": {table.name: table.comment for table in PUBLIC},
        "layout": "generations/<number>/{ogaart.duckdb,words.sqlite,index,signatures.npy,packs,manifest.json}",
    },
)
def catalog(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """ogaart.duckdb, words.sqlite and a copy of the index, built from a frozen cut of all partitions.

    Here, once for the whole collection, points that belong to no row are deleted and payloads that disagree are
    set. The generation is not in service before `publication` has audited it.
    """
    stores = platform.stores
    stores.root.require_free(stores.settings.min_free_bytes)
    lacking = nothing_embedded(stores)
    if lacking is not None:
        raise dg.Failure(lacking, allow_retries=False)
    with hold(catalog_lock(stores.root), timeout=stores.settings.lock_seconds, what="the catalog"):
        generations = Generations(stores.root.generations)
        newest = generations.all()[-1:]
        inputs = inputs_digest(stores)
        unchanged = newest and _inputs_of(newest[0]) == inputs and not _failed(newest[0])
        unchanged = unchanged and server_holds(stores, newest[0])
        if unchanged and REBUILD not in context.run.tags:
            context.log.info("nothing changed since generation %d", newest[0].number)
            return dg.MaterializeResult(metadata=_metadata(newest[0], RowState.UNCHANGED, None))
        building = generations.begin(after=HistoryFiles(stores.root.history).last())
        try:
            generation, done = build(stores, building, inputs, runs_table(context.instance))
        except BaseException:
            building.abandon()
            raise
    return dg.MaterializeResult(metadata=_metadata(generation, RowState.NEW, done))


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
