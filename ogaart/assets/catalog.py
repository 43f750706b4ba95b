"""The catalog: a new generation built from one frozen cut of all tables, not yet in service."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from ogaart.assets.qdrant_collection import qdrant_collection
from ogaart.core.stages import Stage
from ogaart.core.states import RowState
from ogaart.pipeline.progress import Progress
from ogaart.pipeline.run_records import run_rows
from ogaart.pipeline.step import OWNERS, STORED, column_lineage_of, described
from ogaart.pipeline.step_needs import asset_tags, step_tags
from ogaart.resources.catalog.generations import HASHES, Generation, Generations
from ogaart.resources.catalog.history import HistoryFiles
from ogaart.resources.catalog.publishing import (
    CATALOG_VERSION,
    audits_failed,
    build,
    inputs_digest,
    inputs_of,
    nothing_embedded,
    server_holds,
)
from ogaart.resources.catalog.tables import IMAGES, PUBLIC, RUNS
from ogaart.resources.index.reconciliation import Reconciled
from ogaart.resources.platform import Platform
from ogaart.resources.publications.mirror import FileDamaged, PublicationMirror
from ogaart.resources.publications.publications import Publications
from ogaart.resources.storage.file_hashes import changed_files
from ogaart.resources.storage.lock_names import catalog_lock

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
    tags=asset_tags(Stage.CATALOG, STORED),
    op_tags=step_tags(Stage.CATALOG),
    code_version=CATALOG_VERSION,
    metadata={
        **described(IMAGES, history=False, stage=Stage.CATALOG),
        "tables": {table.name: table.comment for table in PUBLIC},
        "layout": "generations/<number>/"
        "{ogaart.duckdb,words.sqlite,words-delta.sqlite,index,signatures,patches,packs,manifest.json}",
    },
)
def catalog(context: dg.AssetExecutionContext, platform: Platform) -> dg.MaterializeResult[None]:
    """ogaart.duckdb, words.sqlite and a copy of the index, built from a frozen cut of all partitions.

    Here, once for the whole collection, points that belong to no row are deleted (on a server by `publication`, after
    the switch) and payloads that disagree are set. The generation is not in service before `publication` has audited
    it.
    """
    stores = platform.stores
    stores.root.require_free(stores.settings.min_free_bytes)
    lacking = nothing_embedded(stores)
    if lacking is not None:
        raise dg.Failure(lacking, allow_retries=False)
    try:  # where this host has lost its folder
        PublicationMirror(stores.settings, stores.state, stores.objects).pull()
    except FileDamaged as cause:
        context.log.warning("built without the publication before: %s", cause)
    with (
        stores.hold(catalog_lock(stores.root), timeout=stores.settings.lock_seconds, what="the catalog"),
        Progress(context.log.info, "catalog", stores.settings.progress_seconds),
    ):
        generations = Generations(stores.root.generations)
        newest = generations.all()[-1:]
        inputs = inputs_digest(stores)
        unchanged = newest and inputs_of(newest[0]) == inputs and not audits_failed(newest[0])
        unchanged = unchanged and server_holds(stores, newest[0])
        lost = list(newest[0].lost_files(remote=stores.objects.remote).items()) if unchanged else []
        changed = _changed_before_service(generations, newest[0]) if unchanged else []
        if lost or changed:
            context.log.warning("generation %d is made again: %s: %s", newest[0].number, *[*lost, *changed][0])
            unchanged = False
        if unchanged and REBUILD not in context.run.tags:
            context.log.info("nothing changed since generation %d", newest[0].number)
            return dg.MaterializeResult(
                metadata=column_lineage_of(context) | _metadata(newest[0], RowState.UNCHANGED, None)
            )
        last = Publications(stores.state, stores.objects).last()
        building = generations.begin(after=max(last, HistoryFiles(stores.root.history).last()))
        try:
            runs = runs_table(context.instance, stores.root.dagster, context.run_id)
            full = bool(changed) or REBUILD in context.run.tags
            generation, done = build(stores, building, inputs, runs, full=full)
        except BaseException:
            building.abandon()
            raise
    return dg.MaterializeResult(metadata=column_lineage_of(context) | _metadata(generation, RowState.NEW, done))


def _changed_before_service(generations: Generations, newest: Generation) -> list[tuple[Path, str]]:
    """The files of a generation that are not as they were written, where it was never in service.

    A run was killed, or its checks have failed, before the switch: it would be put in service as it is. Of one in
    service ``ogaart verify`` tells.
    """
    current = generations.replaceable()
    if current is not None and current.number == newest.number:
        return []
    return changed_files(newest.path, newest.path / HASHES)


def runs_table(instance: dg.DagsterInstance, home: Path, publishing: str) -> pa.Table:
    """The runs, in the columns of the catalog's table ``runs``; see ``run_records.run_rows``."""
    rows = run_rows(instance, home, publishing=publishing, now=datetime.now(UTC).timestamp())
    return pa.Table.from_pylist(rows, schema=RUNS.schema)


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
