"""The one place where private modules of Dagster are imported; all else in ogaart uses its public interface.

Dagster has no public name for what is here. An upgrade of Dagster that moves one of them breaks this file alone; the
test of this module states what each is for.
"""

import runpy
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory
from dagster._check import CheckError
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._core.execution import context_creation_job
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext
from dagster._core.execution.retries import RetryMode as RetryMode
from dagster._core.executor import in_process
from dagster._core.scheduler.instigation import InstigatorStatus
from dagster._core.storage.sql import ALEMBIC_SCRIPTS_LOCATION
from dagster._utils.interrupts import check_captured_interrupt
from sqlalchemy.exc import InternalError

from ogaart.orchestration.run_reaper import reap_for
from ogaart.settings import Settings

if TYPE_CHECKING:
    from starlette.applications import Starlette

BACKFILL_TAG = "dagster/backfill"
"""Tag of a backfill's runs; its value is the backfill's id."""

LOCATION = "ogaart"
"""Name of the code location."""
REPOSITORY_TAGS = {".dagster/repository": f"__repository__@{LOCATION}"}
"""Tags of a run of the code location: the UI lists those on a job's page, and no runs without them."""

CONFIG_ERRORS = (dg.DagsterError, CheckError, AttributeError, ImportError, LookupError, TypeError, ValueError)
"""What Dagster raises for a dagster.yaml with a key or a value that it does not know."""

_OPEN_BACKFILLS = [BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING, BulkActionStatus.FAILING]

_ENGINES = 64
"""Each keeps what it compiled: two databases of an instance, and the newest of one for each run."""

_CLAIM_PAUSE = 0.5
"""Seconds between two looks at whether a run that waits for a pool slot is to end."""
_REAP_PAUSE = 5.0
"""Seconds between two looks at whether the slot is held by a run whose process is gone."""


class InterruptibleClaims(InstanceConcurrencyContext):
    """Pool slots of a run. Dagster notes a signal while a run waits for a slot, and acts on it once it has the slot.

    Its own wait does not sleep either (``interval_to_next_pending_claim_check`` is never positive), and it waits for
    ever where the holder was killed: without a daemon only those who wait can notice that. In PostgreSQL it fails
    where two runs are the first to claim from a pool: the second one's row is refused, and after that its transaction.
    """

    _reaped_at = -_REAP_PAUSE

    def claim(self, concurrency_key: str, step_key: str, step_priority: int = 0) -> bool:
        """Whether the run has the slot; it waits a moment where not."""
        try:
            claimed = super().claim(concurrency_key, step_key, step_priority)
        except InternalError:
            self._pending_claims.discard(step_key)
            self._sync_pools()  # with the row of the other run
            claimed = super().claim(concurrency_key, step_key, step_priority)
        if claimed:
            return True
        if check_captured_interrupt():
            raise DagsterExecutionInterruptedError(
                f"interrupted while waiting for a slot of the pool {concurrency_key}"
            )
        if time.monotonic() - self._reaped_at >= _REAP_PAUSE:
            reap_for(Settings(), self._instance)
            self._reaped_at = time.monotonic()
        time.sleep(_CLAIM_PAUSE)
        return False


@contextmanager
def interruptible_claims(module: Any = in_process) -> Iterator[None]:
    """Let SIGTERM and Ctrl-C end a run of this process also while it waits for a pool slot.

    ``execute_in_process`` always uses Dagster's own executor, so the class that it makes is replaced meanwhile.

    Args:
        module: the module of the executor that waits.
    """
    before = module.InstanceConcurrencyContext
    module.InstanceConcurrencyContext = InterruptibleClaims
    try:
        yield
    finally:
        module.InstanceConcurrencyContext = before


class _Executor(in_process.InProcessExecutor):
    def execute(self, *arguments: Any, **named: Any) -> Iterator[Any]:
        with interruptible_claims():
            yield from super().execute(*arguments, **named)


def interruptible_executor() -> dg.ExecutorDefinition:
    """Dagster's in-process executor, whose waits for a pool slot end with the run."""
    original: Any = dg.in_process_executor

    def create(context: dg.InitExecutorContext) -> dg.Executor:
        made = original.executor_creation_fn(context)
        return _Executor(made.retries, made.step_dependency_config, made.marker_to_close)

    return dg.ExecutorDefinition(
        original.name, original.config_schema, executor_creation_fn=create, description=original.description
    )


def keep_compiled() -> None:
    """Let Dagster make once in this process what it makes again for each query and each database over SQLite.

    For each query it makes an engine, which compiles the query again, and with each database that it opens it reads its
    sixty migrations. Both depend on a path and on the installed package alone. Connections are opened and closed as
    ever.
    """
    from dagster._core.storage.event_log.sqlite import sqlite_event_log
    from dagster._core.storage.runs.sqlite import sqlite_run_storage
    from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage

    storages: list[Any] = [sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage]
    for module in storages:
        module.create_engine = _engine
    migrations: Any = ScriptDirectory
    migrations.from_config = _migrations


def _engine(url: str, **options: Any) -> sa.Engine:
    arguments = options.pop("connect_args", {})
    if options != {"poolclass": sa.NullPool}:
        return sa.create_engine(url, connect_args=arguments, **options)  # another Dagster, which may share it itself
    return _kept_engine(url, tuple(sorted(arguments.items())))


@lru_cache(_ENGINES)
def _kept_engine(url: str, arguments: tuple[tuple[str, Any], ...]) -> sa.Engine:
    return sa.create_engine(url, poolclass=sa.NullPool, connect_args=dict(arguments))


_read_migrations = ScriptDirectory.from_config


def _migrations(config: Config) -> ScriptDirectory:
    """The migrations that a configuration names, read once where they are Dagster's."""
    is_dagsters = config.get_main_option("script_location") == ALEMBIC_SCRIPTS_LOCATION
    return _kept_migrations(config) if is_dagsters else _read_migrations(config)


_kept_migrations = cache(_read_migrations)


@contextmanager
def partitions_read_once(instance: dg.DagsterInstance) -> Iterator[None]:
    """Let the steps of a run look up in Dagster's database once which partitions there are.

    Dagster looks them up for each step and for each partition whose metadata it is told, each time on a connection of
    its own. For runs of assets: they add no partition.
    """
    names = ("get_dynamic_partitions", "has_dynamic_partition")
    for name in names:
        setattr(instance, name, cache(getattr(instance, name)))
    try:
        yield
    finally:
        for name in names:
            delattr(instance, name)


def celery_execution(plan_context: Any, plan: Any, track: Callable[..., Any]) -> Iterator[Any]:
    """Execute a plan by dagster-celery's own loop: one task for each step, in the queue that its tag names.

    Args:
        plan_context: the run's context.
        plan: its execution plan.
        track: called with the run's context, the step and the result of the task that was sent for it; returns what
            the loop looks at instead.
    """
    from dagster_celery import core_execution_loop
    from dagster_celery.executor import _submit_task

    def submit(app: Any, context: Any, step: Any, queue: str, priority: int, known_state: Any) -> Any:
        return track(context, step, _submit_task(app, context, step, queue, priority, known_state))

    with interruptible_claims(core_execution_loop):
        yield from core_execution_loop.core_celery_execution_loop(plan_context, plan, step_execution_fn=submit)


def log_runs_with(console: dg.LoggerDefinition) -> None:
    """Let the runs of this process log to the terminal with ``console``, in the place of Dagster's coloured lines.

    A logger of the definitions is used only by runs whose config names it, which those of backfills do not.
    """
    module: Any = context_creation_job

    def loggers(instance: dg.DagsterInstance | None) -> list[tuple[dg.LoggerDefinition, dict[str, str]]]:
        level = (instance.python_log_level if instance is not None else None) or "DEBUG"
        return [(console, {"name": "dagster", "log_level": level})]

    module.default_system_loggers = loggers


def is_schedule_on(instance: dg.DagsterInstance, name: str) -> bool:
    """Whether the schedule ``name`` was turned on."""
    states = instance.all_instigator_state(
        instigator_type=InstigatorType.SCHEDULE, instigator_statuses={InstigatorStatus.RUNNING}
    )
    return any(state.instigator_name == name for state in states)


def open_backfills(instance: dg.DagsterInstance) -> list[str]:
    """Ids of the backfills that have not ended."""
    found = instance.get_backfills(filters=BulkActionsFilter(statuses=_OPEN_BACKFILLS))
    return [backfill.backfill_id for backfill in found]


@contextmanager
def code_servers(instance: dg.DagsterInstance, module: str, name: str) -> Iterator[Sequence[dict[str, Any]]]:
    """Run a code server for ``module`` under the location name ``name``, and restart it where it ends.

    Yields:
        The entries of a workspace file that lead to it.
    """
    from dagster._cli.proxy_server_manager import ProxyServerManager
    from dagster._core.workspace.load_target import ModuleTarget

    target = ModuleTarget(module_name=module, attribute=None, working_directory=None, location_name=name)
    with ProxyServerManager(instance, target, code_server_log_level="warning") as manager:
        yield [{key: dict(value) for key, value in spec.items()} for spec in manager.get_code_server_specs()]


@contextmanager
def webserver_app(instance: dg.DagsterInstance, workspace: Path) -> Iterator["Starlette"]:
    """The Dagster UI as an ASGI application, over the code servers that a workspace file names."""
    from dagster._core.workspace.context import WorkspaceProcessContext
    from dagster._core.workspace.load_target import WorkspaceFileTarget
    from dagster_webserver.app import create_app_from_workspace_process_context

    instance.optimize_for_webserver(statement_timeout=15_000, pool_recycle=3_600, max_overflow=20)
    target = WorkspaceFileTarget(paths=[str(workspace)])
    with WorkspaceProcessContext(instance, version=dg.__version__, workspace_load_target=target) as context:
        yield create_app_from_workspace_process_context(context, live_data_poll_rate=2_000)


def run_daemon(workspace: Path) -> None:
    """Run Dagster's daemon in this process, as the command ``dagster-daemon run`` does, until it is interrupted."""
    formats = ["--log-format", "json"] if Settings().log_format == "json" else []
    sys.argv = ["dagster-daemon", "run", "--workspace", str(workspace), "--code-server-log-level", "warning", *formats]
    runpy.run_module("dagster._daemon", run_name="__main__")
