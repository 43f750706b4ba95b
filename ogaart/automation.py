"""Jobs, schedules and sensors: thin wrappers over pure decisions."""

from datetime import UTC, datetime

import dagster as dg

from ogaart import discovery, launching
from ogaart.assets.catalog import awaiting_publication
from ogaart.assets.rereading import REFRESH
from ogaart.faults import Fault, fault
from ogaart.operating import planning
from ogaart.partitions import search_pages_partitions
from ogaart.resources.dataroot import DataRoot
from ogaart.resources.embedder import WeightsMissing
from ogaart.resources.platform import Platform, Stores
from ogaart.resources.reaper import reap
from ogaart.settings import Settings

NETWORK = ("search_pages", "content_pages", "file_links", "raw_files")
OFFLINE = ("extracted_images", "embeddings", "qdrant_collection")
UNPARTITIONED = ("catalog", "publication")


class DiscoverConfig(dg.Config):
    """How to sweep."""

    refresh: bool = False


@dg.op(pool="site", description="Read all result pages of every query and add their partitions.")
def sweep_queries(context: dg.OpExecutionContext, config: DiscoverConfig, platform: Platform) -> None:
    """Sweep each configured query; add the keys it has."""
    for query in platform.stores.queries.values():
        found = discovery.sweep(platform.stores, query, refresh=config.refresh)
        added = add_partitions(context.instance, discovery.keys_of(found))
        context.log.info(
            "%s: %d entries on %d pages, %d new partitions", query.name, found.total, len(found.pages), len(added)
        )


def add_partitions(instance: dg.DagsterInstance, keys: list[str]) -> list[str]:
    """Add those of ``keys`` that the instance does not have yet; gives them."""
    name = search_pages_partitions.name
    assert name is not None
    known = set(instance.get_dynamic_partitions(name))
    added = [key for key in keys if key not in known]
    if added:
        instance.add_dynamic_partitions(name, added)
        fault(Fault.PARTITIONS_ADDED)
    return added


@dg.job(description="Sweep every query's result pages and add partitions for new pages.")
def discover() -> None:
    """Discovery."""
    sweep_queries()


class PlanConfig(dg.Config):
    """How to plan."""

    offline: bool = False


@dg.op(pool="embedder", description="Count what is ahead from one result page a query, and measure the network.")
def work_out_plan(context: dg.OpExecutionContext, config: PlanConfig, platform: Platform) -> None:
    """Log the plan, row by row, and attach it to the run."""
    rows = planning.plan(platform.stores, offline=config.offline).rows
    for row in rows:
        context.log.info("%s: %s %s (%s)", row["figure"], row["value"], row["unit"], row["basis"])
    shown = [dg.TableRecord({name: str(row[name]) for name in planning.COLUMNS}) for row in rows]
    context.add_output_metadata({"plan": dg.MetadataValue.table(shown)})


@dg.job(description="What is ahead before the first request: requests, hours, bytes, embedding, disk.")
def plan() -> None:
    """The plan."""
    work_out_plan()


ingest = dg.define_asset_job(
    "ingest",
    selection=dg.AssetSelection.assets(*NETWORK),
    partitions_def=search_pages_partitions,
    description="Read one partition from the site: result page, entries, links, files.",
)
refresh = dg.define_asset_job(
    "refresh",
    selection=dg.AssetSelection.assets(*NETWORK),
    partitions_def=search_pages_partitions,
    tags={REFRESH: "true"},
    description="Read one partition from the site again: every page whole, every file asked whether it changed.",
)
process = dg.define_asset_job(
    "process",
    selection=dg.AssetSelection.assets(*OFFLINE),
    partitions_def=search_pages_partitions,
    description="Unpack, embed and index what was read; asks nothing of the site.",
)
publish = dg.define_asset_job(
    "publish",
    selection=dg.AssetSelection.assets(*UNPARTITIONED),
    description="Build the catalog from a frozen cut, audit it, switch the publication.",
)


SWITCH = "daily"


@dg.schedule(
    name=SWITCH,
    job=discover,
    cron_schedule="0 3 * * *",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="The switch: while it is on, queries are swept once a day, partitions are read and processed within "
    "OGAART_REQUESTS_PER_DAY, and changes are published.",
)
def daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Sweep once a day; what follows from the sweep is the autopilot's to launch."""
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())


@dg.schedule(
    name="publish_changes",
    job=publish,
    cron_schedule="*/30 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description=f"Publishes at most every 30 minutes, when rows changed; only while the schedule `{SWITCH}` is on.",
)
def publish_changes(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Publish what changed."""
    if not launching.is_on(context.instance, SWITCH):
        return dg.SkipReason(f"the schedule `{SWITCH}` is off: turn it on, or launch the job `publish` by hand")
    stores = Stores(Settings())
    try:
        wanted, why = awaiting_publication(stores)
    except WeightsMissing as cause:
        return dg.SkipReason(str(cause))
    finally:
        stores.close()
    return dg.RunRequest(tags={launching.WHY: why}) if wanted else dg.SkipReason(why)


@dg.sensor(
    name="autopilot",
    jobs=[discover, ingest, refresh, process],
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches what the rows and the last sweep call for, within the day's requests; only while the "
    f"schedule `{SWITCH}` is on.",
)
def autopilot(context: dg.SensorEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    """Launch runs: new partitions, changed ones, due failures, the oldest again; and processing after each."""
    instance = context.instance
    if not launching.is_on(instance, SWITCH):
        return dg.SkipReason(f"the schedule `{SWITCH}` is off: turn it on to let runs be launched")
    backfill = launching.backfill_in_progress(instance)
    if backfill is not None:
        return dg.SkipReason(f"backfill {backfill} is in progress: nothing is launched beside it")
    stores = Stores(Settings())
    try:
        now = datetime.now(UTC)
        if launching.sweep_is_overdue(instance, stores, now):
            return [dg.RunRequest(job_name="discover", tags={launching.WHY: "no sweep of the last day"})]
        launches = launching.choose(instance, stores, now)
    finally:
        stores.close()
    if not launches:
        return dg.SkipReason("nothing to do: everything is read and processed, or runs already, or waits for its time")
    return [launching.run_request(batch) for batch in launches]


@dg.sensor(
    name="reaper",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Fails runs whose process is gone and frees their pool slots.",
    job=discover,
)
def reaper_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Reap dead runs."""
    reaped = reap(context.instance, DataRoot.of(Settings()).locks)
    return dg.SkipReason(f"reaped {', '.join(reaped)}" if reaped else "every run in progress is alive")


JOBS = (plan, discover, ingest, refresh, process, publish)
SCHEDULES = (daily, publish_changes)
SENSORS = (autopilot, reaper_sensor)
