"""Query results as text: csv, json, markdown, Parquet; large integers as strings where readers would change them."""

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import duckdb

SAFE_INTEGER = 2**53 - 1
"""The largest integer that JavaScript and spreadsheets keep exactly."""


def rows_of(relation: duckdb.DuckDBPyRelation) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Column names and rows of a relation."""
    return list(relation.columns), relation.fetchall()


def as_csv(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """CSV with a header; lists and structs as JSON."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_flat(value) for value in row] for row in rows)
    return out.getvalue()


def as_json(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A JSON array of objects."""
    records = [dict(zip(columns, map(_plain, row), strict=True)) for row in rows]
    return json.dumps(records, ensure_ascii=False, indent=2) + "\n"


def as_markdown(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    for row in rows:
        cells = (str(_flat(value)).replace("|", "\\|").replace("\n", " ") for value in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


FORMATS: Mapping[str, Callable[[Sequence[str], Sequence[Sequence[Any]]], str]] = {
    "csv": as_csv,
    "json": as_json,
    "markdown": as_markdown,
}


def write_parquet(relation: duckdb.DuckDBPyRelation, path: Path) -> None:
    """Write a relation as one Parquet file."""
    relation.write_parquet(str(path))


def _plain(value: Any) -> Any:
    """A value that JSON holds without loss."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return str(value) if abs(value) > SAFE_INTEGER else value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value if isinstance(value, str | float) else str(value)


def _flat(value: Any) -> Any:
    plain = _plain(value)
    if plain is None:
        return ""
    return json.dumps(plain, ensure_ascii=False) if isinstance(plain, list | dict) else plain
