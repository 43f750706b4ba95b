"""The audits over a really built generation, each made to fail once."""

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from ogaart.imaging.identity import image_id as image_id_of
from ogaart.resources.catalog.audits import IMAGE_ID, Audit, audit_identity, audit_losses, audit_vectors, run_audits
from ogaart.resources.catalog.quality import CHECKS, POINTS, audited_points
from ogaart.resources.index.base import VectorIndex
from ogaart.resources.index.edge import EdgeIndex
from ogaart.resources.storage.atomic_files import write_json
from ogaart.resources.storage.vectors import Vectors
from ogaart_tests.content_digest import content_digest
from ogaart_tests.descriptors import files_left
from ogaart_tests.resources.catalog.catalog_world import (
    ALL_OF_IT,
    LATER,
    SPACE,
    TWO_ENTRIES,
    World,
    fill,
    image_id,
    publish,
    sha,
    vector,
)


def failed(audits: list[Audit]) -> dict[str, str]:
    return {audit.name: audit.message for audit in audits if not audit.passed}


def test_a_sound_generation_passes(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    fill(index, *ALL_OF_IT)
    vectors = Vectors(world.root / "vectors", SPACE)
    vectors.add([sha("oak"), sha("leaf")], np.stack([vector("oak"), vector("leaf")]))

    audits = run_audits(publish(world, index), index, vectors=vectors)

    assert [audit.name for audit in audits] == ["points", "vectors", "rights", "identity", "words", "losses"]
    assert failed(audits) == {}


def test_a_lost_point_fails(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    fill(index, ("oak", "oak"), ("oak", "leaf"))

    found = failed(run_audits(publish(world, index), index))

    assert list(found) == ["points"]
    assert "1 eligible images have no point" in found["points"]
    assert str(image_id("elm", "oak")) in found["points"]


def test_what_the_checks_found_of_the_points_is_what_the_audit_finds(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    fill(index, *ALL_OF_IT)
    generation = publish(world, index)
    assert audited_points(generation) is None
    recorded = Audit("points", False, "a point is lacking", {"lacking": 1})
    write_json(generation.path / CHECKS, {"checks": [], POINTS: recorded.row()})

    audits = run_audits(generation, None, points=audited_points(generation))

    assert failed(audits) == {"points": "a point is lacking"}
    write_json(generation.path / CHECKS, {"checks": [], POINTS: {"name": "points"}})
    assert audited_points(generation) is None  # so the points are looked at


def test_a_point_without_an_image_fails(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    fill(index, *ALL_OF_IT)
    generation = publish(world, index)
    fill(index, ("stray", "stray"))

    assert "1 points belong to no image" in failed(run_audits(generation, index))["points"]


def test_images_that_no_step_has_sent_yet_are_on_their_way(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    world.partition("2d/0001", {"ash": {"ash.png": ["ash"]}}, until="embeddings")
    fill(index, *ALL_OF_IT)

    audits = run_audits(publish(world, index), index)

    assert failed(audits) == {}
    assert audits[0].counts["pending"] == 1


@pytest.mark.parametrize("change", [{"licences": []}, {"author": " "}])
def test_what_states_no_licence_or_author_is_kept_but_not_searched(
    world: World, index: VectorIndex, change: dict[str, Any]
) -> None:
    world.partition(
        "2d/0000",
        TWO_ENTRIES,
        change=lambda table, row: row | change if table == "entries" and row["slug"] == "elm" else row,
    )
    fill(index, *ALL_OF_IT)

    generation = publish(world, index)

    assert failed(run_audits(generation, index)) == {}
    with duckdb.connect(str(generation.catalog), read_only=True) as con:
        found = dict(con.sql("SELECT slug, bool_or(indexed) FROM images GROUP BY slug").fetchall())
    assert found == {"oak": True, "elm": False}


def test_an_image_without_page_fails(world: World, index: VectorIndex) -> None:
    world.partition(
        "2d/0000",
        TWO_ENTRIES,
        change=lambda table, row: row | {"url": None} if table == "entries" and row["slug"] == "elm" else row,
    )
    fill(index, *ALL_OF_IT)

    audits = {audit.name: audit for audit in run_audits(publish(world, index), index)}

    assert not audits["rights"].passed
    assert audits["rights"].counts["no_page"] == 1
    assert "'elm'" in audits["rights"].message


@pytest.mark.parametrize("norm", [0.0, float("nan"), float("inf"), None])
def test_a_vector_without_length_fails(world: World, index: VectorIndex, norm: float | None) -> None:
    world.partition(
        "2d/0000", TWO_ENTRIES, change=lambda table, row: row | {"norm": norm} if table == "embeddings" else row
    )
    fill(index, *ALL_OF_IT)

    assert "3 vectors are not finite" in failed(run_audits(publish(world, index), index))["vectors"]


def test_a_published_picture_without_stored_vector_fails(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    fill(index, *ALL_OF_IT)
    vectors = Vectors(world.root / "vectors", SPACE)
    vectors.add([sha("leaf")], vector("leaf")[None])

    found = failed(run_audits(publish(world, index), index, vectors=vectors))

    assert "1 published pictures have none stored" in found["vectors"]


def test_vectors_that_an_audit_has_read_are_looked_up_alone(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    fill(index, *ALL_OF_IT)
    vectors = Vectors(world.root / "vectors", SPACE)
    [read] = vectors.add([sha("leaf")], vector("leaf")[None])
    vectors.add([sha("oak")], vector("oak")[None])
    first = publish(world, index)
    with duckdb.connect(str(publish(world, index).catalog), read_only=True) as con:
        sound, after = (audit_vectors(con, vectors, frozenset({read}), one) for one in (None, first))
        (vectors.folder / read).unlink()
        lost, lost_after = (audit_vectors(con, vectors, frozenset({read}), one) for one in (None, first))

    assert (sound.passed, sound.counts["scanned"]) == (after.passed, after.counts["scanned"]) == (True, 1)
    assert "1 published pictures have none stored" in lost.message
    assert lost_after.message == lost.message


def test_ids_of_any_entry_are_recomputed() -> None:
    names = ["übung", "a'b", "%E4", "/node/7", "é" * 200, "x"]
    with duckdb.connect() as con:
        con.execute("CREATE TABLE images (slug VARCHAR, pixel_sha256 VARCHAR, image_id BIGINT)")
        con.execute("CREATE TABLE occurrences (slug VARCHAR, image_id BIGINT)")
        rows = [(slug, sha(slug), image_id_of(slug, sha(slug))) for slug in names]
        con.executemany("INSERT INTO images VALUES (?, ?, ?)", rows)
        sound = audit_identity(con)
        by_sql = con.execute(f"SELECT count(*) FROM images WHERE {IMAGE_ID} = image_id").fetchone()
        con.execute("UPDATE images SET image_id = image_id + 1 WHERE slug = 'x'")
        wrong = audit_identity(con)

    assert (sound.passed, sound.counts["checked"], by_sql) == (True, len(names), (len(names),))
    assert (wrong.passed, wrong.counts["wrong"]) == (False, 1)


def test_an_id_that_is_not_its_pictures_fails(world: World, index: VectorIndex) -> None:
    right = image_id("elm", "oak")
    world.partition(
        "2d/0000",
        TWO_ENTRIES,
        change=lambda _table, row: row | {"image_id": 7} if row.get("image_id") == right else row,
    )
    fill(index, ("oak", "oak"), ("oak", "leaf"))

    found = failed(run_audits(publish(world, index), index))

    assert "1 image ids are not those of their entry and pixels" in found["identity"]


def test_service_files_that_disagree_fail(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    fill(index, *ALL_OF_IT)
    generation = publish(world, index)
    generation.words.chmod(0o644)
    store = sqlite3.connect(generation.words)
    store.execute("DELETE FROM images WHERE image_id = ?", [image_id("elm", "oak")])
    store.commit()
    store.close()
    shutil.rmtree(generation.path / "packs")

    found = failed(run_audits(generation, index))

    assert "'images': 2" in found["words"]
    assert "'missing_packs': 1" in found["words"]


def test_losing_a_live_image_from_search_fails(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    fill(index, *ALL_OF_IT)
    before = publish(world, index)
    index.delete([image_id("elm", "oak")])
    world.partition("2d/0000", TWO_ENTRIES, until="qdrant_collection",
                    change=lambda table, row: row | {"space": "another"} if table == "points" else row)  # fmt: skip

    found = failed(run_audits(publish(world, index), index, previous=before))

    assert list(found) == ["losses"]
    assert str(image_id("elm", "oak")) in found["losses"]


def test_what_the_site_withdrew_is_not_a_loss(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    fill(index, *ALL_OF_IT)
    before = publish(world, index)
    world.partition("2d/0001", {"elm": {}}, fetched_at=LATER, status="deleted")

    assert failed(run_audits(publish(world, index), index, previous=before)) == {}


@pytest.mark.slow
def test_equal_contents_have_equal_digests_whenever_they_were_read(tmp_path: Path) -> None:
    digests = []
    for root, when in (("a", LATER), ("b", LATER.replace(year=2025))):
        world = World(tmp_path / root)
        with EdgeIndex(tmp_path / root / "index", SPACE, 8) as index:
            world.partition("2d/0000", TWO_ENTRIES, fetched_at=when, run=f"run of {root}")
            fill(index, *ALL_OF_IT)
            digests.append(content_digest(publish(world, index)))
            world.partition("2d/0000", {"oak": {"oak.png": ["oak"]}})
            changed = content_digest(publish(world, index))

    assert digests[0] == digests[1]
    assert {name for name in changed if changed[name] != digests[0][name]} >= {"images", "entries", "files"}


def test_what_is_in_service_is_known_by_its_catalog_where_its_words_are_damaged(
    world: World, index: VectorIndex
) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    fill(index, *ALL_OF_IT)
    before = publish(world, index)
    words = before.words.read_bytes()
    before.words.unlink()
    before.words.write_bytes(words[: len(words) // 2])

    after = publish(world, index)

    for expected in ("3 images in service", "cannot be read"):  # what it would withdraw is for another check to say
        audits = run_audits(after, index, previous=before)
        assert failed(audits) == {}
        assert expected in next(a.message for a in audits if a.name == "losses")
        before.catalog.unlink(missing_ok=True)


def test_sizes_in_the_manifest_are_of_files_that_never_change(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    fill(index, *ALL_OF_IT)

    generation = publish(world, index)

    sizes = generation.manifest["files"]
    assert "index" not in sizes  # its engine rewrites files when it opens them, even to read
    assert sizes["words.sqlite"] == generation.words.stat().st_size


@pytest.mark.parametrize(("rotten", "left"), [(False, 0), (True, 1)])
def test_a_process_that_may_open_no_more_files_misses_no_loss(
    world: World, index: VectorIndex, rotten: bool, left: int
) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    fill(index, *ALL_OF_IT)
    before, after = publish(world, index), publish(world, index)
    if rotten:
        before.words.chmod(0o600)
        before.words.write_bytes(b"rotten" * 1_000)

    with (
        duckdb.connect(str(after.catalog), read_only=True) as con,
        files_left(left),
        pytest.raises(OSError, match="Too many open files"),
    ):
        audit_losses(con, before)
