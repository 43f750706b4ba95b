"""The catalog, built from real Parquet files, packs and a real collection."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ogaart.resources.catalog.build import CatalogBuild, Source
from ogaart.resources.catalog.cut import CatalogFailed
from ogaart.resources.catalog.macros import MACROS
from ogaart.resources.catalog.signature_files import open_signatures
from ogaart.resources.catalog.tables import KEYS, PUBLIC, RUNS
from ogaart.resources.catalog.unrelated import index_facts
from ogaart.resources.catalog.views import VIEWS
from ogaart.resources.index.base import Point, VectorIndex
from ogaart.resources.index.edge import EdgeIndex
from ogaart.resources.index.payload import payload_hash
from ogaart.resources.index.reconciliation import reconcile, repair
from ogaart.resources.moderation.takedowns import Takedowns
from ogaart.resources.storage.packs import read_at
from ogaart.resources.storage.schema import SEARCH_RESULTS
from ogaart.resources.storage.vectors import Vectors
from ogaart_tests.resources.catalog.catalog_world import (
    ALL_OF_IT,
    LATER,
    SPACE,
    TWO_ENTRIES,
    WHEN,
    Row,
    World,
    ask,
    fill,
    image_id,
    publish,
    sha,
    vector,
    words,
)

PLACED = "SELECT shown_name, member_path FROM places AS p JOIN files USING (file) WHERE image_id = ? ORDER BY p.rowid"


def test_equal_pixels_in_two_entries_are_a_family(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    fill(index, *ALL_OF_IT)

    found = publish(world, index)

    oaks = sorted((image_id("oak", "oak"), image_id("elm", "oak")))
    rows = ask(found, "SELECT family_id, copy_id, image_id, like_image_id, kind, evidence FROM families")
    assert rows == [
        (oaks[0], oaks[0], oaks[0], oaks[1], "pixels", 1.0),
        (oaks[0], oaks[0], oaks[1], oaks[0], "pixels", 1.0),
    ]
    assert words(found, "SELECT image_id, family_id, kind FROM families") == [(oak, oaks[0], "pixels") for oak in oaks]
    assert ask(found, "SELECT count(*) FROM frames") == [(0,)]


def test_every_image_has_one_row_for_each_entry(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    fill(index, *ALL_OF_IT)

    found = publish(world, index)

    rows = ask(found, "SELECT slug, pixel_sha256, embedded, indexed FROM images ORDER BY slug, pixel_sha256")
    assert rows == sorted([("elm", sha("oak"), True, True), ("oak", sha("leaf"), True, True),
                           ("oak", sha("oak"), True, True)])  # fmt: skip
    assert ask(found, "SELECT fid, member_path, position FROM occurrences WHERE slug = 'oak' ORDER BY ALL") == [
        (0, "", 0),
        (1, "art/leaf.png", 0),
        (1, "art/oak.png", 1),
    ]
    assert ask(found, "SELECT slug, shown_name, role, status, type FROM files ORDER BY slug, fid") == [
        ("elm", "elm.png", "file", "ok", "png"),
        ("oak", "oak.png", "file", "ok", "png"),
        ("oak", "pack.zip", "file", "ok", "zip"),
    ]


def test_tables_views_and_macros_say_what_they_are(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    found = publish(world, index)

    tables = ask(found, "SELECT table_name FROM duckdb_tables() WHERE comment IS NOT NULL AND NOT has_primary_key")
    assert {row[0] for row in tables} == {table.name for table in PUBLIC}
    keyed = ask(found, "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT is_nullable AND NOT internal")
    assert set(keyed) == {(name, column) for name, key in KEYS.items() for column in key}
    assert ask(found, "SELECT table_name, column_name FROM duckdb_columns() WHERE NOT internal AND comment IS NULL"
                      " AND table_name IN (SELECT table_name FROM duckdb_tables())") == []  # fmt: skip
    views = ask(found, "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal")
    assert {name for name, comment in views if comment} == {view.name for view in VIEWS}
    for view in VIEWS:
        described = [row[0] for row in ask(found, f"DESCRIBE {view.name}")]
        assert described == list(view.columns), view.name
    macros = ask(found, "SELECT function_name FROM duckdb_functions() WHERE NOT internal AND comment IS NOT NULL")
    assert {row[0] for row in macros} == {macro.name for macro in MACROS} | {"similar"}


def test_the_file_opens_with_the_oldest_layout(world: World, index: VectorIndex) -> None:
    found = publish(world, index)

    assert ask(found, "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = 'ogaart'") == [
        ("v1.0.0+",)
    ]


def test_nothing_crawled_yet_is_an_empty_generation(world: World, index: VectorIndex) -> None:
    found = publish(world, index)

    assert ask(found, "SELECT count(*) FROM images") == [(0,)]
    assert ask(found, "FROM funnel") == []
    assert open_signatures(found.path).shape == (0, 32, 32, 4)
    assert found.manifest["counts"]["searchable"] == 0


def test_the_newest_reading_of_an_entry_wins_in_every_table(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", {"oak": {"old.png": ["oak"]}, "elm": {"elm.png": ["elm"]}})
    world.partition("2d/0001", {"oak": {"new.zip": ["oak", "leaf"]}}, fetched_at=LATER)
    fill(index, *ALL_OF_IT, ("elm", "elm"))

    found = publish(world, index)

    assert ask(found, "SELECT slug, partition FROM entries ORDER BY slug") == [("elm", "2d/0000"), ("oak", "2d/0001")]
    assert ask(found, "SELECT shown_name FROM files WHERE slug = 'oak'") == [("new.zip",)]
    assert ask(found, "SELECT count(*) FROM images WHERE slug = 'oak' AND partition = '2d/0001'") == [(2,)]
    assert ask(found, "SELECT partition, slug FROM search_results ORDER BY ALL") == [
        ("2d/0000", "elm"), ("2d/0000", "oak"), ("2d/0001", "oak")]  # fmt: skip


def test_an_entry_that_moved_stays_until_its_new_page_is_through_with_it(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", {"oak": {"oak.png": ["oak"]}})
    world.partition("2d/0001", {"oak": {"oak.png": ["oak"]}}, fetched_at=LATER, until="raw_files")
    fill(index, ("oak", "oak"))

    found = publish(world, index)

    assert ask(found, "SELECT partition, indexed FROM images") == [("2d/0000", True)]


@pytest.mark.parametrize("until", ["qdrant_collection", "raw_files"])
def test_of_two_keys_of_one_entry_one_is_in_search(world: World, index: VectorIndex, until: str) -> None:
    def numbered(table: str, row: Row) -> Row:
        return row | {"nid": 5} if table == "entries" else row

    world.partition("2d/0000", {"/node/5": {"oak.png": ["oak"]}}, change=numbered)
    world.partition("2d/0001", {"oak": {"oak.png": ["oak"]}}, until=until, change=numbered)
    fill(index, ("/node/5", "oak"), *([("oak", "oak")] if until == "qdrant_collection" else []))

    found = publish(world, index)

    present, former = ("oak", "/node/5") if until == "qdrant_collection" else ("/node/5", "oak")
    assert ask(found, "SELECT slug, status FROM entries ORDER BY status") == [(present, "ok"), (former, "renamed")]
    assert ask(found, "SELECT slug FROM images WHERE indexed") == [(present,)]
    ids = [(image_id(former, "oak"), image_id(present, "oak"))]
    assert ask(found, "SELECT image_id, new_image_id FROM renamed_images") == ids


def test_a_tombstone_wins_at_once(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", {"oak": {"oak.png": ["oak"]}})
    world.partition("2d/0001", {"oak": {}}, fetched_at=LATER, status="deleted")
    fill(index, ("oak", "oak"))

    found = publish(world, index)

    assert ask(found, "SELECT status FROM entries") == [("deleted",)]
    assert ask(found, "SELECT count(*) FROM images") == [(0,)]
    assert list(index.ids()) == []


def test_points_of_nothing_are_deleted_and_lost_ones_are_named(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    fill(index, ("oak", "oak"), ("gone", "gone"))

    found = publish(world, index)

    assert list(index.ids()) == [image_id("oak", "oak")]
    assert found.manifest["reconciled"] == {
        "deleted": 1,
        "payload_updated": 1,
        "missing": 2,
        "repaired": 0,
        "pending": 0,
        "missing_ids": sorted([image_id("oak", "leaf"), image_id("elm", "oak")]),
    }
    assert ask(found, "SELECT slug, indexed FROM images ORDER BY ALL") == [
        ("elm", False), ("oak", False), ("oak", True)]  # fmt: skip


def test_a_payload_that_disagrees_with_the_rows_is_set(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    fill(index, *ALL_OF_IT)

    publish(world, index)

    [record] = index.retrieve([image_id("oak", "leaf")])
    assert record.payload["licences"] == ["CC0"]
    assert record.payload["tags"] == ["tree", "forêt"]
    assert (record.payload["width"], record.payload["pixels"], record.payload["aspect"]) == (16, 128, 2.0)
    assert "pack.zip" in record.payload["words"]
    assert "sell" in record.payload["uses"]


def test_what_is_blocked_leaves_collection_and_words(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    fill(index, *ALL_OF_IT)

    found = publish(world, index, takedowns=Takedowns(pixels=(sha("oak"),)))

    assert list(index.ids()) == [image_id("oak", "leaf")]
    assert words(found, "SELECT slug FROM images") == [("oak",)]
    assert ask(found, "SELECT count(*) FROM images") == [(3,)]


@pytest.mark.parametrize("author", ["Ben", "Eliza Wy"])
def test_blocking_an_author_covers_what_he_collaborated_on(world: World, index: VectorIndex, author: str) -> None:
    def change(table: str, row: Row) -> Row:
        return {**row, "collaborators": ["Ben", "Eliza Wy"]} if table == "entries" and row["slug"] == "oak" else row

    world.partition("2d/0000", TWO_ENTRIES, change=change)
    fill(index, *ALL_OF_IT)

    found = publish(world, index, takedowns=Takedowns(authors=(author,)))

    assert {slug for (slug,) in words(found, "SELECT slug FROM images")} == {
        slug for slug in TWO_ENTRIES if slug != "oak"
    }


def test_the_words_of_collaborators_find_their_pictures(world: World, index: VectorIndex) -> None:
    def change(table: str, row: Row) -> Row:
        return {**row, "collaborators": ["Eliza Wy"]} if table == "entries" else row

    world.partition("2d/0000", TWO_ENTRIES, change=change)
    fill(index, *ALL_OF_IT)

    found = publish(world, index)

    assert words(found, "SELECT images FROM terms WHERE term = ?", "eliza") == [(len(ALL_OF_IT),)]
    assert words(found, "SELECT DISTINCT collaborators FROM entries") == [('["Eliza Wy"]',)]
    [record] = index.retrieve([image_id("oak", "oak")])
    assert record.payload["author"] == ["Ann", "Eliza Wy"]


def test_the_service_finds_words_places_thumbnails_and_signatures(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    fill(index, *ALL_OF_IT)

    found = publish(world, index)

    assert words(found, "SELECT images FROM terms WHERE term = ?", "foret") == [(len(ALL_OF_IT),)]
    indexed: Any
    [(indexed,)] = words(found, "SELECT data FROM image_columns WHERE name = 'ids'")
    assert sorted(np.frombuffer(indexed, "<i8")) == sorted(image_id(*pair) for pair in ALL_OF_IT)
    oak = image_id("oak", "oak")
    assert words(found, PLACED, oak) == [("oak.png", ""), ("pack.zip", "art/oak.png")]
    [(pack, offset, length, pixels)] = words(
        found,
        "SELECT path, thumb_offset, thumb_length, pixel_sha256 FROM images JOIN packs USING (pack) WHERE image_id = ?",
        oak,
    )
    assert read_at(found.path / str(pack), int(str(offset)), int(str(length))) == b"thumb of oak"
    assert pixels == bytes.fromhex(sha("oak"))
    [(tags, posted, fetched)] = words(found, "SELECT tags, posted_at, fetched_at FROM entries WHERE slug = 'oak'")
    assert json.loads(str(tags)) == ["tree", "forêt"]
    assert (posted, fetched) == ("2020-01-05T00:00:00", "2024-05-01T12:00:00Z")
    assert words(found, "SELECT * FROM licence_history ORDER BY slug") == [
        (slug, '["CC0"]', "2020-01-05T00:00:00Z", "2024-05-01T12:00:00Z", None) for slug in sorted(TWO_ENTRIES)
    ]
    signatures = open_signatures(found.path)
    ids = signatures.ids
    assert ids.tolist() == sorted(image_id(*pair) for pair in ALL_OF_IT)
    assert signatures[ids.tolist().index(oak)].tobytes()[:32] == bytes.fromhex(sha("oak"))
    info = {str(key): value for key, value in words(found, "SELECT key, value FROM info")}
    assert (info["generation"], info["images"], info["entries"]) == (1, 3, 2)


def test_lineage_goes_up_and_descendants_down(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    fill(index, *ALL_OF_IT)
    found = publish(world, index)
    oak = image_id("oak", "oak")

    assert ask(found, "SELECT member_path, file_url, slug, listing_url, listing_position, file_run"
                      f" FROM lineage({oak})") == [
        ("", "https://site/files/oak/oak.png", "oak", "https://site/?page=2d/0000", 0, "run-1"),
        ("art/oak.png", "https://site/files/oak/pack.zip", "oak", "https://site/?page=2d/0000", 0, "run-1"),
    ]  # fmt: skip
    assert ask(found, f"SELECT image_url({oak})") == [("https://site/files/oak/oak.png",)]
    assert ask(found, "SELECT count(*) FROM images WHERE image_url(image_id) IS NULL") == [(0,)]
    assert len(ask(found, "FROM descendants(of_slug := 'oak')")) == 3
    assert len(ask(found, "FROM descendants(of_fid := 1)")) == 2
    assert len(ask(found, "FROM descendants(of_partition := '2d/0000')")) == 4
    assert ask(found, "FROM descendants()") == []


def test_similar_compares_with_every_vector(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    fill(index, *ALL_OF_IT)
    vectors = Vectors(world.root / "vectors", SPACE)
    vectors.add([sha("oak"), sha("leaf")], np.stack([vector("oak"), vector("leaf")]))
    vectors.add([sha("oak")], vector("oak")[None])

    found = publish(world, index, vectors=str(world.root / "vectors" / SPACE / "*.parquet"))

    rows = ask(found, f"SELECT slug, score FROM similar({image_id('oak', 'oak')}, k := 5)")
    assert [row[0] for row in rows] == ["elm", "oak"]
    assert rows[0][1] == pytest.approx(1.0, abs=1e-4)
    assert rows[1][1] == pytest.approx(float(vector("oak") @ vector("leaf")), abs=1e-3)


def test_the_funnel_counts_rows_by_stage_and_status(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    world.partition("2d/0001", {"ash": {"ash.png": ["ash"]}}, until="file_links")
    fill(index, *ALL_OF_IT)

    found = publish(world, index)

    funnel = {(stage, relation, status): rows for stage, relation, status, rows in ask(
        found, "SELECT stage, relation, status, rows FROM funnel")}  # fmt: skip
    assert funnel["content_pages", "entries", "ok"] == 3
    assert funnel["raw_files", "files", "pending"] == 1
    assert funnel["extracted_images", "members", "picture"] == 4
    assert funnel["catalog", "images", "indexed"] == 3
    assert ask(found, "SELECT entries, slugs FROM reused_pictures") == [(2, ["elm", "oak"])]


def test_a_column_that_older_files_lack_is_null(world: World, index: VectorIndex) -> None:
    import pyarrow.parquet as pq

    world.partition("2d/0000", TWO_ENTRIES)
    path = world.tables.path(SEARCH_RESULTS, "search_pages", "2d/0000")
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["title"]), path)
    world.partition("2d/0001", {"ash": {"ash.png": ["ash"]}})

    found = publish(world, index)

    assert ask(found, "SELECT title FROM search_results ORDER BY partition, position") == [(None,), (None,), ("ash",)]


def test_a_file_of_a_newer_format_is_refused(world: World, index: VectorIndex) -> None:
    import pyarrow.parquet as pq

    world.partition("2d/0000", TWO_ENTRIES)
    path = world.tables.path(SEARCH_RESULTS, "search_pages", "2d/0000")
    rows = pq.read_table(path, partitioning=None)
    pq.write_table(rows.replace_schema_metadata({"ogaart.format_version": "99"}), path)

    with pytest.raises(CatalogFailed, match="format 99 of table search_results"):
        publish(world, index)


def test_runs_say_what_they_did_and_what_it_cost(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    fill(index, *ALL_OF_IT)
    runs = pa.Table.from_pylist(
        [{"run_id": "run-1", "job": "ingest", "status": "SUCCESS", "started_at": WHEN, "ended_at": LATER}],
        schema=RUNS.schema,
    )

    found = publish(world, index, runs=runs)

    assert ask(found, "SELECT job, run_status, seconds, new, current_rows, requests FROM run_activity"
                      " WHERE stage = 'extracted_images'") == [("ingest", "SUCCESS", 2.0, 1, 3, 3)]  # fmt: skip
    assert ask(found, "SELECT embedded, images_per_second FROM embedding_throughput") == [(3, 1.5)]
    assert ask(found, "SELECT entries, requests, files, file_bytes, images FROM cost") == [(2, 21, 3, 30, 3)]


def test_storage_licences_and_failures_are_counted(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    lineage = {"partition": "2d/0000", "fingerprint": "", "run_id": "run-1", "written_at": WHEN}
    failures = [
        {"stage": "raw_files", "key": f"https://site/{n}", "slug": "oak", "error_class": "Timeout", "message": "slow",
         "http_status": None, "attempts": 1, "first_at": WHEN, "last_at": WHEN, "next_try": LATER if n else None}
        for n in range(2)
    ]  # fmt: skip
    world.tables.commit("raw_files", "2d/0000", {"failures": [row | lineage for row in failures]})
    fill(index, *ALL_OF_IT)

    found = publish(world, index)

    assert ask(found, "SELECT type, files, contents, bytes, pictures FROM storage_by_format ORDER BY type") == [
        ("png", 2, 2, 20, 2),
        ("zip", 1, 1, 10, 2),
    ]
    assert ask(found, "SELECT month::VARCHAR, licence, entries, images FROM licences_over_time") == [
        ("2020-01-01", "CC0", 2, 3)
    ]
    assert ask(found, "SELECT stage, error_class, failures, permanent, example_key FROM failures_by_cause") == [
        ("raw_files", "Timeout", 2, 1, "https://site/0")
    ]


def test_a_lost_point_that_was_repaired_is_no_longer_missing(world: World, index: VectorIndex, tmp_path: Path) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    fill(index, ("oak", "oak"))
    vectors = Vectors(world.root / "vectors", SPACE)
    vectors.add([sha("oak"), sha("leaf")], np.stack([vector("oak"), vector("leaf")]))
    (tmp_path / "out").mkdir()

    with CatalogBuild(Source(world.cut(), SPACE, "tiny"), tmp_path / "out", 1) as work:
        done = reconcile(index, work.eligible(), np.sort(np.fromiter(index.ids(), np.int64)))
        assert repair(index, work.eligible(), done.missing, vectors) == 2
        manifest = work.finish(np.fromiter(index.ids(), np.int64), done)

    assert sorted(index.ids()) == sorted(image_id(*pair) for pair in ALL_OF_IT)
    assert manifest["reconciled"]["repaired"] == 2
    assert manifest["reconciled"]["missing"] == 0
    assert manifest["counts"]["searchable"] == 3
    [record] = index.retrieve([image_id("elm", "oak")], with_vector=True)
    assert record.vector is not None
    assert float(record.vector @ vector("oak")) == pytest.approx(1.0, abs=1e-3)
    assert record.payload["slug"] == "elm"


def test_what_is_typical_of_pairs_follows_what_the_collection_holds(tmp_path: Path) -> None:
    chance = np.random.default_rng(1)
    with EdgeIndex(tmp_path, "tiny-many-1", 8) as many:
        many.upsert([Point(n, np.abs(chance.standard_normal(8)).astype(np.float32)) for n in range(20)])
        few = index_facts(many, np.arange(20))
        many.upsert([Point(n, np.abs(chance.standard_normal(8)).astype(np.float32)) for n in range(20, 900)])
        ids = np.arange(900)
        stored = np.stack([r.vector for r in many.retrieve(list(range(900)), with_vector=True) if r.vector is not None])

        facts = index_facts(many, ids)

    assert few == {"dimension": 8, "typical_cosine": None}
    typical = float(np.median((stored @ stored.T)[np.triu_indices(900, 1)]))
    assert facts == {"dimension": 8, "typical_cosine": pytest.approx(typical, abs=0.03)}


def test_a_payload_known_to_be_right_is_not_sent_again(world: World, index: VectorIndex, tmp_path: Path) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    (tmp_path / "out").mkdir()
    with CatalogBuild(Source(world.cut(), SPACE, "tiny"), tmp_path / "out", 1) as work:
        hashes = {row.image_id: payload_hash(row.payload) for row in work.eligible()}
    world.partition(
        "2d/0000",
        TWO_ENTRIES,
        change=lambda table, row: row | {"payload_hash": hashes[row["image_id"]]} if table == "points" else row,
        fetched_at=LATER,
    )
    fill(index, *ALL_OF_IT)

    found = publish(world, index)

    assert found.manifest["reconciled"]["payload_updated"] == 0
