"""Jobs, schedules and sensors: thin wrappers over pure decisions."""

import dagster as dg

from ogaart.core.fault_injection import Fault, fault
from ogaart.core.partitions import PARTITION_SET, search_pages_partitions
from ogaart.core.stages import COLLECTION_STAGES, OFFLINE_STAGES, SITE_STAGES
from ogaart.pipeline import crawl_plan, discovery
from ogaart.pipeline.refresh_tags import REFRESH
from ogaart.resources.platform import Platform


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
    """How to plan."""

    offline: bool = False


@dg.op(pool="embedder", description="Count what is ahead from one result page a query, and measure the network.")
def work_out_plan(context: dg.OpExecutionContext, config: PlanConfig, platform: Platform) -> None:
    """Log the plan, row by row, and attach it to the run."""
    rows = crawl_plan.plan(platform.stores, offline=config.offline).rows
    for row in rows:
        context.log.info("%s: %s %s (%s)", row["figure"], row["value"], row["unit"], row["basis"])
    shown = [dg.TableRecord({name: str(row[name]) for name in crawl_plan.COLUMNS}) for row in rows]
    context.add_output_metadata({"plan": dg.MetadataValue.table(shown)})


@dg.job(description="What is ahead before the first request: requests, hours, bytes, embedding, disk.")
def plan() -> None:
    """The plan."""
    work_out_plan()


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
    description="Read one partition from the site again: every page whole, every file asked whether it changed.",
)
process = dg.define_asset_job(
    "process",
    selection=dg.AssetSelection.assets(*(stage.value for stage in OFFLINE_STAGES)),
    partitions_def=search_pages_partitions,
    description="Unpack, embed and index what was read; asks nothing of the site.",
)
publish = dg.define_asset_job(
    "publish",
    selection=dg.AssetSelection.assets(*(stage.value for stage in COLLECTION_STAGES)),
    description="Build the catalog from a frozen cut, audit it, switch the publication.",
)


JOBS = (plan, discover, ingest, refresh, process, publish)
