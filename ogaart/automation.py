"""Jobs, schedules and sensors: thin wrappers over pure decisions."""

import dagster as dg

from ogaart import discovery
from ogaart.faults import Fault, fault
from ogaart.partitions import search_pages_partitions
from ogaart.resources.dataroot import DataRoot
from ogaart.resources.platform import Platform
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
            "%s: %d entries on %d pages, %d new partitions", query.name, found.total, found.pages, len(added)
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


ingest = dg.define_asset_job(
    "ingest",
    selection=dg.AssetSelection.assets(*NETWORK),
    partitions_def=search_pages_partitions,
    description="Read one partition from the site: result page, entries, links, files.",
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


JOBS = (discover, ingest, process, publish)
SENSORS = (reaper_sensor,)
