"""One run that processes several partitions: each has its own metadata, and one that fails harms no other."""

from collections import defaultdict
from typing import cast

import dagster as dg
import pytest

from ogaart.assets.catalog import REBUILD, runs_table
from ogaart.core.exit_codes import EXIT_PARTLY
from ogaart.core.stages import PARTITION_STAGES, Stage
from ogaart.definitions import defs
from ogaart.operations.runs import publish
from ogaart.orchestration.instance import Outcome, open_instance, run_job
from ogaart.orchestration.launch_types import Launch, LaunchReason
from ogaart.orchestration.launcher import run_request
from ogaart.resources.storage.lock_names import step_lock
from ogaart.resources.storage.locks import hold
from ogaart_tests.world import World

KEYS = ["2d-art/0000", "2d-art/0001", "2d-art/0002"]


def process(instance: dg.DagsterInstance) -> Outcome:
    """Run what the autopilot would launch."""
    request = run_request([Launch(key, LaunchReason.PROCESS) for key in KEYS])
    return run_job(instance, defs(), request.job_name, partition=request.partition_key, tags=dict(request.tags))


def materialized(instance: dg.DagsterInstance, run_id: str) -> dict[str, dict[str, dict[str, object]]]:
    """Metadata by asset and partition of what a run materialized."""
    found: dict[str, dict[str, dict[str, object]]] = defaultdict(dict)
    for record in instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records:
        event = record.asset_materialization
        assert event is not None
        assert event.partition is not None
        found[event.asset_key.path[-1]][event.partition] = {k: v.value for k, v in event.metadata.items()}
    return found


def test_every_partition_has_its_own_metadata(copied: World) -> None:
    with open_instance(copied.settings) as instance:
        outcome = process(instance)
        found = materialized(instance, outcome.run_id)
        home = copied.stores.root.dagster
        listed = {row["run_id"]: row["partition"] for row in runs_table(instance, home, outcome.run_id).to_pylist()}

    assert outcome.errors == ()
    assert listed[outcome.run_id] == "2d-art/0000...2d-art/0002"
    assert set(listed.values()) == {*KEYS, None, "2d-art/0000...2d-art/0002"}
    assert set(found) == {"extracted_images", "embeddings", "qdrant_collection"}
    pictures = {key: n for key, n in copied.sql("SELECT partition, count(*) FROM images GROUP BY ALL")}  # noqa: C416
    for stage in ("embeddings", "qdrant_collection"):
        assert {key: shown["unchanged"] for key, shown in found[stage].items()} == pictures
    assert sorted(found["extracted_images"]) == KEYS


def test_each_shows_its_own_last_changes_however_often_another_ran_alone(copied: World) -> None:
    name = Stage.EXTRACTED_IMAGES.value
    with open_instance(copied.settings) as instance:
        first = {key: newest(instance, name, key) for key in KEYS}
    for _ in KEYS:
        copied.materialize([KEYS[0]], (name,))

    report = copied.materialize(assets=(name,))

    assert len({row["run_id"] for row in report.rows}) == 1
    with open_instance(copied.settings) as instance:
        for key, before in first.items():
            shown = newest(instance, name, key)
            assert shown["pictures"] == before["pictures"]
            assert cast("dict[str, object]", shown["last_changes"])["new"] == before["new"]


def newest(instance: dg.DagsterInstance, name: str, key: str) -> dict[str, object]:
    """The metadata of an asset's newest materialization of a partition."""
    chosen = dg.AssetRecordsFilter(asset_key=dg.AssetKey(name), asset_partitions=[key])
    [record] = instance.fetch_materializations(chosen, limit=1).records
    assert record.asset_materialization is not None
    return {k: v.value for k, v in record.asset_materialization.metadata.items()}


def test_one_that_fails_harms_no_other(copied: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OGAART_LOCK_SECONDS", "0.1")
    held = step_lock(copied.stores.root, Stage.EMBEDDINGS, "2d-art/0001")
    with open_instance(copied.settings) as instance:
        with hold(held, what="the partition, by another process"):
            outcome = process(instance)
        found = materialized(instance, outcome.run_id)

    assert not outcome.success
    assert "1 of 3 partitions failed, the others are done: 2d-art/0001: Locked: " in outcome.errors[0]
    assert sorted(found["embeddings"]) == ["2d-art/0000", "2d-art/0002"]
    assert sorted(found["extracted_images"]) == KEYS
    assert "unchanged" in found["embeddings"]["2d-art/0002"]


def test_partitions_without_work_share_a_run_of_the_command_line(copied: World) -> None:
    report = copied.materialize()

    assert report.errors == []
    assert [row["partition"] for row in report.rows] == [key for key in KEYS for _ in PARTITION_STAGES]
    assert len({row["run_id"] for row in report.rows}) == 1


def test_one_of_them_that_fails_is_the_only_one_reported(copied: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OGAART_LOCK_SECONDS", "0.1")
    with hold(step_lock(copied.stores.root, Stage.EMBEDDINGS, "2d-art/0001"), what="the partition, by another process"):
        report = copied.materialize(assets=("embeddings", "qdrant_collection"))

    assert report.exit_code == EXIT_PARTLY
    [error] = report.errors
    assert error.startswith("2d-art/0001, run ")
    assert [row["partition"] for row in report.rows if row["asset"] == "qdrant_collection"] == [KEYS[0], KEYS[2]]


def test_a_partition_with_work_has_a_run_of_its_own(copied: World) -> None:
    copied.stores.tables.commit(Stage.EMBEDDINGS, "2d-art/0001", {"steps": []})  # as if killed before this stage

    report = copied.materialize()

    assert report.errors == []
    assert len({row["run_id"] for row in report.rows}) == len(KEYS)


@pytest.mark.slow
def test_the_catalog_lists_runs_that_failed_or_wrote_nothing_and_its_own(
    copied: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OGAART_LOCK_SECONDS", "0.1")
    with open_instance(copied.settings) as instance:
        before = {run.run_id for run in instance.get_runs()}
    empty = copied.materialize(["2d-art/0000"], ("search_pages",))
    with hold(step_lock(copied.stores.root, Stage.SEARCH_PAGES, "2d-art/0001"), what="the partition"):
        failed = copied.materialize(["2d-art/0001"], ("search_pages",))

    published = publish(copied.settings, copied.quiet(), tags={REBUILD: "true"})

    assert (empty.exit_code, failed.exit_code, published.exit_code) == (0, 3, 0)
    rows = copied.sql("SELECT job, partition, status, started_at <= ended_at, run_id FROM runs ORDER BY started_at")
    assert [row[:4] for row in rows if row[4] not in before] == [
        ("__ASSET_JOB", "2d-art/0000", "SUCCESS", True),
        ("__ASSET_JOB", "2d-art/0001", "FAILURE", True),
        ("publish", None, "SUCCESS", True),
    ]
