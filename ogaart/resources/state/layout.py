"""Whether a database of state has the tables and columns of its version: the database itself finds nothing wrong."""

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from ogaart.resources.state.migrations import REVISIONS
from ogaart.resources.state.schema import METADATA

if TYPE_CHECKING:
    from alembic.config import Config

VERSION = "alembic_version"
"""Alembic's table, of one row."""


def layout_problem(path: Path) -> str:
    """What an SQLite database of this program's version lacks; empty where it lacks nothing, or is of another version.

    Empty also where SQLite cannot read it: ``sqlite_problem`` says why, and what is intact in it is still wanted.
    """
    name = f"{path.as_uri()}?mode=ro"
    engine = sa.create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(name, uri=True, timeout=10), poolclass=sa.NullPool
    )
    try:
        with engine.connect() as connection:
            return what_it_lacks(connection)
    except sa.exc.DatabaseError:
        return ""  # damaged, held by a writer, or on a read-only disk with a log to replay: nothing is known of it


def what_it_lacks(connection: sa.Connection) -> str:
    """The same of a database that can be read."""
    inspector = sa.inspect(connection)
    names = inspector.get_table_names()
    if not names:
        return ""  # made just now
    found = connection.execute(sa.text(f"SELECT version_num FROM {VERSION}")).all() if VERSION in names else []  # noqa: S608
    if not found:
        return "its version is missing"
    if [tuple(row) for row in found] != [(REVISIONS[-1],)]:
        return ""
    for table in METADATA.sorted_tables:
        if table.name not in names:
            return f"the table {table.name} lacks all columns"
        columns = {str(column["name"]) for column in inspector.get_columns(table.name)}
        if lacking := {column.name for column in table.columns} - columns:
            return f"the table {table.name} lacks {min(lacking)}"
    return ""


def complete_layout(connection: sa.Connection) -> None:
    """Make what a database lacks; what its tables held is to be made again, and tables that lack nothing keep theirs.

    Args:
        connection: within a transaction that writes.
    """
    inspector = sa.inspect(connection)
    names = inspector.get_table_names()
    for table in METADATA.sorted_tables:
        if table.name in names:
            columns = {str(column["name"]) for column in inspector.get_columns(table.name)}
            if columns >= {column.name for column in table.columns}:
                continue
            table.drop(connection)
        table.create(connection)
    from alembic import command

    command.stamp(alembic_config(connection), "head", purge=True)


def alembic_config(connection: sa.Connection) -> "Config":
    """What Alembic's commands work on: the migrations, and a connection within a transaction that writes."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "ogaart.resources.state:migrations")
    config.attributes["connection"] = connection
    return config
