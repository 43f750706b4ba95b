"""Keys of the catalog's tables hold although no index over them is stored."""

import duckdb
import pyarrow as pa
import pytest

from ogaart.resources.catalog.cut import CatalogFailed
from ogaart.resources.catalog.tables import PICTURE_PARTS, create_table, insert_rows, selection

WHOLE = "f" * 64


def parts(*of: tuple[str | None, str]) -> pa.Table:
    rows = [
        {"part_pixel_sha256": part, "whole_pixel_sha256": whole, "x": 0, "y": 0, "width": 8, "height": 8,
         "share": 1.0, "patches": 9}
        for part, whole in of
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, PICTURE_PARTS.schema)


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:")


def test_rows_with_one_key_are_refused_when_a_table_is_made(con: duckdb.DuckDBPyConnection) -> None:
    con.register("given_parts", parts(("aa", WHOLE), ("bb", WHOLE), ("aa", WHOLE)))

    with pytest.raises(CatalogFailed, match=r"table picture_parts with key \(part_pixel_sha256.*several rows.*'aa'"):
        create_table(con, PICTURE_PARTS)


@pytest.mark.parametrize("added", [(("aa", WHOLE),), (("cc", WHOLE), ("cc", WHOLE))], ids=["stored", "among-the-new"])
def test_rows_with_a_key_that_is_there_are_refused_and_none_is_added(
    con: duckdb.DuckDBPyConnection, added: tuple[tuple[str, str], ...]
) -> None:
    con.register("given_parts", parts(("aa", WHOLE), ("bb", WHOLE)))
    create_table(con, PICTURE_PARTS)
    con.register("given_parts", parts(("dd", WHOLE), *added))

    with pytest.raises(CatalogFailed, match="table picture_parts with key"):
        insert_rows(con, PICTURE_PARTS, selection(PICTURE_PARTS))

    assert con.execute("SELECT part_pixel_sha256 FROM picture_parts").fetchall() == [("aa",), ("bb",)]


def test_rows_without_a_key_are_refused(con: duckdb.DuckDBPyConnection) -> None:
    con.register("given_parts", parts(("aa", WHOLE), (None, WHOLE)))

    with pytest.raises(CatalogFailed, match="table picture_parts"):
        create_table(con, PICTURE_PARTS)


def test_rows_of_another_key_that_shares_a_part_of_it_are_added(con: duckdb.DuckDBPyConnection) -> None:
    con.register("given_parts", parts(("aa", WHOLE)))
    create_table(con, PICTURE_PARTS)
    con.register("given_parts", parts(("aa", "e" * 64)))

    insert_rows(con, PICTURE_PARTS, selection(PICTURE_PARTS))

    assert con.execute("SELECT count(*) FROM picture_parts").fetchall() == [(2,)]
    assert con.execute("SELECT count(*) FROM duckdb_indexes()").fetchall() == [(0,)]
