"""Runs whose process is gone: marked as failed, and their pool slots freed, at the next look.

A run worker holds its lock file while it runs. After a SIGKILL of the whole tree Dagster is not notified: such a run
would stay STARTED and keep its slots, or NOT_STARTED and keep its partitions from others. A run that is queued waits
for the daemon, and is left alone.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psutil

from ogaart.orchestration.run_status import LAUNCHED
from ogaart.resources.storage.atomic_files import HOST_SPACE, process_mark, process_space
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.lock_names import bus_error_note, run_lock
from ogaart.resources.storage.locks import forget, is_free
from ogaart.workers.bus_errors import disk_full

PROCESS_TAG = ".dagster/ogaart_process"
"""Tag of runs that a command started in its own process: its ``process_mark`` and start time, with a colon between.

The UI hides tags that begin so.
"""
FORMER_PROCESS_TAG = "ogaart/process"
"""The same tag on runs of versions in which the UI showed it."""

GRACE = timedelta(minutes=5)
"""Time in which a launched run may not have taken its lock yet."""


def process_tag() -> dict[str, str]:
    """The tag that names this process, so that its runs are known to be dead once it is."""
    me = psutil.Process()
    return {PROCESS_TAG: f"{process_mark()}:{me.create_time():.2f}"}


def reap(instance: dg.DagsterInstance, root: DataRoot, now: datetime | None = None) -> list[str]:
    """Mark every launched run whose process is gone as failed; returns their ids."""
    records = instance.get_run_records(dg.RunsFilter(statuses=list(LAUNCHED)))
    reaped = []
    for record in records:
        run = record.dagster_run
        since = record.update_timestamp.replace(tzinfo=record.update_timestamp.tzinfo or UTC)
        lock = run_lock(root, run.run_id)
        process = run.tags.get(PROCESS_TAG) or run.tags.get(FORMER_PROCESS_TAG)
        if _alive(process, lock, since, now or datetime.now(UTC)):
            continue
        note = bus_error_note(root, run.run_id)
        instance.report_run_failed(run, _what_ended_it(note, root))
        note.unlink(missing_ok=True)
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        forget(lock)
        reaped.append(run.run_id)
    return reaped


def _what_ended_it(note: Path, root: DataRoot) -> str:
    """Why a run's process is gone, as far as it is known."""
    if note.exists():
        return f"The process of this run is gone: {disk_full(root.root)}"
    return "The process of this run is gone (killed, or the machine went down)."


def _alive(process: str | None, lock: Path, since: datetime, now: datetime) -> bool:
    if process is not None and _is_visible(process):
        mark, _, started = process.partition(":")
        pid = mark.partition("n")[0]
        try:
            return f"{psutil.Process(int(pid)).create_time():.2f}" == started
        except psutil.NoSuchProcess:
            return False
    if lock.exists():
        return not is_free(lock)
    return now - since < GRACE


def _is_visible(process: str) -> bool:
    """Whether the process of a tag would be seen from here: that of another container is not."""
    _, _, space = process.partition(":")[0].partition("n")
    return int(space or HOST_SPACE) == process_space()
