"""Checks of partitioned assets: each partition keeps its own result, whichever run made it."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from ogaart.core.stages import OFFLINE_STAGES, PARTITION_STAGES, SITE_STAGES, Stage
from ogaart.definitions import defs
from ogaart.demo.model import DemoContent
from ogaart.orchestration.instance import open_instance, run_job
from ogaart.orchestration.launch_types import Launch, LaunchReason
from ogaart.orchestration.launcher import run_request
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.pipeline.test_changing_site import PER_PAGE, entry
from ogaart_tests.world import World, open_world

FIRST, SECOND = "2d-art/0000", "2d-art/0001"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two pages of a small site, discovered; a fifth of the first page's files is missing."""
    entries = [entry(n) for n in range(4)]
    entries[0].files[0].missing = True
    site = ChangingSite(site=DemoContent(entries), per_page=PER_PAGE)
    with open_world(tmp_path, site, OGAART_MAX_FAILURE_SHARE="0.1") as opened:
        query = f'[[query]]\nname = "2d-art"\nart_types = ["2D Art"]\nper_page = {PER_PAGE}\n'
        opened.settings.queries.write_text(query)
        opened.discover()
        yield opened


def results(instance: dg.DagsterInstance, stage: Stage) -> dict[str | None, bool]:
    """Whether the stage's check last passed, by partition."""
    [check] = [
        key for key in defs().resolve_asset_graph().asset_check_keys if key.asset_key == dg.AssetKey(stage.value)
    ]
    found: dict[str | None, bool] = {}
    for record in instance.event_log_storage.get_asset_check_execution_history(check, limit=100):
        found.setdefault(record.partition, record.status.value == "SUCCEEDED")
    return found


def test_every_partitioned_asset_has_a_check_with_a_result_for_each_partition() -> None:
    graph = defs().resolve_asset_graph()
    specs = [graph.get_check_spec(key) for key in graph.asset_check_keys]

    partitioned = {spec.asset_key.to_user_string() for spec in specs if spec.partitions_def is not None}

    assert partitioned == {stage.value for stage in PARTITION_STAGES}


@pytest.mark.slow
def test_a_failed_check_of_one_partition_stays_when_another_is_run(world: World) -> None:
    site_stages = tuple(stage.value for stage in SITE_STAGES)

    world.materialize([FIRST], site_stages)
    world.materialize([SECOND], site_stages)

    with open_instance(world.settings) as instance:
        assert results(instance, Stage.RAW_FILES) == {FIRST: False, SECOND: True}
        assert results(instance, Stage.CONTENT_PAGES) == {FIRST: True, SECOND: True}


@pytest.mark.slow
def test_a_run_of_several_partitions_records_each_one_s_result(world: World) -> None:
    world.materialize([FIRST, SECOND], tuple(stage.value for stage in SITE_STAGES))
    request = run_request([Launch(FIRST, LaunchReason.PROCESS), Launch(SECOND, LaunchReason.PROCESS)])

    with open_instance(world.settings) as instance:
        outcome = run_job(instance, defs(), request.job_name, tags=dict(request.tags))
        found = {stage: results(instance, stage) for stage in OFFLINE_STAGES}

    assert outcome.errors == ()
    assert found == {stage: {FIRST: True, SECOND: True} for stage in OFFLINE_STAGES}


@pytest.mark.slow
def test_a_failed_check_in_a_run_of_several_partitions_is_of_its_partition(world: World) -> None:
    _, cut = world.site.site.file(100)
    cut.data = cut.data[: len(cut.data) // 2]
    world.materialize([FIRST, SECOND], tuple(stage.value for stage in SITE_STAGES))
    request = run_request([Launch(FIRST, LaunchReason.PROCESS), Launch(SECOND, LaunchReason.PROCESS)])

    with open_instance(world.settings) as instance:
        run_job(instance, defs(), request.job_name, tags=dict(request.tags))
        failed = results(instance, Stage.EXTRACTED_IMAGES)
        world.materialize([SECOND], ("extracted_images",))
        later = results(instance, Stage.EXTRACTED_IMAGES)

    assert failed == {FIRST: False, SECOND: True}
    assert later == failed
