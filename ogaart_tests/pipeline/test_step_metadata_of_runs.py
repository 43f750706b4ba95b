"""What a run reports in the UI, after the whole demo: complete for every asset, and its SQL counts the same."""

import base64
import io
from collections.abc import Mapping
from typing import Any

import dagster as dg
import duckdb
import pytest
from PIL import Image

from ogaart.core.states import RowState
from ogaart.operations.runs import ASSETS
from ogaart.orchestration.instance import open_instance
from ogaart_tests.pipeline.step_sql import as_sql
from ogaart_tests.world import World

ALWAYS = {*(state.value for state in RowState), "seconds", "peak_bytes", "rows", "written", "sql"}
OF_STAGE = {
    "search_pages": {"requests", "requests_saved", "bytes", "site_total"},
    "content_pages": {"requests", "requests_saved", "bytes", "bytes_per_second"},
    "raw_files": {"requests", "requests_saved", "bytes", "bytes_per_second"},
    "extracted_images": {"worker_peak_bytes", "pictures", "top_errors", "failures"},
    "embeddings": {"worker_peak_bytes", "embedded", "pictures_per_second"},
    "qdrant_collection": {"upserted"},
}


@pytest.fixture
def first(demo_world: World) -> Mapping[str, Mapping[str, Any]]:
    """The metadata of each asset's first materialization, of partition 2d-art/0000 where there are several."""
    found = {}
    with open_instance(demo_world.settings) as instance:
        for name in (*ASSETS, "catalog", "publication"):
            partitions = ["2d-art/0000"] if name in ASSETS else None
            chosen = dg.AssetRecordsFilter(asset_key=dg.AssetKey(name), asset_partitions=partitions)
            [record] = instance.fetch_materializations(chosen, limit=1, ascending=True).records
            assert record.asset_materialization is not None
            found[name] = {k: v.value for k, v in record.asset_materialization.metadata.items()}
    return found


@pytest.mark.parametrize("name", ASSETS)
def test_a_step_s_metadata_is_complete(first: Mapping[str, Mapping[str, Any]], name: str) -> None:
    assert set(first[name]) >= ALWAYS | OF_STAGE.get(name, set())


@pytest.mark.parametrize("name", ASSETS)
def test_a_step_s_sql_returns_its_numbers(first: Mapping[str, Mapping[str, Any]], name: str) -> None:
    said = first[name]
    history, tables = as_sql(said["sql"])
    con = duckdb.connect()

    [counted] = con.execute(history).fetchall()
    columns = [column[0] for column in con.description or ()]
    for column, number in zip(columns, counted, strict=True):
        assert number in (said.get(column, 0), None), column
    assert {t: (rows, written) for t, rows, written in con.execute(tables).fetchall()} == {
        table: (said["rows"][table], said["written"][table]) for table in said["rows"]
    }


@pytest.mark.parametrize("name", ["catalog", "publication"])
def test_the_catalog_s_sql_returns_its_numbers(
    demo_world: World, first: Mapping[str, Mapping[str, Any]], name: str
) -> None:
    [sql] = as_sql(first[name]["sql"])

    assert demo_world.sql(sql) == [tuple(first[name][column] for column in ("entries", "images", "points"))]


def test_the_contact_sheet_fits_into_an_event(first: Mapping[str, Mapping[str, Any]]) -> None:
    text = str(first["extracted_images"]["pictures"])
    content = base64.b64decode(text.partition("base64,")[2].rstrip(")"))

    assert len(text) < 60_000
    with Image.open(io.BytesIO(content)) as sheet:
        assert sheet.size == (804, 304)


@pytest.mark.slow
def test_a_run_that_finds_nothing_new_keeps_the_contact_sheet(copied: World) -> None:
    with open_instance(copied.settings) as instance:
        before = last_materialization(instance)
    copied.materialize(["2d-art/0000"], ("extracted_images",))
    with open_instance(copied.settings) as instance:
        after = last_materialization(instance)

    assert after.run_id != before.run_id
    metadata = [event.asset_materialization.metadata for event in (before, after) if event.asset_materialization]
    assert metadata[1]["pictures"] == metadata[0]["pictures"]
    assert metadata[1]["new"].value == 0
    figures = metadata[1]["last_changes"].value
    assert isinstance(figures, dict)
    assert (figures["run_id"], figures["new"]) == (before.run_id, metadata[0]["new"].value)


def last_materialization(instance: dg.DagsterInstance) -> dg.EventLogRecord:
    chosen = dg.AssetRecordsFilter(asset_key=dg.AssetKey("extracted_images"), asset_partitions=["2d-art/0000"])
    return instance.fetch_materializations(chosen, limit=1).records[0]


def test_every_check_ran_and_passed(demo_world: World) -> None:
    with open_instance(demo_world.settings) as instance:
        outcomes = {
            check: instance.event_log_storage.get_asset_check_execution_history(
                dg.AssetCheckKey(dg.AssetKey(asset), check), limit=1
            )[0].status.value
            for asset, checks in {
                "catalog": ("file_lengths", "failure_share", "rights", "recall", "site_totals"),
                "search_pages": ("rows_as_announced",),
                "content_pages": ("entries_read",),
                "file_links": ("entries_link_files",),
                "raw_files": ("few_failures",),
                "extracted_images": ("members_readable",),
                "embeddings": ("all_embedded",),
                "qdrant_collection": ("points_stored",),
            }.items()
            for check in checks
        }

    assert set(outcomes.values()) == {"SUCCEEDED"}, outcomes
