"""The demo's whole graph by Celery workers, some of which are killed: the same content, and nothing repeated.

Once over one data root, and once with a folder of its own for each worker, which is lost with it: then what never
changes lies in a bucket, and PostgreSQL, the broker and the S3 server are killed and started again meanwhile.
"""

import itertools
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ogaart.core.partitions import PARTITION_SET
from ogaart.core.stages import PARTITION_STAGES, STAGES
from ogaart.demo import plan
from ogaart.demo.http import Request
from ogaart.demo.model import DemoContent
from ogaart.orchestration.instance import open_instance
from ogaart.orchestration.run_reaper import GRACE, reap
from ogaart.orchestration.run_status import unfinished_runs
from ogaart.resources.catalog.generations import Generation, Generations
from ogaart.resources.storage.data_root import DataRoot
from ogaart.settings import Settings
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.cluster.servers import Redis, Worker, postgres, program
from ogaart_tests.content_digest import content_digest
from ogaart_tests.object_servers import BUCKET, s3_server
from ogaart_tests.postgres import running
from ogaart_tests.ui import REPOSITORY, dagster_ui, graphql, wait_until
from ogaart_tests.world import World, open_world

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]

DELAY = 0.1
QUEUES = {"site": ("site",), "cpu": ("cpu", "gpu")}
KILLS = {"site": "body_received:5", "cpu": "segment_drafted"}
"""Where the first worker of each kind is killed: amid the crawl, and amid embedding."""
CLUSTER_SETTINGS = ("OGAART_EXECUTOR", "OGAART_DAGSTER_DATABASE", "OGAART_CELERY_BROKER", "OGAART_CONCURRENT_RUNS")
BUCKET_SETTINGS = ("OGAART_DATABASE_URL", "OGAART_OBJECTS")
OWN_ENTRIES = 40
"""Entries of the site where each worker has its own folder: two partitions, a third of the steps less."""
QUIET = 20.0
"""Seconds without a run in progress after which none will follow: a failed one is retried before."""
LAUNCH = """mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
BACKFILL = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""


STOP = """mutation($run: String!) { terminateRun(runId: $run) { __typename } }"""


@dataclass(frozen=True)
class Story:
    """What was seen while the demo was read, processed and published by workers, and then by one process.

    Attributes:
        requests: every request that the workers sent, as the site saw it.
        requests_of_one: those of the one process, over an empty data root.
        kills: how many workers were killed.
        cut: files whose first response the site cuts, which the workers were sent.
        runs: how many runs have each status.
        launched: how many were launched and never started.
        workers: by step, the kinds of workers that executed it.
        slots: runs that hold a slot of a pool at the end.
        canceled: the status of a run that was stopped while no worker had its step.
        published: what the workers published.
        published_by_one: what the one process published.
    """

    requests: tuple[Request, ...]
    requests_of_one: tuple[Request, ...]
    kills: int
    cut: int
    runs: Counter[dg.DagsterRunStatus]
    launched: int
    workers: dict[str, set[str]]
    slots: tuple[str, ...]
    canceled: dg.DagsterRunStatus
    published: Generation
    published_by_one: Generation


class Cluster:
    """A platform whose steps are executed by workers, which are started again where they end."""

    def __init__(self, world: World, instance: dg.DagsterInstance, ui: str, logs: Path, *, shared: bool) -> None:
        self.world, self.instance = world, instance
        self.kills = 0
        self.folders: dict[str, Path] = {}
        """The data root of the newest worker of each kind."""
        self._ui, self._logs, self._shared = ui, logs, shared
        self._workers: dict[str, Worker] = {}

    def start(self, kind: str, fault: str | None = None) -> None:
        """Start a worker, in the place of the one of its kind; with a folder of its own it is a new, empty one."""
        self.stop(kind)
        data = self.world.settings.data
        if not self._shared:
            data = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=self._logs))
        self.folders[kind] = data
        self._workers[kind] = Worker(QUEUES[kind], self._logs / f"{kind}.log", fault, data)

    def stop(self, *kinds: str) -> None:
        """End the workers of these kinds."""
        for kind in kinds:
            if kind in self._workers:
                self._workers.pop(kind).kill()

    def launch(self, job: str) -> str:
        """Launch a job; returns the run's id."""
        params = {"selector": {**REPOSITORY, "jobName": job}, "mode": "default", "runConfigData": {}}
        launched = self._request(LAUNCH, params=params)["launchPipelineExecution"]
        assert "run" in launched, launched
        return str(launched["run"]["runId"])

    def run(self, job: str) -> None:
        """Launch a job and wait for its success."""
        run_id = self.launch(job)
        self.wait(lambda: self.run_of(run_id).is_finished, 600, f"{job} to end")
        assert self.run_of(run_id).is_success, [event.message for event in self.instance.all_logs(run_id)][-5:]

    def cancel(self, job: str, step: str) -> dg.DagsterRunStatus:
        """Launch a job, and stop its run once it has sent its first step; returns how the run ended."""
        run_id = self.launch(job)
        self.wait(lambda: any(e.step_key == step for e in self.instance.all_logs(run_id)), 300, f"{step} to be sent")
        self._request(STOP, run=run_id)
        self.wait(lambda: self.run_of(run_id).is_finished, 300, f"{job} to stop")
        return self.run_of(run_id).status

    def _request(self, query: str, **variables: Any) -> dict[str, Any]:
        """Send a request to the UI: after a restart of PostgreSQL each connection that it holds fails once."""
        for _ in range(10):
            try:
                return graphql(self._ui, query, **variables)
            except AssertionError as cause:
                if "server closed the connection" not in str(cause):
                    raise
        return graphql(self._ui, query, **variables)

    def materialize(self) -> None:
        """Launch a backfill of all partitions that are not in the collection, and wait until it has begun."""
        assets = [{"path": [stage.value]} for stage in PARTITION_STAGES]
        params = {"assetSelection": assets, "partitionNames": self.missing()}
        launched = self._request(BACKFILL, params=params)["launchPartitionBackfill"]
        assert "backfillId" in launched, launched
        self.wait(lambda: bool(unfinished_runs(self.instance)), 300, "the backfill to begin")

    def wait_until_quiet(self) -> None:
        """Wait until no run has been in progress for a while, and start again the workers that were killed."""
        busy_at = time.monotonic()

        def quiet() -> bool:
            nonlocal busy_at
            if unfinished_runs(self.instance):
                busy_at = time.monotonic()
            return time.monotonic() - busy_at > QUIET

        self.wait(quiet, 1200, "the runs to end")

    def missing(self) -> list[str]:
        """Partitions that are not in the collection yet."""
        done = self.instance.get_materialized_partitions(dg.AssetKey(PARTITION_STAGES[-1].value))
        return [key for key in self.instance.get_dynamic_partitions(PARTITION_SET) if key not in done]

    def run_of(self, run_id: str) -> dg.DagsterRun:
        """A run, as it is now."""
        found = self.instance.get_run_by_id(run_id)
        assert found is not None
        return found

    def wait(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait for ``condition``, and start again the workers that end meanwhile, as a service manager does."""

        def look() -> bool:
            for kind in [kind for kind, worker in self._workers.items() if worker.ended]:
                self.kills += 1
                self.start(kind)
            return condition()

        wait_until(look, seconds, what)


@contextmanager
def settings_of_one(folder: Path) -> Iterator[Settings]:
    """The environment of one process that executes everything, over a data root of its own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in (*CLUSTER_SETTINGS, *BUCKET_SETTINGS):
            patch.delenv(name, raising=False)
        patch.setenv("OGAART_DATA", str(folder / "data-of-one"))
        patch.setenv("DAGSTER_HOME", str(folder / "data-of-one" / "dagster"))
        yield Settings()


@pytest.fixture(scope="module", params=["one_folder", "own_folders"])
def story(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Discovery, a backfill during which workers and servers are killed, and a publication; then all in one."""
    folder = tmp_path_factory.mktemp("cluster")
    shared = request.param == "one_folder"
    redis = Redis(folder / "redis")
    with ExitStack() as stack:
        stack.callback(redis.stop)
        restarts = [partial(redis.restart, after=2.0)]
        if shared:
            values = {"OGAART_DAGSTER_DATABASE": stack.enter_context(postgres())}
        else:
            server = stack.enter_context(running(Path(program("initdb")).parent))
            objects = stack.enter_context(s3_server("rclone", folder / "s3"))
            restarts += [partial(objects.restart, after=2.0), partial(server.restart)]
            values = {
                "OGAART_DAGSTER_DATABASE": server.fresh("dagster").replace("postgresql:", "postgresql+psycopg2:"),
                "OGAART_DATABASE_URL": server.fresh("state"),
                "OGAART_OBJECTS": f"s3://{BUCKET}/ogaart",
                **objects.environment,
            }
        values |= {"OGAART_EXECUTOR": "celery", "OGAART_CELERY_BROKER": redis.url, "OGAART_CONCURRENT_RUNS": "3"}
        content = plan.load()
        if not shared:
            content = DemoContent(content.by_age()[:OWN_ENTRIES], content.decoys)
        with open_world(folder, ChangingSite(delay=DELAY, site=content), **values) as world:
            cut = sum(entry.cut_once for entry in content.entries)
            yield _happen(world, restarts, folder, cut=cut, shared=shared)


def _happen(world: World, restarts: Sequence[Callable[[], None]], folder: Path, *, cut: int, shared: bool) -> Story:
    site = world.site
    with dagster_ui(world) as ui, open_instance(world.settings) as instance:
        cluster = Cluster(world, instance, ui, folder, shared=shared)
        try:
            cluster.start("site")
            cluster.run("discover")
            canceled = cluster.cancel("publish", "catalog")
            for kind, fault in KILLS.items():
                cluster.start(kind, fault)
            cluster.materialize()
            for restart in restarts:
                crawled = len(site.requests)
                cluster.wait(partial(_has_sent, site, crawled + 15), 600, "the crawl to continue")
                restart()
            cluster.wait_until_quiet()
            if cluster.missing():  # a run that was hit twice is not retried again by itself
                cluster.materialize()
                cluster.wait_until_quiet()
            cluster.run("publish")
        finally:
            cluster.stop(*QUEUES)
        sent = len(site.requests)
        pools = instance.event_log_storage.get_concurrency_keys()
        slots = [slot for pool in pools for slot in instance.event_log_storage.get_concurrency_info(pool).claimed_slots]
        # As the sensor does five minutes later, of a run that was being launched when PostgreSQL was restarted.
        launched = len(reap(instance, DataRoot.of(world.settings), datetime.now(UTC) + GRACE))
        runs = Counter(run.status for run in instance.get_runs())
        workers = executed_by(instance)
    with settings_of_one(folder) as settings:
        one = World(site, settings)
        one.all()
        return Story(
            requests=tuple(site.requests[:sent]),
            requests_of_one=tuple(site.requests[sent:]),
            kills=cluster.kills,
            cut=cut,
            runs=runs,
            launched=launched,
            workers=workers,
            slots=tuple(slot.run_id for slot in slots),
            canceled=canceled,
            published=published_in(cluster.folders["cpu"]),
            published_by_one=one.generation,
        )


def _has_sent(site: ChangingSite, requests: int) -> bool:
    return len(site.requests) > requests


def published_in(data: Path) -> Generation:
    """What is in service in a data root."""
    current = Generations(data / "generations").current()
    assert current is not None
    return current


def executed_by(instance: dg.DagsterInstance) -> dict[str, set[str]]:
    """By step, the queues of the workers that executed it, as their names tell."""
    found: dict[str, set[str]] = {}
    for run in instance.get_runs():
        for entry in instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
            event = entry.dagster_event
            name = event.engine_event_data.metadata.get("Celery worker") if event is not None else None
            if name is not None:
                found.setdefault(str(entry.step_key), set()).add(str(name.value).rpartition("-")[0])
    return found


def test_steps_run_where_their_tags_say(story: Story) -> None:
    expected = {stage.value: {"site" if facts.reads_site else "cpu-gpu"} for stage, facts in STAGES.items()}

    assert {step: story.workers[step] for step in expected} == expected
    assert story.workers["sweep_queries"] == {"site"}


def test_the_content_is_that_of_one_process(story: Story) -> None:
    assert content_digest(story.published) == content_digest(story.published_by_one)


def test_a_kill_repeats_one_request_at_most(story: Story) -> None:
    assert story.kills == len(KILLS)
    assert len(story.requests) <= len(story.requests_of_one) + story.cut + story.kills


def test_the_delay_at_the_server_is_never_short(story: Story) -> None:
    times = [request.at for request in story.requests]

    assert min(after - before for before, after in itertools.pairwise(sorted(times))) >= DELAY - 0.005


def test_no_slot_stays_taken_and_no_run_stays_open(story: Story) -> None:
    assert story.slots == ()
    assert story.canceled == dg.DagsterRunStatus.CANCELED
    assert set(story.runs) <= {
        dg.DagsterRunStatus.SUCCESS,
        dg.DagsterRunStatus.FAILURE,
        dg.DagsterRunStatus.CANCELED,
    }
    assert story.runs[dg.DagsterRunStatus.FAILURE] <= story.kills + story.launched
    assert story.launched <= 1
