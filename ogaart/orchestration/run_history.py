"""Old Dagster runs are deleted, except those that Dagster's view of partitions, checks and backfills is derived from.

Deleting a run makes the partitions that it materialized last unmaterialized again, and leaves the run's own database
file on disk: so those runs are kept, and that file is deleted here.
"""

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import dagster as dg

from ogaart.orchestration.dagster_internals import BACKFILL_TAG, open_backfills
from ogaart.orchestration.run_status import unfinished_runs
from ogaart.pipeline.run_records import remember_deleted, run_records

KEEP = 200
"""Newest runs that are kept in any case."""
_BATCH = 500
_RUN_ID_LENGTH = 36


@dataclass(frozen=True)
class OldRuns:
    """What of the history of runs can be deleted.

    Attributes:
        home: DAGSTER_HOME.
        files: the files of each run that can be deleted, by its id.
        leftovers: files of runs that were deleted before.
        kept: how many runs stay.
    """

    home: Path
    files: dict[str, list[Path]]
    leftovers: list[Path]
    kept: int

    @property
    def run_bytes(self) -> int:
        """Bytes on disk of the runs that can be deleted."""
        return sum(_size(path) for paths in self.files.values() for path in paths)

    @property
    def leftover_bytes(self) -> int:
        """Bytes on disk of the leftovers."""
        return sum(_size(path) for path in self.leftovers)


def find_old_runs(
    instance: dg.DagsterInstance,
    home: Path,
    checks: Iterable[dg.AssetCheckKey],
    *,
    keep: int = KEEP,
    since: datetime | None = None,
) -> OldRuns:
    """The runs that nothing is derived from and that are not among the newest.

    Args:
        instance: the instance.
        home: its DAGSTER_HOME.
        checks: the asset checks whose last evaluation is kept.
        keep: the newest runs to keep in any case.
        since: runs that changed after this time are kept in any case.
    """
    leftovers = _files_by_run(home)  # listed first: a run that starts meanwhile is then known, and no leftover
    needed = {*newest(instance, keep), *unfinished(instance), *last_of_each(instance), *last_checks(instance, checks)}
    if since is not None:
        recent = instance.get_run_records(dg.RunsFilter(updated_after=since))
        needed |= {record.dagster_run.run_id for record in recent}
    runs = {record.dagster_run.run_id for record in run_records(instance)}
    files = {run: leftovers.get(run, []) for run in sorted(runs - needed)}
    left = sorted(path for run, paths in leftovers.items() if run not in runs for path in paths)
    return OldRuns(home, files, left, len(runs) - len(files))


def delete_old_runs(instance: dg.DagsterInstance, old: OldRuns) -> None:
    """Delete the runs and files that ``find_old_runs`` found; the catalog's table ``runs`` keeps their rows."""
    remember_deleted(old.home, (record for record in run_records(instance) if record.dagster_run.run_id in old.files))
    for run, files in old.files.items():
        instance.delete_run(run)
        for path in files:
            _remove(path)
    for path in old.leftovers:
        _remove(path)


def newest(instance: dg.DagsterInstance, count: int) -> set[str]:
    """The newest runs, which people still look at."""
    return {record.dagster_run.run_id for record in instance.get_run_records(limit=count)} if count else set()


def unfinished(instance: dg.DagsterInstance) -> set[str]:
    """Runs that are queued or in progress, and all runs of backfills that have not ended."""
    found = unfinished_runs(instance)
    for backfill in open_backfills(instance):
        found += instance.get_runs(dg.RunsFilter(tags={BACKFILL_TAG: backfill}))
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


def last_checks(instance: dg.DagsterInstance, checks: Iterable[dg.AssetCheckKey]) -> set[str]:
    """The run of the last evaluation of each asset check, and of each of its partitions."""
    keys = sorted(checks)
    if not keys:
        return set()
    storage = instance.event_log_storage
    needed = {record.run_id for record in storage.get_latest_asset_check_execution_by_key(keys).values()}
    return needed | {info.latest_planned_run_id for info in storage.get_asset_check_partition_info(keys)}


def _files_by_run(home: Path) -> dict[str, list[Path]]:
    """Each run's own database (with its sidecars) and captured output, by run id."""
    found: dict[str, list[Path]] = {}
    for path in (*(home / "history" / "runs").glob("*.db*"), *(home / "storage").glob("*")):
        run = path.name.split(".db")[0]
        if len(run) == _RUN_ID_LENGTH:
            found.setdefault(run, []).append(path)
    return found


def _size(path: Path) -> int:
    try:
        if path.is_dir():
            return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
        return path.stat().st_size
    except FileNotFoundError:
        return 0  # deleted meanwhile


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
