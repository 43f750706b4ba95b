"""Rows between the stages: whole or absent, together, and readable by later versions."""

import json
import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ogaart.resources.state.database import StateDamaged
from ogaart.resources.storage.current_objects import GRACE
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.lock_names import catalog_lock
from ogaart.resources.storage.locks import hold
from ogaart.resources.storage.objects import NOTE
from ogaart.resources.storage.packs import PackWriter, read_at
from ogaart.resources.storage.schema import IMAGES, OCCURRENCES, SEARCH_RESULTS
from ogaart.resources.storage.tables import NewerFormat, Row, Tables, TornTable
from ogaart_tests.descriptors import files_left
from ogaart_tests.tables import open_tables

KEY = "2d-art/0000"


def test_rows_come_back_with_every_declared_column(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)

    tables.commit("search_pages", KEY, {"search_results": [{"slug": "a", "position": 0}]})

    (row,) = tables.read(SEARCH_RESULTS, KEY)
    assert (row["slug"], row["position"], row.get("title")) == ("a", 0, None)
    assert list(row) != []
    assert set(row) == set(SEARCH_RESULTS.schema.names)


def test_a_partition_that_never_ran_has_no_rows(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)

    assert tables.read(SEARCH_RESULTS, KEY) == []
    assert not tables.exists(SEARCH_RESULTS, KEY)


def test_an_unknown_column_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="search_results has no column slgu"):
        open_tables(tmp_path).commit("search_pages", KEY, {"search_results": [{"slgu": "a"}]})


def test_a_misspelt_column_is_not_one_that_was_added_later(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="table search_results has no column 'slugs'"):
        open_tables(tmp_path).select(SEARCH_RESULTS, KEY, ["slugs"])


def test_rows_are_added_behind_the_others_of_which_the_last_stay(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)

    for number in range(5):
        tables.append(SEARCH_RESULTS, "search_pages", KEY, [{"slug": f"entry-{number}", "position": number}], keep=3)

    assert [(row["slug"], row["position"]) for row in tables.read(SEARCH_RESULTS, KEY)] == [
        ("entry-2", 2),
        ("entry-3", 3),
        ("entry-4", 4),
    ]


def test_rows_are_added_to_those_of_an_earlier_version(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    path = tables.path(SEARCH_RESULTS, "search_pages", KEY)
    path.parent.mkdir(parents=True)
    earlier = {"slug": ["old"], "position": pa.array([7], pa.int8()), "dropped": ["x"]}
    pq.write_table(pa.table(earlier), path)

    tables.append(SEARCH_RESULTS, "search_pages", KEY, [{"slug": "new", "title": "New"}], keep=9)

    rows = tables.read(SEARCH_RESULTS, KEY)
    assert [(row["slug"], row["position"], row["title"]) for row in rows] == [("old", 7, None), ("new", None, "New")]
    assert pq.read_schema(tables.path(SEARCH_RESULTS, "search_pages", KEY)).equals(SEARCH_RESULTS.schema)


def test_rows_with_an_unknown_column_are_not_added(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="search_results has no column slgu"):
        open_tables(tmp_path).append(SEARCH_RESULTS, "search_pages", KEY, [{"slgu": "a"}], keep=9)


def test_a_column_added_later_reads_as_null(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    path = tables.path(SEARCH_RESULTS, "search_pages", KEY)
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"slug": ["a"]}), path)

    (row,) = tables.read(SEARCH_RESULTS, KEY)

    assert (row["slug"], row.get("url")) == ("a", None)


def test_a_newer_format_is_refused_and_says_so(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    path = tables.path(SEARCH_RESULTS, "search_pages", KEY)
    path.parent.mkdir(parents=True)
    newer = pa.table({"slug": ["a"]}).replace_schema_metadata({"ogaart.format_version": "99"})
    pq.write_table(newer, path)

    with pytest.raises(NewerFormat, match=r"format 99 of table search_results.*upgrade ogaart"):
        tables.read(SEARCH_RESULTS, KEY)


def test_a_torn_file_is_named(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    tables.commit("search_pages", KEY, {"search_results": [{"slug": "a"}]})
    path = tables.path(SEARCH_RESULTS, "search_pages", KEY)
    path.write_bytes(path.read_bytes()[:40])

    with pytest.raises(TornTable, match=str(path)):
        tables.read(SEARCH_RESULTS, KEY)


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    tables.commit("search_pages", KEY, {"search_results": [{"slug": "a", "position": 0}, {"slug": "b", "position": 1}]})
    path = tables.path(SEARCH_RESULTS, "search_pages", KEY)
    whole = path.read_bytes()
    tables.verify(SEARCH_RESULTS, path)
    unnoticed = []

    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        try:
            tables.verify(SEARCH_RESULTS, path)
            unnoticed.append(place)
        except TornTable:
            pass

    assert unnoticed == []


def test_a_file_from_before_seals_is_read_as_it_is(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    path = tables.path(SEARCH_RESULTS, "search_pages", KEY)
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"slug": ["a"]}), path)

    tables.verify(SEARCH_RESULTS, path)


def test_a_sealed_file_is_plain_parquet(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    tables.commit("search_pages", KEY, {"search_results": [{"slug": s, "position": n} for n, s in enumerate("abc")]})
    path = tables.path(SEARCH_RESULTS, "search_pages", KEY)

    assert duckdb.execute(f"SELECT slug FROM '{path}' WHERE position > 1").fetchall() == [("c",)]
    assert pq.read_table(path, columns=["slug"]).to_pydict() == {"slug": ["a", "b", "c"]}


def test_the_fixed_name_is_a_link_to_what_is_current(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    for slug in "ab":
        tables.commit("search_pages", KEY, {"search_results": [{"slug": slug}]})

    named = tables.link(SEARCH_RESULTS, "search_pages", KEY)

    assert named == tmp_path / "tables/search_results/search_pages/2d-art/0000.parquet"
    assert duckdb.execute(f"SELECT slug FROM '{tmp_path}/tables/search_results/*/*/*.parquet'").fetchall() == [("b",)]
    assert tables.partitions(SEARCH_RESULTS) == [KEY]
    assert tables.files(SEARCH_RESULTS) == [named.resolve()]


def test_a_commit_that_fails_leaves_the_rows_of_before_and_no_object(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    tables.commit("extracted_images", KEY, {"images": [{"image_id": 1}], "occurrences": [{"image_id": 1}]})
    before = sorted((tmp_path / "objects").rglob("*.parquet"))

    with pytest.raises(KeyError):
        tables.commit("extracted_images", KEY, {"images": [{"image_id": 2}], "occurrences": [{"no": 2}]})

    assert sorted((tmp_path / "objects").rglob("*.parquet")) == before
    assert [row["image_id"] for row in tables.read(IMAGES, KEY)] == [1]


def test_a_cut_keeps_what_was_current(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    tables.commit("search_pages", KEY, {"search_results": [{"slug": "before"}]})

    cut = tables.cut()
    tables.commit("search_pages", KEY, {"search_results": [{"slug": "after"}]})
    tables.clean_up()

    [frozen] = cut.of("search_results")
    assert pq.read_table(frozen)["slug"].to_pylist() == ["before"]
    assert [row["slug"] for row in tables.read(SEARCH_RESULTS, KEY)] == ["after"]


def test_what_was_superseded_is_deleted_after_its_grace(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    for slug in "abc":
        tables.commit("search_pages", KEY, {"search_results": [{"slug": slug}]})
    old = [path for path in (tmp_path / "objects").rglob("*.parquet") if path not in tables.files(SEARCH_RESULTS)]
    assert tables.clean_up() == 0

    past = time.time() - GRACE - 1
    os.utime(old[0], (past, past))
    os.utime(tables.files(SEARCH_RESULTS)[0], (past, past))

    with hold(catalog_lock(DataRoot(tmp_path))):  # a catalog is built from an older cut for more than its grace
        assert tables.clean_up() == 0
    assert tables.clean_up() == 1
    assert not old[0].exists()
    assert old[1].exists()
    assert [row["slug"] for row in tables.read(SEARCH_RESULTS, KEY)] == ["c"]


@pytest.mark.parametrize(
    "place",
    ["objects", "objects/search_pages", "objects/search_pages/2d-art", "tables", "tables/search_results", "packs"],
)
def test_links_to_themselves_are_passed_over(tmp_path: Path, place: str) -> None:
    tables = open_tables(tmp_path)
    tables.commit("search_pages", KEY, {"search_results": [{"slug": "a"}]})
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / "loop").symlink_to("loop")

    assert tables.clean_up() == 0
    assert list(tables.cut().files) == [key for key, _ in tables.objects.versions("search_results")]


def test_copies_of_superseded_objects_in_other_folders_stay(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    for slug in "ab":
        tables.commit("search_pages", KEY, {"search_results": [{"slug": slug}]})
    past = time.time() - GRACE - 1
    for path in (tmp_path / "objects").rglob("*.parquet"):
        os.utime(path, (past, past))
    shutil.copytree(tmp_path / "objects", tmp_path / "copy")
    shutil.move(tmp_path / "copy", tmp_path / "objects" / ".snapshot")

    assert tables.clean_up() == 1
    assert len(list((tmp_path / "objects" / ".snapshot").rglob("*.parquet"))) == 2


def test_leftovers_of_dead_processes_are_swept_and_nothing_else(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    tables.commit("search_pages", KEY, {"search_results": [{"slug": "a"}]})
    folder = tables.link(SEARCH_RESULTS, "search_pages", KEY).parent
    (folder / ".tmp-999999999-0000.parquet").write_bytes(b"")

    assert tables.clean_up() == 1
    assert [p.name for p in folder.iterdir()] == ["0000.parquet"]


def forget(root: Path) -> None:
    for path in root.glob("state.db*"):
        path.unlink()


@pytest.mark.parametrize("links", [True, False], ids=["with links", "without links"])
def test_pointers_are_made_again_from_the_objects(tmp_path: Path, links: bool) -> None:
    tables = open_tables(tmp_path)
    with PackWriter(tables.pack_draft("extracted_images", KEY)) as pack:
        pack.add("a", b"a")
    first: dict[str, list[Row]] = {
        "images": [{"image_id": 1}], "occurrences": [{"image_id": 1}], "failures": [{"key": "1"}]
    }  # fmt: skip
    tables.commit("extracted_images", KEY, first, pack.path)
    tables.commit("extracted_images", KEY, {"images": [{"image_id": 2}], "occurrences": [{"image_id": 2}]})
    tables.commit("extracted_images", KEY, {"failures": [{"key": "3"}]})
    before = tables.cut()
    for path in (tmp_path / "objects").rglob("*0000000001*.failures.parquet"):
        path.unlink()  # of the first commit, superseded
    # A step that was killed between its two objects.
    half = tables.path(IMAGES, "extracted_images", KEY)
    other = half.with_name(half.name.replace("0000000002", "0000000004"))
    note = json.loads(pq.read_schema(half).metadata[NOTE])
    note["objects"] = [name.replace("0000000002", "0000000004") for name in note["objects"]]
    pq.write_table(pq.read_table(half).replace_schema_metadata({NOTE: json.dumps(note)}), other)
    forget(tmp_path)
    if not links:
        shutil.rmtree(tmp_path / "tables")

    assert open_tables(tmp_path).cut() == before


@pytest.mark.parametrize("later", [KEY, "2d-art/0001"], ids=["of the same partition", "of a new partition"])
def test_a_database_of_an_earlier_moment_is_made_again(later: str, tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    tables.commit("search_pages", KEY, {"search_results": [{"slug": "a"}]})
    with closing(sqlite3.connect(tmp_path / "state.db")) as source, closing(sqlite3.connect(tmp_path / "old")) as old:
        source.backup(old)
    tables.commit("search_pages", later, {"search_results": [{"slug": "b"}]})
    before = tables.cut()
    forget(tmp_path)
    (tmp_path / "old").rename(tmp_path / "state.db")

    again = open_tables(tmp_path)
    again.clean_up()

    assert again.cut() == before
    assert [row["slug"] for row in again.read(SEARCH_RESULTS, later)] == ["b"]


def test_rows_are_read_where_the_database_cannot_be(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    tables.commit("search_pages", KEY, {"search_results": [{"slug": "a"}]})
    forget(tmp_path)
    (tmp_path / "state.db").write_bytes(b"not a database" * 300)

    broken = open_tables(tmp_path)

    assert [row["slug"] for row in broken.read(SEARCH_RESULTS, KEY)] == ["a"]
    assert broken.partitions(SEARCH_RESULTS) == [KEY]
    with pytest.raises(StateDamaged):
        broken.commit("search_pages", KEY, {"search_results": []})


def test_a_link_that_a_killed_step_did_not_make_is_made_by_the_next_run(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    tables.commit("search_pages", KEY, {"search_results": [{"slug": "a"}]})
    named = tables.link(SEARCH_RESULTS, "search_pages", KEY)
    named.unlink()

    tables.clean_up()

    assert named.resolve() == tables.path(SEARCH_RESULTS, "search_pages", KEY)


# -- files of versions before ---------------------------------------------------------------------------------


def as_before(tables: Tables) -> None:
    """Put files where versions before had them, without a database."""
    for key, path in tables.cut().files.items():
        named = tables.root / key.name
        named.unlink()
        path.rename(named)
    forget(tables.root)


def test_files_of_versions_before_are_current_until_they_are_replaced(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    tables.commit("extracted_images", KEY, {"images": [{"image_id": 1}], "occurrences": [{"image_id": 1}]})
    as_before(tables)
    later = open_tables(tmp_path)
    assert [row["image_id"] for row in later.read(IMAGES, KEY)] == [1]
    assert later.partitions(IMAGES) == [KEY]
    cut = later.cut()

    later.commit("extracted_images", KEY, {"images": [{"image_id": 2}]})

    assert pq.read_table(cut.of("images")[0])["image_id"].to_pylist() == [1]
    assert [row["image_id"] for row in later.read(IMAGES, KEY)] == [2]
    assert [row["image_id"] for row in later.read(OCCURRENCES, KEY)] == [1]
    assert later.link(OCCURRENCES, "extracted_images", KEY).is_symlink()


def test_a_pack_takes_the_place_of_one_of_a_version_before(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    for content in (b"before", b"after"):
        with PackWriter(tables.pack_draft("extracted_images", KEY)) as pack:
            place = pack.add("a", content)
        tables.commit("extracted_images", KEY, {"images": []}, pack.path)
        assert read_at(tables.pack_path("extracted_images", KEY), *place) == content
        as_before(tables)
        tables = open_tables(tmp_path)


def test_a_file_put_back_from_a_backup_is_current(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    tables.commit("search_pages", KEY, {"search_results": [{"slug": "kept"}]})
    kept = tables.path(SEARCH_RESULTS, "search_pages", KEY).read_bytes()
    tables.commit("search_pages", KEY, {"search_results": [{"slug": "lost"}]})
    named = tables.link(SEARCH_RESULTS, "search_pages", KEY)
    named.unlink()
    named.write_bytes(kept)

    assert [row["slug"] for row in tables.read(SEARCH_RESULTS, KEY)] == ["kept"]
    tables.cut()
    forget(tmp_path)

    assert [row["slug"] for row in open_tables(tmp_path).read(SEARCH_RESULTS, KEY)] == ["kept"]


def test_what_a_version_before_was_killed_in_is_completed(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    tables.commit("extracted_images", KEY, {"images": [{"image_id": 2}], "occurrences": [{"image_id": 1}]})
    as_before(tables)
    other = open_tables(tmp_path / "other")
    other.commit("extracted_images", KEY, {"occurrences": [{"image_id": 2}]})
    # The state after the first of two renames: images is new, occurrences waits under its temporary name.
    occurrences = tables.link(OCCURRENCES, "extracted_images", KEY)
    draft = occurrences.with_name(".tmp-1-0000.parquet")
    draft.write_bytes(other.path(OCCURRENCES, "extracted_images", KEY).read_bytes())
    journal = tmp_path / "tables/.journal/extracted_images-2d-art-0000-rows.json"
    journal.parent.mkdir()
    journal.write_text(json.dumps([[str(draft.relative_to(tmp_path)), str(occurrences.relative_to(tmp_path))]]))
    later = open_tables(tmp_path)

    later.clean_up()

    assert [row["image_id"] for row in later.read(OCCURRENCES, KEY)] == [2]
    assert not journal.exists()
    assert not draft.exists()


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


def test_pointers_that_were_lost_are_noticed_by_their_links(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    tables.commit("extracted_images", KEY, {"images": [{"image_id": 1}], "occurrences": [{"image_id": 1}]})
    before = tables.cut()
    assert tables.objects.without_pointer() == []
    with sqlite3.connect(tmp_path / "state.db") as state:
        state.execute("DELETE FROM pointers WHERE kind = 'images'")

    lost = tables.objects.without_pointer()
    tables.objects.remake()

    assert [key.kind for key in lost] == ["images"]
    assert tables.objects.without_pointer() == []
    assert tables.cut() == before


def test_a_process_that_may_open_no_more_files_says_nothing_of_the_table(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    tables.commit("search_pages", "2d/0000", {SEARCH_RESULTS.name: []})
    path = tables.path(SEARCH_RESULTS, "search_pages", "2d/0000")

    with files_left(0), pytest.raises(OSError, match="Too many open files"):
        tables.verify(SEARCH_RESULTS, path)

    tables.verify(SEARCH_RESULTS, path)


def test_a_process_that_may_open_no_more_files_has_lost_no_table(tmp_path: Path) -> None:
    tables = open_tables(tmp_path)
    tables.commit("search_pages", "2d/0000", {SEARCH_RESULTS.name: []})
    assert tables.objects.lost() == []

    with files_left(0), pytest.raises(OSError, match="Too many open files"):
        tables.objects.lost()
