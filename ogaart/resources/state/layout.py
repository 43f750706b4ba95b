"""Whether an SQLite database of state has the tables and columns of its version: SQLite itself finds nothing wrong."""

import sqlite3
from contextlib import closing
from pathlib import Path

from ogaart.resources.state.migrations import REVISIONS
from ogaart.resources.state.schema import METADATA


def layout_problem(path: Path) -> str:
    """What a database of this program's version lacks; empty where it lacks nothing, or is of another version.

    Empty also where SQLite cannot read it: ``sqlite_problem`` says why, and what is intact in it is still wanted.
    """
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)) as database:
        try:
            names = {str(name) for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if not names:
                return ""  # made just now
            version = "alembic_version"
            found = database.execute(f"SELECT version_num FROM {version}").fetchall() if version in names else []  # noqa: S608
            if not found:
                return "its version is missing"
            if found != [(REVISIONS[-1],)]:
                return ""
            for table in METADATA.sorted_tables:
                rows = database.execute("SELECT name FROM pragma_table_info(?)", (table.name,)).fetchall()
                if lacking := {column.name for column in table.columns} - {str(name) for (name,) in rows}:
                    return f"the table {table.name} lacks {'all columns' if not rows else min(lacking)}"
        except sqlite3.DatabaseError:
            return ""  # damaged, held by a writer, or on a read-only disk with a log to replay: nothing is known of it
    return ""
