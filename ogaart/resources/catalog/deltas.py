"""The tables of a catalog from those of the publication before: its file is copied, and what changed is written again.

A partition has changed where one of its tables is another object than then. Concerned are the entries that a changed
partition holds, held or lists, those whose pictures came into search or left it, and all that have the number of one of
these, since their keys compete. Of all others no row differs, whatever table it is in, and none of their rows is read
from the cut. A row that was deleted leaves its place in the file; where these are many, the file is made again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from ogaart.resources.catalog import tables as layout
from ogaart.resources.catalog.cut import open_cut, rows_of
from ogaart.resources.catalog.eligible import BLOCKED, LIVE, choose_pictures, decided
from ogaart.resources.catalog.generations import CATALOG, HASHES, Generation
from ogaart.resources.catalog.unchanged import OF_SITE, OF_STEPS, changed_partitions
from ogaart.resources.moderation.takedowns import Takedowns
from ogaart.resources.storage import schema
from ogaart.resources.storage.file_hashes import copy_as_recorded
from ogaart.resources.storage.objects import Cut
from ogaart.resources.storage.sql import quoted
from ogaart.resources.storage.table_types import Table

DEAD = "dead_rows"
"""The manifest's key of how many rows of ogaart.duckdb were deleted and still take room."""
LAYOUT = "layout"
"""Its key of the hash of what the file's tables, views and macros are made of."""
_MOST_DEAD = 0.5  # as a share of the rows that count
_MOST_CHANGED = 0.7  # of the partitions: where more changed, making all again takes no longer
_OF_PARTITIONS = frozenset({"listings", "search_results"})


@dataclass(frozen=True)
class Delta:
    """What a copied catalog lacks.

    Attributes:
        changed: the partitions that differ.
        stepped: the partitions that were run since; None where that is unknown.
        dead: rows of the file that take room without counting.
    """

    changed: Sequence[str]
    stepped: Sequence[str] | None
    dead: int


def copied_catalog(shared: Generation | None, cut: Cut, space: str, made_of: str, target: Path) -> Delta | None:
    """Copy the catalog of a publication, where its tables can be changed into those of a cut.

    Args:
        shared: the publication; None: there is none.
        cut: what the tables shall be made of.
        space: the vector space that they are made for.
        made_of: hash of the layout that they shall have.
        target: the file to make.

    Returns:
        What the copy lacks; None where nothing was copied, since the catalog has to be made in full.
    """
    if shared is None or shared.manifest["space"] != space or shared.manifest.get(LAYOUT) != made_of:
        return None
    changed, dead = changed_partitions(shared, cut, OF_SITE), shared.manifest.get(DEAD)
    if changed is None or not isinstance(dead, int):
        return None
    partitions = {key.partition for key in cut.files}
    rows = sum(int(shared.manifest["counts"].get(table.name, 0)) for table in layout.PUBLIC)
    if len(changed) > _MOST_CHANGED * len(partitions) or dead > _MOST_DEAD * rows:
        return None
    if not copy_as_recorded(shared.path, shared.path / HASHES, CATALOG, target):
        target.unlink(missing_ok=True)
        return None
    return Delta(changed, changed_partitions(shared, cut, OF_STEPS), dead)


def open_affected(
    con: duckdb.DuckDBPyConnection,
    delta: Delta,
    cut: Cut,
    space: str,
    takedowns: Takedowns,
    unproven: NDArray[np.int64],
    besides: NDArray[np.int64] | None = None,
) -> None:
    """Open of a cut what affected entries have of it, and choose their pictures.

    Makes everything of ``open_cut`` and ``choose_pictures`` for these entries alone; the temporary tables ``changed``
    and ``stepped`` (partitions), ``affected`` (slugs), ``affected_before`` (those that the catalog has),
    ``affected_images`` and ``affected_images_before``; and ``unchanged``, the published images of all other entries.

    Args:
        con: connection with the copied catalog as its default.
        delta: what the catalog lacks.
        cut: what the tables are made of.
        space: vector space of the collection.
        takedowns: what must not be published.
        unproven: ids of points of which the ledger proves nothing; their entries are affected as well.
        besides: images whose entries are affected as well.
    """
    con.execute(
        "CREATE OR REPLACE TEMP TABLE changed AS SELECT unnest($names::VARCHAR[]) AS partition",
        {"names": delta.changed},
    )
    stepped = {key.partition for key in cut.files} if delta.stepped is None else set(delta.stepped)
    con.execute("CREATE OR REPLACE TEMP TABLE stepped (partition VARCHAR)")
    con.execute("INSERT INTO stepped SELECT unnest($names::VARCHAR[])", {"names": sorted(stepped)})
    if delta.stepped is None:
        con.execute("INSERT INTO stepped SELECT DISTINCT partition FROM steps ANTI JOIN stepped USING (partition)")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE holders AS"  # noqa: S608
        f" SELECT slug, partition, nid FROM ({rows_of(con, cut, schema.ENTRIES)})"
    )
    con.execute("CREATE OR REPLACE TEMP TABLE besides (image_id BIGINT)")
    more = unproven if besides is None else np.union1d(unproven, besides)
    con.execute("INSERT INTO besides SELECT unnest($ids::BIGINT[])", {"ids": more.tolist()})
    _choose_affected(con, delta, cut, space, takedowns)
    holding = "SELECT partition FROM holders SEMI JOIN affected USING (slug) UNION FROM changed"
    partitions = {name for (name,) in con.execute(holding).fetchall()}
    open_cut(con, cut, space, partitions, stepped)
    choose_pictures(con, space, takedowns, unproven)
    for name, query in (
        ("affected_before", "FROM affected SEMI JOIN entries USING (slug)"),
        ("affected_images_before", "SELECT image_id FROM images SEMI JOIN affected_before USING (slug)"),
        ("affected_images", "SELECT image_id FROM won_images UNION FROM affected_images_before"),
        ("unchanged", "SELECT image_id FROM images ANTI JOIN affected_before USING (slug) WHERE indexed"),
    ):
        con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")


def _choose_affected(con: duckdb.DuckDBPyConnection, delta: Delta, cut: Cut, space: str, takedowns: Takedowns) -> None:
    """Make the temporary table ``affected``: entries of which a row may differ.

    An entry without any row in a changed partition has the rows that it had. Whether its pictures are published may
    differ nonetheless: by a decision, by a vector that another partition's step has stored for its pixels, or by a
    point, where it had none.
    """
    of_changed = " UNION ".join(
        f"SELECT slug FROM ({rows_of(con, cut, table, delta.changed)})"  # noqa: S608
        for table in (schema.ENTRIES, schema.SEARCH_RESULTS, schema.IMAGES, schema.FAILURES)
    )
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE affected AS
        WITH direct AS (
            {of_changed}
            UNION SELECT slug FROM entries SEMI JOIN changed USING (partition)
            UNION SELECT slug FROM search_results SEMI JOIN changed USING (partition)
            UNION SELECT slug FROM failures SEMI JOIN changed USING (partition)
            UNION SELECT slug FROM images SEMI JOIN besides USING (image_id)
            UNION SELECT slug FROM images JOIN entries AS e USING (slug) LEFT JOIN (
                    SELECT DISTINCT image_id FROM ({rows_of(con, cut, schema.EMBEDDINGS)})
                    WHERE space = $space AND status = 'ok') AS g USING (image_id)
                WHERE (embedded, blocked) IS DISTINCT FROM (g.image_id IS NOT NULL, {BLOCKED})
                    OR (embedded AND NOT indexed AND NOT blocked AND {LIVE})
        ),
        numbers AS (
            SELECT nid FROM holders SEMI JOIN direct USING (slug)
            UNION SELECT nid FROM entries SEMI JOIN direct USING (slug)
        )
        SELECT slug FROM (
            FROM direct
            UNION SELECT slug FROM holders SEMI JOIN numbers USING (nid)
            UNION SELECT slug FROM entries SEMI JOIN numbers USING (nid)
        ) WHERE slug IS NOT NULL
        """,  # noqa: S608
        {"space": space, **decided(takedowns)},
    )


def update_table(con: duckdb.DuckDBPyConnection, table: Table) -> int:
    """Bring one table of a copied catalog in line with the cut; returns how many rows were deleted.

    Raises:
        CatalogFailed: the rows break the table's key or types; the message names the table.
    """
    query = layout.selection(table)
    if "given_" in query:
        return _replace_differing(con, table, query)
    before, now = (_concerned(table, of) for of in ("_before", ""))
    deleted = con.execute(f"DELETE FROM {table.name} WHERE {before}").fetchall()[0][0]  # noqa: S608
    # Where the key has what tells that a row may differ, no row that is left has the key of a new one.
    apart = _told_by(table) in layout.KEYS[table.name]
    layout.insert_rows(con, table, f"SELECT * FROM ({query}) WHERE {now}", apart=apart)  # noqa: S608
    return int(deleted)


def _told_by(table: Table) -> str:
    """The column of a table that tells whether a row may differ; of failures it is not the only one."""
    if table.name in _OF_PARTITIONS or table is schema.STEPS:
        return "partition"
    return "slug" if any(column.name == "slug" for column in table.columns) else "image_id"


def _concerned(table: Table, of: str) -> str:
    """Which rows of a table may differ.

    Args:
        table: the table.
        of: ``_before``: of rows that the catalog has.
    """
    of_partition = "partition IN (FROM changed)"
    if table is schema.FAILURES:  # the catalog has some of entries that it does not have
        return f"(slug IN (FROM affected) OR {of_partition})"
    if table is schema.STEPS:  # runs add to it although nothing changed
        return "partition IN (FROM stepped)"
    column = _told_by(table)
    named = {"partition": "changed", "slug": f"affected{of}", "image_id": f"affected_images{of}"}
    return f"{column} IN (FROM {named[column]})"


def _replace_differing(con: duckdb.DuckDBPyConnection, table: Table, query: str) -> int:
    """Of a table that is made whole elsewhere, write only the rows that differ."""
    if table is layout.CHANGES:  # of a publication either all rows are there, or none
        condition = "publication NOT IN (SELECT publication FROM given_changes)"
        deleted = con.execute(f"DELETE FROM changes WHERE {condition}").fetchall()[0][0]  # noqa: S608
        known = "(SELECT publication FROM changes)"
        layout.insert_rows(con, table, f"SELECT * FROM ({query}) WHERE publication NOT IN {known}")  # noqa: S608
        return int(deleted)
    con.execute(f"CREATE OR REPLACE TEMP TABLE wanted_rows AS {query}")
    equal = " AND ".join(
        f"t.{quoted(column.name)} IS NOT DISTINCT FROM w.{quoted(column.name)}" for column in table.columns
    )
    deleted = con.execute(
        f"DELETE FROM {table.name} WHERE rowid IN"  # noqa: S608
        f" (SELECT t.rowid FROM {table.name} AS t ANTI JOIN wanted_rows AS w ON {equal})"
    ).fetchall()[0][0]
    layout.insert_rows(con, table, f"SELECT * FROM (FROM wanted_rows EXCEPT ALL FROM {table.name})")  # noqa: S608
    con.execute("DROP TABLE wanted_rows")
    return int(deleted)
