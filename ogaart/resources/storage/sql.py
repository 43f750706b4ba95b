"""SQL over table files: identifiers, literals, types, and a query that reads declared columns."""

from collections.abc import Mapping, Sequence

import duckdb
import pyarrow as pa

from ogaart.resources.storage.table_types import STAMP, Table

_SQL_TYPES: tuple[tuple[pa.DataType, str], ...] = (
    (pa.string(), "VARCHAR"),
    (pa.int64(), "BIGINT"),
    (pa.float32(), "FLOAT"),
    (pa.float64(), "DOUBLE"),
    (pa.bool_(), "BOOLEAN"),
    (pa.binary(), "BLOB"),
    (STAMP, "TIMESTAMPTZ"),
    (pa.timestamp("us"), "TIMESTAMP"),
)


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal, for statements that take no parameters."""
    return "'" + text.replace("'", "''") + "'"


def comment_on(con: duckdb.DuckDBPyConnection, kind: str, name: str, comment: str, columns: Mapping[str, str]) -> None:
    """Store the comments of a table or view and its columns, in one transaction: one by one takes three times as long.

    Args:
        con: connection whose default catalog holds it, with no transaction open.
        kind: ``TABLE`` or ``VIEW``.
        name: of the table or view, an identifier.
        comment: its comment.
        columns: comment by name of a column.
    """
    con.begin()
    con.execute(f"COMMENT ON {kind} {name} IS {literal(comment)}")
    for column, text in columns.items():
        con.execute(f"COMMENT ON COLUMN {name}.{quoted(column)} IS {literal(text)}")
    con.commit()


def plain_type(kind: pa.DataType) -> str:
    """The DuckDB type of an Arrow type; TypeError for one that no table declares."""
    if pa.types.is_list(kind):
        return plain_type(kind.value_type) + "[]"
    for known, name in _SQL_TYPES:
        if kind == known:
            return name
    raise TypeError(f"Arrow type {kind} has no DuckDB type declared: add it to _SQL_TYPES")


def select_files(con: duckdb.DuckDBPyConnection, table: Table, files: Sequence[str]) -> str:
    """A query with every declared column, typed; those that no file has are null, those not declared are dropped."""
    if not files:
        nothing = ", ".join(f"NULL::{plain_type(c.type)} AS {quoted(c.name)}" for c in table.columns)
        return f"SELECT {nothing} WHERE false"
    listed = "[" + ", ".join(literal(file) for file in files) + "]"
    source = f"read_parquet({listed}, union_by_name = true, hive_partitioning = false)"
    there = {row[0] for row in con.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}  # noqa: S608
    columns = ", ".join(
        f"{quoted(c.name) if c.name in there else 'NULL'}::{plain_type(c.type)} AS {quoted(c.name)}"
        for c in table.columns
    )
    return f"SELECT {columns} FROM {source}"  # noqa: S608
