"""What changed since last week: recorded with each publication, carried to the next, and never lost to rot."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from ogaart.resources.catalog import history
from ogaart.resources.catalog.generations import Generation
from ogaart.resources.catalog.history import History, HistoryFiles, kept
from ogaart.resources.catalog.tables import CHANGES, PUBLICATIONS
from ogaart.resources.index.base import VectorIndex
from ogaart.resources.storage.table_types import STAMP
from ogaart_tests.descriptors import files_left
from ogaart_tests.resources.catalog.catalog_world import (
    ALL_OF_IT,
    LATER,
    TWO_ENTRIES,
    Row,
    World,
    ask,
    fill,
    image_id,
    publish,
)

_HEADERS, _BLOCK = 3 * 4096, 256 * 1024
"""Bytes before the first block of DuckDB's file, and of each block: https://duckdb.org/docs/stable/internals/storage"""
NOW = datetime(2026, 10, 1, tzinfo=UTC)


@pytest.fixture
def files(tmp_path: Path) -> HistoryFiles:
    return HistoryFiles(tmp_path / "history")


def published(world: World, index: VectorIndex, files: HistoryFiles, current: Generation | None = None) -> Generation:
    """The next publication, recorded as the asset does it."""
    fill(index, *ALL_OF_IT, ("ash", "ash"))
    generation = publish(world, index, history=files.read(current), previous=current)
    files.record(generation, NOW)
    return generation


def another_day(world: World) -> None:
    """Oak has another licence and file, elm is gone, ash is new."""

    def change(table: str, row: Row) -> Row:
        match table, row.get("slug"):
            case "entries", "oak":
                return {**row, "licences": ["CC-BY 3.0", "GPL 2.0"], "favourites": 99}
            case "entries", "elm":
                return {**row, "status": "deleted"}
            case "raw_files", "oak" if row["url"].endswith("oak.png"):
                return {**row, "bytes": 11}
            case _:
                return row

    world.partition("2d/0000", {**TWO_ENTRIES, "ash": {"ash.png": ["ash"]}}, change=change, fetched_at=LATER)


def test_the_first_publication_has_no_changes(world: World, index: VectorIndex, files: HistoryFiles) -> None:
    world.partition("2d/0000", TWO_ENTRIES)

    first = published(world, index, files)

    assert ask(first, "FROM changes") == []
    assert ask(first, "SELECT publication, previous, entries, images, new_entries, published_at FROM publications") == [
        (1, None, 2, 3, 0, None)
    ]


def test_the_second_names_what_is_new_altered_and_withdrawn(
    world: World, index: VectorIndex, files: HistoryFiles
) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    first = published(world, index, files)
    another_day(world)

    second = published(world, index, files, first)

    found = ask(second, "SELECT kind, slug, key, change, field, old, new FROM changes ORDER BY ALL")
    site = "https://site/files"
    assert found == [
        ("entry", "ash", "ash", "new", None, None, None),
        ("entry", "elm", "elm", "altered", "status", "ok", "deleted"),
        ("entry", "elm", "elm", "withdrawn", None, None, None),
        ("entry", "oak", "oak", "altered", "licences", "CC0", "CC-BY 3.0; GPL 2.0"),
        ("file", "ash", f"{site}/ash/ash.png", "new", None, None, None),
        ("file", "oak", f"{site}/oak/oak.png", "altered", "bytes", "10", "11"),
        ("image", "ash", str(image_id("ash", "ash")), "new", None, None, None),
        ("image", "elm", str(image_id("elm", "oak")), "withdrawn", None, None, None),
    ]
    assert ask(
        second,
        "SELECT publication, previous, new_entries, altered_entries, withdrawn_entries, new_images, withdrawn_images,"
        " published_at FROM publications ORDER BY publication",
    ) == [(1, None, 0, 0, 0, 0, 0, NOW), (2, 1, 1, 2, 1, 1, 1, None)]


def test_changes_are_carried_on(world: World, index: VectorIndex, files: HistoryFiles) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    first = published(world, index, files)
    another_day(world)
    second = published(world, index, files, first)

    third = published(world, index, files, second)

    assert ask(third, "SELECT publication, count(*) FROM changes GROUP BY ALL") == [(2, 8)]
    assert ask(third, "SELECT count(*), count(published_at) FROM publications") == [(3, 2)]


@pytest.mark.slow
def test_what_never_came_into_service_is_not_carried(world: World, index: VectorIndex, files: HistoryFiles) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    first = published(world, index, files)
    another_day(world)
    published(world, index, files, first)  # recorded, then held back or killed before the switch

    third = published(world, index, files, first)

    assert ask(third, "SELECT DISTINCT publication FROM changes") == [(3,)]
    assert ask(third, "SELECT publication FROM publications ORDER BY 1") == [(1,), (3,)]


@pytest.mark.parametrize(
    "damage", ["rotten", *(pytest.param(how, marks=pytest.mark.slow) for how in ("cut short", "missing"))]
)
def test_rot_in_a_file_loses_nothing(world: World, index: VectorIndex, files: HistoryFiles, damage: str) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    first = published(world, index, files)
    another_day(world)
    second = published(world, index, files, first)
    path = world.root / "history" / "changes.parquet"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.unlink()
    if damage != "missing":
        path.write_bytes(content if damage == "rotten" else content[: len(content) // 2])
        assert files.damaged() == [path]

    third = published(world, index, files, second)

    assert ask(third, "SELECT publication, count(*) FROM changes GROUP BY ALL") == [(2, 8)]
    assert files.damaged() == []


def test_a_catalog_that_cannot_be_read_is_compared_with_nothing(
    world: World, index: VectorIndex, files: HistoryFiles
) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    first = published(world, index, files)
    first.catalog.chmod(0o600)
    first.catalog.write_bytes(b"rotten" * 5_000)

    second = published(world, index, files, first)

    assert ask(second, "SELECT publication, previous FROM publications ORDER BY 1") == [(1, None), (2, None)]


@pytest.mark.slow
def test_a_catalog_with_one_bad_block_is_compared_whole_or_not_at_all(
    world: World, index: VectorIndex, files: HistoryFiles
) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    first = published(world, index, files)
    another_day(world)
    whole, outcomes = first.catalog.read_bytes(), []
    first.catalog.chmod(0o600)

    for place in (None, *range(_HEADERS + 1_000, len(whole), 2 * _BLOCK)):
        content = bytearray(whole)
        if place is not None:
            content[place] ^= 0xFF
        first.catalog.write_bytes(content)
        second = publish(world, index, history=files.read(first), previous=first)
        [previous] = ask(second, "SELECT previous FROM publications ORDER BY publication DESC LIMIT 1")
        outcomes.append((*previous, *ask(second, "SELECT count(*) FROM changes")[0]))

    assert outcomes[0] == (1, 6)
    assert (None, 0) in outcomes
    assert set(outcomes) == {(1, 6), (None, 0)}


def test_a_restored_data_root_counts_on(world: World, index: VectorIndex, files: HistoryFiles) -> None:
    """A backup has the history and no generation."""
    world.partition("2d/0000", TWO_ENTRIES)
    published(world, index, files)

    assert files.last() == 1
    assert len(files.read(None).publications) == 1


def test_old_changes_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    ages = {1: 500, 2: 300, 3: 1}
    rows = [
        {
            "publication": n,
            "changed_at": NOW - timedelta(days=age),
            "kind": "entry",
            "slug": "a",
            "key": "a",
            "change": "new",
        }
        for n, age in ages.items()
        for _ in range(2)
    ]
    whole = History(PUBLICATIONS.schema.empty_table(), pa.Table.from_pylist(rows, schema=CHANGES.schema))

    by_age = kept(whole, NOW)
    monkeypatch.setattr(history, "KEPT_CHANGES", 3)
    by_number = kept(whole, NOW)

    assert by_age.changes["publication"].to_pylist() == [2, 2, 3, 3]
    assert by_number.changes["publication"].to_pylist() == [3, 3]
    assert by_age.changes.schema.field("changed_at").type == STAMP


def test_a_process_that_may_open_no_more_files_has_no_empty_history(
    world: World, index: VectorIndex, files: HistoryFiles
) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    first = published(world, index, files)

    for look in (lambda: files.read(first), files.last, files.damaged):
        with files_left(0), pytest.raises(OSError, match="Too many open files"):
            look()
    (world.root / "history" / "changes.parquet").unlink()
    with files_left(1), pytest.raises(OSError, match="Too many open files"):
        files.read(first)

    assert len(files.read(first).publications) == 1


def test_a_process_that_may_open_no_more_files_compares_with_no_publication(
    world: World, index: VectorIndex, files: HistoryFiles
) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    first = published(world, index, files)

    with duckdb.connect() as con, files_left(1), pytest.raises(OSError, match="Too many open files"):
        history.add_changes(con, first, 2, NOW)


def test_where_the_catalog_in_service_is_damaged_too_the_one_before_has_all_but_its_changes(
    world: World, index: VectorIndex, files: HistoryFiles
) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    first = published(world, index, files)
    another_day(world)
    second = published(world, index, files, first)
    third = published(world, index, files, second)
    (world.root / "history" / "changes.parquet").unlink()
    third.catalog.chmod(0o600)
    third.catalog.write_bytes(b"rotten" * 5_000)

    found = files.read(third, [third, second, first])

    assert found.publications["publication"].to_pylist() == [1, 2]
    assert set(found.changes["publication"].to_pylist()) == {2}
