"""The metadata of a run: its numbers come back from its SQL, its errors lead somewhere, its pictures fit."""

import io
import time
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import duckdb
import numpy as np
import pytest
from PIL import Image

from ogaart.core.stages import Stage
from ogaart.core.staleness import compare
from ogaart.imaging import thumbnails
from ogaart.imaging.contact_sheet import sheet
from ogaart.pipeline import step_metadata
from ogaart.pipeline.step import Step, described, open_step
from ogaart.resources.platform import Stores
from ogaart.resources.storage.rows import SearchResultRow
from ogaart.resources.storage.schema import IMAGES, OCCURRENCES, SEARCH_RESULTS, STEPS
from ogaart.settings import Settings
from ogaart_tests.pipeline.step_sql import as_sql

KEY = "2d-art/0000"


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    return Stores(Settings(data=tmp_path, min_free_bytes=0))


def write(step: Step, slugs: str) -> None:
    """Let the partition list these one-letter entries; what is stored stays as it is."""
    stored = {row["slug"]: row for row in step.stores.tables.read(SEARCH_RESULTS, KEY)}
    made: list[SearchResultRow] = [
        {"slug": s, "position": n, "title": s, "url": f"/content/{s}"} for n, s in enumerate(slugs)
    ]
    rows = [stored.get(row["slug"]) or step.stamp(row, row["slug"]) for row in made]
    step.count(compare({s: r["fingerprint"] for s, r in stored.items()}, {r["slug"]: r["fingerprint"] for r in rows}))
    step.extra.update(requests=1, bytes=500)
    step.commit({SEARCH_RESULTS: (list(stored.values()), rows)})


def test_the_sql_of_a_step_returns_its_numbers(stores: Stores) -> None:
    with open_step(stores, Stage.SEARCH_PAGES, KEY, "first") as step:
        write(step, "abc")
    with open_step(stores, Stage.SEARCH_PAGES, KEY, "it's the second") as step:
        write(step, "bcde")

    metadata = step.metadata()
    history, tables = as_sql(metadata["sql"])

    names = ("new", "stale", "unchanged", "orphaned", "failed", "pending", "requests")
    con = duckdb.connect()
    counted = con.execute(history).fetchall()[0]
    columns = [column[0] for column in con.description or ()]
    assert dict(zip(columns, counted, strict=True)).items() >= {(name, metadata[name]) for name in names}
    assert [metadata[name] for name in names] == [2, 0, 2, 1, 0, 0, 1]
    assert con.execute(tables).fetchall() == [("search_results", 4, 2)]
    assert (metadata["rows"], metadata["written"]) == ({"search_results": 4}, {"search_results": 2})


def test_errors_are_grouped_and_lead_to_what_failed(stores: Stores) -> None:
    key = "http://site/x.zip#3/0:in/[b].png"
    with open_step(stores, Stage.RAW_FILES, KEY, "run") as step:
        for n in range(4):
            step.failures.record(f"http://site/files/a{n}.png", "f", error_class="Missing", message="404")
        step.failures.record(key, "f", error_class="Unreadable", message="no [link](javascript:1)")

    text = str(step.metadata()["top_errors"].value)

    first, second = text.split("\n- ")
    assert first.startswith("- **4 × Missing**: [a0.png](<http://site/files/a0.png>)")
    assert first.count("](<") == 3
    assert "[\\[b\\].png](<http://site/x.zip>)" in second
    assert "\\[link\\]\\(javascript:1\\)" in second


@pytest.mark.parametrize("count", [1, 5, 24, 40])
def test_a_contact_sheet_is_small_whatever_is_on_it(count: int) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (count, 256, 256, 4), np.uint8)

    content = sheet([thumbnails.webp(rgba) for rgba in noise])

    assert len(content) <= 60_000 * 3 / 4
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.format == "JPEG"
        assert picture.width <= 804
        assert picture.height <= 304


def test_rows_are_dated_when_they_are_written_and_keep_that_date(stores: Stores) -> None:
    with open_step(stores, Stage.SEARCH_PAGES, KEY, "first") as step:
        time.sleep(0.05)
        before = datetime.now(UTC)
        write(step, "ab")
    with open_step(stores, Stage.SEARCH_PAGES, KEY, "second") as second:
        write(second, "abc")

    dates = {row["slug"]: row["written_at"] for row in stores.tables.read(SEARCH_RESULTS, KEY)}
    history = stores.tables.read(STEPS, KEY, Stage.SEARCH_PAGES)

    assert step.now < before <= dates["a"] == dates["b"] <= history[0]["ended_at"]
    assert second.now <= dates["c"] <= history[1]["ended_at"]
    assert [row["written_at"] for row in history] == [row["ended_at"] for row in history]


def test_a_step_that_finds_nothing_new_keeps_the_pictures_and_figures_of_the_last_that_did() -> None:
    first = {
        "new": dg.MetadataValue.int(3),
        "seconds": dg.MetadataValue.float(2.5),
        "pictures": dg.MetadataValue.md("![3 new pictures](…)"),
        "sql": dg.MetadataValue.md("SELECT 1"),
    }

    second = step_metadata.carried(first, "run-1", 1_700_000_000.0)
    third = step_metadata.carried({**second, "new": dg.MetadataValue.int(0)}, "run-2", 1_700_000_100.0)

    assert second["pictures"] == first["pictures"]
    assert second["last_changes"].value == {
        "run_id": "run-1",
        "at": "2023-11-14T22:13:20+00:00",
        "new": 3,
        "seconds": 2.5,
    }
    assert third == second


def test_every_table_that_an_asset_writes_has_its_columns_in_its_metadata() -> None:
    metadata = described(IMAGES, OCCURRENCES)

    schemas = {name: value for name, value in metadata.items() if isinstance(value, dg.TableSchema)}
    assert set(schemas) == {
        "dagster/column_schema",
        "columns of occurrences",
        "columns of failures",
        "columns of steps",
    }
    assert [column.name for column in schemas["columns of occurrences"].columns] == OCCURRENCES.schema.names
