"""``ogaart gc --runs``: deletes old Dagster runs, except those that the UI's partition status depends on.

Deleting a run makes the partitions it materialized last unmaterialized again, and leaves the run's own database file
on disk: so those runs are kept, and that file is removed here.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from dagster._core.storage.dagster_run import IN_PROGRESS_RUN_STATUSES
from dagster._core.storage.tags import BACKFILL_ID_TAG

from ogaart.core.report import Report
from ogaart.definitions import defs
from ogaart.orchestration.instance import open_instance
from ogaart.settings import Settings

COLUMNS = ("what", "items", "MB", "deleted")
_BATCH = 500


def collect(settings: Settings, *, keep: int, delete: bool = False) -> Report:
    """List old runs and the files of runs already deleted, and delete them if ``delete`` is set.

    Args:
        settings: the settings.
        keep: how many of the newest runs to keep in any case.
        delete: delete; otherwise only list.
    """
    report = Report(COLUMNS)
    with open_instance(settings) as instance:
        needed = {*newest(instance, keep), *in_progress(instance), *last_of_each(instance), *last_checks(instance)}
        runs = {record.dagster_run.run_id for record in _records(instance)}
        doomed = sorted(runs - needed)
        files = {run: _files(settings.data / "dagster", run) for run in doomed}
        leftovers = sorted(_leftovers(settings.data / "dagster", runs))
        size = sum(_size(path) for paths in files.values() for path in paths)
        if delete:
            for run in doomed:
                instance.delete_run(run)
                for path in files[run]:
                    _remove(path)
            for path in leftovers:
                _remove(path)
    shown = "yes" if delete else "no"
    report.rows.append({"what": "runs", "items": len(doomed), "MB": round(size / 1e6, 3), "deleted": shown})
    size = 0 if delete else sum(_size(path) for path in leftovers)
    report.rows.append(
        {"what": "files of deleted runs", "items": len(leftovers), "MB": round(size / 1e6, 3), "deleted": shown}
    )
    report.rows.append({"what": "runs kept", "items": len(runs) - len(doomed), "MB": "", "deleted": ""})
    if (doomed or leftovers) and not delete:
        report.errors.append("Nothing deleted (dry run). Run `ogaart gc --runs --yes` to delete.")
    return report


def newest(instance: dg.DagsterInstance, count: int) -> set[str]:
    """The newest runs, which users still look at."""
    return {record.dagster_run.run_id for record in instance.get_run_records(limit=count)} if count else set()


def in_progress(instance: dg.DagsterInstance) -> set[str]:
    """Runs that have not ended, and all runs of backfills that have not."""
    found = [*instance.get_runs(dg.RunsFilter(statuses=list(IN_PROGRESS_RUN_STATUSES)))]
    for backfill in instance.get_backfills():
        if not backfill.status.value.startswith(("COMPLETED", "FAILED", "CANCELED")):
            found += instance.get_runs(dg.RunsFilter(tags={BACKFILL_ID_TAG: backfill.backfill_id}))
    return {run.run_id for run in found}


def last_of_each(instance: dg.DagsterInstance) -> set[str]:
    """The run of the last materialization, and of the last failed attempt, of each asset's every partition."""
    storage = instance.event_log_storage
    needed: set[str] = set()
    for record in instance.get_asset_records():
        key = record.asset_entry.asset_key
        last = record.asset_entry.last_materialization_record
        if last is not None:
            needed.add(last.run_id)
        latest = storage.get_latest_storage_id_by_partition(key, dg.DagsterEventType.ASSET_MATERIALIZATION)
        ids = list(latest.values())
        for start in range(0, len(ids), _BATCH):
            chosen = dg.AssetRecordsFilter(asset_key=key, storage_ids=ids[start : start + _BATCH])
            needed |= {found.run_id for found in storage.fetch_materializations(chosen, limit=_BATCH).records}
        attempts = storage.get_latest_asset_partition_materialization_attempts_without_materializations(key)
        needed |= {run for run, _ in attempts.values()}
    return needed


def last_checks(instance: dg.DagsterInstance) -> set[str]:
    """The run of the last evaluation of each asset check."""
    keys = sorted(defs().get_repository_def().asset_graph.asset_check_keys)
    found = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys) if keys else {}
    return {record.run_id for record in found.values()}


def _records(instance: dg.DagsterInstance) -> Iterator[dg.RunRecord]:
    cursor = None
    while records := instance.get_run_records(limit=_BATCH, cursor=cursor):
        yield from records
        cursor = records[-1].dagster_run.run_id


def _files(home: Path, run: str) -> list[Path]:
    """A run's own database (with its sidecars) and captured output."""
    found = list((home / "history" / "runs").glob(f"{run}.db*"))
    return [*found, *(path for path in (home / "storage" / run,) if path.exists())]


def _leftovers(home: Path, runs: set[str]) -> Iterator[Path]:
    """Databases and output of runs that no longer exist."""
    for path in (home / "history" / "runs").glob("*.db*"):
        name = path.name.split(".db")[0]
        if len(name) == 36 and name not in runs:
            yield path
    for path in (home / "storage").glob("*"):
        if len(path.name) == 36 and path.name not in runs:
            yield path


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    return path.stat().st_size


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
