"""The thin layer between decisions and Dagster."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
)

from ogaart.definitions import defs
from ogaart.demo.http import DemoFault
from ogaart.orchestration.instance import open_instance
from ogaart.orchestration.jobs import JOBS
from ogaart.orchestration.launch_types import Launch, LaunchReason
from ogaart.orchestration.launcher import REQUESTS, busy_partitions, choose, past_runs, run_request
from ogaart.orchestration.schedules import SWITCH, publish_changes
from ogaart.orchestration.sensors import autopilot
from ogaart.pipeline.refresh_tags import requested_by
from ogaart.resources.site.client import SiteDown
from ogaart_tests.world import open_world

NOW = datetime(2026, 3, 1, tzinfo=UTC)
KEYS = ["q/0000", "q/0001", "q/0002", "q/0003"]


def test_while_the_switch_is_off_nothing_is_launched(tmp_path: Path) -> None:
    repository = defs().get_repository_def()
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        with dg.build_sensor_context(instance, repository_def=repository) as context:
            launched = autopilot(context)
        with dg.build_schedule_context(instance, scheduled_execution_time=NOW) as context:
            published = publish_changes(context)

    for skipped in (launched, published):
        assert isinstance(skipped, dg.SkipReason)
        assert "the schedule `daily` is off" in (skipped.skip_message or "")


def test_the_switch_alone_is_off_at_first() -> None:
    repository = defs().get_repository_def()
    off = [s.name for s in repository.schedule_defs if s.default_status == dg.DefaultScheduleStatus.STOPPED]
    off += [s.name for s in repository.sensor_defs if s.default_status == dg.DefaultSensorStatus.STOPPED]

    assert off == ["daily"]


def turn_on(instance: dg.DagsterInstance) -> None:
    """Turn the schedule on, as a click in the UI does."""
    location = RegisteredCodeLocationOrigin("ogaart")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), SWITCH)
    kind, data = InstigatorType.SCHEDULE, ScheduleInstigatorData("0 3 * * *")
    instance.add_instigator_state(InstigatorState(origin, kind, InstigatorStatus.RUNNING, data))


def test_the_code_servers_host_does_not_become_the_owner_of_the_data_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OGAART_DATA", str(tmp_path / "data"))
    for folder in ("data", "dagster"):
        (tmp_path / folder).mkdir()
    repository = defs().get_repository_def()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        turn_on(instance)
        with dg.build_sensor_context(instance, repository_def=repository) as context:
            launched = autopilot(context)
        with dg.build_schedule_context(instance, scheduled_execution_time=NOW) as context:
            published = publish_changes(context)

    assert isinstance(launched, list)
    assert [request.job_name for request in launched] == ["discover"]
    assert isinstance(published, dg.SkipReason)
    assert "there is nothing to publish" in (published.skip_message or "")
    assert not (tmp_path / "data" / "owner.json").exists()


def test_single_runs_and_ranges_of_a_backfill_keep_partitions_busy() -> None:
    ranged = {"dagster/asset_partition_range_start": "q/0001", "dagster/asset_partition_range_end": "q/0002"}
    runs = [
        dg.DagsterRun(job_name="ingest", tags={"dagster/partition": "q/0003", REQUESTS: "40"}),
        dg.DagsterRun(job_name="process", tags=ranged),
        dg.DagsterRun(job_name="publish"),
    ]

    assert busy_partitions(runs, KEYS) == {"q/0003": 40, "q/0001": 0, "q/0002": 0}


@pytest.mark.parametrize(
    ("reason", "job"),
    [
        (LaunchReason.NEW, "ingest"),
        (LaunchReason.LEFT, "ingest"),
        (LaunchReason.PROCESS, "process"),
        (LaunchReason.REFRESH, "refresh"),
    ],
)
def test_every_reason_has_its_job(reason: LaunchReason, job: str) -> None:
    request = run_request([Launch("q/0001", reason, 7)])

    assert (request.job_name, request.partition_key, request.tags[REQUESTS]) == (job, "q/0001", "7")
    assert job in {j.name for j in JOBS}


def test_several_partitions_are_processed_as_a_range() -> None:
    request = run_request([Launch(key, LaunchReason.PROCESS) for key in KEYS[:3]])

    assert (request.job_name, request.partition_key) == ("process", None)
    run = dg.DagsterRun(job_name="process", tags=dict(request.tags))
    assert busy_partitions([run], KEYS) == dict.fromkeys(KEYS[:3], 0)
    record = dg.RunRecord(1, run.with_status(dg.DagsterRunStatus.FAILURE), NOW, NOW, end_time=NOW.timestamp())
    assert [(p.key, p.ok, p.together) for p in past_runs([record], KEYS)] == [(key, False, 3) for key in KEYS[:3]]


@pytest.mark.slow
def test_requests_at_a_site_that_went_down_are_spent(tmp_path: Path) -> None:
    with open_world(
        tmp_path,
        OGAART_REQUESTS_PER_DAY="9",
        OGAART_BACKOFF="0.01",
        OGAART_CIRCUIT_FAILURES="4",
        OGAART_CIRCUIT_URLS="1",
    ) as world:
        world.discover()
        stores = world.stores
        with open_instance(world.settings) as instance:
            before = choose(instance, stores, datetime.now(UTC))
            world.site.fail("/content/robot-animated", *[DemoFault(503)] * 4)
            with pytest.raises(SiteDown):
                stores.site.get(f"{world.site.base}/content/robot-animated")
            after = choose(instance, stores, datetime.now(UTC))
        stores.close()

        assert [launch.reason for [launch] in before] == [LaunchReason.NEW]
        assert len(world.site.requests) == 9  # robots.txt, three result pages, one entry for its name, four failures
        assert after == []


def test_a_refresh_tells_its_run_from_when_on() -> None:
    request = run_request([Launch("q/0001", LaunchReason.REFRESH, 7, before=NOW)])

    refresh = requested_by(request.tags, created_at=NOW + timedelta(days=1))

    assert refresh is not None
    assert refresh.before == NOW
    assert refresh.covers("anything")
    assert refresh.due


def test_tags_ask_for_all_or_for_one_entry_since_the_run_was_made() -> None:
    everything = requested_by({"ogaart/refresh": ""}, created_at=NOW)
    one = requested_by({"ogaart/refresh_only": "tree"}, created_at=NOW)

    assert everything is not None
    assert one is not None
    assert (everything.before, everything.covers("tree")) == (NOW, True)
    assert (one.covers("tree"), one.covers("oak")) == (True, False)
    assert requested_by({"ogaart/reason": "x"}, created_at=NOW) is None
    with pytest.raises(dg.Failure, match="expected an ISO time"):
        requested_by({"ogaart/refresh_before": "yesterday"}, created_at=NOW)


def test_every_asset_job_schedule_and_sensor_explains_itself() -> None:
    definitions = defs()
    graph = definitions.resolve_asset_graph()
    repository = definitions.get_repository_def()
    for key in graph.toposorted_asset_keys:
        node = graph.get(key)
        schema = node.metadata["dagster/column_schema"]
        assert node.description, key
        assert "\n" in node.description, key
        assert node.owners, key
        assert node.code_version, key
        assert node.kinds, key
        assert node.group_name != "default", key
        assert node.tags.get("source") in {"site", "stored"}, key
        assert {"tables", "layout", "dagster/table_name"} <= set(node.metadata), key
        columns = schema.value.columns if hasattr(schema, "value") else schema.columns
        assert all(column.description for column in columns), key
    for check in graph.asset_check_keys:
        assert graph.get_check_spec(check).description, check
    for job in JOBS:
        assert job.description, job.name
    for schedule in repository.schedule_defs:
        assert schedule.description, schedule.name
    for sensor in repository.sensor_defs:
        assert sensor.description, sensor.name
