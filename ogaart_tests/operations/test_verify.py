"""Damage is found, named, and repaired from the site or from what the file was made of."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ogaart.core.stages import Stage
from ogaart.operations.rebuild import rebuild
from ogaart.operations.repair import repair
from ogaart.operations.verify import verify
from ogaart.operations.verify_publication import damaged_publications
from ogaart.resources.embedding.registry import VectorSpace
from ogaart.resources.index.base import Point
from ogaart.resources.index.collection import Collection
from ogaart.resources.storage.lock_names import step_lock
from ogaart.resources.storage.locks import hold
from ogaart.resources.storage.rows import LicenceHistoryRow
from ogaart.resources.storage.schema import ENTRIES, FILE_LINKS, LICENCE_HISTORY, MEMBERS, RAW_FILES
from ogaart.settings import Settings
from ogaart_tests.content_digest import content_digest
from ogaart_tests.descriptors import files_left
from ogaart_tests.world import World

STAGE, PARTITION = "extracted_images", "2d-art/0001"


def flip(path: Path) -> None:
    """Change the byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.chmod(0o644)
    path.write_bytes(content)


def put_a_folder_in_place_of(path: Path) -> None:
    """As a restored backup or a careless hand may leave it; the folder is not empty."""
    path.chmod(0o644)
    path.unlink()
    path.mkdir()
    (path / "notes.txt").write_text("keep me")


def collection(world: World) -> Collection:
    return Collection(world.stores, VectorSpace.of(world.settings))


def test_a_platform_fresh_from_work_is_whole(demo_world: World) -> None:
    report = verify(demo_world.settings, demo_world.quiet())

    assert (report.rows, report.errors, report.exit_code) == ([], [], 0)


@pytest.mark.slow
def test_damage_is_found_and_repaired(copied: World) -> None:
    stores = copied.stores
    before = content_digest(copied.generation)
    file, other = [r for r in stores.tables.read(RAW_FILES, "2d-art/0000") if r["status"] == "ok"][:2]
    replaced = [
        stores.blobs.path(str(other["sha256"])),
        stores.tables.path(MEMBERS, STAGE, PARTITION),
        stores.root.history / "changes.parquet",
        stores.root.site / "fetches.jsonl",
        stores.root.root / "ogaart.duckdb",
    ]
    for path in replaced:
        put_a_folder_in_place_of(path)
    links = stores.tables.path(FILE_LINKS, FILE_LINKS.stage, "2d-art/0002")
    [segment, *_] = sorted(stores.root.vectors.rglob("segment-*.parquet"))
    flip(stores.blobs.path(str(file["sha256"])))
    flip(stores.tables.pack_path(STAGE, PARTITION))
    flip(links)
    flip(segment)
    with collection(copied).writer() as index:
        lost = next(index.ids())
        index.delete([lost])
        index.upsert([Point(7, np.ones(index.dimension, np.float32), {"slug": "of no row"})])
        index.flush()
    flip(copied.generation.words)

    report = verify(copied.settings, copied.quiet())

    assert report.exit_code == 8
    found = {(row["what"], row["partition"]) for row in report.rows}
    assert {("blob", "2d-art/0000"), ("pack", PARTITION), ("table", "2d-art/0002"), ("publication", "")} <= found
    kinds = {"blob", "pack", "table", "vectors", "collection", "publication", "state"}
    assert {row["what"] for row in report.rows} == kinds
    assert {str(lost), "7"} <= {row["where"] for row in report.rows if row["what"] == "collection"}

    assert {str(path) for path in replaced} <= {row["where"] for row in report.rows}

    requests = len(copied.site.requests)
    repaired = repair(copied.settings, copied.quiet())

    assert (repaired.errors, repaired.exit_code) == ([], 0)
    assert {row["repaired"] for row in repaired.rows} == {"yes"}
    asked = {request.path for request in copied.site.requests[requests:]}
    assert asked == {f["url"].removeprefix(copied.site.base) for f in (file, other)}
    aside = [path.read_text() for path in (stores.root.root / "misplaced").glob("*/notes.txt")]
    assert aside == ["keep me"] * len(replaced)
    assert verify(copied.settings, copied.quiet()).rows == []
    assert content_digest(copied.generation) == before


@pytest.mark.slow
def test_what_could_not_be_made_again_is_not_withdrawn(copied: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OGAART_LOCK_SECONDS", "0.1")
    number = copied.generation.number
    flip(copied.stores.tables.path(FILE_LINKS, FILE_LINKS.stage, PARTITION))

    with hold(step_lock(copied.stores.root, Stage.EMBEDDINGS, PARTITION)):
        report = repair(Settings(), copied.quiet())

    assert report.exit_code == 8
    assert any(error.startswith("not published, and the publication in service stays") for error in report.errors)
    assert copied.generation.number == number
    assert copied.materialize([PARTITION]).errors == []
    assert verify(copied.settings, copied.quiet()).rows == []


@pytest.mark.slow
def test_the_collection_is_rebuilt_from_the_vectors_without_the_site(copied: World) -> None:
    with collection(copied).writer() as index:
        before = sorted(index.ids())
    requests = len(copied.site.requests)

    report = rebuild(copied.settings, copied.quiet(), "index")

    assert report.errors == []
    assert sum(row["upserted"] for row in report.rows) == len(before)
    assert len(copied.site.requests) == requests
    with collection(copied).writer() as index:
        assert sorted(index.ids()) == before
    assert verify(copied.settings, copied.quiet()).rows == []


def first_read(rows: list[LicenceHistoryRow]) -> list[tuple[str, object]]:
    return sorted((row["slug"], row["first_read_at"]) for row in rows)


@pytest.mark.slow
def test_when_licences_were_first_read_survives_rot(copied: World) -> None:
    table = copied.stores.tables.path(LICENCE_HISTORY, LICENCE_HISTORY.stage, "2d-art/0001")
    before = copied.stores.tables.read(LICENCE_HISTORY, "2d-art/0001")
    flip(table)
    flip(copied.stores.tables.path(ENTRIES, ENTRIES.stage, "2d-art/0002"))
    others = copied.stores.tables.read(LICENCE_HISTORY, "2d-art/0002")

    assert repair(copied.settings, copied.quiet()).exit_code == 0

    assert first_read(copied.stores.tables.read(LICENCE_HISTORY, "2d-art/0001")) == first_read(before)
    assert first_read(copied.stores.tables.read(LICENCE_HISTORY, "2d-art/0002")) == first_read(others)


@pytest.mark.slow
def test_the_catalog_is_rebuilt_though_nothing_changed(copied: World) -> None:
    number, before, requests = copied.generation.number, content_digest(copied.generation), len(copied.site.requests)

    report = rebuild(copied.settings, copied.quiet(), "catalog")

    assert report.errors == []
    assert copied.generation.number == number + 1
    assert content_digest(copied.generation) == before
    assert len(copied.site.requests) == requests


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ogaart.duckdb", "index", "signatures", "packs"])
def test_a_publication_that_has_lost_a_file_is_made_again_though_nothing_changed(copied: World, name: str) -> None:
    before, content = copied.generation, content_digest(copied.generation)
    path = before.path / name
    lost = path if path.is_file() else max((p for p in path.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    lost.unlink()

    report = copied.publish()

    assert report.errors == []
    assert copied.generation.number == before.number + 1
    assert content_digest(copied.generation) == content
    assert [d for d in damaged_publications(copied.stores) if d.generation == copied.generation.number] == []


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


HARM: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a folder in place of a file of the index": ("index", replace_by_folder),
    "a pack that is a link to nothing": ("packs", link_to_nothing),
    "no list of hashes": ("hashes.json", Path.unlink),
    "a folder in place of the list of hashes": ("hashes.json", replace_by_folder),
    "a torn list of hashes": ("hashes.json", flip),
}


@pytest.mark.parametrize("harm", HARM)
def test_what_lacks_a_file_has_lost_it(copied: World, harm: str) -> None:
    generation, (name, change) = copied.generation, HARM[harm]
    assert generation.lost_files(remote=False) == {}
    path = generation.path / name
    lost = path if path.is_file() else max((p for p in path.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)

    change(lost)

    [found] = generation.lost_files(remote=False)
    assert lost.is_relative_to(found)
    assert [d.where for d in damaged_publications(copied.stores) if Path(d.where).is_relative_to(found)] == [str(found)]


def test_a_lost_link_to_the_publication_is_noticed(copied: World) -> None:
    stores, data = copied.stores, copied.settings.data
    found = {}
    for name in ("ogaart.duckdb", "generations/current"):
        (data / name).unlink()
        found[name] = [damage.where for damage in damaged_publications(stores, quick=True)]

    assert found == {name: [str(data / name)] for name in found}


@pytest.mark.parametrize("damage", ["lost", "short"])
def test_a_quick_look_notices_what_is_lost_or_cut_short(copied: World, damage: str) -> None:
    file = next(r for r in copied.stores.tables.read(RAW_FILES, "2d-art/0000") if r["status"] == "ok")
    blob = copied.stores.blobs.path(str(file["sha256"]))
    blob.chmod(0o644)
    blob.unlink() if damage == "lost" else blob.write_bytes(b"short")

    report = verify(copied.settings, copied.quiet(), quick=True)

    assert [(row["what"], row["where"]) for row in report.rows] == [("blob", str(blob))]


@pytest.mark.slow
def test_where_the_catalog_in_service_is_damaged_too_licences_are_those_of_the_one_before(copied: World) -> None:
    before = copied.stores.tables.read(LICENCE_HISTORY, "2d-art/0001")
    assert rebuild(copied.settings, copied.quiet(), "catalog").errors == []
    copied.generation.catalog.chmod(0o644)
    copied.generation.catalog.write_bytes(b"rotten" * 10_000)
    flip(copied.stores.tables.path(LICENCE_HISTORY, LICENCE_HISTORY.stage, "2d-art/0001"))

    assert repair(copied.settings, copied.quiet()).exit_code == 0

    assert first_read(copied.stores.tables.read(LICENCE_HISTORY, "2d-art/0001")) == first_read(before)


def test_a_process_that_may_open_few_more_files_damages_nothing(copied: World) -> None:
    found = []
    for number in range(4, 13, 2):
        with files_left(number):
            found += verify(copied.settings, copied.quiet()).rows

    assert found != []
    assert {str(row["problem"]).lower().count("too many open files") for row in found} == {1}
