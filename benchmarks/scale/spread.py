"""One measured backfill of many partitions: n workers process what is stored, in runs of ten partitions each."""

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from pathlib import Path

import dagster as dg
from dagster._core.execution.backfill import BulkActionStatus

from benchmarks.scale.cluster import QUEUES, content, settings_of
from benchmarks.scale.cpu_seconds import CPUSeconds
from ogaart.core.stages import PARTITION_STAGES, SITE_STAGES
from ogaart.definitions import build_definitions
from ogaart.orchestration.instance import open_instance, run_job
from ogaart.orchestration.launch_policy import TOGETHER
from ogaart.orchestration.launcher import RANGE_END, RANGE_START, partition_keys
from ogaart.orchestration.run_status import unfinished_runs
from ogaart.resources.storage.schema import IMAGES
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.cluster.cluster import BACKFILL
from ogaart_tests.cluster.servers import Redis, Worker, postgres
from ogaart_tests.ui import dagster_ui, graphql, wait_until
from ogaart_tests.world import World, open_world

PROCESSED = tuple(stage for stage in PARTITION_STAGES if stage not in SITE_STAGES)
_ENTRIES = 68
"""Of one copy of the demo's site."""


@dataclass(frozen=True)
class Spread:
    """One backfill.

    Attributes:
        workers: how many, with as many runs at a time.
        partitions: how many, of one entry each.
        images: pictures in them.
        runs: runs that Dagster made of them.
        launched_after: seconds until the first run had started.
        seconds: from the launch until the end of the last run.
        cpu: core seconds of all its processes in that time.
        others: cores that all else on the machine took meanwhile.
        steps: steps that each worker executed, the busiest one first.
    """

    workers: int
    partitions: int
    images: int
    runs: int
    launched_after: float
    seconds: float
    cpu: float
    others: float
    steps: tuple[int, ...]


def spread(folder: Path, *, workers: int, partitions: int, first: bool = False) -> Spread:
    """Crawl so many partitions of one entry in one process, then process them in a backfill over workers.

    Args:
        folder: keeps the site; what else it is given must be empty.
        workers: how many.
        partitions: how many.
        first: as of ``CPUSeconds``.

    Raises:
        RuntimeError: the crawl or a run failed.
    """
    site = content(folder, ceil(partitions / _ENTRIES))
    scratch = folder / "spread"
    scratch.mkdir()
    queries = scratch / "own-queries.toml"
    queries.write_text('[[query]]\nname = "2d-art"\nart_types = ["2D Art"]\nper_page = 1\n')
    redis = Redis(scratch / "redis")
    with ExitStack() as stack:
        stack.callback(redis.stop)
        values = settings_of(stack.enter_context(postgres()), redis, workers, queries)
        served = ChangingSite(delay=0.0, per_page=1, site=site)
        world = stack.enter_context(open_world(scratch, served, **values))
        keys = _crawl(world, partitions)
        ui = stack.enter_context(dagster_ui(world))
        started = [Worker(QUEUES, scratch / f"worker-{number}.log") for number in range(workers)]
        for worker in started:
            stack.callback(worker.kill)
        with (
            open_instance(world.settings) as instance,
            CPUSeconds({worker.pid: "workers" for worker in started}, first=first) as cpu,
        ):
            return _backfill(world, ui, instance, keys, cpu, workers)


def _crawl(world: World, partitions: int) -> list[str]:
    """Read the first partitions from the site, in this process, ten in a run; returns their keys."""
    world.discover()
    definitions = build_definitions()
    assets = [stage.value for stage in PARTITION_STAGES if stage in SITE_STAGES]
    with open_instance(world.settings) as instance:
        keys = partition_keys(instance)[:partitions]
        for start in range(0, len(keys), TOGETHER):
            tags = {RANGE_START: keys[start], RANGE_END: keys[start : start + TOGETHER][-1]}
            outcome = run_job(instance, definitions, None, assets=assets, tags=tags)
            if not outcome.success:
                raise RuntimeError(f"the crawl failed: {outcome.errors}")
    return keys


def _backfill(
    world: World, ui: str, instance: dg.DagsterInstance, keys: list[str], cpu: CPUSeconds, workers: int
) -> Spread:
    assets = [{"path": [stage.value]} for stage in PROCESSED]
    since = time.time()
    params = {"assetSelection": assets, "partitionNames": keys}
    launched = graphql(ui, BACKFILL, params=params)["launchPartitionBackfill"]
    if "backfillId" not in launched:
        raise RuntimeError(str(launched))
    backfill = str(launched["backfillId"])

    def ended() -> bool:
        time.sleep(2.0)  # a look costs CPU time, which is measured
        found = instance.get_backfill(backfill)
        return found is not None and found.status is not BulkActionStatus.REQUESTED and not unfinished_runs(instance)

    wait_until(ended, timedelta(hours=3).total_seconds(), "the backfill to end")
    cpu.look()
    runs = instance.get_run_records(dg.RunsFilter(tags={"dagster/backfill": backfill}))
    if failed := [record.dagster_run.run_id for record in runs if not record.dagster_run.is_success]:
        raise RuntimeError(f"{len(failed)} runs failed, such as {failed[0]}")
    until = max(record.end_time or since for record in runs)
    tables = world.stores.tables
    return Spread(
        workers=workers,
        partitions=len(keys),
        images=sum(len(list(tables.read(IMAGES, key))) for key in keys),
        runs=len(runs),
        launched_after=round(min(record.start_time or until for record in runs) - since, 1),
        seconds=round(until - since, 1),
        cpu=round(cpu.total(until) - cpu.total(since), 1),
        others=round(cpu.others(since, until), 2),
        steps=_steps(instance, [record.dagster_run.run_id for record in runs]),
    )


def _steps(instance: dg.DagsterInstance, runs: list[str]) -> tuple[int, ...]:
    """How many steps each worker has executed, as their names in the runs' events tell."""
    found: Counter[str] = Counter()
    for run_id in runs:
        for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
            event = entry.dagster_event
            name = event.engine_event_data.metadata.get("Celery worker") if event is not None else None
            found += Counter([str(name.value)] if name is not None else [])
    return tuple(count for _, count in found.most_common())
