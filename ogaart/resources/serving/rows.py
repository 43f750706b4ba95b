"""The tables of words.sqlite, and their rows from those of a catalog."""

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from ogaart.core.stages import Stage
from ogaart.resources.storage.schema import ENTRIES, IMAGES
from ogaart.resources.storage.sql import quoted
from ogaart.resources.storage.table_types import STAMP, Column
from ogaart.words.index_tables import INDEX_TABLES

_BATCH = 2_000  # rows in Python at once

_PLACE_COLUMNS = (
    "image_id INTEGER NOT NULL, file INTEGER NOT NULL, member_path TEXT, sha256 BLOB, format TEXT, bytes INTEGER,"
    " pack_offset INTEGER, pack_length INTEGER"
)
_FILE_COLUMNS = "file INTEGER PRIMARY KEY, fid INTEGER, file_url TEXT, shown_name TEXT, file_sha256 BLOB"
_PART_COLUMNS = (
    "part BLOB NOT NULL, whole BLOB NOT NULL, x INTEGER, y INTEGER, width INTEGER, height INTEGER, share REAL"
)
_CELL_COLUMNS = (
    "image_id INTEGER, number INTEGER, x INTEGER, y INTEGER, width INTEGER, height INTEGER, kind TEXT, name TEXT,"
    " confidence REAL, source TEXT"
)
_LICENCE_COLUMNS = "slug TEXT NOT NULL, licences TEXT, first_read_at TEXT, last_read_at TEXT, changed_at TEXT"
INDEXES = """
CREATE INDEX images_by_pixels ON images(pixel_sha256);
CREATE INDEX images_by_slug ON images(slug);
CREATE INDEX places_by_image ON places(image_id);
CREATE INDEX places_by_file ON places(file);
CREATE INDEX files_by_url ON files(file_url);
CREATE INDEX licences_by_slug ON licence_history(slug);
CREATE INDEX parts_by_part ON parts(part);
CREATE INDEX parts_by_whole ON parts(whole);
CREATE INDEX entries_by_author ON entries(author);
CREATE INDEX families_by_family ON families(family_id);
CREATE INDEX frames_by_animation ON frames(animation_id);
"""
_SQLITE_TYPES: tuple[tuple[pa.DataType, str], ...] = (
    (pa.string(), "TEXT"),
    (pa.int64(), "INTEGER"),
    (pa.bool_(), "INTEGER"),
    (pa.float32(), "REAL"),
    (pa.float64(), "REAL"),
    (pa.binary(), "BLOB"),
)
_HASHES = frozenset({"pixel_sha256"})
"""Columns of hexadecimal digits that are stored as bytes: there is an index over them."""
_OF_IMAGE = {
    "path": f"'packs/{Stage.EXTRACTED_IMAGES}/' || partition || '.zip'",
    "thumb_offset": "thumb_offset",
    "thumb_length": "thumb_length",
}
"""Where an image's thumbnail is stored: columns besides those that search shows."""


def serving_ddl() -> str:
    """SQL that makes the empty tables of words.sqlite: the columns are those that ``schema`` declares as served."""
    entries = ", ".join(_declared(column, "slug", "TEXT PRIMARY KEY") for column in ENTRIES.served)
    images = ", ".join(_declared(column, "image_id", "INTEGER PRIMARY KEY") for column in IMAGES.served)
    return f"""
        CREATE TABLE entries({entries}) WITHOUT ROWID;
        CREATE TABLE packs(pack INTEGER PRIMARY KEY, path TEXT NOT NULL);
        CREATE TABLE images({images}, pack INTEGER, thumb_offset INTEGER, thumb_length INTEGER);
        CREATE TABLE files({_FILE_COLUMNS});
        CREATE TABLE places({_PLACE_COLUMNS});
        CREATE TABLE renamed(image_id INTEGER PRIMARY KEY, new_image_id INTEGER);
        CREATE TABLE renamed_entries(slug TEXT PRIMARY KEY, new_slug TEXT) WITHOUT ROWID;
        CREATE TABLE licence_history({_LICENCE_COLUMNS});
        CREATE TABLE parts({_PART_COLUMNS});
        CREATE TABLE cells({_CELL_COLUMNS}, PRIMARY KEY (image_id, number)) WITHOUT ROWID;
        CREATE TABLE families(
            image_id INTEGER PRIMARY KEY, family_id INTEGER, copy_id INTEGER, kind TEXT, evidence REAL);
        CREATE TABLE frames(image_id INTEGER PRIMARY KEY, animation_id INTEGER, position INTEGER);
        CREATE TABLE info(key TEXT PRIMARY KEY, value) WITHOUT ROWID;
    """


def _declared(column: Column, key: str, of_key: str) -> str:
    """A column of words.sqlite with its type."""
    return f"{column.served_name} {of_key if column.name == key else _sqlite_type(column)}"


def _sqlite_type(column: Column) -> str:
    """The SQLite type of a served column; lists are JSON, times are ISO 8601."""
    if column.name in _HASHES:
        return "BLOB"
    if pa.types.is_list(column.type) or pa.types.is_timestamp(column.type):
        return "TEXT"
    for known, name in _SQLITE_TYPES:
        if column.type == known:
            return name
    raise TypeError(f"{column.name}: Arrow type {column.type} has no SQLite type declared: add it to _SQLITE_TYPES")


def _served(column: Column) -> str:
    """What DuckDB selects for a served column."""
    name, value = quoted(column.served_name), quoted(column.name)
    if column.name in _HASHES:
        value = f"unhex({value})"
    elif column.type == STAMP:
        return _moment(value, column.served_name)
    elif pa.types.is_timestamp(column.type):
        value = f"strftime({value}, '%Y-%m-%dT%H:%M:%S')"
    return f"{value} AS {name}"


def _moment(value: str, name: str) -> str:
    """A time with its zone as ISO 8601, in UTC."""
    return f"strftime({value} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ') AS {quoted(name)}"


_SEARCHED = "WHERE indexed"  # of images; in each query over the rows of entries
_LICENCE_TIMES = ("first_read_at", "last_read_at", "changed_at")
_ENTRIES = f"""
SELECT {", ".join(map(_served, ENTRIES.served))}
FROM entries SEMI JOIN (FROM images WHERE indexed) USING (slug) ORDER BY slug
"""  # noqa: S608
_IMAGES = f"""
SELECT {", ".join((*map(_served, IMAGES.served), *(f"{value} AS {name}" for name, value in _OF_IMAGE.items())))}
FROM images WHERE indexed ORDER BY image_id
"""  # noqa: S608
_PLACES = """
SELECT o.image_id, o.fid, f.url AS file_url, f.shown_name, unhex(o.file_sha256) AS file_sha256, o.member_path,
    unhex(o.sha256) AS sha256, o.format, o.bytes, o.pack_offset, o.pack_length
FROM occurrences AS o SEMI JOIN (FROM images WHERE indexed) AS i USING (image_id)
LEFT JOIN files AS f ON f.slug = o.slug AND f.fid = o.fid AND f.role = 'file'
ORDER BY o.image_id, o.position
"""
_RENAMED_ENTRIES = """
SELECT f.slug, min(e.slug) AS new_slug FROM entries AS f
JOIN (FROM entries SEMI JOIN (FROM images WHERE indexed) USING (slug)) AS e ON e.nid = f.nid AND e.site = f.site
WHERE f.status = 'renamed' GROUP BY f.slug ORDER BY f.slug
"""
_PARTS = """
SELECT unhex(part_pixel_sha256) AS part, unhex(whole_pixel_sha256) AS whole, x, y, width, height, share
FROM picture_parts ORDER BY part, whole
"""
_RENAMED = """
SELECT r.image_id, min(r.new_image_id) AS new_image_id FROM renamed_images AS r
JOIN images AS i ON i.image_id = r.new_image_id AND i.indexed
GROUP BY r.image_id ORDER BY r.image_id
"""
_CELLS = """
SELECT c.image_id, c.number, c.x, c.y, c.width, c.height, c.kind, c.name, round(c.confidence::DOUBLE, 2) AS confidence,
    c.source
FROM cells AS c SEMI JOIN (FROM images WHERE indexed) USING (image_id) ORDER BY c.image_id, c.number
"""
_FAMILIES = "SELECT image_id, family_id, copy_id, kind, evidence FROM families ORDER BY image_id"
_FRAMES = "SELECT image_id, animation_id, position FROM frames ORDER BY image_id"
_LICENCE_HISTORY = f"""
SELECT h.slug, h.licences, {", ".join(_moment(f"h.{name}", name) for name in _LICENCE_TIMES)}
FROM licence_history AS h SEMI JOIN (FROM images WHERE indexed) AS i USING (slug) ORDER BY h.slug, h.first_read_at
"""  # noqa: S608
_LISTS = {
    column.served_name: column.type.value_type
    for column in (*ENTRIES.served, *IMAGES.served)
    if pa.types.is_list(column.type)
}
"""Served columns that are lists, with the type of their values; of fractions four digits are kept."""
_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


ROWS: Mapping[str, str] = {
    "entries": _ENTRIES,
    "images": _IMAGES,
    "places": _PLACES,
    "cells": _CELLS,
    "licence_history": _LICENCE_HISTORY,
}
"""Tables of entries and of their images, each with the query for its rows."""
SMALL: Mapping[str, str] = {
    "renamed": _RENAMED,
    "renamed_entries": _RENAMED_ENTRIES,
    "parts": _PARTS,
    "families": _FAMILIES,
    "frames": _FRAMES,
}
"""Tables whose rows may differ although no row of their entry did."""
_NUMBERED: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "images": ("packs", "pack", ("path",)),
    "places": ("files", "file", ("fid", "file_url", "shown_name", "file_sha256")),
}
"""Columns whose values many rows of a table share: the table that has these once, and the column of its numbers."""


def update_rows(con: duckdb.DuckDBPyConnection, store: sqlite3.Connection, chosen: str) -> None:
    """Write the rows of some entries again, of small tables those that differ; without the index of terms.

    Args:
        con: connection whose default catalog holds the finished tables.
        store: words.sqlite, or a file of differences; gets the temporary table ``chosen`` as well.
        chosen: the temporary table of the entries' slugs.
    """
    store.execute("CREATE TEMP TABLE chosen(slug TEXT PRIMARY KEY) WITHOUT ROWID")
    store.executemany("INSERT INTO chosen VALUES (?)", con.execute(f"FROM {chosen}").fetchall())
    of_entries = "slug IN (SELECT slug FROM chosen)"
    for table in ("places", "cells"):
        store.execute(f"DELETE FROM {table} WHERE image_id IN (SELECT image_id FROM images WHERE {of_entries})")  # noqa: S608
    for table in ("images", "entries", "licence_history"):
        store.execute(f"DELETE FROM {table} WHERE {of_entries}")  # noqa: S608
    store.execute("DELETE FROM files WHERE NOT EXISTS (SELECT 1 FROM places WHERE places.file = files.file)")
    for table, query in ROWS.items():
        copy_rows(con, store, table, query.replace(_SEARCHED, f"{_SEARCHED} AND slug IN (FROM {chosen})"))
    for table, query in SMALL.items():
        wanted = {tuple(row) for row in con.execute(query).fetchall()}
        there = set(store.execute(f"SELECT * FROM {table}"))  # noqa: S608
        columns = [row[1] for row in store.execute(f"PRAGMA table_info({table})")]
        equal = " AND ".join(f"{name} IS ?" for name in columns)
        store.executemany(f"DELETE FROM {table} WHERE {equal}", there - wanted)  # noqa: S608
        marks = ", ".join("?" for _ in columns)
        store.executemany(f"INSERT INTO {table} VALUES ({marks})", sorted(wanted - there))  # noqa: S608
    store.executescript("".join(f"DROP TABLE IF EXISTS {name};" for name in INDEX_TABLES))
    store.commit()


def copy_rows(con: duckdb.DuckDBPyConnection, store: sqlite3.Connection, table: str, query: str) -> None:
    """Write the rows of a query over the catalog to a table of words.sqlite."""
    numbers = _Numbers(store, *_NUMBERED[table]) if table in _NUMBERED else None
    for columns in _batches(con, query):
        if numbers is not None:
            numbers.replace(columns)
        marks = ", ".join("?" for _ in columns)
        store.executemany(
            f"INSERT INTO {table}({', '.join(columns)}) VALUES ({marks})",  # noqa: S608
            zip(*columns.values(), strict=True),
        )
    store.commit()


class _Numbers:
    """Numbers of what many rows share, as the table of it has them; what is new there is added.

    Args:
        store: words.sqlite.
        table: the table, whose first column is the number.
        column: its name, in this table and in that of the rows.
        values: the other columns.
    """

    def __init__(self, store: sqlite3.Connection, table: str, column: str, values: Sequence[str]) -> None:
        self._store, self._column, self._values = store, column, values
        marks = ", ".join("?" for _ in (column, *values))
        self._insert = f"INSERT INTO {table} VALUES ({marks})"  # noqa: S608
        self._known = {row[1:]: row[0] for row in store.execute(f"SELECT * FROM {table}")}  # noqa: S608
        self._last = max(self._known.values(), default=0)

    def replace(self, columns: dict[str, list[Any]]) -> None:
        """Put the numbers of rows' shared values in the place of these columns."""
        rows = list(zip(*(columns.pop(name) for name in self._values), strict=True))
        for values in dict.fromkeys(rows):
            if values not in self._known:
                self._last += 1
                self._known[values] = self._last
                self._store.execute(self._insert, (self._last, *values))
        columns[self._column] = [self._known[values] for values in rows]


def _batches(con: duckdb.DuckDBPyConnection, query: str) -> Iterator[dict[str, list[Any]]]:
    """The columns of a query by name, as words.sqlite has them, some rows at a time."""
    for batch in con.sql(query).to_arrow_reader(_BATCH):
        if len(batch):
            yield {
                name: _json_lists(column.to_pylist(), _LISTS[name]) if name in _LISTS else column.to_pylist()
                for name, column in zip(batch.schema.names, batch.columns, strict=True)
            }


def _json_lists(lists: Sequence[Sequence[Any] | None], kind: pa.DataType) -> list[str]:
    """Each list as JSON; what is missing is an empty one.

    Args:
        lists: the lists.
        kind: of what they hold.
    """
    values = [some or [] for some in lists]
    if pa.types.is_string(kind):
        return [_JSON.encode(some) for some in values]
    if pa.types.is_floating(kind):
        values = [[round(share, 4) for share in some] for some in values]
    return [f"[{some}]" for some in _JSON.encode(values)[2:-2].split("],[")]  # at once: numbers have no brackets
