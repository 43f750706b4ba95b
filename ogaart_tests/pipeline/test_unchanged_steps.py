"""A step of which nothing can have changed is not run; whatever could change its outcome makes it run."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ogaart.assets.content_pages import read_entries
from ogaart.assets.embeddings import embed
from ogaart.assets.extracted_images import extract
from ogaart.assets.file_links import read_links
from ogaart.assets.qdrant_collection import upsert
from ogaart.assets.raw_files import fetch_files
from ogaart.assets.search_pages import read_page
from ogaart.core.stages import Stage
from ogaart.demo import plan
from ogaart.demo.model import DemoContent
from ogaart.orchestration.instance import open_instance
from ogaart.pipeline.failure_log import FailureLog
from ogaart.pipeline.refresh_tags import RefreshRequest
from ogaart.pipeline.step import Step
from ogaart.pipeline.unchanged.memory import KIND, RememberedWork, StepInputs, program_digest
from ogaart.resources.embedding.registry import VectorSpace
from ogaart.resources.index.collection import Collection
from ogaart.resources.platform import Stores
from ogaart.resources.state.facts import Facts
from ogaart.resources.storage.atomic_files import write_json
from ogaart.resources.storage.schema import (
    ATLAS_REGIONS,
    CELLS,
    EMBEDDINGS,
    ENTRIES,
    FAILURES,
    FILE_LINKS,
    IMAGES,
    LICENCE_HISTORY,
    LISTINGS,
    MEMBERS,
    OCCURRENCES,
    POINTS,
    RAW_FILES,
    SEARCH_RESULTS,
)
from ogaart.resources.storage.table_types import Table
from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.world import World, copy_world, open_world

pytestmark = pytest.mark.slow

KEY = "2d-art/0000"
WORK: dict[Stage, RememberedWork] = {
    Stage.SEARCH_PAGES: read_page,
    Stage.CONTENT_PAGES: read_entries,
    Stage.FILE_LINKS: read_links,
    Stage.RAW_FILES: fetch_files,
    Stage.EXTRACTED_IMAGES: extract,
    Stage.EMBEDDINGS: embed,
    Stage.QDRANT_COLLECTION: upsert,
}
NONE: set[str] = set()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Some entries, one of them deleted and still listed, materialized once."""
    entries = plan.load().by_age()[:12]
    with open_world(tmp_path_factory.mktemp("unchanged"), ChangingSite(site=DemoContent(entries))) as opened:
        opened.discover()
        opened.site.delete(entries[0].slug)
        opened.all()
        yield opened


@pytest.fixture
def world(made: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return copy_world(made, tmp_path / "data", monkeypatch.setenv)


def to_run(world: World, refresh: RefreshRequest | None = None, later: timedelta = timedelta()) -> set[str]:
    """The stages that another run would not pass over."""
    found = set()
    stores = Stores(type(world.settings)())
    for stage, work in WORK.items():
        step = Step(stores, stage, KEY, "another", refresh)
        lineage = {"stage": stage.value, "partition": KEY, "run_id": "another"}
        step.now += later
        step.failures = FailureLog(step.failures.stored, lineage, step.now)
        if not work.is_done(step):
            found.add(stage.value)
    stores.close()
    return found


def commit_again(world: World, table: Table, *, without: int = 0) -> None:
    """Write the rows of a table again, or all but the first."""
    tables = world.stores.tables
    tables.commit(table.stage, KEY, {table.name: tables.read(table, KEY)[without:]})


def test_after_one_run_nothing_is_to_run(world: World) -> None:
    assert to_run(world) == NONE


def test_the_first_run_remembers_what_a_whole_second_one_finds(world: World) -> None:
    first = remembered(world)
    with world.stores.state.writing() as connection:
        connection.exec_driver_sql(f"DELETE FROM facts WHERE kind = '{KIND}'")
    world.materialize()

    assert remembered(world) == first
    assert len(first) == len(WORK)


def remembered(world: World) -> dict[str, Any]:
    facts = Facts(world.stores.state, KIND)
    found = {stage.value: facts.read(f"{stage} {KEY}") for stage in WORK}
    return {stage: fact for stage, fact in found.items() if fact is not None}


def test_a_run_of_what_is_unchanged_tells_what_a_whole_run_tells(world: World) -> None:
    world.materialize()
    with world.stores.state.writing() as connection:
        connection.exec_driver_sql(f"DELETE FROM facts WHERE kind = '{KIND}'")
    assert to_run(world) == {stage.value for stage in WORK}

    whole = materialized(world)
    assert to_run(world) == NONE
    short = materialized(world)

    assert short == whole


def materialized(world: World) -> dict[str, Any]:
    """What a materialization reports of each asset, and its checks; without times and the run's id."""
    report = world.materialize()
    assert report.errors == []
    found: dict[str, Any] = {}
    with open_instance(world.settings) as instance:
        for stage in WORK:
            key = dg.AssetKey(stage.value)
            [record] = instance.fetch_materializations(
                dg.AssetRecordsFilter(asset_key=key, asset_partitions=[KEY]), limit=1
            ).records
            assert record.asset_materialization is not None
            metadata = {name: one.value for name, one in record.asset_materialization.metadata.items()}
            for passing in ("seconds", "peak_bytes", "sql"):
                del metadata[passing]
            evaluations = []
            for entry in instance.all_logs(record.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
                assert entry.dagster_event is not None
                check: Any = entry.dagster_event.event_specific_data
                if check.asset_key == key:
                    evaluations.append((check.check_name, check.passed, check.description))
            found[stage.value] = metadata, evaluations
    return found


@pytest.mark.parametrize(
    ("table", "readers"),
    [
        (SEARCH_RESULTS, {Stage.SEARCH_PAGES, Stage.CONTENT_PAGES}),
        (LISTINGS, {Stage.SEARCH_PAGES}),
        (ENTRIES, {Stage.CONTENT_PAGES, Stage.FILE_LINKS, Stage.RAW_FILES, Stage.QDRANT_COLLECTION}),
        (LICENCE_HISTORY, {Stage.CONTENT_PAGES}),
        (FILE_LINKS, {Stage.FILE_LINKS, Stage.RAW_FILES, Stage.EMBEDDINGS, Stage.QDRANT_COLLECTION}),
        (RAW_FILES, {Stage.RAW_FILES, Stage.EXTRACTED_IMAGES}),
        (MEMBERS, {Stage.EXTRACTED_IMAGES}),
        (OCCURRENCES, {Stage.EXTRACTED_IMAGES, Stage.EMBEDDINGS, Stage.QDRANT_COLLECTION}),
        (IMAGES, {Stage.EXTRACTED_IMAGES, Stage.EMBEDDINGS, Stage.QDRANT_COLLECTION}),
        (ATLAS_REGIONS, {Stage.EXTRACTED_IMAGES, Stage.EMBEDDINGS}),
        (EMBEDDINGS, {Stage.EMBEDDINGS, Stage.QDRANT_COLLECTION}),
        (CELLS, {Stage.EMBEDDINGS}),
        (POINTS, {Stage.QDRANT_COLLECTION}),
    ],
    ids=lambda value: value.name if isinstance(value, Table) else "",
)
def test_another_object_of_a_table(world: World, table: Table, readers: set[Stage]) -> None:
    commit_again(world, table)

    assert to_run(world) == {stage.value for stage in readers}


@pytest.mark.parametrize("table", [ENTRIES, FILE_LINKS, RAW_FILES, EMBEDDINGS, POINTS], ids=lambda t: t.name)
def test_a_lost_object_is_made_again(world: World, table: Table) -> None:
    path = world.stores.tables.path(table, table.stage, KEY)
    rows = len(world.stores.tables.read(table, KEY))
    path.unlink()

    assert table.stage in to_run(world)
    world.materialize()
    assert len(world.stores.tables.read(table, KEY)) == rows


def test_an_object_that_was_written_to(world: World) -> None:
    path = world.stores.tables.path(FILE_LINKS, FILE_LINKS.stage, KEY)
    os.utime(path)

    assert "file_links" in to_run(world)


def test_a_file_that_was_put_at_the_fixed_name(world: World) -> None:
    tables = world.stores.tables
    named = tables.link(FILE_LINKS, FILE_LINKS.stage, KEY)
    content = named.read_bytes()
    named.unlink()
    named.write_bytes(content)

    assert "file_links" in to_run(world)


def test_a_lost_pack(world: World) -> None:
    world.stores.tables.pack_path(Stage.EXTRACTED_IMAGES, KEY).unlink()

    assert to_run(world) == {"extracted_images"}


def test_a_refresh(world: World) -> None:
    every = {stage.value for stage in WORK}

    assert to_run(world, RefreshRequest(datetime.now(UTC))) == every
    assert to_run(world, RefreshRequest(datetime.now(UTC), due=True)) == every


def test_a_failure_that_is_due(world: World) -> None:
    due = {
        stage.value
        for stage in WORK
        if any(row["next_try"] is not None for row in world.stores.tables.read(FAILURES, KEY, stage))
    }

    assert due
    assert to_run(world, later=timedelta(days=400)) == due | {"search_pages"}


@pytest.mark.parametrize(
    ("version", "stage"),
    [
        ("ogaart.assets.search_pages.SEARCH_PAGES_VERSION", Stage.SEARCH_PAGES),
        ("ogaart.assets.content_pages.CONTENT_PAGES_VERSION", Stage.CONTENT_PAGES),
        ("ogaart.assets.file_links.FILE_LINKS_VERSION", Stage.FILE_LINKS),
        ("ogaart.assets.raw_files.RAW_FILES_VERSION", Stage.RAW_FILES),
        ("ogaart.assets.extracted_images.EXTRACTION_VERSION", Stage.EXTRACTED_IMAGES),
        ("ogaart.assets.extracted_images.REVISION", Stage.EXTRACTED_IMAGES),
        ("ogaart.assets.embeddings.EMBEDDINGS_VERSION", Stage.EMBEDDINGS),
        ("ogaart.assets.qdrant_collection.COLLECTION_VERSION", Stage.QDRANT_COLLECTION),
    ],
)
def test_a_code_version(world: World, monkeypatch: pytest.MonkeyPatch, version: str, stage: Stage) -> None:
    monkeypatch.setattr(version, 99)

    assert to_run(world) == {stage.value}


def test_a_parser_s_version(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ogaart.sites.opengameart.site.OpenGameArt.content_version", "next")

    assert to_run(world) == {stage.value for stage in WORK}


def test_a_setting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OGAART_MAX_FAILURE_SHARE", "0.4")

    assert to_run(world) == {stage.value for stage in WORK}


def test_another_source_of_the_program(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("A = 1")
    before = program_digest.__wrapped__(tmp_path)
    (tmp_path / "one.py").write_text("A = 2")

    assert program_digest.__wrapped__(tmp_path) != before


def test_a_lost_result_page(world: World) -> None:
    [listing] = world.stores.tables.read(LISTINGS, KEY)
    world.stores.blobs.path(str(listing["sha256"])).unlink()

    assert to_run(world) == {"search_pages"}


def test_a_result_page_that_is_too_old(world: World) -> None:
    age = timedelta(hours=world.settings.listing_hours)

    assert to_run(world, later=age - timedelta(hours=1)) == NONE
    assert to_run(world, later=age) == {"search_pages"}


def test_another_sweep(world: World) -> None:
    sweeps = world.stores.sweeps
    sweep = sweeps.latest("2d-art")
    assert sweep is not None
    sweeps.store(replace(sweep, total=sweep.total + 1))

    assert to_run(world) == {"search_pages"}


def test_another_query_of_the_name(world: World) -> None:
    queries = world.settings.queries
    before = queries.read_text()
    try:
        queries.write_text(before.replace("2D Art", "3D Art"))

        assert to_run(world) == {"search_pages"}
    finally:
        queries.write_text(before)  # the file of all tests here


def test_a_lost_page(world: World) -> None:
    stores = world.stores
    row = next(row for row in stores.tables.read(ENTRIES, KEY) if row["page_sha256"])
    stores.blobs.path(str(row["page_sha256"])).unlink()
    before = len(world.site.requests)

    assert to_run(world) == {"content_pages"}
    world.materialize()
    assert len(world.site.requests) == before + 1


def test_a_lost_file(world: World) -> None:
    stores = world.stores
    row = next(row for row in stores.tables.read(RAW_FILES, KEY) if row["sha256"])
    stores.blobs.path(str(row["sha256"])).unlink()

    assert to_run(world) == {"raw_files"}
    world.materialize()
    assert stores.blobs.verify(str(row["sha256"]))


def test_another_fetch_record_of_a_page(world: World) -> None:
    row = next(row for row in world.stores.tables.read(ENTRIES, KEY) if row["page_sha256"])
    records = world.stores.fetch_records
    record = records.read(row["url"])
    assert record is not None
    records.write(record.confirmed(datetime.now(UTC)))

    assert to_run(world) == {"content_pages"}
    records.forget([row["url"]])
    assert to_run(world) == {"content_pages"}


def test_an_entry_that_left_the_listing(world: World) -> None:
    commit_again(world, SEARCH_RESULTS, without=1)
    world.materialize([KEY], ("content_pages",))

    assert "content_pages" in to_run(world)  # what others hold of it decides, each time


def test_another_key_of_an_entry_elsewhere(world: World) -> None:
    tables = world.stores.tables
    row = next(row for row in tables.read(ENTRIES, KEY) if row["nid"])
    other = {**row, "slug": "another-name", "partition": "2d-art/0001"}
    tables.commit(Stage.CONTENT_PAGES, "2d-art/0001", {ENTRIES.name: [other]})

    assert to_run(world) == {"content_pages"}


@pytest.mark.parametrize("store", ["vectors", "derived"])
def test_lost_segments_are_computed_again(world: World, store: str) -> None:
    for space in (world.settings.data / store).iterdir():
        if space.is_dir():
            shutil.rmtree(space)

    assert to_run(world) == {"embeddings"}
    [row] = [row for row in world.materialize().rows if row["asset"] == "embeddings"]
    assert any(value for name, value in row.items() if name == "embedded" or name.startswith("derived "))
    assert to_run(world) == NONE


@pytest.mark.parametrize("store", ["vectors", "derived"])
def test_a_segment_that_was_written_to(world: World, store: str) -> None:
    os.utime(next((world.settings.data / store).glob("*/segment-*")))

    assert to_run(world) == {"embeddings"}


def _touch_shard(collection: Collection) -> None:
    os.utime(next(path for path in sorted((collection.folder / "shard").rglob("*")) if path.is_file()))


def _rename(collection: Collection) -> None:
    write_json(collection.folder / "identity.json", {"identity": "another"})


@pytest.mark.parametrize("change", [_touch_shard, _rename, lambda collection: shutil.rmtree(collection.folder)])
def test_a_collection_that_is_another_one(world: World, change: Callable[[Collection], None]) -> None:
    stores = world.stores
    change(Collection(stores, VectorSpace.of(stores.settings)))

    assert to_run(world) == {"qdrant_collection"}


def test_what_changes_while_a_step_runs_is_read_by_the_next(world: World) -> None:
    inputs = StepInputs([ENTRIES])
    stores = world.stores

    def links_while_entries_change(step: Step) -> None:
        step.commit({FILE_LINKS: (stores.tables.read(FILE_LINKS, KEY), stores.tables.read(FILE_LINKS, KEY))})
        commit_again(world, ENTRIES)

    work = RememberedWork(inputs, links_while_entries_change)
    work(Step(stores, Stage.FILE_LINKS, KEY, "run"))

    assert not work.is_done(Step(stores, Stage.FILE_LINKS, KEY, "another"))


def test_a_fact_that_is_damaged_is_none(world: World) -> None:
    with world.stores.state.writing() as connection:
        connection.exec_driver_sql(f"UPDATE facts SET content = x'00' WHERE kind = '{KIND}'")

    assert to_run(world) == {stage.value for stage in WORK}
    assert Facts(world.stores.state, "none").read("none") is None
