"""One measured backfill: PostgreSQL, Redis, Dagster's services, n workers and the demo's site, all on this machine."""

import json
import os
import pickle
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from benchmarks.scale.cpu_seconds import CPUSeconds
from ogaart.core.partitions import PARTITION_SET
from ogaart.core.stages import PARTITION_STAGES
from ogaart.demo import plan
from ogaart.demo.model import DemoContent
from ogaart.orchestration.instance import open_instance
from ogaart.resources.storage.schema import IMAGES
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.cluster.servers import Redis, Worker, postgres
from ogaart_tests.ui import REPOSITORY, dagster_ui, graphql, wait_until
from ogaart_tests.world import open_world

FIRST_DAY = datetime(2010, 1, 1)  # noqa: DTZ001 - as the site states days
QUEUES = ("site", "cpu", "gpu")
IDLE = 15.0
"""Seconds in which the services are measured without any run."""
SETTLED = 10.0
"""Seconds after which what started has started."""
LAUNCH = """mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""


@dataclass(frozen=True)
class StepTimes:
    """One step, in seconds of the clock, core seconds of everything from its sending to the next, and its requests."""

    name: str
    sent: float
    started: float
    ended: float
    cpu: float
    requests: int


@dataclass(frozen=True)
class RunTimes:
    """One run, in seconds of the clock, and core seconds from its launch to its first step and after its last one."""

    queued: float
    launched: float
    ended: float
    steps: list[StepTimes]
    launch_cpu: float


@dataclass(frozen=True)
class Measured:
    """One backfill.

    Attributes:
        workers: how many, with as many runs at a time.
        seconds: from the first run in the queue until the end of the last run.
        cpu: core seconds of all its processes in that time.
        background: cores that the services took before it, without any run.
        submit_wall: seconds until all runs were in the queue.
        submit_cpu: core seconds for that.
        others: cores that all else on the machine took meanwhile.
        requests: sent to the site by all runs together.
        images: pictures found.
        runs: each run.
    """

    workers: int
    seconds: float
    cpu: float
    background: float
    submit_wall: float
    submit_cpu: float
    others: float
    requests: int
    images: int
    runs: list[RunTimes]


def content(folder: Path, copies: int) -> DemoContent:
    """The demo's site, so many times as large; kept in a folder, since making it takes minutes.

    Each copy is a result page of its own, so that all partitions are alike: its entries are older than those of the
    next copy. No first response is cut, whose repetition would wait for a random time.
    """
    kept = folder / f"site-{copies}.pickle"
    if not kept.exists():
        kept.write_bytes(pickle.dumps(plan.load(copies=copies)))
    found: DemoContent = pickle.loads(kept.read_bytes())
    each = len(found.entries) // copies
    for number, entry in enumerate(found.entries):
        copy, position = divmod(number, each)
        entry.posted_at = FIRST_DAY + timedelta(days=365 * copy, hours=position)
        entry.cut_once = False
    return found


def settings_of(database: str, redis: Redis, workers: int, queries: Path) -> dict[str, str]:
    """The environment of a platform with so many workers, and as many runs at a time."""
    return {
        "OGAART_DAGSTER_DATABASE": database,
        "OGAART_EXECUTOR": "celery",
        "OGAART_CELERY_BROKER": redis.url,
        "OGAART_CONCURRENT_RUNS": str(workers),
        "OGAART_EMBEDDING_STEPS": str(workers),
        "OGAART_QUERIES": str(queries),
    }


def measure(
    folder: Path,
    site: DemoContent,
    *,
    workers: int,
    partitions: int,
    per_page: int,
    delay: float,
    first: bool = False,
) -> Measured:
    """Materialize the first partitions by so many workers.

    Args:
        folder: scratch, which must be empty.
        site: what the site holds.
        workers: how many.
        partitions: how many, one run each.
        per_page: entries of a partition.
        delay: the site's Crawl-delay.
        first: as of ``CPUSeconds``.

    Raises:
        RuntimeError: a run failed.
    """
    queries = folder / "own-queries.toml"
    queries.write_text(f'[[query]]\nname = "2d-art"\nart_types = ["2D Art"]\nper_page = {per_page}\n')
    served = ChangingSite(delay=delay, per_page=per_page, site=site)
    redis = Redis(folder / "redis")
    with ExitStack() as stack:
        stack.callback(redis.stop)
        values = settings_of(stack.enter_context(postgres()), redis, workers, queries)
        world = stack.enter_context(open_world(folder, served, **values))
        ui = stack.enter_context(dagster_ui(world))
        instance = stack.enter_context(open_instance(world.settings))
        discovering = Worker(QUEUES, folder / "discovering.log")
        try:
            _finish(instance, [_launch(ui, "discover", {})])
        finally:
            discovering.kill()
        keys = sorted(instance.get_dynamic_partitions(PARTITION_SET))[:partitions]
        # Workers that have executed nothing yet, however many: the first step of each takes longer.
        started = [Worker(QUEUES, folder / f"worker-{number}.log") for number in range(workers)]
        for worker in started:
            stack.callback(worker.kill)
        with CPUSeconds({worker.pid: "workers" for worker in started}, first=first) as cpu:
            time.sleep(SETTLED)
            found = _backfill(ui, instance, served, keys, cpu, workers)
        tables = world.stores.tables
        return replace(found, images=sum(len(list(tables.read(IMAGES, key))) for key in keys))


def _backfill(
    ui: str, instance: dg.DagsterInstance, site: ChangingSite, keys: Sequence[str], cpu: CPUSeconds, workers: int
) -> Measured:
    idle_since = time.time()
    time.sleep(IDLE)
    idle_until = time.time()
    sent = len(site.requests)
    tags = [{"key": "dagster/backfill", "value": uuid.uuid4().hex[:8]}]
    ids = [_launch(ui, None, {"tags": [*tags, {"key": "dagster/partition", "value": key}]}) for key in keys]
    submitted = time.time()
    _finish(instance, ids)
    cpu.look()
    offset = time.time() - time.monotonic()
    requests = [request.at + offset for request in site.requests]
    runs = [_run_times(instance, run_id, cpu, requests) for run_id in ids]
    since, until = min(run.queued for run in runs), max(run.ended for run in runs)
    background = (cpu.total(idle_until) - cpu.total(idle_since)) / (idle_until - idle_since)
    return Measured(
        workers=workers,
        seconds=until - since,
        cpu=cpu.total(until) - cpu.total(since),
        background=background,
        submit_wall=submitted - idle_until,
        submit_cpu=cpu.total(submitted) - cpu.total(idle_until),
        others=cpu.others(since, until),
        requests=len(site.requests) - sent,
        images=0,
        runs=runs,
    )


def _launch(ui: str, job: str | None, metadata: dict[str, Any]) -> str:
    selector: dict[str, Any] = {**REPOSITORY, "jobName": job or "__ASSET_JOB"}
    if job is None:
        selector["assetSelection"] = [{"path": [stage.value]} for stage in PARTITION_STAGES]
    params = {"selector": selector, "mode": "default", "runConfigData": {}, "executionMetadata": metadata}
    launched = graphql(ui, LAUNCH, params=params)["launchPipelineExecution"]
    if "run" not in launched:
        raise RuntimeError(json.dumps(launched))
    return str(launched["run"]["runId"])


def _finish(instance: dg.DagsterInstance, ids: Sequence[str]) -> None:
    """Wait until all runs have ended, with success."""

    def ended() -> bool:
        time.sleep(1.0)  # a look costs CPU time, which is measured
        return all(run.is_finished for run in instance.get_runs(filters=dg.RunsFilter(run_ids=list(ids))))

    wait_until(ended, 1200, "the runs to end")
    for run in instance.get_runs(filters=dg.RunsFilter(run_ids=list(ids))):
        if not run.is_success:
            messages = [event.message for event in instance.all_logs(run.run_id)][-5:]
            raise RuntimeError(f"run {run.run_id} failed: {messages}")


def _run_times(instance: dg.DagsterInstance, run_id: str, cpu: CPUSeconds, requests: Sequence[float]) -> RunTimes:
    queued = launched = ended = 0.0
    sent: dict[str, float] = {}
    started: dict[str, float] = {}
    done: dict[str, float] = {}
    for entry in instance.all_logs(run_id):
        event, at, step = entry.dagster_event, entry.timestamp, str(entry.step_key)
        if event is None:
            continue
        match event.event_type_value:
            case "PIPELINE_ENQUEUED":
                queued = at
            case "PIPELINE_STARTING":
                launched = at
            case "PIPELINE_SUCCESS":
                ended = at
            case "STEP_START":
                started[step] = at
            case "STEP_SUCCESS":
                done[step] = at
            case "ENGINE_EVENT" if "Submitting celery task" in (event.message or ""):
                sent[step] = at
    order = sorted(sent, key=lambda name: sent[name])
    ends = [*(sent[name] for name in order[1:]), ended]
    steps = [
        StepTimes(
            name,
            sent[name],
            started[name],
            done[name],
            cpu.total(end) - cpu.total(sent[name]),
            sum(sent[name] <= at <= done[name] for at in requests),
        )
        for name, end in zip(order, ends, strict=True)
    ]
    launch_cpu = cpu.total(steps[0].sent) - cpu.total(launched)
    return RunTimes(queued, launched, ended, steps, launch_cpu)


def save(measured: Measured, path: Path) -> None:
    """Write everything that was measured, for a later look."""
    path.write_text(json.dumps(asdict(measured), indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> Measured:
    """Read what ``save`` wrote."""
    found = json.loads(path.read_text(encoding="utf-8"))
    runs = [RunTimes(**{**run, "steps": [StepTimes(**step) for step in run["steps"]]}) for run in found["runs"]]
    return Measured(**{**found, "runs": runs})


def scratch() -> str | None:
    """Where scratch folders are made: in memory where there is such a folder, since other work shares the disk."""
    return os.environ.get("TMPDIR") or ("/dev/shm" if Path("/dev/shm").is_dir() else None)
