"""The checks of a generation, each made to pass and to fail, over really built generations."""

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
import numpy as np

from ogaart.resources.catalog import quality
from ogaart.resources.catalog.audits import Audit
from ogaart.resources.catalog.generations import Generation
from ogaart.resources.index.base import VectorIndex
from ogaart.resources.site.sweeps import Sweep, SweepPage
from ogaart.resources.storage.blobs import Blobs
from ogaart.resources.storage.vectors import Vectors
from ogaart_tests.resources.catalog.catalog_world import (  # fmt: skip
    ALL_OF_IT,
    SPACE,
    TWO_ENTRIES,
    WHEN,
    Row,
    World,
    fill,
    publish,
    sha,
    vector,
)


@contextmanager
def catalog(generation: Generation) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(generation.catalog), read_only=True) as con:
        yield con


def swept(*pages: str, total: int | None = None) -> Sweep:
    listed = tuple(SweepPage(WHEN, frozenset(page.split())) for page in pages)
    return Sweep("2d", WHEN, sum(len(p.slugs) for p in listed) if total is None else total, listed)


def test_the_totals_are_those_of_the_site(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    with catalog(publish(world, index)) as con:
        assert quality.check_totals(con, [swept("oak elm")]).passed
        short = quality.check_totals(con, [swept("oak elm", "ash")])
        assert not quality.check_totals(con, []).passed

    assert not short.passed
    assert "2d lists 2 of 3 entries" in short.message


def test_a_file_of_another_length_fails(world: World, index: VectorIndex) -> None:
    blobs = Blobs(world.root / "blobs")
    for name in ("oak.png", "pack.zip", "elm.png"):
        blobs.path(sha(name)).parent.mkdir(parents=True, exist_ok=True)
        blobs.path(sha(name)).write_bytes(b"0123456789")
    world.partition("2d/0000", TWO_ENTRIES)

    with catalog(publish(world, index)) as con:
        sound = quality.check_lengths(con, blobs)
        blobs.path(sha("elm.png")).write_bytes(b"012345678")
        torn = quality.check_lengths(con, blobs)
        blobs.path(sha("elm.png")).unlink()
        lost = quality.check_lengths(con, blobs)

    assert (sound.passed, sound.counts) == (True, {"checked": 3, "wrong": 0})
    assert not torn.passed
    assert not lost.passed
    assert "https://site/files/elm/elm.png" in torn.message


def test_a_page_that_states_another_length_fails(world: World, index: VectorIndex) -> None:
    def longer(table: str, row: Row) -> Row:
        return {**row, "length": 11} if table == "file_links" else row

    world.partition("2d/0000", {"oak": {"oak.png": ["oak"]}}, change=longer)

    with catalog(publish(world, index)) as con:
        assert not quality.check_lengths(con, Blobs(world.root / "blobs")).passed


def test_too_large_a_share_of_failures_fails(world: World, index: VectorIndex) -> None:
    def spoilt(table: str, row: Row) -> Row:
        bad = table == "members" and row["slug"] == "elm"
        return {**row, "status": "failed", "image_id": None} if bad else row

    world.partition("2d/0000", TWO_ENTRIES, change=spoilt)

    with catalog(publish(world, index)) as con:
        allowed = quality.check_failures(con, 0.4)
        refused = quality.check_failures(con, 0.3)

    assert (allowed.passed, refused.passed) == (True, False)
    assert refused.message.startswith("1 of 3 files failed: 33.3%, OGAART_MAX_FAILURE_SHARE allows 30.0%")


def test_an_index_that_finds_other_neighbours_fails(world: World, index: VectorIndex) -> None:
    names = [f"picture-{n}" for n in range(30)]
    world.partition("2d/0000", {name: {f"{name}.png": [name]} for name in names})
    vectors = Vectors(world.root / "vectors", SPACE)
    vectors.add([sha(name) for name in names], np.stack([vector(name) for name in names]))
    fill(index, *((name, name) for name in names))

    with catalog(publish(world, index)) as con:
        sound = quality.check_recall(con, index, vectors)
        index.delete([hit.id for hit in index.query(vector("picture-0"), limit=20)])
        poor = quality.check_recall(con, index, vectors)

    assert (sound.passed, sound.counts) == (True, {"sample": 25, "wanted": 250, "found": 250})
    assert not poor.passed
    assert "ogaart rebuild index" in poor.message


def test_equal_pictures_in_two_entries_are_one_distance(world: World, index: VectorIndex) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    vectors = Vectors(world.root / "vectors", SPACE)
    vectors.add([sha("oak"), sha("leaf")], np.stack([vector("oak"), vector("leaf")]))
    fill(index, *ALL_OF_IT)

    with catalog(publish(world, index)) as con:
        assert quality.check_recall(con, index, vectors).passed


def test_only_checks_that_block_hold_a_generation_back() -> None:
    failed = [Audit(name, False, "") for name in ("site_totals", "recall")]

    assert [check.name for check in quality.holding_back(failed)] == ["recall"]
