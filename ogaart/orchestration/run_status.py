"""The statuses of a run, sorted by what they mean to ogaart: ended, not ended, or with a process of its own."""

import dagster as dg

ENDED = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
"""Nothing more happens to such a run."""

UNFINISHED = tuple(status for status in dg.DagsterRunStatus if status not in ENDED)
"""Queued, starting, in progress or being canceled: what such a run works on is taken."""

LAUNCHED = tuple(status for status in UNFINISHED if status != dg.DagsterRunStatus.QUEUED)
"""Unfinished and taken out of the queue: a process has such a run, or had it and is gone."""


def unfinished_runs(instance: dg.DagsterInstance, job: str | None = None) -> list[dg.DagsterRun]:
    """Runs that have not ended, newest first; of one job, where ``job`` names it."""
    return list(instance.get_runs(dg.RunsFilter(job_name=job, statuses=list(UNFINISHED))))
