"""Derived spaces fill beside the vectors, also in data roots from before there were any."""

import shutil

import pytest

from ogaart.likeness import parts
from ogaart.operations import garbage_collection
from ogaart.operations.repair import repair
from ogaart.operations.verify import verify
from ogaart.resources.storage.derived import DerivedBytes
from ogaart.resources.storage.schema import EMBEDDINGS, FAILURES
from ogaart_tests.world import World

PARTITION = "2d-art/0000"


def stored(world: World) -> DerivedBytes:
    return DerivedBytes(world.stores.root.derived, parts.SPACE)


def pixels(world: World, partition: str = PARTITION) -> set[str]:
    return {row["pixel_sha256"] for row in world.stores.tables.read(EMBEDDINGS, partition)}


def test_every_embedded_picture_has_its_parts(demo_world: World) -> None:
    embedded = {str(key) for (key,) in demo_world.sql("SELECT DISTINCT pixel_sha256 FROM images WHERE embedded")}

    contents = stored(demo_world).get(sorted(embedded))

    assert contents.keys() == embedded
    assert {len(content) for content in contents.values()} == {parts.RAW_BYTES}


@pytest.mark.slow
def test_a_data_root_without_parts_gets_them_by_embeddings_alone(copied: World) -> None:
    before = stored(copied).get(sorted(pixels(copied)))
    shutil.rmtree(copied.stores.root.derived)
    requests = len(copied.site.requests)

    report = copied.materialize([PARTITION], ("embeddings",))

    [row] = report.rows
    assert (report.errors, row["new"], row["stale"], row["failed"], row["embedded"]) == ([], 0, 0, 0, 0)
    assert stored(copied).keys() == pixels(copied)
    assert stored(copied).get(sorted(pixels(copied))) == before
    assert len(copied.site.requests) == requests
    assert copied.stores.tables.read(FAILURES, PARTITION, "embeddings") == []


@pytest.mark.slow
def test_damage_is_found_and_only_those_pictures_are_read_again(copied: World) -> None:
    [segment, *_] = sorted(stored(copied).folder.glob("segment-*"))
    segment.write_bytes(segment.read_bytes()[:-100])

    report = verify(copied.settings, copied.quiet())
    repaired = repair(copied.settings, copied.quiet())

    assert {(row["what"], row["where"]) for row in report.rows} == {("derived", str(segment))}
    assert (repaired.errors, {row["repaired"] for row in repaired.rows}) == ([], {"yes"})
    assert stored(copied).keys() >= pixels(copied)


def test_parts_of_pictures_that_no_row_knows_go(copied: World) -> None:
    held = stored(copied).keys()
    stored(copied).add({"f" * 64: b"of no row"})

    listed = garbage_collection.collect(copied.settings)
    garbage_collection.collect(copied.settings, delete=True)

    assert {row["what"]: row["items"] for row in listed.rows} == {f"derived {parts.SPACE}": 1}
    assert stored(copied).keys() == held
