"""Runs whose process is gone: marked as failed, and their pool slots and lock files freed, at the next look.

A run worker holds its lock file while it runs, and a lease where hosts share a database. After a SIGKILL of the whole
tree Dagster is not notified: such a run would stay STARTED and keep its slots, or NOT_STARTED and keep its partitions
from others. A run that is queued waits for the daemon, and is left alone.
"""

from collections.abc import Collection
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from ogaart.core.process_identity import is_alive, this_process
from ogaart.orchestration.run_status import LAUNCHED
from ogaart.resources.objects.store import ObjectsRefused
from ogaart.resources.state.database import StateDamaged, StateDatabase, StateRefused
from ogaart.resources.state.leases import live_leases
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.lock_names import bus_error_note, run_lock
from ogaart.resources.storage.locks import forget_free, is_free
from ogaart.settings import Settings
from ogaart.workers.bus_errors import disk_full

PROCESS_TAG = ".dagster/ogaart_process"
"""Tag of runs that a command started in its own process, with its ``this_process``. The UI hides tags that begin so."""

GRACE = timedelta(minutes=5)
"""Time in which a launched run may not have taken its lock yet."""


def process_tag() -> dict[str, str]:
    """The tag that names this process, so that its runs are known to be dead once it is."""
    return {PROCESS_TAG: this_process()}


def reap_for(settings: Settings, instance: dg.DagsterInstance) -> list[str]:
    """As ``reap``; nothing while it is not known which runs live on other hosts, that is, without the database."""
    try:
        with closing(StateDatabase(settings)) as state:
            leased = {lease.what for lease in live_leases(state)}
    except (StateRefused, StateDamaged, ObjectsRefused):
        return []
    return reap(instance, DataRoot.of(settings), leased=leased)


def reap(
    instance: dg.DagsterInstance, root: DataRoot, now: datetime | None = None, leased: Collection[str] = ()
) -> list[str]:
    """Mark every launched run whose process is gone as failed; returns their ids.

    Files of the locks of runs that have ended are deleted: a process may be killed behind its run's end.

    Args:
        instance: Dagster's instance.
        root: the data root.
        now: the time.
        leased: runs in progress on any host, by their leases.
    """
    files = [*(folder := run_lock(root, "any").parent).glob("*.lock"), *folder.glob("*.bus")]
    records = instance.get_run_records(dg.RunsFilter(statuses=list(LAUNCHED)))
    reaped = []
    for record in records:
        run = record.dagster_run
        since = record.update_timestamp.replace(tzinfo=record.update_timestamp.tzinfo or UTC)
        lock = run_lock(root, run.run_id)
        if run.run_id in leased or _alive(run.tags.get(PROCESS_TAG), lock, since, now or datetime.now(UTC)):
            continue
        newest = instance.get_run_by_id(run.run_id)
        if newest is None or newest.status not in LAUNCHED:
            continue  # it ended in good order meanwhile: a run's end is stored before its process ends
        note = bus_error_note(root, run.run_id)
        instance.report_run_failed(run, _what_ended_it(note, root))
        note.unlink(missing_ok=True)
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
        forget_free(lock)
        reaped.append(run.run_id)
    launched = {record.dagster_run.run_id for record in records}
    for run_id in {file.stem for file in files} - launched:
        newest = instance.get_run_by_id(run_id)
        if (newest is None or newest.is_finished) and forget_free(run_lock(root, run_id)):
            bus_error_note(root, run_id).unlink(missing_ok=True)
    return reaped


def _what_ended_it(note: Path, root: DataRoot) -> str:
    """Why a run's process is gone, as far as it is known."""
    if note.exists():
        return f"The process of this run is gone: {disk_full(root.root)}"
    return "The process of this run is gone (killed, or the machine went down)."


def _alive(process: str | None, lock: Path, since: datetime, now: datetime) -> bool:
    seen = is_alive(process) if process is not None else None
    if seen is not None:
        return seen
    if lock.exists():
        return not is_free(lock)
    return now - since < GRACE
