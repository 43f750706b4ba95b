"""The jobs: what a person, a schedule or a sensor launches as one run."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
from pydantic import Field

from ogaart.core.fault_injection import Fault, fault
from ogaart.core.partitions import PARTITION_SET, search_pages_partitions
from ogaart.core.stages import COLLECTION_STAGES, OFFLINE_STAGES, SITE_STAGES, Stage
from ogaart.orchestration import run_history
from ogaart.orchestration.asset_checks import all_check_keys
from ogaart.orchestration.launcher import PAST
from ogaart.pipeline import crawl_plan, discovery
from ogaart.pipeline.progress import Progress
from ogaart.pipeline.refresh_tags import REFRESH
from ogaart.pipeline.step_needs import step_tags
from ogaart.resources.platform import Platform, Stores

RETRY_STRATEGY = "dagster/retry_strategy"
"""Tag of a run: whether Dagster's daemon retries all of it after a kill, or what had not succeeded (the default)."""
ROWS = "rows"
"""Key of the metadata in which the jobs `discover` and `plan` report their rows, as JSON."""


class DiscoverConfig(dg.Config):
    """Options of the job `discover`."""

    refresh: bool = Field(False, description="Refetch every result page, even recent ones.")


@dg.op(
    pool="site",
    tags=step_tags(Stage.SEARCH_PAGES),
    description="Read all result pages of every query and add their partitions.",
)
def sweep_queries(context: dg.OpExecutionContext, config: DiscoverConfig, platform: Platform) -> None:
    """Sweep each configured query, add the partition keys it has, and report one row a query.

    Raises:
        DiscoveryFailed: one or more queries failed; the others are done.
    """
    with _progress(context, platform) as progress:
        rows, failed = _sweep_each(context, platform.stores, config.refresh, progress)
    context.add_output_metadata({ROWS: dg.MetadataValue.json(rows), "queries": shown(rows)})
    if failed:
        done = f"; {len(rows)} other queries are done" if rows else ""
        raise discovery.DiscoveryFailed("; ".join(map(str, failed)) + done) from failed[0]


def _progress(context: dg.OpExecutionContext, platform: Platform) -> Progress:
    """Logs progress at intervals, and each retry and pause with its cause."""
    platform.stores.site.on_event = context.log.info
    return Progress(context.log.info, context.job_name, platform.stores.settings.progress_seconds)


def _sweep_each(
    context: dg.OpExecutionContext, stores: Stores, refresh: bool, progress: Progress
) -> tuple[list[dict[str, Any]], list[discovery.DiscoveryFailed]]:
    """A row for each query that was swept, and the errors of the others."""
    rows: list[dict[str, Any]] = []
    failed: list[discovery.DiscoveryFailed] = []
    for query in stores.queries.values():
        before = stores.site.stats.requests
        try:
            discovered = discovery.sweep(stores, query, refresh=refresh, progress=progress)
        except discovery.DiscoveryFailed as cause:
            context.log.error("%s", cause)  # noqa: TRY400 - a declared failure, whose text is complete
            failed.append(cause)
            continue
        found = discovered.sweep
        added = add_partitions(context.instance, discovery.keys_of(found))
        context.log.info(
            "%s: %d entries on %d pages, %d new partitions", query.name, found.total, len(found.pages), len(added)
        )
        for warning in discovered.warnings:
            context.log.warning("%s, %s", query.name, warning)
        rows.append(
            {
                "query": query.name,
                "entries": found.total,
                "pages": len(found.pages),
                "new": len(added),
                "requests": stores.site.stats.requests - before,
                "note": discovered.note(),
            }
        )
    return rows, failed


def shown(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue:
    """Rows as a table of the Dagster UI; every value as text, since the UI's tables have no other."""
    records = [dg.TableRecord({name: str(row[name]) for name in row}) for row in rows]
    # Without rows Dagster cannot tell the columns: such as where every query failed.
    return dg.MetadataValue.table(records, schema=None if records else dg.TableSchema(columns=[]))


def add_partitions(instance: dg.DagsterInstance, keys: list[str]) -> list[str]:
    """Add those of ``keys`` that the instance does not have yet; returns them."""
    known = set(instance.get_dynamic_partitions(PARTITION_SET))
    added = [key for key in keys if key not in known]
    if added:
        instance.add_dynamic_partitions(PARTITION_SET, added)
        fault(Fault.PARTITIONS_ADDED)
    return added


@dg.job(description="Sweep every query's result pages and add partitions for new pages.")
def discover() -> None:
    """Discovery."""
    sweep_queries()


class PlanConfig(dg.Config):
    """Options of the job `plan`."""

    offline: bool = Field(False, description="Send no request: use the result pages that are stored.")


@dg.op(
    pool="embedder",
    tags=step_tags(Stage.EMBEDDINGS),
    description="Estimate a crawl from one result page a query, and measure the embedding model.",
)
def work_out_plan(context: dg.OpExecutionContext, config: PlanConfig, platform: Platform) -> None:
    """Log the estimate, row by row, and attach it to the run."""
    with _progress(context, platform):
        rows = crawl_plan.plan(platform.stores, offline=config.offline).rows
    for row in rows:
        context.log.info("%s: %s %s (%s)", row["figure"], row["value"], row["unit"], row["basis"])
    plan_rows = [{name: row[name] for name in crawl_plan.COLUMNS} for row in rows]
    context.add_output_metadata({ROWS: dg.MetadataValue.json(rows), "plan": shown(plan_rows)})


@dg.job(description="Estimate a crawl before making it: requests, hours, bytes, embedding, disk.")
def plan() -> None:
    """The estimate."""
    work_out_plan()


@dg.op(
    tags=step_tags(Stage.PUBLICATION),
    description="Delete runs that are old and that nothing shown in the UI is derived from.",
)
def delete_old_runs(context: dg.OpExecutionContext, platform: Platform) -> None:
    """Delete old runs and their files, and report what was deleted."""
    since = datetime.now(UTC) - PAST - timedelta(days=1)  # the autopilot reads its runs of the last days
    home = platform.stores.root.dagster
    old = run_history.find_old_runs(context.instance, home, all_check_keys(), since=since)
    size = old.run_bytes + old.leftover_bytes
    run_history.delete_old_runs(context.instance, old)
    context.log.info("deleted %d runs, %.1f MB; %d runs are kept", len(old.files), size / 1e6, old.kept)
    context.add_output_metadata({"runs_deleted": len(old.files), "bytes_freed": size, "runs_kept": old.kept})


@dg.job(description="Delete old runs from Dagster's history; every partition stays materialized.")
def clean_up() -> None:
    """The job."""
    delete_old_runs()


ingest = dg.define_asset_job(
    "ingest",
    selection=dg.AssetSelection.assets(*(stage.value for stage in SITE_STAGES)),
    partitions_def=search_pages_partitions,
    description="Read one partition from the site: result page, entries, links, files.",
)
refresh = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.assets(*(stage.value for stage in SITE_STAGES)),
    partitions_def=search_pages_partitions,
    tags={REFRESH: "true"},
    description="Read one partition from the site again: every page whole, every file by a conditional request.",
)
process = dg.define_asset_job(
    "process",
    selection=dg.AssetSelection.assets(*(stage.value for stage in OFFLINE_STAGES)),
    partitions_def=search_pages_partitions,
    description="Unpack, embed and index what was read; sends no request to the site.",
)
publish = dg.define_asset_job(
    "publish",
    selection=dg.AssetSelection.assets(*(stage.value for stage in COLLECTION_STAGES)),
    # After a kill the whole job is retried: the folder that holds the built catalog may be lost with the worker.
    tags={RETRY_STRATEGY: "ALL_STEPS"},
    description="Build the catalog from a frozen cut, audit it, switch the publication.",
)


JOBS = (plan, discover, ingest, refresh, process, publish, clean_up)
