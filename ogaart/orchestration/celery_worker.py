"""``ogaart worker``: a Celery worker that executes steps over this host's data root."""

import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from celery import Celery, signals
from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_task

from ogaart.core.json_logs import log_as_json
from ogaart.orchestration.celery_executor import app_arguments, liveness
from ogaart.orchestration.instance import prepare_home
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.lock_names import task_lock
from ogaart.resources.storage.locks import forget, is_free
from ogaart.settings import Settings

STEPS_PER_PROCESS = 50
"""Steps after which a process of the worker is replaced, so that memory that libraries keep is returned."""
_FORGOTTEN_AFTER = 86_400.0
"""Seconds after which the lock of a task whose run is gone is deleted."""


def serve_steps(settings: Settings, queues: Sequence[str], processes: int) -> int:
    """Execute steps until this process is stopped; a step in progress is completed first.

    Args:
        settings: the settings; the data root and the broker are theirs.
        queues: names of the queues to take steps from.
        processes: steps at a time.

    Returns:
        The exit code.

    Raises:
        DataRootRefused: another host owns the data root.
    """
    prepare_home(settings)
    root = DataRoot.of(settings)
    forget_old_tasks(root)
    app = make_app(app_arguments(settings))
    create_task(app, resultrepr_maxsize=1)  # its log would repeat all events of the step
    show_tasks(settings, app)
    if settings.log_format == "json":
        signals.setup_logging.connect(lambda **_: log_as_json(), weak=False)
    return _serve(app, queues, processes)


def _serve(app: Celery, queues: Sequence[str], processes: int) -> int:
    arguments = [
        "worker",
        f"--queues={','.join(queues)}",
        f"--concurrency={processes}",
        "--pool=prefork",
        f"--hostname={'-'.join(queues)}-{uuid.uuid4().hex[:6]}@%h",
        f"--max-tasks-per-child={STEPS_PER_PROCESS}",
        "--loglevel=INFO",
        "--without-gossip",
        "--without-mingle",
    ]
    try:
        app.worker_main(arguments)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 1
    return 0


def show_tasks(settings: Settings, app: Celery) -> None:
    """Let each process of the worker show that it executes a task, for as long as it lives."""
    held: dict[str, ExitStack] = {}

    def begin(task_id: str, **_: Any) -> None:
        held[task_id] = ExitStack()
        held[task_id].enter_context(liveness(settings, app, task_id).executing())

    def end(task_id: str, **_: Any) -> None:
        held.pop(task_id, ExitStack()).close()

    signals.task_prerun.connect(begin, weak=False)
    signals.task_postrun.connect(end, weak=False)


def forget_old_tasks(root: DataRoot) -> None:
    """Delete locks of tasks whose runs ended without looking at them."""
    for path in task_lock(root, "any").parent.glob("*.lock"):
        if path.stat().st_mtime < time.time() - _FORGOTTEN_AFTER and is_free(path):
            forget(path)
