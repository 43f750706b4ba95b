"""A platform whose steps are executed by Celery workers, as tests start, kill and follow it."""

import tempfile
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import dagster as dg

from ogaart.core.partitions import PARTITION_SET
from ogaart.core.stages import PARTITION_STAGES, Stage
from ogaart.orchestration.run_status import unfinished_runs
from ogaart_tests.cluster.servers import Worker
from ogaart_tests.ui import REPOSITORY, graphql, wait_until
from ogaart_tests.world import World

QUEUES = {"site": ("site",), "cpu": ("cpu", "gpu")}
"""The kinds of workers, with the queues of each."""
LAUNCH = """mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
BACKFILL = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
LOOK = """{ runsOrError(limit: 1) { ... on Runs { results { id stepStats { stepKey } } } } }"""
STOP = """mutation($run: String!) { terminateRun(runId: $run) { __typename } }"""
ASSETS = "__ASSET_JOB"
"""Dagster's job of any assets."""
WILL_RETRY, RETRIED_BY = "dagster/will_retry", "dagster/auto_retry_run_id"
"""Dagster's tags of a failed run: whether its daemon retries it, and by which run it has."""


class Cluster:
    """A platform whose steps are executed by workers, which are started again where they end.

    Args:
        world: the platform.
        instance: its Dagster instance.
        ui: the UI's base URL.
        logs: where the workers' output goes.
        shared: whether the workers share the world's data root; otherwise each has an empty folder of its own.
    """

    def __init__(self, world: World, instance: dg.DagsterInstance, ui: str, logs: Path, *, shared: bool) -> None:
        self.world, self.instance = world, instance
        self.kills = 0
        self.folders: dict[str, Path] = {}
        """The data root of the newest worker of each kind."""
        self._ui, self._logs, self._shared = ui, logs, shared
        self._workers: dict[str, Worker] = {}
        self._faults: dict[str, list[str]] = {}

    def start(self, kind: str, *faults: str) -> None:
        """Start a worker, in the place of the one of its kind; with a folder of its own it is a new, empty one.

        Args:
            kind: its kind.
            faults: where it is killed, and those that are started in its place.
        """
        self.stop(kind)
        data = self.world.settings.data
        if not self._shared:
            data = Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=self._logs))
        self.folders[kind] = data
        first, self._faults[kind] = next(iter(faults), None), list(faults[1:])
        self._workers[kind] = Worker(QUEUES[kind], self._logs / f"{kind}.log", first, data)

    def stop(self, *kinds: str) -> None:
        """End the workers of these kinds."""
        for kind in kinds:
            if kind in self._workers:
                self._workers.pop(kind).kill()

    def launch(self, job: str, stages: Collection[Stage] = (), partition: str | None = None) -> str:
        """Launch a job, or these stages of a partition; returns the run's id."""
        selector: dict[str, Any] = {**REPOSITORY, "jobName": job}
        if stages:
            selector["assetSelection"] = [{"path": [stage.value]} for stage in stages]
        params: dict[str, Any] = {"selector": selector, "mode": "default", "runConfigData": {}}
        if partition is not None:
            params["executionMetadata"] = {"tags": [{"key": "dagster/partition", "value": partition}]}
        launched = graphql(self._ui, LAUNCH, params=params)["launchPipelineExecution"]
        assert "run" in launched, launched
        return str(launched["run"]["runId"])

    def run(self, job: str) -> None:
        """Launch a job and wait for its success."""
        run_id = self.launch(job)
        self.wait(lambda: self.run_of(run_id).is_finished, 600, f"{job} to end")
        assert self.run_of(run_id).is_success, [event.message for event in self.instance.all_logs(run_id)][-5:]

    def complete(self, *launches: Callable[[], str], meanwhile: Callable[[], None] = lambda: None) -> None:
        """Launch runs beside each other, and wait until each has succeeded, or a retry of it.

        What was hit twice is not retried again by itself: it is launched once more.

        Args:
            launches: each launches a run, and returns its id.
            meanwhile: what is done then, before it is waited for them.
        """
        runs = [(launch, launch()) for launch in launches]
        meanwhile()
        self.wait_until_idle()
        again = [launch() for launch, run_id in runs if not self._succeeded(run_id)]
        self.wait_until_idle()
        for run_id in again:
            assert self._succeeded(run_id), [event.message for event in self.instance.all_logs(run_id)][-5:]

    def cancel(self, run_id: str, step: str, *, begun: bool) -> dg.DagsterRunStatus:
        """Stop a run once a step of it has been sent, or a worker has begun it; returns how the run ended."""

        def is_there() -> bool:
            events = [entry.dagster_event for entry in self.instance.all_logs(run_id) if entry.step_key == step]
            return any(event is not None and (event.is_step_start or not begun) for event in events)

        self.wait(is_there, 300, f"{step} to be {'begun' if begun else 'sent'}")
        graphql(self._ui, STOP, run=run_id)
        self.wait(lambda: self.run_of(run_id).is_finished, 300, f"the run of {step} to stop")
        return self.run_of(run_id).status

    def materialize(self) -> None:
        """Launch a backfill of all partitions that are not in the collection, and wait until it has begun."""
        assets = [{"path": [stage.value]} for stage in PARTITION_STAGES]
        params = {"assetSelection": assets, "partitionNames": self.missing()}
        launched = graphql(self._ui, BACKFILL, params=params)["launchPartitionBackfill"]
        assert "backfillId" in launched, launched
        self.wait(lambda: bool(unfinished_runs(self.instance)), 300, "the backfill to begin")

    def wait_until_idle(self) -> None:
        """Wait until no run is in progress and none that failed is about to be retried."""
        self.wait(self._is_idle, 1200, "the runs to end")

    def partitions(self) -> list[str]:
        """All partitions that were discovered."""
        return sorted(self.instance.get_dynamic_partitions(PARTITION_SET))

    def missing(self) -> list[str]:
        """Partitions that are not in the collection yet."""
        done = self.instance.get_materialized_partitions(dg.AssetKey(PARTITION_STAGES[-1].value))
        return [key for key in self.partitions() if key not in done]

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
                self.start(kind, *self._faults[kind])
            return condition()

        wait_until(look, seconds, what)

    def reconnect(self) -> None:
        """Let the UI notice that PostgreSQL was restarted: its next request fails, and a launch would in its middle."""

        def answers() -> bool:
            try:
                return bool(graphql(self._ui, LOOK))
            except AssertionError as cause:
                if "OperationalError" not in str(cause):
                    raise
                return False

        self.wait(answers, 120, "the UI to connect again")

    def _succeeded(self, run_id: str) -> bool:
        """Whether a run or a retry of it has succeeded."""
        group = self.instance.get_run_group(run_id)
        runs = [self.run_of(run_id)] if group is None else group[1]
        return any(run.is_success for run in runs)

    def _is_idle(self) -> bool:
        failed = self.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        return not unfinished_runs(self.instance) and not any(map(_is_to_be_retried, failed))


def _is_to_be_retried(run: dg.DagsterRun) -> bool:
    """Whether the daemon has yet to retry a failed run; without the first tag it has yet to decide."""
    return run.tags.get(WILL_RETRY, "true") == "true" and RETRIED_BY not in run.tags
