"""SQL on the published catalog, read-only: one query, or a small shell."""

import sys
from contextlib import suppress
from pathlib import Path

import click
import duckdb

from ogaart.cli.tabular import FORMATS, as_markdown, rows_of, write_parquet
from ogaart.resources.catalog.generations import Generations
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.sql import literal
from ogaart.search.errors import NothingPublished
from ogaart.settings import Settings

SHOWN = 200
"""Rows that the shell prints of one result."""


def open_catalog(settings: Settings) -> duckdb.DuckDBPyConnection:
    """The published catalog, opened read-only.

    Raises:
        NothingPublished: nothing has been published yet.
    """
    root = DataRoot.of(settings)
    current = Generations(root.generations).current()
    if current is None:
        raise NothingPublished
    connection = duckdb.connect(str(current.catalog), read_only=True)
    # The catalog holds the vectors' path of when it was built; the data root may have been moved since.
    segments = root.vectors / str(current.manifest["space"]) / "segment-*.parquet"
    connection.execute(f"SET VARIABLE ogaart_vectors = {literal(str(segments))}")
    return connection


def run(settings: Settings, query: str | None, form: str, output: Path | None) -> int:
    """Run ``query`` and print or write its rows; without a query, read statements from the terminal."""
    with open_catalog(settings) as connection:
        if query is None:
            return _shell(connection)
        return _one(connection, query, form, output)


def _one(connection: duckdb.DuckDBPyConnection, query: str, form: str, output: Path | None) -> int:
    if form == "parquet" and output is None:
        raise click.UsageError("parquet is a binary format: name the file with --output")
    try:
        relation = connection.sql(query)
        if relation is None:
            return 0
        if form == "parquet":
            assert output is not None
            write_parquet(relation, output)
            return 0
        text = FORMATS[form](*rows_of(relation))
    except duckdb.Error as cause:
        click.echo(f"ogaart: {cause}", err=True)
        return 2
    if output is not None:
        output.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 0


def _shell(connection: duckdb.DuckDBPyConnection) -> int:
    """Statements end with a semicolon or with the input; Ctrl-C drops one, Ctrl-D leaves. Piped in, nothing prompts."""
    person = sys.stdin.isatty()
    if person:
        with suppress(ImportError):
            import readline  # noqa: F401  (adds editing and history to input())
        click.echo(
            "ogaart.duckdb, read-only. End a statement with ';'. Tables: SHOW TABLES; leave with Ctrl-D.", err=True
        )
    statement = ""
    while True:
        try:
            line = input(("...> " if statement else "sql> ") if person else "")
        except KeyboardInterrupt:
            click.echo(err=True)
            statement = ""
            continue
        except EOFError:
            if statement.strip():
                _answer(connection, statement)
            return 0
        statement += line + "\n"
        if line.rstrip().endswith(";"):
            _answer(connection, statement)
            statement = ""


def _answer(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    try:
        relation = connection.sql(statement)
        if relation is None:
            return
        names, rows = rows_of(relation.limit(SHOWN + 1))
        click.echo(as_markdown(names, rows[:SHOWN]), nl=False)
        if len(rows) > SHOWN:
            click.echo(f"only the first {SHOWN} rows are shown: `ogaart sql QUERY` prints all", err=True)
    except duckdb.Error as cause:
        click.echo(str(cause), err=True)
