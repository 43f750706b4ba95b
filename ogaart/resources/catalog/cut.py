"""A frozen cut of the stages' files, opened in DuckDB; and whose rows win where several partitions hold an entry."""

from collections.abc import Collection, Sequence

import duckdb

from ogaart.resources.storage import schema
from ogaart.resources.storage.objects import Cut
from ogaart.resources.storage.sql import select_files
from ogaart.resources.storage.table_types import Table
from ogaart.sites.base import FIRST_SITE


class CatalogFailed(RuntimeError):
    """The catalog cannot be built from this cut."""


_OF_ALL = frozenset({"search_results", "failures"})
"""Tables that tell of an entry although their partition does not hold it."""


def open_cut(
    con: duckdb.DuckDBPyConnection,
    cut: Cut,
    space: str,
    partitions: Collection[str] | None = None,
    stepped: Collection[str] | None = None,
) -> None:
    """Make temporary views ``cut_<table>`` over a cut's files, and the temporary table ``winners(slug, partition)``.

    Args:
        con: the building connection.
        cut: the objects of one moment.
        space: vector space that the catalog is built for.
        partitions: only the rows of these count, and only entries of the temporary table ``affected``, all of whose
            partitions are among them; None: all.
        stepped: only the steps of these count; None: all.

    Raises:
        CatalogFailed: a file is of a newer format than this program knows.
    """
    for table in schema.TABLES:
        some = stepped if table is schema.STEPS else None if table.name in _OF_ALL else partitions
        con.execute(f"CREATE OR REPLACE TEMP VIEW cut_{table.name} AS {rows_of(con, cut, table, some)}")
    _choose_winners(con, space, "" if partitions is None else "WHERE slug IN (FROM affected)")


def rows_of(con: duckdb.DuckDBPyConnection, cut: Cut, table: Table, partitions: Collection[str] | None = None) -> str:
    """A query for the rows of a table, of some partitions or all.

    Raises:
        CatalogFailed: a file is of a newer format than this program knows.
    """
    files = [
        str(cut.files[key])
        for key in sorted(cut.files)
        if key.kind == table.name and (partitions is None or key.partition in partitions)
    ]
    _refuse_newer(con, table, files)
    return select_files(con, table, files)


def _refuse_newer(con: duckdb.DuckDBPyConnection, table: Table, files: Sequence[str]) -> None:
    if not files:
        return
    found = con.execute(
        "SELECT file_name, decode(value) FROM parquet_kv_metadata($files)"
        " WHERE decode(key) = 'ogaart.format_version' AND decode(value)::INT > $known LIMIT 1",
        {"files": list(files), "known": table.format_version},
    ).fetchall()
    for file, version in found:
        raise CatalogFailed(
            f"{file} has format {version} of table {table.name}, this program knows {table.format_version}: "
            "upgrade ogaart"
        )


def _choose_winners(con: duckdb.DuckDBPyConnection, space: str, of_entries: str) -> None:
    """Of an entry that several partitions hold, the newest ``fetched_at`` wins, in every table.

    A partition whose later stages have not taken the entry up yet loses against one that is through with it:
    otherwise an entry that slid to another page would be lost from search until that page's run ends. Of the keys of
    one entry (equal numbers), one wins: one that is through with its stages, a listed one, a name before a number.
    """
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE winners AS
        WITH unfinished AS (
            SELECT slug, partition FROM cut_file_links AS l ANTI JOIN cut_raw_files AS r USING (slug, partition, url)
                WHERE l.role = 'file'
            UNION ALL
            SELECT slug, partition FROM cut_raw_files AS r ANTI JOIN cut_members AS m USING (slug, partition, fid)
                WHERE r.status = 'ok'
            UNION ALL
            SELECT slug, partition FROM cut_images
                ANTI JOIN (SELECT * FROM cut_embeddings WHERE space = $space) USING (image_id, partition)
            UNION ALL
            SELECT slug, partition FROM cut_entries ANTI JOIN cut_file_links USING (slug, partition)
        ),
        stored AS (
            SELECT slug, partition, fetched_at, nid, status, coalesce(site, $first_site) AS site,
                CASE status WHEN 'failed' THEN true
                    WHEN 'ok' THEN (slug, partition) IN (SELECT (slug, partition) FROM unfinished)
                    ELSE false END AS unfinished
            FROM cut_entries {of_entries}
        ),
        won AS (
            FROM stored QUALIFY row_number() OVER (
                PARTITION BY slug ORDER BY unfinished, fetched_at DESC NULLS LAST, partition DESC) = 1
        )
        SELECT slug, partition, nid IS NULL OR status NOT IN ('ok', 'withheld') OR row_number() OVER (
            PARTITION BY site, nid, status IN ('ok', 'withheld')
            ORDER BY unfinished, slug NOT IN (SELECT slug FROM cut_search_results), slug LIKE '/%', slug) = 1
            AS won
        FROM won
        """,  # noqa: S608
        {"space": space, "first_site": FIRST_SITE},
    )
    con.execute("CREATE OR REPLACE TEMP TABLE superseded AS SELECT slug, partition FROM winners WHERE NOT won")
    con.execute("DELETE FROM winners WHERE NOT won")
    con.execute("ALTER TABLE winners DROP COLUMN won")
