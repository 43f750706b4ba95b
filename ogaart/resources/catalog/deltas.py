"""The tables of a catalog from those of the publication before: its file is copied, and what changed is written again.

A partition has changed where one of its tables is another object than then. Concerned are the entries that a changed
partition holds, held or lists, those whose pictures came into search or left it, and all that have the number of one of
these, since their keys compete. Of all others no row differs, whatever table it is in. A row that was deleted leaves
its place in the file; where these are many, the file is made again.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from ogaart.resources.catalog import tables as layout
from ogaart.resources.catalog.generations import CATALOG, HASHES, Generation
from ogaart.resources.catalog.unchanged import changed_partitions
from ogaart.resources.storage import schema
from ogaart.resources.storage.file_hashes import copy_as_recorded
from ogaart.resources.storage.objects import Cut
from ogaart.resources.storage.sql import quoted, select_files
from ogaart.resources.storage.table_types import Table

DEAD = "dead_rows"
"""The manifest's key of how many rows of ogaart.duckdb were deleted and still take room."""
LAYOUT = "layout"
"""Its key of the hash of what the file's tables, views and macros are made of."""
_MOST_DEAD = 0.5  # as a share of the rows that count
_MOST_CHANGED = 0.7  # of the partitions: where more changed, making all again takes no longer
_NARROWED = re.compile(r"\b(cut_\w+|winners|superseded|won_images|won_entries)\b")
_OF_PARTITIONS = frozenset({"listings", "search_results"})
_WHOLE = frozenset({"failures"})  # those of other partitions count where no partition holds the entry


@dataclass(frozen=True)
class Delta:
    """What a copied catalog lacks.

    Attributes:
        changed: the partitions that differ.
        dead: rows of the file that take room without counting.
    """

    changed: Sequence[str]
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
    changed, dead = changed_partitions(shared, cut), shared.manifest.get(DEAD)
    if changed is None or not isinstance(dead, int):
        return None
    partitions = {key.partition for key in cut.files}
    rows = sum(int(shared.manifest["counts"].get(table.name, 0)) for table in layout.PUBLIC)
    if len(changed) > _MOST_CHANGED * len(partitions) or dead > _MOST_DEAD * rows:
        return None
    if not copy_as_recorded(shared.path, shared.path / HASHES, CATALOG, target):
        target.unlink(missing_ok=True)
        return None
    return Delta(changed, dead)


def choose_affected(con: duckdb.DuckDBPyConnection, delta: Delta, cut: Cut) -> None:
    """Make the temporary tables ``changed``, ``affected`` (slugs) and ``affected_images``, and what is near of the cut.

    Args:
        con: connection with everything of ``open_cut`` and ``choose_pictures``, ``searchable``, and the copied catalog
            as its default.
        delta: what the catalog lacks.
        cut: what the tables are made of.
    """
    con.execute("CREATE TEMP TABLE changed AS SELECT unnest($names::VARCHAR[]) AS partition", {"names": delta.changed})
    con.execute(
        """
        CREATE TEMP TABLE affected AS
        WITH flags AS (
            SELECT i.image_id, i.slug, g.image_id IS NOT NULL AS embedded, x.image_id IS NOT NULL AS indexed,
                b.image_id IS NOT NULL AS blocked
            FROM won_images AS i LEFT JOIN embedded AS g USING (image_id) LEFT JOIN blocked AS b USING (image_id)
            LEFT JOIN searchable AS x USING (image_id)
        ),
        direct AS (
            SELECT slug FROM cut_entries SEMI JOIN changed USING (partition)
            UNION SELECT slug FROM cut_search_results SEMI JOIN changed USING (partition)
            UNION SELECT slug FROM entries SEMI JOIN changed USING (partition)
            UNION SELECT slug FROM search_results SEMI JOIN changed USING (partition)
            UNION SELECT unnest([f.slug, i.slug]) FROM flags AS f FULL JOIN images AS i USING (image_id)
                WHERE (f.slug, f.embedded, f.indexed, f.blocked)
                    IS DISTINCT FROM (i.slug, i.embedded, i.indexed, i.blocked)
        ),
        numbers AS (
            SELECT nid FROM cut_entries SEMI JOIN direct USING (slug)
            UNION SELECT nid FROM entries SEMI JOIN direct USING (slug)
        )
        SELECT slug FROM (
            FROM direct
            UNION SELECT slug FROM cut_entries SEMI JOIN numbers USING (nid)
            UNION SELECT slug FROM entries SEMI JOIN numbers USING (nid)
        ) WHERE slug IS NOT NULL
        """
    )
    con.execute(
        "CREATE TEMP TABLE affected_images AS SELECT image_id FROM won_images SEMI JOIN affected USING (slug)"
        " UNION SELECT image_id FROM images SEMI JOIN affected USING (slug)"
    )
    _narrow(con, cut)


def _narrow(con: duckdb.DuckDBPyConnection, cut: Cut) -> None:
    """Make ``near_<name>`` of the tables and views that the catalog's rows come from: of affected entries alone."""
    for name in ("winners", "superseded", "won_images", "won_entries"):
        con.execute(f"CREATE TEMP TABLE near_{name} AS FROM {name} SEMI JOIN affected USING (slug)")
    held = "SELECT partition FROM near_winners UNION SELECT partition FROM near_superseded"
    partitions = {name for (name,) in con.execute(f"{held} UNION FROM changed").fetchall()}
    for table in schema.TABLES:
        files = [
            str(cut.files[key]) for key in sorted(cut.files) if key.kind == table.name and key.partition in partitions
        ]
        con.execute(f"CREATE TEMP VIEW near_cut_{table.name} AS {select_files(con, table, files)}")


def update_table(con: duckdb.DuckDBPyConnection, table: Table) -> int:
    """Bring one table of a copied catalog in line with the cut; returns how many rows were deleted.

    Raises:
        CatalogFailed: the rows break the table's key or types; the message names the table.
    """
    query = layout.selection(table)
    if "given_" in query or table is schema.STEPS:  # which runs add to although nothing changed
        return _replace_differing(con, table, query)
    condition = _concerned(table)
    deleted = con.execute(f"DELETE FROM {table.name} WHERE {condition}").fetchall()[0][0]  # noqa: S608
    narrowed = query if table.name in _WHOLE else _NARROWED.sub(r"near_\1", query)
    layout.insert_rows(con, table, f"SELECT * FROM ({narrowed}) WHERE {condition}")  # noqa: S608
    return int(deleted)


def _concerned(table: Table) -> str:
    """Which rows of a table may differ."""
    names = {column.name for column in table.columns}
    of_slug, of_partition = "slug IN (SELECT slug FROM affected)", "partition IN (SELECT partition FROM changed)"
    if table.name in _OF_PARTITIONS:
        return of_partition
    if "slug" not in names:
        return "image_id IN (SELECT image_id FROM affected_images)"
    return f"({of_slug} OR {of_partition})" if table.name in _WHOLE else of_slug


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
