"""What is read in slices of whole entries, so that it needs no memory for all of them, is what is read at once."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from ogaart.resources.catalog.cut import open_cut
from ogaart.resources.catalog.eligible import choose_pictures, eligible_rows
from ogaart.resources.catalog.kinship import by_entry
from ogaart.resources.moderation.takedowns import Takedowns
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
