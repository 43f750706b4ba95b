"""Old runs are deleted, the catalog's table of runs keeps them, and no partition is unmaterialized by that."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.storage.tags import REPOSITORY_LABEL_TAG

from ogaart.definitions import defs
from ogaart.orchestration.asset_checks import all_check_keys
from ogaart.orchestration.instance import run_job
from ogaart.orchestration.jobs import clean_up
from ogaart.orchestration.run_history import delete_old_runs, find_old_runs
from ogaart.orchestration.schedules import clean_up_daily
from ogaart.pipeline.run_records import DELETED, RunRow, run_rows
from ogaart.resources.catalog.tables import RUNS

PARTITIONS = dg.DynamicPartitionsDefinition(name="pages")


@dg.asset(
    partitions_def=PARTITIONS,
    check_specs=[dg.AssetCheckSpec("filled", asset="pages")],
)
def pages(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """An asset that fails where the run is told to."""
    if "fail" in context.run.tags:
        raise RuntimeError("it broke")
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name="filled", passed=True)])


CHECKS = [dg.AssetCheckKey(dg.AssetKey("pages"), "filled")]


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as opened:
        opened.add_dynamic_partitions("pages", ["a", "b"])
        yield opened


def run(instance: dg.DagsterInstance, key: str, **tags: str) -> str:
    done = dg.materialize([pages], instance=instance, partition_key=key, raise_on_error=False, tags=tags)
    return done.run_id


def test_the_last_run_of_each_partition_stays_and_older_ones_go(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    first_a, last_b, failed_b, last_a = (
        run(instance, "a"), run(instance, "b"), run(instance, "b", fail="yes"), run(instance, "a"),
    )  # fmt: skip

    old = find_old_runs(instance, tmp_path, CHECKS, keep=0)
    delete_old_runs(instance, old)

    assert set(old.files) == {first_a}
    assert {r.run_id for r in instance.get_runs()} == {last_b, failed_b, last_a}
    assert instance.get_materialized_partitions(dg.AssetKey("pages")) == {"a", "b"}


def test_recent_and_unfinished_runs_stay(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    for _ in range(3):
        run(instance, "a")
    job = defs().resolve_job_def("discover")
    waiting = instance.create_run_for_job(job).run_id
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)

    assert find_old_runs(instance, tmp_path, CHECKS, keep=0, since=an_hour_ago).files == {}
    assert waiting not in find_old_runs(instance, tmp_path, CHECKS, keep=0).files
    assert len(find_old_runs(instance, tmp_path, CHECKS, keep=0).files) == 2


def test_deleted_runs_stay_in_the_table_of_runs(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    gone, failed, kept = run(instance, "a"), run(instance, "b", fail="yes"), run(instance, "a")
    delete_old_runs(instance, find_old_runs(instance, tmp_path, CHECKS, keep=0))
    with (tmp_path / DELETED).open("a") as file:
        file.write('{"run_id": "cut off')

    rows = {row["run_id"]: row for row in run_rows(instance, tmp_path, publishing=kept, now=1_000.0)}

    assert set(rows) == {gone, failed, kept}
    assert {run: row["status"] for run, row in rows.items()} == {gone: "SUCCESS", failed: "FAILURE", kept: "SUCCESS"}
    assert rows[gone]["partition"] == "a"
    assert (rows[gone]["started_at"] or 0) <= (rows[gone]["ended_at"] or 0)
    assert rows[kept]["ended_at"] == 1_000_000_000


def test_a_deletion_that_was_killed_lists_no_run_twice(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    gone = run(instance, "a")
    run(instance, "a")
    old = find_old_runs(instance, tmp_path, CHECKS, keep=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(instance, "delete_run", killed)
        with pytest.raises(KeyboardInterrupt):
            delete_old_runs(instance, old)

    delete_old_runs(instance, find_old_runs(instance, tmp_path, CHECKS, keep=0))

    ids = [json.loads(line)["run_id"] for line in (tmp_path / DELETED).read_text().splitlines()]
    assert ids == [gone, gone]
    assert [row["run_id"] for row in run_rows(instance, tmp_path, publishing="", now=0.0)].count(gone) == 1


def killed(_run: str) -> None:
    raise KeyboardInterrupt


def test_every_check_of_the_project_is_known() -> None:
    assert set(all_check_keys()) == set(defs().resolve_asset_graph().asset_check_keys)


def test_cleaning_up_is_a_job_that_runs_daily(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OGAART_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "data" / "dagster"))
    home = tmp_path / "data" / "dagster"
    home.mkdir(parents=True)
    with dg.DagsterInstance.local_temp(str(home)) as instance:
        outcome = run_job(instance, defs(), clean_up.name)
        with dg.build_schedule_context(instance, scheduled_execution_time=datetime.now(UTC)) as context:
            launched = clean_up_daily(context)

        origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("ogaart"), "__repository__")
        shown = dg.RunsFilter(job_name=clean_up.name, tags={REPOSITORY_LABEL_TAG: origin.get_label()})
        assert [found.run_id for found in instance.get_runs(shown)] == [outcome.run_id]  # what a job's page lists

    assert outcome.errors == ()
    assert outcome.metadata["delete_old_runs"]["runs_kept"] == 1
    assert isinstance(launched, dg.RunRequest)
    assert clean_up_daily.default_status == dg.DefaultScheduleStatus.RUNNING


def test_the_type_of_a_run_s_row_has_the_columns_of_the_table() -> None:
    assert list(RunRow.__annotations__) == [column.name for column in RUNS.columns]
