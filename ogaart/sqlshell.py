"""SQL on the published catalog, read-only: one query, or a small shell."""

import sys
from pathlib import Path

import click
import duckdb

from ogaart.resources.catalog_tables import literal
from ogaart.resources.dataroot import DataRoot
from ogaart.resources.generations import Generations
from ogaart.search.following import NothingPublished
from ogaart.settings import Settings
from ogaart.tabular import FORMATS, as_markdown, rows_of, write_parquet


def open_catalog(settings: Settings) -> duckdb.DuckDBPyConnection:
    """The published catalog, opened read-only.

    Raises:
        NothingPublished: there is none yet.
    """
    root = DataRoot.of(settings)
    current = Generations(root.generations).current()
    if current is None:
        raise NothingPublished
    connection = duckdb.connect(str(current.catalog), read_only=True)
    # The catalog names the vectors where they lay when it was built; the data root may have been moved since.
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
        raise click.UsageError("parquet is no text: name the file with --output")
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
    """Statements end with a semicolon; an empty line or Ctrl-D leaves."""
    click.echo("ogaart.duckdb, read-only. End a statement with ';'. Tables: SHOW TABLES; leave with Ctrl-D.", err=True)
    statement = ""
    while (line := _ask("...> " if statement else "sql> ")) is not None:
        statement += line + "\n"
        if not line.rstrip().endswith(";"):
            continue
        try:
            relation = connection.sql(statement)
            if relation is not None:
                click.echo(as_markdown(*rows_of(relation.limit(200))), nl=False)
        except duckdb.Error as cause:
            click.echo(str(cause), err=True)
        statement = ""
    return 0


def _ask(prompt: str) -> str | None:
    try:
        return input(prompt)
    except EOFError:
        return None
