"""Dagster's runs, with those that were deleted from its history, as rows of the catalog's table ``runs``."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypedDict, cast

import dagster as dg

from ogaart.resources.storage.sealed_json import append_lines, open_json

DELETED = "deleted_runs.jsonl"
"""File in DAGSTER_HOME with one row for each run that was deleted from Dagster's history."""

_BATCH = 500


class RunRow(TypedDict):
    """A row of the catalog's table ``runs``; times in microseconds since 1970, UTC."""

    run_id: str
    job: str
    partition: str | None
    status: str
    started_at: int | None
    ended_at: int | None


def run_records(instance: dg.DagsterInstance) -> Iterator[dg.RunRecord]:
    """Every run of the instance, newest first."""
    cursor = None
    while records := instance.get_run_records(limit=_BATCH, cursor=cursor):
        yield from records
        cursor = records[-1].dagster_run.run_id


def run_row(record: dg.RunRecord) -> RunRow:
    """A run as a row."""
    run = record.dagster_run
    return {
        "run_id": run.run_id,
        "job": run.job_name,
        "partition": run.tags.get("dagster/partition") or _range(run.tags),
        "status": run.status.value,
        "started_at": _micros(record.start_time),
        "ended_at": _micros(record.end_time),
    }


def run_rows(instance: dg.DagsterInstance, home: Path, *, publishing: str, now: float) -> list[RunRow]:
    """Every run, also those that failed, wrote nothing, wait or were deleted from Dagster's history.

    Args:
        instance: the instance.
        home: its DAGSTER_HOME.
        publishing: id of the run that builds the generation. It is written as a success that ends now: the generation
            is only ever put in service by a run that succeeds. The next generation has the end that Dagster recorded.
        now: seconds since 1970, UTC.
    """
    rows = {row["run_id"]: row for row in _deleted(home)}
    for record in run_records(instance):
        row = run_row(record)
        if row["run_id"] == publishing:
            row["status"], row["ended_at"] = dg.DagsterRunStatus.SUCCESS.value, _micros(now)
        rows[row["run_id"]] = row
    return list(rows.values())


def remember_deleted(home: Path, records: Iterable[dg.RunRecord]) -> None:
    """Keep the rows of runs that are about to be deleted from Dagster's history."""
    append_lines(home / DELETED, map(run_row, records))


def _deleted(home: Path) -> Iterator[RunRow]:
    path = home / DELETED
    for line in path.read_bytes().split(b"\n") if path.exists() else ():
        try:
            row = open_json(line)
        except ValueError:
            continue  # cut off by a kill: the run was not deleted then, and its row follows; or damaged
        if isinstance(row, dict) and "run_id" in row:
            yield cast("RunRow", row)


def _range(tags: Mapping[str, str]) -> str | None:
    """The partitions of a run of several, first and last, as Dagster writes them."""
    first, last = (tags.get(f"dagster/asset_partition_range_{end}") for end in ("start", "end"))
    return first if first == last else f"{first}...{last}"


def _micros(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1_000_000)
