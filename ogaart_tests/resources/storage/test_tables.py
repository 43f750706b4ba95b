"""Rows between the stages: whole or absent, together, and readable by later versions."""

import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ogaart.resources.storage.packs import PackWriter, read_at
from ogaart.resources.storage.schema import IMAGES, OCCURRENCES, SEARCH_RESULTS
from ogaart.resources.storage.tables import NewerFormat, Tables, TornTable

KEY = "2d-art/0000"


def test_rows_come_back_with_every_declared_column(tmp_path: Path) -> None:
    tables = Tables(tmp_path)

    tables.commit("search_pages", KEY, {"search_results": [{"slug": "a", "position": 0}]})

    (row,) = tables.read(SEARCH_RESULTS, KEY)
    assert (row["slug"], row["position"], row.get("title")) == ("a", 0, None)
    assert list(row) != []
    assert set(row) == set(SEARCH_RESULTS.schema.names)


def test_a_partition_that_never_ran_has_no_rows(tmp_path: Path) -> None:
    tables = Tables(tmp_path)

    assert tables.read(SEARCH_RESULTS, KEY) == []
    assert not tables.exists(SEARCH_RESULTS, KEY)


def test_an_unknown_column_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="search_results has no column slgu"):
        Tables(tmp_path).commit("search_pages", KEY, {"search_results": [{"slgu": "a"}]})


def test_a_column_added_later_reads_as_null(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    path = tables.path(SEARCH_RESULTS, "search_pages", KEY)
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"slug": ["a"]}), path)

    (row,) = tables.read(SEARCH_RESULTS, KEY)

    assert (row["slug"], row.get("url")) == ("a", None)


def test_a_newer_format_is_refused_and_says_so(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    path = tables.path(SEARCH_RESULTS, "search_pages", KEY)
    path.parent.mkdir(parents=True)
    newer = pa.table({"slug": ["a"]}).replace_schema_metadata({"ogaart.format_version": "99"})
    pq.write_table(newer, path)

    with pytest.raises(NewerFormat, match=r"format 99 of table search_results.*upgrade ogaart"):
        tables.read(SEARCH_RESULTS, KEY)


def test_a_torn_file_is_named(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    tables.commit("search_pages", KEY, {"search_results": [{"slug": "a"}]})
    path = tables.path(SEARCH_RESULTS, "search_pages", KEY)
    path.write_bytes(path.read_bytes()[:40])

    with pytest.raises(TornTable, match=str(path)):
        tables.read(SEARCH_RESULTS, KEY)


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    tables.commit("search_pages", KEY, {"search_results": [{"slug": "a", "position": 0}, {"slug": "b", "position": 1}]})
    path = tables.path(SEARCH_RESULTS, "search_pages", KEY)
    whole = path.read_bytes()
    tables.verify(SEARCH_RESULTS, KEY)
    unnoticed = []

    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        try:
            tables.verify(SEARCH_RESULTS, KEY)
            unnoticed.append(place)
        except TornTable:
            pass

    assert unnoticed == []


def test_a_file_from_before_seals_is_read_as_it_is(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    path = tables.path(SEARCH_RESULTS, "search_pages", KEY)
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"slug": ["a"]}), path)

    tables.verify(SEARCH_RESULTS, KEY)


def test_a_sealed_file_is_plain_parquet(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    tables.commit("search_pages", KEY, {"search_results": [{"slug": s, "position": n} for n, s in enumerate("abc")]})
    path = tables.path(SEARCH_RESULTS, "search_pages", KEY)

    assert duckdb.execute(f"SELECT slug FROM '{path}' WHERE position > 1").fetchall() == [("c",)]
    assert pq.read_table(path, columns=["slug"]).to_pydict() == {"slug": ["a", "b", "c"]}


def test_a_swap_that_was_killed_half_way_is_completed_by_the_next(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    tables.commit("extracted_images", KEY, {"images": [{"image_id": 1}], "occurrences": [{"image_id": 1}]})
    images = tables.path(IMAGES, "extracted_images", KEY)
    occurrences = tables.path(OCCURRENCES, "extracted_images", KEY)
    other = Tables(tmp_path / "other")
    other.commit("extracted_images", KEY, {"images": [{"image_id": 2}], "occurrences": [{"image_id": 2}]})
    # The state after the first of two renames: images is new, occurrences waits under its temporary name.
    draft = occurrences.with_name(".tmp-1-0000.parquet")
    draft.write_bytes(other.path(OCCURRENCES, "extracted_images", KEY).read_bytes())
    images.write_bytes(other.path(IMAGES, "extracted_images", KEY).read_bytes())
    journal = tmp_path / "tables/.journal/extracted_images-2d-art-0000-rows.json"
    names = [[str(draft.relative_to(tmp_path)), str(occurrences.relative_to(tmp_path))]]
    journal.write_text(json.dumps(names))

    tables.cut(tmp_path / "cut")

    assert [row["image_id"] for row in tables.read(OCCURRENCES, KEY)] == [2]
    assert not journal.exists()
    assert not draft.exists()


def test_a_cut_keeps_what_was_current(tmp_path: Path) -> None:
    tables = Tables(tmp_path / "data")
    tables.commit("search_pages", KEY, {"search_results": [{"slug": "before"}]})

    tables.cut(tmp_path / "data" / "cut")
    tables.commit("search_pages", KEY, {"search_results": [{"slug": "after"}]})

    frozen = tmp_path / "data/cut/tables/search_results/search_pages/2d-art/0000.parquet"
    assert pq.read_table(frozen)["slug"].to_pylist() == ["before"]


def test_leftovers_of_dead_processes_are_swept_and_nothing_else(tmp_path: Path) -> None:
    tables = Tables(tmp_path)
    tables.commit("search_pages", KEY, {"search_results": [{"slug": "a"}]})
    folder = tables.path(SEARCH_RESULTS, "search_pages", KEY).parent
    (folder / ".tmp-999999999-0000.parquet").write_bytes(b"")

    assert tables.clean_up() == 1
    assert [p.name for p in folder.iterdir()] == ["0000.parquet"]


def test_a_pack_is_a_zip_that_reads_by_offset(tmp_path: Path) -> None:
    import zipfile

    path = tmp_path / "0000.zip"
    with PackWriter(path) as pack:
        first = pack.add("pictures/ä.png", b"first")
        second = pack.add("pictures/b.png", b"second")
        again = pack.add("pictures/ä.png", b"first")

    assert read_at(path, *first) == b"first"
    assert read_at(path, *second) == b"second"
    assert again == first
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["pictures/ä.png", "pictures/b.png"]
        assert archive.testzip() is None


def test_a_pack_that_ends_early_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "0000.zip"
    path.write_bytes(b"short")

    with pytest.raises(OSError, match="ends before offset 2 \\+ 10 bytes"):
        read_at(path, 2, 10)
