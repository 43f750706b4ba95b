"""Steps sent to Celery workers, and how a run notices that the worker of a step was killed.

A task is acknowledged when a worker starts it, and never delivered twice: a step of the site may last for hours, longer
than any time after which a broker could take a worker for dead. Instead the worker shows that it lives while it
executes a step (``task_liveness``). Where it does not and no result has arrived, the worker is gone: the run fails at
once, frees its pool slots, and is retried by Dagster's daemon.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import dagster as dg
from celery import Celery
from celery.exceptions import TaskRevokedError
from celery.result import AsyncResult
from dagster_celery.executor import CeleryExecutor

from ogaart.orchestration.dagster_internals import RetryMode, celery_execution
from ogaart.orchestration.task_liveness import TaskBeat, TaskLiveness, TaskLock
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.lock_names import run_lock
from ogaart.resources.storage.locks import hold_together
from ogaart.settings import Settings

BROKER = "redis://127.0.0.1:6379/0"
"""URL of the broker where no setting names one."""

LOST_AFTER = 5.0
"""Seconds without a sign of life or a result after which the worker of a step counts as killed."""

CONFIGURATION = {
    "task_default_queue": "cpu",
    "task_default_priority": 5,
    # A worker fetches a task only when it can execute it: a task that waits inside a killed worker would be lost.
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,
    "worker_redirect_stdouts": False,  # Dagster captures the output of steps itself
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    # Of a worker that was killed between fetching and acknowledging a task, which takes milliseconds.
    "broker_transport_options": {"visibility_timeout": 300, "socket_keepalive": True},
    "result_backend_always_retry": True,
    "result_backend_max_retries": 60,
    "result_expires": 7 * 86_400,
    "task_publish_retry_policy": {"max_retries": 60, "interval_start": 0.5, "interval_step": 0.5, "interval_max": 5},
}
"""Celery's own settings, the same for runs and workers; a broker that restarts is waited for."""


class WorkerLost(RuntimeError):
    """The worker that executed a step was killed, or its machine went down."""


def app_arguments(settings: Settings) -> dict[str, Any]:
    """The arguments of the Celery application, as dagster-celery's ``make_app`` takes them."""
    broker = settings.celery_broker.get_secret_value() if settings.celery_broker else BROKER
    return {"broker": broker, "backend": broker, "config_source": CONFIGURATION}


def liveness(settings: Settings, app: Celery, task_id: str) -> TaskLock | TaskBeat:
    """How the run of a step and its worker know of each other: by files where they share the data root."""
    return (
        TaskLock(DataRoot.of(settings), task_id) if settings.objects is None else TaskBeat(app.backend.client, task_id)
    )


class StepResult:
    """The result of a step that was sent to a worker, for dagster-celery's loop; it also ends where the worker did.

    Args:
        sent: the task's own result.
        worker: whether the worker that executes it lives.
        stored_events: the events of the step as Dagster's event log has them, if it has ended there; else nothing.
        free_slots: frees the step's pool slots. Dagster's daemon does so for runs that have ended, but up to a minute
            later, and until then no other run gets the slot.
    """

    def __init__(
        self,
        sent: AsyncResult,
        worker: TaskLiveness,
        stored_events: Callable[[], list[str]],
        free_slots: Callable[[], None],
    ) -> None:
        self._sent = sent
        self._worker = worker
        self._stored_events = stored_events
        self._free_slots = free_slots
        self._free_since: float | None = None
        self._revoked_at: float | None = None
        self._lost = False

    def ready(self) -> bool:
        """Whether the step has ended, in whichever way."""
        if self._sent.ready():
            return True
        now = time.monotonic()
        if not self._worker.begun():  # not started: a task that was revoked then is never reported by any worker
            return self._revoked_at is not None and now - self._revoked_at > LOST_AFTER
        if self._worker.alive():
            self._free_since = None
            return False
        self._free_since = self._free_since or now
        self._lost = now - self._free_since > LOST_AFTER
        return self._lost

    def get(self) -> list[str]:
        """The step's events, serialized.

        Raises:
            WorkerLost: the worker was killed before the step had ended.
            celery.exceptions.TaskRevokedError: the run was stopped before a worker had started the step.
        """
        try:
            if self._sent.ready():
                return list(self._sent.get())
            if not self._lost:
                self._free_slots()
                raise TaskRevokedError("the run was stopped before a worker had started this step")
            events = self._stored_events()  # the step may have ended while its result could not be delivered
            if not events:
                self._free_slots()
                raise WorkerLost(
                    "the worker that executed this step was killed, or its machine went down; what it had stored is "
                    "kept, and the next run continues from there"
                )
            return events
        finally:
            self._sent.forget()
            self._worker.forget()

    def revoke(self) -> None:
        """Stop the step: a worker that executes it ends it as it would at SIGTERM."""
        self._revoked_at = time.monotonic()
        self._sent.revoke(terminate=True, signal="SIGTERM")


class StepsOnWorkers(CeleryExecutor):
    """dagster-celery's executor over one data root, whose runs notice workers that are gone."""

    @classmethod
    def of(cls, settings: Settings) -> "StepsOnWorkers":
        """The executor that the settings describe."""
        return cls(retries=RetryMode.ENABLED, **app_arguments(settings))

    def execute(self, plan_context: Any, execution_plan: Any) -> Iterator[dg.DagsterEvent]:
        """Send each step to the queue of its worker; this process only waits, and shows the run to be alive."""
        settings = Settings()
        root = DataRoot.of(settings)
        run_id = plan_context.dagster_run.run_id

        def track(context: Any, step: Any, sent: AsyncResult) -> StepResult:
            events = partial(ended_step, context.instance, run_id, step.key)
            free = partial(context.instance.event_log_storage.free_concurrency_slot_for_step, run_id, step.key)
            return StepResult(sent, liveness(settings, sent.app, str(sent.id)), events, free)

        with hold_together(run_lock(root, run_id), what=f"run {run_id}"):
            yield from celery_execution(plan_context, execution_plan, track)


def ended_step(instance: dg.DagsterInstance, run_id: str, step_key: str) -> list[str]:
    """The events of a step, serialized, if Dagster's event log tells that it has ended; else nothing."""
    found = [entry.dagster_event for entry in instance.all_logs(run_id) if entry.step_key == step_key]
    events = [event for event in found if event is not None]
    if not any(event.is_step_success or event.is_step_failure or event.is_step_up_for_retry for event in events):
        return []
    return [dg.serialize_value(event) for event in events]
