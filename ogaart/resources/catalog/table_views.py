"""The current rows of all partitions in one DuckDB connection: a view for each table, straight over the Parquet."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path

import duckdb

from ogaart.resources.storage.schema import TABLES
from ogaart.resources.storage.sql import select_files
from ogaart.resources.storage.tables import Tables


@contextmanager
def connect(tables: Tables, leave_out: AbstractSet[Path] = frozenset()) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of its own with one view for each declared table, of all stages and partitions.

    Args:
        tables: the tables.
        leave_out: files to pass over, such as damaged ones.
    """
    con = duckdb.connect(":memory:")
    try:
        con.execute("SET TimeZone = 'UTC'")
        for table in TABLES:
            files = [str(path) for path in tables.files(table) if path not in leave_out]
            con.execute(f"CREATE VIEW {table.name} AS {select_files(con, table, files)}")
        yield con
    finally:
        con.close()
