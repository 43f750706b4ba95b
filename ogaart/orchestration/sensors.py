"""The sensors: launching due runs, and failing runs whose process is gone."""

from datetime import UTC, datetime

import dagster as dg

from ogaart.orchestration import launcher
from ogaart.orchestration.dagster_internals import is_schedule_on, open_backfills
from ogaart.orchestration.failure_hook import HookFailed, call_hooks, failure_report
from ogaart.orchestration.instance import failure_message
from ogaart.orchestration.jobs import discover, ingest, process, refresh
from ogaart.orchestration.run_reaper import reap_for
from ogaart.orchestration.schedules import SWITCH
from ogaart.resources.platform import Stores
from ogaart.settings import Settings


@dg.sensor(
    name="autopilot",
    jobs=[discover, ingest, refresh, process],
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches what the rows and the last sweep call for, within the day's requests; only while the "
    f"schedule `{SWITCH}` is on.",
)
def autopilot(context: dg.SensorEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    """Launch runs: new partitions, changed ones, due failures, the oldest again; and processing after each."""
    instance = context.instance
    if not is_schedule_on(instance, SWITCH):
        return dg.SkipReason(f"the schedule `{SWITCH}` is off: turn it on to let runs be launched")
    backfills = open_backfills(instance)
    if backfills:
        return dg.SkipReason(f"backfill {backfills[0]} is in progress: nothing else is launched meanwhile")
    # The code server may be a host of its own beside the runs, which claim the data root: here it is only read.
    stores = Stores(Settings(), claim=False)
    try:
        now = datetime.now(UTC)
        if launcher.sweep_is_overdue(instance, stores, now):
            return [dg.RunRequest(job_name="discover", tags={launcher.WHY: "no sweep of the last day"})]
        launches = launcher.choose(instance, stores, now)
    finally:
        stores.close()
    if not launches:
        return dg.SkipReason(
            "nothing is due: every partition is read and processed, or has an unfinished run, or waits for its next try"
        )
    return [launcher.run_request(batch) for batch in launches]


@dg.sensor(
    name="reaper",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Fails runs whose process is gone and frees their pool slots.",
    job=discover,
)
def reaper_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Reap dead runs."""
    reaped = reap_for(Settings(), context.instance)
    return dg.SkipReason(f"reaped {', '.join(reaped)}" if reaped else "every run in progress is alive")


@dg.run_failure_sensor(
    name="failure_hook",
    monitor_all_code_locations=True,  # runs from a terminal, too, which belong to no code location
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reports each failed run to the URL in OGAART_FAILURE_WEBHOOK and the command in "
    "OGAART_FAILURE_COMMAND, once.",
)
def failure_hook(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
    """Report a failed run; a hook that fails is logged, and not called again for this run."""
    settings = Settings()
    run = context.dagster_run
    [record] = context.instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))
    steps = [event.step_failure_data for event in context.get_step_failure_events()]
    error = "; ".join(map(failure_message, steps)) or context.failure_event.message or ""
    try:
        called = call_hooks(settings, failure_report(record, error))
    except HookFailed as cause:
        context.log.warning("the failure hook of run %s failed: %s", run.run_id, cause)
        return dg.SkipReason(f"run {run.run_id} failed, and so did the failure hook: {cause}")
    if not called:
        return dg.SkipReason(
            f"run {run.run_id} failed; neither OGAART_FAILURE_WEBHOOK nor OGAART_FAILURE_COMMAND is set"
        )
    return None


SENSORS = (autopilot, reaper_sensor, failure_hook)
