"""Runs that wait in the queue count: their partitions are busy, and so are the limit, the budget and the site."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from ogaart.definitions import defs
from ogaart.demo import plan
from ogaart.demo.model import DemoContent
from ogaart.orchestration import run_reaper
from ogaart.orchestration.instance import instance_config, open_instance
from ogaart.orchestration.launch_policy import CANCELED_FOR
from ogaart.orchestration.launcher import (
    AT_ONCE,
    PARTITION,
    RANGE_END,
    RANGE_START,
    REASON,
    REQUESTS,
    choose,
    sweep_is_overdue,
)
from ogaart.orchestration.run_reaper import GRACE, PROCESS_TAG, process_tag, reap
from ogaart.orchestration.schedules import SWITCH, daily, publish_changes
from ogaart.pipeline.refresh_tags import REFRESH
from ogaart.resources.platform import Stores
from ogaart.resources.storage.lock_names import bus_error_note, run_lock
from ogaart.resources.storage.locks import hold_together, is_free
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.ui import REPOSITORY, dagster_ui, graphql, wait_until
from ogaart_tests.world import World, open_world

PAGES = 13
TURN_ON = "mutation($schedule: ScheduleSelector!) { startSchedule(scheduleSelector: $schedule) { __typename } }"
CANCEL = "mutation($run: String!) { terminateRun(runId: $run) { __typename } }"
EVENTS = {
    dg.DagsterRunStatus.NOT_STARTED: None,
    dg.DagsterRunStatus.QUEUED: dg.DagsterEventType.RUN_ENQUEUED,
    dg.DagsterRunStatus.STARTING: dg.DagsterEventType.RUN_STARTING,
    dg.DagsterRunStatus.STARTED: dg.DagsterEventType.RUN_START,
    dg.DagsterRunStatus.CANCELING: dg.DagsterEventType.RUN_CANCELING,
}
"""Unfinished statuses, each with the event that leads to it."""


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world of thirteen new partitions of one entry each."""
    site = ChangingSite(site=DemoContent(plan.load().by_age()[:PAGES]), per_page=1)
    with open_world(tmp_path_factory.mktemp("queue"), site) as world:
        world.settings.queries.write_text('[[query]]\nname = "2d-art"\nart_types = ["2D Art"]\nper_page = 1\n')
        world.discover()
        yield world


@pytest.fixture
def instance(swept: World) -> Iterator[dg.DagsterInstance]:
    """The world's instance; the runs that a test adds are deleted after it."""
    with open_instance(swept.settings) as opened:
        before = {run.run_id for run in opened.get_runs()}
        yield opened
        for run in opened.get_runs():
            if run.run_id not in before:
                opened.delete_run(run.run_id)


@cache
def definition(job: str) -> dg.JobDefinition:
    """A job of the project."""
    return defs().resolve_job_def(job)


def add(instance: dg.DagsterInstance, job: str, status: dg.DagsterRunStatus, **tags: str) -> dg.DagsterRun:
    """A run of ``job`` with a status, as a launch leaves it in the instance."""
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("ogaart"), "__repository__"), job)
    run = instance.create_run_for_job(definition(job), tags=tags, remote_job_origin=origin)
    event = EVENTS[status]
    if event is not None:
        instance.report_dagster_event(dg.DagsterEvent(event.value, run.job_name), run.run_id)
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status == status
    return found


def launched(instance: dg.DagsterInstance, world: World) -> list[str]:
    """The partitions that the autopilot would launch now."""
    return [launch.key for batch in choose(instance, world.stores, datetime.now(UTC)) for launch in batch]


@pytest.mark.parametrize("status", EVENTS)
def test_a_partition_with_an_unfinished_run_is_left_alone(
    swept: World, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    add(instance, "ingest", status, **{PARTITION: "2d-art/0000", REASON: "new partition", REQUESTS: "4"})

    assert "2d-art/0000" not in launched(instance, swept)
    assert "2d-art/0001" in launched(instance, swept)


def test_queued_runs_count_against_the_limit_of_ten(swept: World, instance: dg.DagsterInstance) -> None:
    assert len(launched(instance, swept)) == AT_ONCE
    for page in range(AT_ONCE - 1):
        tags = {PARTITION: f"2d-art/{page:04d}", REASON: "new partition", REQUESTS: "4"}
        add(instance, "ingest", dg.DagsterRunStatus.QUEUED, **tags)

    assert len(launched(instance, swept)) == 1


def test_requests_of_queued_runs_are_subtracted_from_the_budget(swept: World, instance: dg.DagsterInstance) -> None:
    left = swept.settings.requests_per_day - swept.stores.site.requests_of_last_day()
    add(instance, "ingest", dg.DagsterRunStatus.QUEUED, **{PARTITION: "2d-art/0000", REQUESTS: str(left)})

    assert launched(instance, swept) == []


@pytest.mark.parametrize("job", ["ingest", "discover", "refresh"])
def test_runs_that_a_person_queued_count_against_the_budget_too(
    swept: World, instance: dg.DagsterInstance, job: str
) -> None:
    """They carry no number of requests; it is estimated from the rows and the last sweep."""
    left = swept.stores.site.requests_of_last_day() + 5  # a partition of one entry: its page, two or three files
    stores = Stores(swept.settings.model_copy(update={"requests_per_day": left}))
    assert choose(instance, stores, datetime.now(UTC))

    queued = dg.DagsterRunStatus.QUEUED
    if job == "discover":
        add(instance, job, queued)
    else:
        for page in range(10, 13) if job == "ingest" else range(10, 16):
            tags = {REFRESH: "true"} if job == "refresh" else {}
            add(instance, job, queued, **{PARTITION: f"2d-art/{page % PAGES:04d}"}, **tags)

    assert choose(instance, stores, datetime.now(UTC)) == []


def cancel(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Cancel a queued run, as the UI does."""
    assert instance.run_coordinator.cancel_run(run.run_id)
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status == dg.DagsterRunStatus.CANCELED


def test_a_canceled_run_is_not_launched_again_unless_a_person_launches_one(
    swept: World, instance: dg.DagsterInstance
) -> None:
    queued = dg.DagsterRunStatus.QUEUED
    cancel(instance, add(instance, "ingest", queued, **{PARTITION: "2d-art/0000", REASON: "new partition"}))
    cancel(instance, add(instance, "ingest", queued, **{RANGE_START: "2d-art/0001", RANGE_END: "2d-art/0003"}))

    assert not {f"2d-art/{page:04d}" for page in range(4)} & {*launched(instance, swept)}
    assert "2d-art/0004" in launched(instance, swept)
    later = [one.key for batch in choose(instance, swept.stores, datetime.now(UTC) + CANCELED_FOR) for one in batch]
    assert "2d-art/0000" in later

    instance.report_run_failed(add(instance, "ingest", queued, **{PARTITION: "2d-art/0002"}))
    assert {"2d-art/0001", "2d-art/0002", "2d-art/0003"} & {*launched(instance, swept)} == {"2d-art/0002"}


def test_a_canceled_discovery_or_publication_is_not_launched_again(
    swept: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ogaart.orchestration.schedules.is_schedule_on", lambda _instance, name: name == SWITCH)
    now = datetime.now(UTC)
    stores = Stores(swept.settings.model_copy(update={"queries": swept.settings.data / "other.toml"}))
    stores.settings.queries.write_text('[[query]]\nname = "other"\nart_types = ["2D Art"]\n')
    assert sweep_is_overdue(instance, stores, now)

    for job in ("discover", "publish"):
        cancel(instance, add(instance, job, dg.DagsterRunStatus.QUEUED))

    assert not sweep_is_overdue(instance, stores, now)
    assert sweep_is_overdue(instance, stores, now + CANCELED_FOR + timedelta(minutes=1))
    with dg.build_schedule_context(instance, scheduled_execution_time=now) as context:
        skipped = publish_changes(context)
    assert isinstance(skipped, dg.SkipReason)
    assert "canceled" in (skipped.skip_message or "")


def test_a_queued_discovery_is_not_launched_again(swept: World, instance: dg.DagsterInstance) -> None:
    later = datetime.now(UTC) + timedelta(days=3)
    assert sweep_is_overdue(instance, swept.stores, later)

    queued = add(instance, "discover", dg.DagsterRunStatus.QUEUED)

    assert not sweep_is_overdue(instance, swept.stores, later)
    with dg.build_schedule_context(instance, scheduled_execution_time=later) as context:
        skipped = daily(context)
    assert isinstance(skipped, dg.SkipReason)
    assert queued.run_id in (skipped.skip_message or "")


def test_a_queued_publication_is_not_launched_again(
    swept: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ogaart.orchestration.schedules.is_schedule_on", lambda _instance, name: name == SWITCH)
    queued = add(instance, "publish", dg.DagsterRunStatus.QUEUED)

    with dg.build_schedule_context(instance, scheduled_execution_time=datetime.now(UTC)) as context:
        skipped = publish_changes(context)

    assert isinstance(skipped, dg.SkipReason)
    assert queued.run_id in (skipped.skip_message or "")


def test_a_run_that_was_never_launched_does_not_stay_busy_for_ever(swept: World, instance: dg.DagsterInstance) -> None:
    lost = add(instance, "ingest", dg.DagsterRunStatus.NOT_STARTED, **{PARTITION: "2d-art/0000"})
    queued = add(instance, "ingest", dg.DagsterRunStatus.QUEUED, **{PARTITION: "2d-art/0001"})

    reaped = reap(instance, swept.stores.root, datetime.now(UTC) + 2 * GRACE)

    assert lost.run_id in reaped
    assert queued.run_id not in reaped


def test_a_run_of_a_process_that_is_gone_is_reaped(swept: World, instance: dg.DagsterInstance) -> None:
    [own] = process_tag().values()

    def started(process: str) -> str:
        return add(instance, "publish", dg.DagsterRunStatus.STARTED, **{PROCESS_TAG: process}).run_id

    alive = started(own)
    dead = started(own.replace(":", ":9"))  # another start of its pid
    elsewhere = [started(f"{own.replace(':', ':9')}.other") for _ in range(2)]  # which cannot be seen from here
    root, later = swept.stores.root, datetime.now(UTC) + 2 * GRACE

    reaped = reap(instance, root)
    reaped_later = reap(instance, root, later, leased=elsewhere[:1])

    assert {alive, dead, *elsewhere}.intersection(reaped) == {dead}
    assert {alive, dead, *elsewhere}.intersection(reaped_later) == {elsewhere[1]}


def test_a_run_that_ends_while_its_process_is_looked_for_is_a_success(
    swept: World, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = add(instance, "publish", dg.DagsterRunStatus.STARTED)
    lock = run_lock(swept.stores.root, run.run_id)
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()

    def end_first(path: Path) -> bool:
        if path == lock:
            instance.report_dagster_event(dg.DagsterEvent("PIPELINE_SUCCESS", run.job_name), run.run_id)
        return is_free(path)

    monkeypatch.setattr(run_reaper, "is_free", end_first)

    assert run.run_id not in reap(instance, swept.stores.root)

    [ended] = instance.get_runs(dg.RunsFilter(run_ids=[run.run_id]))
    assert ended.status == dg.DagsterRunStatus.SUCCESS


def test_the_ui_hides_the_tag_of_a_process() -> None:
    assert all(tag.startswith(".dagster/") for tag in process_tag())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_running_daemon_queues_each_partition_once(tmp_path: Path) -> None:
    site = ChangingSite(site=DemoContent(plan.load().by_age()[:3]), per_page=1)
    with open_world(tmp_path, site) as world:
        world.settings.queries.write_text('[[query]]\nname = "2d-art"\nart_types = ["2D Art"]\nper_page = 1\n')
        world.discover()
        home = world.settings.data / "dagster"
        stopped = instance_config().read_text().replace("max_concurrent_runs: 3", "max_concurrent_runs: 0")
        (home / "dagster.yaml").write_text(stopped)  # everything that is launched stays in the queue
        with dagster_ui(world) as base, open_instance(world.settings) as instance:
            graphql(base, TURN_ON, schedule={**REPOSITORY, "scheduleName": SWITCH})

            def ticks() -> int:
                [state] = [s for s in instance.all_instigator_state() if s.instigator_name == "autopilot"]
                return len(instance.get_ticks(state.instigator_origin_id, state.selector_id))

            wait_until(lambda: len(instance.get_runs()) >= 1 + 3, 120, "the autopilot to queue runs")
            [canceled] = [run for run in instance.get_runs() if run.tags.get(PARTITION) == "2d-art/0001"]
            graphql(base, CANCEL, run=canceled.run_id)
            first = ticks()
            wait_until(lambda: ticks() >= first + 2, 240, "two more ticks")
            runs = instance.get_runs(dg.RunsFilter(tags={PARTITION: [f"2d-art/{page:04d}" for page in range(3)]}))

    statuses = {run.tags[PARTITION]: run.status.value for run in runs}
    assert len(runs) == 3
    assert statuses == {"2d-art/0000": "QUEUED", "2d-art/0001": "CANCELED", "2d-art/0002": "QUEUED"}


def test_lock_files_of_runs_that_have_ended_are_deleted_and_those_of_runs_in_progress_are_not(
    swept: World, instance: dg.DagsterInstance
) -> None:
    [own] = process_tag().values()
    ended, ending, alive = (
        add(instance, "publish", dg.DagsterRunStatus.STARTED, **{PROCESS_TAG: own}) for _ in range(3)
    )
    for run in (ended, ending):  # a process may be killed behind its run's end, or not be gone yet
        instance.report_dagster_event(dg.DagsterEvent("PIPELINE_SUCCESS", run.job_name), run.run_id)
    root = swept.stores.root
    locks = [run_lock(root, run.run_id) for run in (ended, ending, alive)]
    for lock in locks:
        lock.parent.mkdir(parents=True, exist_ok=True)
        lock.touch()
    bus_error_note(root, ended.run_id).touch()

    with hold_together(locks[1]):
        reap(instance, root)

        assert sorted(locks[0].parent.iterdir()) == sorted(locks[1:])
