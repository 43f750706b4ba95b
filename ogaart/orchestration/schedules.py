"""The schedules: a daily sweep, and publishing what changed."""

from datetime import UTC, datetime

import dagster as dg

from ogaart.orchestration.dagster_internals import is_schedule_on
from ogaart.orchestration.jobs import clean_up, discover, publish
from ogaart.orchestration.launcher import WHY, job_was_canceled
from ogaart.orchestration.run_status import unfinished_runs
from ogaart.resources.catalog.publishing import awaiting_publication
from ogaart.resources.embedding.embedder import WeightsMissing
from ogaart.resources.platform import Stores
from ogaart.settings import Settings

SWITCH = "daily"


@dg.schedule(
    name=SWITCH,
    job=discover,
    cron_schedule="0 3 * * *",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="The switch: while it is on, queries are swept once a day, partitions are read and processed within "
    "OGAART_REQUESTS_PER_DAY, and changes are published.",
)
def daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Sweep once a day; the autopilot launches what follows from the sweep."""
    waiting = _unfinished(context.instance, discover.name)
    if waiting is not None:
        return waiting
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())


@dg.schedule(
    name="publish_changes",
    job=publish,
    cron_schedule="*/30 * * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description=f"Publishes at most every 30 minutes, when rows changed; only while the schedule `{SWITCH}` is on.",
)
def publish_changes(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Publish what changed."""
    if not is_schedule_on(context.instance, SWITCH):
        return dg.SkipReason(f"the schedule `{SWITCH}` is off: turn it on, or launch the job `publish` by hand")
    waiting = _unfinished(context.instance, publish.name)
    if waiting is not None:
        return waiting
    if job_was_canceled(context.instance, publish.name, datetime.now(UTC)):
        return dg.SkipReason("the last run of the job `publish` was canceled within a day: launch it by hand")
    stores = Stores(Settings(), claim=False)  # only read, as in the autopilot
    try:
        wanted, why = awaiting_publication(stores)
    except WeightsMissing as cause:
        return dg.SkipReason(str(cause))
    finally:
        stores.close()
    return dg.RunRequest(tags={WHY: why}) if wanted else dg.SkipReason(why)


@dg.schedule(
    name="clean_up_daily",
    job=clean_up,
    cron_schedule="30 4 * * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Deletes old runs from Dagster's history once a day; the newest 200, those of the last nine days and "
    "those that the UI's partitions and checks rest on stay.",
)
def clean_up_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Clean up once a day."""
    return _unfinished(context.instance, clean_up.name) or dg.RunRequest()


def _unfinished(instance: dg.DagsterInstance, job: str) -> dg.SkipReason | None:
    """Why the job is not launched: a run of it is queued or in progress; None where there is none."""
    runs = unfinished_runs(instance, job)
    if not runs:
        return None
    return dg.SkipReason(
        f"run {runs[0].run_id} of the job `{job}` is {runs[0].status.value}: no second one is launched"
    )


SCHEDULES = (daily, publish_changes, clean_up_daily)
