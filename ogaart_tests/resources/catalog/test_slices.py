"""What is read in slices of whole entries, so that it needs no memory for all of them, is what is read at once."""

import os
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from ogaart.resources.catalog.build import memory_for
from ogaart.resources.catalog.cut import open_cut
from ogaart.resources.catalog.eligible import choose_pictures, eligible_rows, slices
from ogaart.resources.catalog.kinship import by_entry
from ogaart.resources.moderation.takedowns import Takedowns
from ogaart.resources.storage.objects import PACKS, Cut, Key
from ogaart_tests.resources.catalog.catalog_world import SPACE, TWO_ENTRIES, World, image_id


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_what_a_collection_must_hold_is_the_same_in_slices(world: World, tmp_path: Path, at_once: int) -> None:
    world.partition("2d/0000", TWO_ENTRIES)
    with duckdb.connect(str(tmp_path / "rows.duckdb")) as con:
        open_cut(con, world.cut(), SPACE)
        choose_pictures(con, SPACE, Takedowns())

        whole, sliced = list(eligible_rows(con)), list(eligible_rows(con, at_once=at_once))

    assert sliced == whole
    assert [row.payload["slug"] for row in whole] == ["elm", "oak", "oak"]
    assert whole[0].image_id == image_id("elm", "oak")
    assert all(row.payload["words"] and row.ledger for row in whole)


def test_a_large_entry_is_read_in_parts(world: World, tmp_path: Path) -> None:
    pictures = [f"tile {number}" for number in range(40)]
    world.partition("2d/0000", {"": {"x.png": ["x"]}, **TWO_ENTRIES, "it's large": {"tiles.zip": pictures}})
    with duckdb.connect(str(tmp_path / "rows.duckdb")) as con:
        open_cut(con, world.cut(), SPACE)
        choose_pictures(con, SPACE, Takedowns())

        whole, sliced = list(eligible_rows(con)), list(eligible_rows(con, at_once=10))
        of_slices = "SELECT count(*) FROM won_images WHERE {} AND {}"
        counts = [con.sql(of_slices.format(*some)).fetchall()[0][0] for some in slices(con, "eligible", 10)]

    assert sliced == whole
    assert sum(counts) == len(whole) == 44
    assert max(counts) <= 10


@pytest.mark.parametrize(
    ("at_once", "parts"),
    [(1, ["aa", "b", "ccc"]), (2, ["aa", "bccc"]), (3, ["aab", "ccc"]), (4, ["aabccc"]), (9, ["aabccc"])],
)
def test_a_table_is_cut_between_entries(at_once: int, parts: list[str]) -> None:
    table = pa.table({"slug": list("aabccc"), "row": range(6)})

    cut = list(by_entry(table, at_once))

    assert ["".join(map(str, part["slug"].to_pylist())) for part in cut] == parts
    assert pa.concat_tables(cut) == table


def test_a_table_without_rows_is_cut_into_nothing() -> None:
    assert sum(map(len, by_entry(pa.table({"slug": pa.array([], pa.string())})))) == 0


def test_the_largest_table_fits_into_the_memory_of_a_build(tmp_path: Path) -> None:
    images, pack = tmp_path / "images.parquet", tmp_path / "pictures.zip"
    for path, size in ((images, 1 << 30), (pack, 1 << 33)):
        path.touch()
        os.truncate(path, size)
    key = Key("images", "extracted_images", "2d/0000")

    cut = Cut({key: images, key._replace(kind=PACKS): pack})

    assert memory_for(cut, 0) - memory_for(Cut({}), 0) == 1 << 30
    assert memory_for(cut, 1 << 20) > memory_for(cut, 0)
