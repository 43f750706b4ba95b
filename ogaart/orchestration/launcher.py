"""Between decisions and Dagster: which runs are unfinished, which have ended, and the run requests of a decision."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from ogaart.core.partitions import PARTITION_SET
from ogaart.core.stages import SITE_STAGES
from ogaart.core.staleness import next_try
from ogaart.orchestration.launch_policy import CANCELED_FOR, SWEEP_OVERDUE, batches, decide, expected_requests
from ogaart.orchestration.launch_types import Launch, LaunchReason, PartitionStatus, PastRun
from ogaart.orchestration.partition_status import partition_statuses, sweeps
from ogaart.orchestration.run_status import UNFINISHED, unfinished_runs
from ogaart.pipeline.refresh_tags import REFRESH, RefreshRequest
from ogaart.resources.platform import Stores
from ogaart.resources.site.sweeps import Sweep

REASON = "ogaart/reason"
REQUESTS = "ogaart/requests"
WHY = "ogaart/why"
PARTITION = "dagster/partition"
RANGE_START, RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"
JOBS = {LaunchReason.PROCESS: "process", LaunchReason.REFRESH: "refresh"}
PAST = timedelta(days=8)
"""Runs that ended within this time are looked at: the longest wait after failures is a week."""
JUDGED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
"""Statuses of ended runs whose outcome counts; what a person canceled has none, see ``canceled_partitions``."""
AT_ONCE = 10
"""Most runs of the autopilot that are queued or in progress at a time, so that the queue stays short."""


def partition_keys(instance: dg.DagsterInstance) -> list[str]:
    """All partition keys of the instance, in the order in which they were added."""
    return list(instance.get_dynamic_partitions(PARTITION_SET))


def busy_partitions(runs: Iterable[dg.DagsterRun], keys: Sequence[str]) -> dict[str, int]:
    """The partitions of unfinished runs, with the requests that each is expected to make."""
    busy: dict[str, int] = {}
    for run in runs:
        requests = int(run.tags.get(REQUESTS, 0))
        for key in _keys_of(run, keys):
            busy[key] = busy.get(key, 0) + requests
    return busy


def requests_of_others(
    runs: Iterable[dg.DagsterRun], keys: Sequence[str], statuses: Iterable[PartitionStatus], swept: Mapping[str, Sweep]
) -> int:
    """The requests that unfinished runs without a number of their own may make: those of people, and sweeps.

    Args:
        runs: unfinished runs.
        keys: all partitions.
        statuses: of every partition.
        swept: the last sweep of each query.
    """
    by_key = {status.key: status for status in statuses}
    found = 0
    for run in runs:
        if run.job_name == "discover":
            found += sum(len(sweep.pages) for sweep in swept.values())
        elif REQUESTS not in run.tags and _reads_site(run):
            again = REFRESH in run.tags
            held = [by_key[key] for key in _keys_of(run, keys) if key in by_key]
            found += sum(expected_requests(status, list(by_key.values()), again=again) for status in held)
    return found


def _reads_site(run: dg.DagsterRun) -> bool:
    selected = {key.to_user_string() for key in run.asset_selection or ()}
    return run.job_name in {"ingest", "refresh"} or not selected.isdisjoint(SITE_STAGES)


def _keys_of(run: dg.DagsterRun, keys: Sequence[str]) -> list[str]:
    tags = run.tags
    if PARTITION in tags:
        return [tags[PARTITION]]
    start, end = tags.get(RANGE_START), tags.get(RANGE_END)
    if start in keys and end in keys:
        return list(keys[keys.index(start) : keys.index(end) + 1])
    return []


def past_runs(records: Iterable[dg.RunRecord], keys: Sequence[str]) -> list[PastRun]:
    """Ended runs that decisions launched, newest first, as decisions read them."""
    found = []
    for record in records:
        run = record.dagster_run
        if run.tags.get(REASON) not in set(LaunchReason) or record.end_time is None:
            continue
        reason = LaunchReason(run.tags[REASON])
        start = datetime.fromtimestamp(record.start_time or record.end_time, UTC)
        end = datetime.fromtimestamp(record.end_time, UTC)
        mine = _keys_of(run, keys)
        found += [PastRun(key, reason, run.is_success, start, end, together=len(mine)) for key in mine]
    return found


def canceled_partitions(instance: dg.DagsterInstance, keys: Sequence[str], now: datetime) -> dict[str, datetime]:
    """When the last run on a partition was canceled, if within ``CANCELED_FOR``, and none was created since.

    Dagster's status CANCELED means that a person did it: what a signal ends is a failure.
    """
    found: dict[str, datetime] = {}
    for record in _canceled(instance, now):
        for key in _keys_of(record.dagster_run, keys):
            found[key] = max(found.get(key, _ended_at(record)), _ended_at(record))
    if not found:
        return {}
    for record in instance.get_run_records(dg.RunsFilter(updated_after=min(found.values())), limit=2_000):
        for key in _keys_of(record.dagster_run, keys):
            if key in found and record.create_timestamp > found[key]:
                del found[key]
    return found


def job_was_canceled(instance: dg.DagsterInstance, job: str, now: datetime) -> bool:
    """Whether the last run of a job was canceled, within ``CANCELED_FOR``."""
    last = instance.get_run_records(dg.RunsFilter(job_name=job), limit=1)
    return any(one.dagster_run.run_id == last[0].dagster_run.run_id for one in _canceled(instance, now, job))


def _canceled(instance: dg.DagsterInstance, now: datetime, job: str | None = None) -> Sequence[dg.RunRecord]:
    chosen = dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus.CANCELED], updated_after=now - CANCELED_FOR)
    return instance.get_run_records(chosen, limit=2_000)


def _ended_at(record: dg.RunRecord) -> datetime:
    return datetime.fromtimestamp(record.end_time, UTC) if record.end_time else record.update_timestamp


def choose(instance: dg.DagsterInstance, stores: Stores, now: datetime) -> list[list[Launch]]:
    """What to launch now, run by run: see ``launch_policy.decide`` and ``launch_policy.batches``."""
    keys = partition_keys(instance)
    unfinished = unfinished_runs(instance)
    busy = busy_partitions(unfinished, keys)
    room = AT_ONCE - sum(1 for run in unfinished if REASON in run.tags)
    if room <= 0:
        return []
    records = instance.get_run_records(
        dg.RunsFilter(tags={REASON: list(LaunchReason)}, statuses=JUDGED, updated_after=now - PAST), limit=2_000
    )
    past = past_runs(records, keys)
    statuses = partition_statuses(stores, keys, now)
    expected = sum(busy.values()) + requests_of_others(unfinished, keys, statuses, sweeps(stores))
    launches = decide(
        statuses,
        now=now,
        busy=busy,
        past=past,
        canceled=canceled_partitions(instance, keys, now),
        # What a run in progress has requested already counts twice until it ends: too few requests beat too many.
        spent=stores.site.requests_of_last_day() + expected,
        budget=stores.settings.requests_per_day,
        entry_refresh=timedelta(days=stores.settings.entry_refresh_days),
        file_refresh=timedelta(days=stores.settings.refresh_days),
    )
    return batches(launches, keys, past)[:room]


def run_request(batch: Sequence[Launch]) -> dg.RunRequest:
    """The run request of a launch, or of the processing of several neighbours.

    These are a range, as in a backfill's runs: each asset's step works through them one by one. Processing goes first
    in the queue: it needs no site.
    """
    launch = batch[0]
    tags = {REASON: launch.reason.value, REQUESTS: str(sum(one.requests for one in batch))}
    if len(batch) > 1:
        tags |= {RANGE_START: batch[0].key, RANGE_END: batch[-1].key}
    if launch.before is not None:
        tags |= RefreshRequest(launch.before, due=True).tags()
    if launch.reason == LaunchReason.PROCESS:
        tags["dagster/priority"] = "1"
    job = JOBS.get(launch.reason, "ingest")
    return dg.RunRequest(job_name=job, partition_key=launch.key if len(batch) == 1 else None, tags=tags)


def sweep_is_overdue(instance: dg.DagsterInstance, stores: Stores, now: datetime) -> bool:
    """Whether a query lacks a sweep of the last day, and no discovery is queued, in progress, just failed, canceled."""
    swept = sweeps(stores)
    if all(name in swept and now - swept[name].at < SWEEP_OVERDUE for name in stores.queries):
        return False
    if job_was_canceled(instance, "discover", now):
        return False
    records = instance.get_run_records(dg.RunsFilter(job_name="discover"), limit=20)
    failed = 0
    for record in records:
        if record.dagster_run.status in UNFINISHED:
            return False
        if record.dagster_run.is_success:
            break
        failed += 1
    if not failed or records[0].end_time is None:
        return True
    again = next_try(failed, datetime.fromtimestamp(records[0].end_time, UTC), retryable=True)
    return again is not None and now >= again
