"""Failures chosen by SQL are tried again, permanent ones too, by real runs."""

from datetime import UTC, datetime

import pytest

from ogaart.core.errors import BadChoice
from ogaart.operations.retry import FailureSelection, retry
from ogaart.resources.catalog.table_views import connect
from ogaart.resources.storage.schema import FAILURES, RAW_FILES
from ogaart_tests.world import World


def failures(world: World) -> list[tuple[str, str, str]]:
    with connect(world.stores.tables) as con:
        return con.execute("SELECT stage, error_class, key FROM failures ORDER BY ALL").fetchall()


def test_a_dry_run_shows_what_is_chosen_and_does_nothing(copied: World) -> None:
    before = failures(copied)

    report = retry(copied.settings, copied.quiet(), FailureSelection(stage="raw_files"), dry_run=True)

    assert sum(row["failures"] for row in report.rows) == sum(1 for stage, *_ in before if stage == "raw_files")
    assert failures(copied) == before


@pytest.mark.slow
def test_a_missing_file_is_requested_again_and_stored(copied: World) -> None:
    [url] = [key for stage, kind, key in failures(copied) if kind == "Missing"]
    path = url.removeprefix(copied.site.base)
    before = copied.site.count()[path]
    [missing] = [f for e in copied.site.site.entries for f in e.files if f.missing]

    missing.missing = False
    try:
        report = retry(copied.settings, copied.quiet(), FailureSelection(error_class="Missing"))
    finally:
        missing.missing = True

    assert report.errors == []
    assert [row["after"] for row in report.rows] == [0]
    assert copied.site.count()[path] == before + 1
    [row] = [
        r
        for p in copied.stores.tables.partitions(RAW_FILES)
        for r in copied.stores.tables.read(RAW_FILES, p)
        if r["url"] == url
    ]
    assert row["status"] == "ok"


def test_a_file_that_is_still_broken_fails_again_and_says_how_often(copied: World) -> None:
    _, kind, key = next(f for f in failures(copied) if f[0] == "extracted_images")

    report = retry(copied.settings, copied.quiet(), FailureSelection("extracted_images", kind, f"key = '{key}'"))

    assert report.errors == []
    assert [(row["asset"], row["failures"], row["after"]) for row in report.rows] == [("extracted_images", 1, 1)]
    [row] = [
        r
        for r in copied.stores.tables.read(FAILURES, report.rows[0]["partition"], "extracted_images")
        if r["key"] == key
    ]
    assert (row["attempts"], row["next_try"]) == (2, None)
    assert row["last_at"] <= datetime.now(UTC)


@pytest.mark.parametrize("choice", [FailureSelection(stage="catalog"), FailureSelection(where="no such column = 1")])
def test_an_invalid_choice_lists_the_valid_ones(copied: World, choice: FailureSelection) -> None:
    with pytest.raises(BadChoice, match=r"choose from search_pages|error_class"):
        retry(copied.settings, copied.quiet(), choice)
