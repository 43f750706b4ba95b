"""The catalog's tables: from a frozen cut of the stages' Parquet files to typed, keyed, commented DuckDB tables.

Of an entry that several partitions hold, the rows of one partition win in every table: see ``cut``.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum

import duckdb
import pyarrow as pa

from ogaart.core.stages import Stage
from ogaart.core.states import EntryStatus, FileRole, FileStatus, ListingStatus, MemberStatus
from ogaart.resources.catalog.cut import CatalogFailed
from ogaart.resources.storage import schema
from ogaart.resources.storage.sql import comment_on, literal, plain_type, quoted
from ogaart.resources.storage.table_types import STAMP, Column, Table
from ogaart.sites.base import FIRST_SITE

FORMAT_VERSION = 1
"""Version of the catalog's own layout; rises when a public table or view changes meaning."""


RUNS = Table(
    "runs", "(runs)", "One row per run known when the catalog was built, failed and empty ones included.",
    ("run_id",),
    (
        Column("run_id", pa.string(), "The run."),
        Column("job", pa.string(), "Job that was run."),
        Column("partition", pa.string(), "Partition, or first...last of several; null for runs over everything."),
        Column("status", pa.string(), "Status by then; SUCCESS for the run that built it: else it is not in service."),
        Column("started_at", STAMP, "When it started; null: not yet."),
        Column("ended_at", STAMP, "When it ended; of the run that built the catalog, when that began."),
    ),
)  # fmt: skip

PUBLICATIONS: Table = Table(
    "publications", "(publications)", "One row per publication: what it held, and how much it changed.",
    ("publication",),
    (
        Column("publication", pa.int64(), "Its number, which is the generation's.", always=True),
        Column("built_at", STAMP, "When its catalog was built.", always=True),
        Column("published_at", STAMP, "When it came into service; null for the one that this catalog belongs to."),
        Column("previous", pa.int64(), "The publication that it was compared with; null: none was readable."),
        Column("entries", pa.int64(), "Entries that search has.", always=True),
        Column("images", pa.int64(), "Images that search has.", always=True),
        Column("files", pa.int64(), "Files that are fetched.", always=True),
        Column("new_entries", pa.int64(), "Entries that search has since then.", always=True),
        Column("altered_entries", pa.int64(), "Entries whose page differs.", always=True),
        Column("withdrawn_entries", pa.int64(), "Entries that search no longer has.", always=True),
        Column("new_images", pa.int64(), "Images that search has since then.", always=True),
        Column("withdrawn_images", pa.int64(), "Images that search no longer has.", always=True),
    ),
)  # fmt: skip

CHANGES: Table = Table(
    "changes", "(publications)",
    "What each publication changed, for 400 days and at most a million rows; the first one has none.", (),
    (
        Column("publication", pa.int64(), "The publication that brought the change.", always=True),
        Column("changed_at", STAMP, "When its catalog was built.", always=True),
        Column("kind", pa.string(), "entry, file or image.", always=True),
        Column("slug", pa.string(), "The entry.", always=True),
        Column("key", pa.string(), "The entry's slug, the file's URL, or the image's id.", always=True),
        Column("change", pa.string(), "new, altered or withdrawn; entries and images: in search.", always=True),
        Column("field", pa.string(), "The column that was altered; null else."),
        Column("old", pa.string(), "Its value before, as text of at most 1,000 characters; lists joined by '; '."),
        Column("new", pa.string(), "Its value since."),
    ),
)  # fmt: skip

PICTURE_PARTS: Table = Table(
    "picture_parts", "(patches)",
    "One row for each published picture that is a part of another: most of its patches are in the other at one place.",
    ("part_pixel_sha256", "whole_pixel_sha256"),
    (
        Column("part_pixel_sha256", pa.string(), "The picture that is a part: its canonical pixels."),
        Column("whole_pixel_sha256", pa.string(), "The picture that contains it."),
        Column("x", pa.int64(), "Left edge of the part in the whole, in pixels.", always=True),
        Column("y", pa.int64(), "Upper edge.", always=True),
        Column("width", pa.int64(), "Width there; larger than the part's own where it is shown enlarged.", always=True),
        Column("height", pa.int64(), "Height there.", always=True),
        Column("share", pa.float32(), "Share of the part's patches that are there; 0.5 and more.", always=True),
        Column("patches", pa.int64(), "Number of patches that agree.", always=True),
    ),
)  # fmt: skip

FAMILIES: Table = Table(
    "families", "(publications)", "Published pictures that show the same, in one entry or several: a row a picture.",
    ("image_id",),
    (
        Column("family_id", pa.int64(), "The family: the smallest of its images' ids.", always=True),
        Column("copy_id", pa.int64(), "The smallest of the ids that it is linked with but for recolours.", always=True),
        Column("image_id", pa.int64(), "The image.", always=True),
        Column("like_image_id", pa.int64(), "The image of the family that it has most in common with.", always=True),
        Column("kind", pa.string(),
               "How these two are the same: pixels, copy (resaved, on another ground), size (a copy at another size),"
               " format (the same name in another format) or recolour.", always=True),
        Column("evidence", pa.float64(), "Nearness of their miniatures, of recolours of their edges; 1: equal pixels.",
               always=True),
    ),
)  # fmt: skip

FRAMES: Table = Table(
    "frames", "(publications)", "Published pictures that are frames of one animation: a row a frame.", ("image_id",),
    (
        Column("animation_id", pa.int64(), "The animation: the id of its first frame.", always=True),
        Column("image_id", pa.int64(), "The image.", always=True),
        Column("position", pa.int64(), "Zero-based place among the frames.", always=True),
        Column("kind", pa.string(), "What they were found by: numbered (numbered names, near pixels).", always=True),
    ),
)  # fmt: skip

_FROM_RAW = ("status", "http_status", "sha256", "bytes", "type", "fetched_at")
_RAW = {column.name: column for column in schema.RAW_FILES.columns}
FILES = Table(
    "files", "raw_files", "Every file an entry links, with what became of it: file_links and raw_files joined.",
    ("slug", "url"),
    (
        *(column for column in schema.FILE_LINKS.columns if column.name not in {"fingerprint", "run_id", "written_at"}),
        *(_RAW[name] for name in _FROM_RAW if name != "status"),
        Column("status", pa.string(), "ok, listed (linked, not fetched), missing, forbidden, too_large or failed."),
        Column("link_run_id", pa.string(), "Run that found the link."),
        Column("run_id", pa.string(), "Run that fetched the file, or tried; null where none has."),
        Column("written_at", STAMP, "When that run wrote the row."),
    ),
)  # fmt: skip

_EMBEDDED = Column("embedded", pa.bool_(), "Whether a vector of the catalog's space is stored for its pixels.")
_INDEXED = Column("indexed", pa.bool_(), "Whether the published collection holds its point: whether search finds it.")
_BLOCKED = Column("blocked", pa.bool_(), "Whether a decision of the operator keeps it out of search.")
_PLACE = Column("position", pa.int64(), "Zero-based place among the image's occurrences; 0 is the one shown.")


def _images() -> Table:
    kept = tuple(column for column in schema.IMAGES.columns if column.name != "signature")
    table = schema.IMAGES
    return Table(table.name, table.stage, table.comment, table.key, (*kept, _EMBEDDED, _INDEXED, _BLOCKED))


def _occurrences() -> Table:
    table = schema.OCCURRENCES
    return Table(table.name, table.stage, table.comment, table.key, (*table.columns, _PLACE))


IMAGES = _images()
OCCURRENCES = _occurrences()

PUBLIC: tuple[Table, ...] = (
    schema.LISTINGS, schema.SEARCH_RESULTS, schema.ENTRIES, schema.LICENCE_HISTORY, schema.FILE_LINKS, schema.RAW_FILES,
    FILES, schema.MEMBERS, IMAGES, OCCURRENCES, schema.RENAMED_IMAGES, schema.ATLAS_REGIONS,
    schema.EMBEDDINGS, schema.CELLS, schema.POINTS,
    schema.FAILURES, schema.STEPS, RUNS,
    FAMILIES, FRAMES, PUBLICATIONS, CHANGES, PICTURE_PARTS,
)  # fmt: skip
"""All tables of ogaart.duckdb, in the order of the stages."""

OF_OTHERS = frozenset({FAMILIES.name, FRAMES.name, PICTURE_PARTS.name})
"""Tables of relations between published pictures, made after the others."""

KEYS: Mapping[str, tuple[str, ...]] = {
    **{table.name: table.key for table in PUBLIC},
    # A listing proves presence on its page only: the same entry may be on several.
    "search_results": ("partition", "slug"),
    "failures": ("partition", "stage", "key"),
    # A step that was retried within its run has two rows.
    "steps": ("partition", "stage", "run_id", "started_at"),
}
"""Keys, where the key within a partition does not hold over all of them."""

ENUMS: Mapping[tuple[str, str], type[StrEnum]] = {
    ("listings", "status"): ListingStatus,
    ("entries", "status"): EntryStatus,
    ("file_links", "role"): FileRole,
    ("raw_files", "status"): FileStatus,
    ("files", "role"): FileRole,
    ("files", "status"): FileStatus,
    ("members", "status"): MemberStatus,
    ("failures", "stage"): Stage,
    ("steps", "stage"): Stage,
}


def sql_type(table: str, column: Column) -> str:
    """The DuckDB type of a column; statuses and roles are enums."""
    if (table, column.name) in ENUMS:
        return _enum_name(ENUMS[table, column.name])
    return plain_type(column.type)


def _enum_name(words: type[StrEnum]) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in words.__name__).lstrip("_")


_OF_WINNER = "SELECT t.* FROM cut_{name} AS t SEMI JOIN winners USING (slug, partition)"
_ALL = "SELECT * FROM cut_{name}"
_SOURCES: Mapping[str, str] = {
    # Rows written before there was the column are those of the first site.
    "entries": """
        SELECT t.* REPLACE (coalesce(t.site, {first_site}) AS site,
            CASE WHEN s.slug IS NULL THEN t.status ELSE 'renamed' END AS status)
        FROM cut_entries AS t SEMI JOIN (FROM winners UNION ALL FROM superseded) USING (slug, partition)
        LEFT JOIN superseded AS s USING (slug, partition)""",
    "listings": _ALL,
    "search_results": _ALL,
    "steps": _ALL,
    "embeddings": "SELECT t.* FROM cut_embeddings AS t SEMI JOIN won_images USING (image_id, partition)",
    "points": "SELECT t.* FROM cut_points AS t SEMI JOIN won_images USING (image_id, partition)",
    "cells": "SELECT t.* FROM cut_cells AS t SEMI JOIN won_images USING (image_id, partition)",
    # What another partition failed at with this entry is history once this one has it.
    "failures": """
        SELECT t.* FROM cut_failures AS t LEFT JOIN winners AS w USING (slug)
        WHERE w.partition IS NULL OR w.partition = t.partition""",
    "files": """
        SELECT l.*, r.http_status, r.sha256, r.bytes, r.type, r.fetched_at, coalesce(r.status, 'listed') AS status,
            l.run_id AS link_run_id, r.run_id AS fetch_run_id, r.written_at AS fetch_written_at
        FROM cut_file_links AS l SEMI JOIN winners USING (slug, partition)
        LEFT JOIN cut_raw_files AS r USING (slug, partition, url)""",
    # A loose file first, then by file and by place in the archive as numbers: 9 before 10.
    "occurrences": """
        SELECT t.*, row_number() OVER (PARTITION BY image_id ORDER BY member_index <> '', fid,
            try_cast(string_split(member_index, '/') AS BIGINT[]), member_index) - 1 AS position
        FROM cut_occurrences AS t SEMI JOIN winners USING (slug, partition)""",
    "images": """
        SELECT t.*, g.image_id IS NOT NULL AS embedded, x.image_id IS NOT NULL AS indexed,
            b.image_id IS NOT NULL AS blocked
        FROM won_images AS t LEFT JOIN embedded AS g USING (image_id) LEFT JOIN blocked AS b USING (image_id)
        LEFT JOIN searchable AS x USING (image_id)""",
    # Of an entry that was renamed, the ids that the pictures of its present key had under the former one.
    "renamed_images": f"""
        {_OF_WINNER.format(name="renamed_images")} UNION ALL BY NAME
        SELECT ('0x' || substr(sha256('ogaart-image-1\\x00'::BLOB || encode(f.slug) || '\\x00'::BLOB
                || unhex(i.pixel_sha256)), 1, 16))::UBIGINT >> 1 AS image_id,
            f.slug, i.image_id AS new_image_id, f.partition, f.fingerprint, f.run_id, f.written_at
        FROM (
            SELECT t.* FROM cut_entries AS t SEMI JOIN winners USING (slug, partition) WHERE t.status = 'renamed'
            UNION ALL SELECT t.* FROM cut_entries AS t SEMI JOIN superseded USING (slug, partition)) AS f
        JOIN won_entries AS e ON e.nid = f.nid AND e.status IN ('ok', 'withheld')
            AND coalesce(e.site, {{first_site}}) = coalesce(f.site, {{first_site}})
        JOIN won_images AS i ON i.slug = e.slug""",  # noqa: S608
    "runs": "SELECT * FROM given_runs",
    "publications": "SELECT * FROM given_publications",
    "changes": "SELECT * FROM given_changes",
    "picture_parts": "SELECT * FROM given_parts",
    "families": "SELECT * FROM given_families",
    "frames": "SELECT * FROM given_frames",
}
_RENAMED = {("files", "run_id"): "fetch_run_id", ("files", "written_at"): "fetch_written_at"}


def create_types(con: duckdb.DuckDBPyConnection) -> None:
    """Create the enums in the catalog."""
    for words in dict.fromkeys(ENUMS.values()):
        values = ", ".join(literal(word.value) for word in words)
        con.execute(f"CREATE TYPE {_enum_name(words)} AS ENUM ({values})")


def create_table(con: duckdb.DuckDBPyConnection, table: Table) -> int:
    """Create one public table from the cut, with comments; returns its number of rows.

    Its key is checked, not declared: DuckDB stores an index over each declared key, which is as large as the rows, and
    is written again as a whole with every change.

    Raises:
        CatalogFailed: the rows break the table's key or types; the message names the table.
    """
    key = KEYS[table.name]
    columns = ", ".join(
        f"{quoted(c.name)} {sql_type(table.name, c)}{' NOT NULL' if c.name in key else ''}" for c in table.columns
    )
    con.execute(f"CREATE TABLE {table.name} ({columns})")
    with _rows_that_fit(table):
        con.execute(f"INSERT INTO {table.name} {selection(table)}{_in_order(key)}")
    _require_unique(con, table, f"SELECT {_listed(key)} FROM {table.name}" if key else "")  # noqa: S608
    comment_on(con, "TABLE", table.name, table.comment, {column.name: column.comment for column in table.columns})
    return count_rows(con, table)


def selection(table: Table) -> str:
    """The query for the rows of a public table, in its columns and types."""
    source = _SOURCES.get(table.name, _OF_WINNER).format(name=table.name, first_site=literal(FIRST_SITE))
    chosen = ", ".join(
        f"s.{quoted(_RENAMED.get((table.name, c.name), c.name))}::{sql_type(table.name, c)} AS {quoted(c.name)}"
        for c in table.columns
    )
    return f"SELECT {chosen} FROM ({source}) AS s"  # noqa: S608


def insert_rows(con: duckdb.DuckDBPyConnection, table: Table, query: str, *, apart: bool = False) -> None:
    """Insert the rows of a query into a public table, in the order of its key.

    Args:
        con: connection whose default catalog has the table.
        table: the table.
        query: for the rows.
        apart: whether no row that is there can have the key of one of these.

    Raises:
        CatalogFailed: they break the table's key or types; the message names the table.
    """
    key = KEYS[table.name]
    with _rows_that_fit(table):
        con.execute(f"CREATE OR REPLACE TEMP TABLE fresh_rows AS {query}{_in_order(key)}")
        if key:
            known = "" if apart else f" UNION ALL FROM {table.name} SEMI JOIN fresh_rows USING ({_listed(key)})"
            _require_unique(con, table, f"SELECT {_listed(key)} FROM (FROM fresh_rows{known})")  # noqa: S608
        con.execute(f"INSERT INTO {table.name} FROM fresh_rows")
    con.execute("DROP TABLE fresh_rows")


@contextmanager
def _rows_that_fit(table: Table) -> Iterator[None]:
    """Name the table whose rows DuckDB refuses."""
    try:
        yield
    except (duckdb.ConstraintException, duckdb.ConversionException) as cause:
        raise CatalogFailed(f"table {table.name} with key ({', '.join(KEYS[table.name])}): {cause}") from cause


def _require_unique(con: duckdb.DuckDBPyConnection, table: Table, keys: str) -> None:
    """Refuse keys, the rows of a query, of which two are equal; an empty query: the table has no key."""
    key = KEYS[table.name]
    repeated = con.execute(f"FROM ({keys}) GROUP BY ALL HAVING count(*) > 1 LIMIT 1").fetchall() if keys else []
    if repeated:
        raise CatalogFailed(f"table {table.name} with key ({', '.join(key)}): several rows have {repeated[0]}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(quoted(name) for name in names)


def _in_order(key: Sequence[str]) -> str:
    return f" ORDER BY {_listed(key)}" if key else ""


def count_rows(con: duckdb.DuckDBPyConnection, table: Table) -> int:
    """How many rows a public table has."""
    [(count,)] = con.execute(f"SELECT count(*) FROM {table.name}").fetchall()  # noqa: S608
    return int(count)


def layout() -> str:
    """A hash of what the tables' columns, types, comments, keys and queries are made of."""
    declared = [
        (table.name, table.comment, KEYS[table.name], selection(table),
         [(c.name, c.comment, sql_type(table.name, c)) for c in table.columns])
        for table in PUBLIC
    ]  # fmt: skip
    words = [(_enum_name(words), [word.value for word in words]) for words in dict.fromkeys(ENUMS.values())]
    return hashlib.sha256(repr((FORMAT_VERSION, declared, words)).encode()).hexdigest()
