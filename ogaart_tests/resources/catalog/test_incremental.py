"""A publication that takes over what did not change equals one that is made in full, and changes no file of the old."""

import hashlib
import shutil
import sqlite3
import zlib
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ogaart.resources.catalog.build import CatalogBuild, Source
from ogaart.resources.catalog.generations import Generation
from ogaart.resources.catalog.signature_files import open_signatures
from ogaart.resources.index.base import VectorIndex
from ogaart.resources.index.reconciliation import reconcile, repair
from ogaart.resources.moderation.takedowns import Takedowns
from ogaart.resources.storage.schema import STEPS
from ogaart.resources.storage.vectors import Vectors
from ogaart.words.index_tables import INDEX_TABLES
from ogaart.words.index_update import update_word_index
from ogaart_tests.content_digest import content_digest
from ogaart_tests.resources.catalog.catalog_world import (
    LATER,
    SPACE,
    WHEN,
    World,
    ask,
    fill,
    image_id,
    publish,
    sha,
    vector,
    words,
)

SERVED = (
    "entries",
    "images",
    "places",
    "renamed",
    "families",
    "frames",
    "licence_history",
    "vocabulary",
    "positions",
    "image_columns",
)


def files_of(generation: Generation) -> dict[str, str]:
    found = (path for path in generation.path.rglob("*") if path.is_file())
    return {
        str(path.relative_to(generation.path)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in found
        if path.parent != generation.path or path.name != "audits.json"
    }


def served(generation: Generation) -> dict[str, list[tuple[object, ...]]]:
    rows = {table: words(generation, f"SELECT * FROM {table} ORDER BY 1, 2") for table in SERVED}
    rows["terms"] = words(generation, "SELECT * FROM terms ORDER BY term")
    # What is numbered has other numbers where it came later; a picture's places are in the order of their rows.
    packs = {row[0]: row[1] for row in words(generation, "SELECT pack, path FROM packs")}
    rows["images"] = [(*row[:-3], packs[row[-3]], *row[-2:]) for row in rows["images"]]
    files = {row[0]: row[1:] for row in words(generation, "SELECT * FROM files")}
    places = words(generation, "SELECT * FROM places ORDER BY image_id, rowid")
    rows["places"] = [(row[0], files[row[1]], *row[2:]) for row in places]
    rows["files"] = sorted(files.values(), key=repr)
    return rows


def points(index: VectorIndex) -> list[Any]:
    return [(record.id, record.payload) for record in index.retrieve(sorted(index.ids()))]


@pytest.mark.slow  # four publications
def test_what_is_taken_over_equals_what_is_made_in_full(world: World, index: VectorIndex, tmp_path: Path) -> None:
    world.partition("2d/0000", {"oak": {"oak.png": ["oak"], "pack.zip": ["leaf", "bark"]}, "elm": {"elm.png": ["elm"]}})
    world.partition("2d/0001", {"fir": {"fir.zip": ["fir", "cone"]}, "yew": {"yew.png": ["yew"]}})
    everything = [("oak", "oak"), ("oak", "leaf"), ("oak", "bark"), ("elm", "elm"), ("fir", "fir"), ("fir", "cone"),
                  ("yew", "yew")]  # fmt: skip
    fill(index, *everything)
    first = publish(world, index)
    before = files_of(first)

    world.partition("2d/0001", {"fir": {"fir.zip": ["fir", "cone"]}}, fetched_at=LATER, run="run-2",
                    change=lambda table, row: {**row, "title": "Changed"} if table == "entries" else row)  # fmt: skip
    world.partition("2d/0002", {"ash": {"ash.png": ["ash"]}}, fetched_at=LATER, run="run-2")
    fill(index, ("ash", "ash"))
    decided = Takedowns(entries=("elm",))
    second = publish(world, index, shared=first, previous=first, takedowns=decided)

    assert second.manifest["reconciled"]["payload_updated"] == 3  # of fir and ash; those of oak were known to be right
    assert second.manifest["reconciled"]["deleted"] == 2  # elm, which was taken down, and yew, which left
    assert files_of(first) == before
    stored, sent = open_signatures(second.path), points(index)
    shared = [path for path in second.signatures.glob("part-*") if (first.signatures / path.name).exists()]
    assert shared

    full = publish(world, index, previous=first, takedowns=decided)
    made = open_signatures(full.path)
    assert made.ids.tolist() == stored.ids.tolist()
    assert image_id("ash", "ash") in made.ids
    assert np.array_equal(made[:], stored[:])
    assert content_digest(full) == content_digest(second)
    assert served(full) == served(second)
    assert points(index) == sent

    again = tmp_path / "again.sqlite"
    shutil.copyfile(full.words, again)
    again.chmod(0o600)
    with closing(sqlite3.connect(again)) as store, closing(sqlite3.connect(first.words)) as earlier:
        store.executescript("".join(f"DROP TABLE {name};" for name in INDEX_TABLES))
        assert update_word_index(store, earlier, {"oak": 3, "fir": 9}) == 6  # fir has another number of images
        for table in INDEX_TABLES:
            rows = store.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
            assert rows == words(full, f"SELECT * FROM {table} ORDER BY 1")


@pytest.mark.slow  # a publication in two ways for each of several changes
def test_any_sequence_of_changes_has_the_content_of_one_that_is_made_in_full(world: World, index: VectorIndex) -> None:
    chance = np.random.default_rng(13)
    names = [f"art-{n}" for n in range(14)]
    partitions: dict[str, list[str]] = {f"2d/{n:04d}": names[2 * n : 2 * n + 2] for n in range(6)}

    def commit(key: str, moment: int) -> None:
        pictures = {name: [f"{name} {n}" for n in range(1 + zlib.crc32(name.encode()) % 3)] for name in partitions[key]}
        fill(index, *((name, picture) for name, some in pictures.items() for picture in some))
        title = f"Read {moment}"
        world.partition(key, {name: {f"{name}.zip": some, f"{name}.png": some[:1]} for name, some in pictures.items()},
                        fetched_at=WHEN + timedelta(hours=moment), run=f"run-{moment}",
                        change=lambda table, row: {**row, "title": title, "favourites": moment} if table == "entries"
                        and row["slug"].endswith(("1", "4")) else row)  # fmt: skip

    for key in partitions:
        commit(key, 0)
    shared = publish(world, index)
    taken_over = 0
    for moment in range(1, 5):
        decided = Takedowns(entries=(names[moment],) if moment % 2 else (), authors=())
        for key in chance.choice(sorted(partitions), 2, replace=False).tolist():
            others = [name for name in names if name not in partitions[key]]
            partitions[key] = [*partitions[key][int(chance.integers(2)) :], str(chance.choice(others))]
            commit(key, moment)
        before = files_of(shared)
        found = publish(world, index, shared=shared, previous=shared, takedowns=decided)
        full = publish(world, index, previous=shared, takedowns=decided)

        assert files_of(shared) == before
        assert content_digest(found) == content_digest(full)
        assert served(found) == served(full)
        assert ask(found, CHANGES_IN_ORDER) == ask(full, CHANGES_IN_ORDER)
        taken_over += found.manifest["dead_rows"] > 0
        shared = found
    assert taken_over >= 2  # the others were made in full, since most of their rows would have been dead


DRAWN_ALIKE = {"walk 1", "walk 2", "walk 3", "yew drawn", "yew saved again"}
"""Pictures with one miniature: frames of an animation, and one drawing in two formats."""


def alike(table: str, row: dict[str, Any]) -> dict[str, Any]:
    if table == "images" and row["pixel_sha256"] in {sha(name) for name in DRAWN_ALIKE}:
        shape = np.zeros((32, 32, 4), np.uint8)
        shape[8:24, 8:24] = 200
        kind = "gif" if row["pixel_sha256"] == sha("yew saved again") else "png"
        return {**row, "signature": shape.tobytes(), "format": kind}
    if row.get("shown_name") == "yew.gif.png":
        return {**row, "shown_name": "yew.gif"}
    if table == "entries" and row["slug"] == "ash tree":
        return {**row, "nid": zlib.crc32(b"ash")}  # its former name was ash
    return row


@pytest.mark.slow  # a publication in two ways for each of several changes
def test_kin_and_changes_over_partitions_that_come_shrink_and_go(world: World, index: VectorIndex) -> None:
    walk = {"walk_1.png": ["walk 1"], "walk_2.png": ["walk 2"], "walk_3.png": ["walk 3"]}
    oak, elm, fir = {"oak.zip": ["leaf", "bark"]}, {"elm.png": ["elm"], **walk}, {"fir.zip": ["fir", "cone"]}
    yew = {"yew.png": ["yew drawn"], "yew.gif.png": ["yew saved again"], "more.zip": ["leaf", "cone"]}
    moments: list[tuple[dict[str, dict[str, dict[str, list[str]]]], Takedowns]] = [
        ({"2d/0000": {"oak": oak, "elm": elm}, "2d/0001": {"fir": fir}, "2d/0002": {"ash": {"ash.png": ["ash"]}}},
         Takedowns()),
        ({"2d/0001": {"fir": fir, "yew": yew}}, Takedowns()),  # has pictures of oak and fir
        ({"2d/0000": {"elm": elm}}, Takedowns(entries=("ash",))),
        ({"2d/0002": {"ash tree": {"ash.png": ["ash"]}, "oak": oak}}, Takedowns()),
        ({"2d/0001": {}}, Takedowns(pixels=(sha("walk 2"),))),
    ]  # fmt: skip
    shared: Generation | None = None
    kinds: list[set[object]] = []
    for moment, (changed, decided) in enumerate(moments):
        for key, entries in changed.items():
            fill(index, *((slug, one) for slug, files in entries.items() for some in files.values() for one in some))
            world.partition(key, entries, fetched_at=WHEN + timedelta(hours=moment), run=f"run-{moment}", change=alike)
        found = publish(world, index, shared=shared, previous=shared, takedowns=decided)
        full = publish(world, index, previous=shared, takedowns=decided)

        assert content_digest(found) == content_digest(full)
        assert served(found) == served(full)
        for query in (CHANGES_IN_ORDER, "FROM families ORDER BY ALL", "FROM frames ORDER BY ALL"):
            assert ask(found, query) == ask(full, query)
        kinds.append({kind for (kind,) in ask(full, "SELECT kind FROM families UNION ALL SELECT kind FROM frames")})
        shared = found
    assert "numbered" in kinds[0]
    assert [kind & {"pixels", "format"} for kind in kinds] == [set(), *3 * [{"pixels", "format"}], set()]


CHANGES_IN_ORDER = "SELECT kind, slug, key, change, field, old, new FROM changes WHERE publication > 1 ORDER BY ALL"


def without_vectors(table: str, row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "status": "failed"} if table == "embeddings" else row


@pytest.mark.slow  # a publication in two ways for each of several changes
def test_what_comes_and_goes_in_partitions_that_did_not_change(world: World, index: VectorIndex) -> None:
    """Points are lost and sent, vectors come and go, where no row of the entry is in a partition that changed."""
    world.partition("2d/0000", {"oak": {"oak.zip": ["oak", "leaf"]}, "elm": {"elm.png": ["elm"]}})
    world.partition("2d/0001", {"fir": {"fir.zip": ["fir", "cone"]}, "yew": {"yew.png": ["yew"]}})
    world.partition("2d/0002", {"ash": {"ash.png": ["ash"]}}, change=without_vectors)
    world.partition("2d/0003", {"ivy": {"ivy.png": ["ivy"]}})
    trees = [(f"tree-{n}", f"tree {n}") for n in range(30)]  # so that few rows are dead
    world.partition("2d/0004", {slug: {"tree.png": [picture]} for slug, picture in trees})
    # Not elm and cone, which are sent later or never.
    fill(index, ("oak", "oak"), ("oak", "leaf"), ("fir", "fir"), ("ivy", "ivy"), ("yew", "yew"), *trees)
    shared = publish(world, index)

    def check(*searched: tuple[str, str]) -> None:
        nonlocal shared
        found = publish(world, index, shared=shared, previous=shared, largest_delta=0.0)
        sent = points(index)
        full = publish(world, index, previous=shared)

        assert found.manifest["dead_rows"] > 0  # nothing was made in full
        assert content_digest(found) == content_digest(full)
        assert served(found) == served(full)
        assert points(index) == sent
        assert {i for (i,) in ask(found, "SELECT image_id FROM images WHERE indexed")} == {
            image_id(slug, picture) for slug, picture in (*searched, *trees)
        }
        assert {name: found.manifest["counts"][name] for name in FLOW} == {
            name: full.manifest["counts"][name] for name in FLOW
        }
        shared = found

    others = (("oak", "leaf"), ("fir", "fir"), ("yew", "yew"))
    index.delete([image_id("oak", "oak")])  # lost, and built without anything that could repair it
    fill(index, ("elm", "elm"))  # sent, by a step that was killed before its rows
    check(*others, ("ivy", "ivy"), ("elm", "elm"))
    fill(index, ("oak", "oak"))
    check(*others, ("ivy", "ivy"), ("elm", "elm"), ("oak", "oak"))
    # Another partition reads ash, which it holds no more when its pictures are to be embedded: its vector counts.
    world.partition("2d/0003", {"ivy": {"ivy.png": ["ivy"]}, "ash": {"ash.png": ["ash"]}})
    world.partition("2d/0003", {"ivy": {"ivy.png": ["ivy"]}}, until="raw_files", run="run-2")
    fill(index, ("ash", "ash"))
    check(*others, ("ivy", "ivy"), ("elm", "elm"), ("oak", "oak"), ("ash", "ash"))
    world.partition("2d/0003", {"ivy": {"ivy.png": ["ivy"]}}, run="run-3")
    check(*others, ("ivy", "ivy"), ("elm", "elm"), ("oak", "oak"))


FLOW = ("eligible", "searchable", "waiting", "withdrawn", "points_in_collection")


@pytest.mark.slow  # two publications
def test_points_that_are_lost_come_back_with_the_payload_of_their_rows(world: World, index: VectorIndex) -> None:
    pictures = [("oak", "oak"), ("oak", "leaf"), ("elm", "elm")]
    world.partition("2d/0000", {"oak": {"oak.zip": ["oak", "leaf"]}, "elm": {"elm.png": ["elm"]}})
    fill(index, *pictures)
    shared = publish(world, index)
    sent = points(index)
    vectors = Vectors(world.root / "vectors", SPACE)
    vectors.add([sha(picture) for _, picture in pictures], np.stack([vector(picture) for _, picture in pictures]))
    index.delete([image_id("oak", "leaf")])

    path = world.root / "next"
    path.mkdir()
    with CatalogBuild(Source(world.cut(), SPACE, "tiny", shared=shared), path, 2) as work:
        held = np.sort(np.fromiter(index.ids(), np.int64))
        done = reconcile(index, work.eligible(changed=True), held, work.unchanged())
        repair(index, work.eligible(), done.missing, vectors)

    assert done.missing.tolist() == [image_id("oak", "leaf")]
    assert points(index) == sent


@pytest.mark.parametrize("known", [True, False], ids=["known", "of an earlier version"])
def test_runs_that_changed_nothing_are_in_the_table_of_steps(world: World, index: VectorIndex, *, known: bool) -> None:
    world.partition("2d/0000", {"oak": {"oak.png": ["oak"]}})
    world.partition("2d/0001", {"fir": {"fir.png": ["fir"]}})
    fill(index, ("oak", "oak"), ("fir", "fir"))
    shared = publish(world, index)
    if not known:
        manifest = {key: value for key, value in shared.manifest.items() if key != "steps"}
        shared = replace(shared, manifest=manifest)
    [row] = world.tables.read(STEPS, "2d/0001", "search_pages")
    later = {**row, "run_id": "run-2", "started_at": LATER, "ended_at": LATER + timedelta(seconds=2), "new": 0}

    world.tables.append(STEPS, "search_pages", "2d/0001", [later], keep=1)
    found = publish(world, index, shared=shared, previous=shared)

    assert found.manifest["dead_rows"] > 0  # nothing was made in full
    runs = ask(found, "SELECT partition, run_id FROM steps WHERE stage = 'search_pages' ORDER BY ALL")
    assert runs == [("2d/0000", "run-1"), ("2d/0001", "run-2")]
    assert content_digest(found) == content_digest(publish(world, index, previous=shared))
