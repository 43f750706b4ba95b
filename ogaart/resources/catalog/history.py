"""The history of publications: what each held, and what it changed, carried from one generation to the next.

The history is stored under the data root in two sealed Parquet files, written when a generation is put in service. A
build reads them, leaves out what was never in service, adds the differences between the generation in service and its
own rows, and puts both into its catalog as tables ``publications`` and ``changes``. Where a file is missing or damaged,
the catalog of the generation in service has the same rows, and those before it all but the latest.
"""

from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ogaart.core.fault_injection import Fault, fault
from ogaart.core.process_limits import raise_if_lacking
from ogaart.resources.catalog.generations import CATALOG, HASHES, Generation
from ogaart.resources.catalog.tables import CHANGES, PUBLICATIONS
from ogaart.resources.storage import schema
from ogaart.resources.storage.atomic_files import sync_file, sync_folder, temporary
from ogaart.resources.storage.checksummed_parquet import seal_holds, write_sealed
from ogaart.resources.storage.file_hashes import is_as_recorded
from ogaart.resources.storage.sql import literal, quoted
from ogaart.resources.storage.table_types import STAMP, Column, Table

KEPT_DAYS = 400
"""Changes of older publications are forgotten."""
KEPT_CHANGES = 1_000_000
"""Most changes kept; of more, the oldest publications' are forgotten first."""
KEPT_PUBLICATIONS = 10_000
_LONGEST = 1_000  # characters of an old or new value
_OF_RUNS = frozenset(
    {"slug", "url", "fid", "partition", "fingerprint", "run_id", "written_at", "fetched_at", "http_status",
     "page_sha256", "content_hash", "favourites", "collections", "position"}
)  # fmt: skip
"""Columns whose change is not reported: keys, runs, times, and numbers that visitors move."""


@dataclass(frozen=True)
class History:
    """Rows of ``publications`` and ``changes``, oldest first."""

    publications: pa.Table
    changes: pa.Table


class HistoryFiles:
    """The two files under ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._files = {PUBLICATIONS.name: folder / "publications.parquet", CHANGES.name: folder / "changes.parquet"}

    def read(self, current: Generation | None, served: Sequence[Generation] = ()) -> History:
        """The history up to the generation in service.

        Args:
            current: the generation in service; None where none is, or none can be read.
            served: that one and those before it, the newest first; see ``Generations.served``.

        Raises:
            OSError: this process may not read a file, or may open no more: nothing would be carried on then.
        """
        found = {name: _sealed(path) for name, path in self._files.items()}
        publications, changes = found[PUBLICATIONS.name], found[CHANGES.name]
        if publications is None or changes is None:
            return _of_newest(served or ([current] if current is not None else []))
        history = History(_fitted(publications, PUBLICATIONS), _fitted(changes, CHANGES))
        return history if current is None else _until(history, current.number)

    def record(self, generation: Generation, now: datetime | None = None) -> None:
        """Write the history that a generation's catalog holds, just before it is put in service.

        Raises:
            duckdb.Error: the catalog cannot be read; the files stay as they are.
        """
        history = _of_catalog(generation)
        own = pc.equal(history.publications["publication"], pa.scalar(generation.number))
        moment = pa.scalar(now or datetime.now(UTC), STAMP)
        index = PUBLICATIONS.schema.get_field_index("published_at")
        stamped = history.publications.set_column(
            index, "published_at", pc.if_else(own, moment, history.publications["published_at"])
        )
        for name, content in ((PUBLICATIONS.name, stamped), (CHANGES.name, history.changes)):
            path = self._files[name]
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = temporary(path)
            write_sealed(content, draft)
            sync_file(draft)
            draft.replace(path)
            fault(Fault.HISTORY_WRITTEN)
        sync_folder(path.parent)

    def last(self) -> int:
        """The largest number of a publication that is recorded; 0 where none is."""
        found = _sealed(self._files[PUBLICATIONS.name])
        return int(pc.max(found["publication"]).as_py() or 0) if found is not None else 0

    def damaged(self) -> list[Path]:
        """Files that are not as they were written; the next publication writes them again."""
        return [path for path in self._files.values() if path.exists() and _sealed(path) is None]


def kept(history: History, now: datetime) -> History:
    """The history without what is older than the retention allows."""
    oldest = pa.scalar(now - timedelta(days=KEPT_DAYS), STAMP)
    changes = history.changes.filter(pc.greater_equal(history.changes["changed_at"], oldest))
    if len(changes) > KEPT_CHANGES:
        first = changes["publication"][len(changes) - KEPT_CHANGES].as_py()
        changes = changes.filter(pc.greater(changes["publication"], pa.scalar(first)))
    start = max(0, len(history.publications) - KEPT_PUBLICATIONS)
    return History(history.publications.slice(start), changes)


def picture_changes(
    history: History, start: datetime, after: int, without: Collection[str]
) -> list[tuple[datetime, str, int, int]]:
    """Of each publication and entry, the newest first: when, which, how many pictures it withdrew and added.

    Args:
        history: the history.
        start: changes since that time.
        after: changes of publications with a larger number.
        without: keys of pictures that do not count.
    """
    changes = history.changes
    lately = pc.and_(
        pc.greater(changes["changed_at"], pa.scalar(start, STAMP)), pc.greater(changes["publication"], pa.scalar(after))
    )
    counted: dict[tuple[int, str], list[Any]] = {}
    for row in changes.filter(pc.and_(lately, pc.equal(changes["kind"], pa.scalar("image")))).to_pylist():
        if row["key"] not in without:
            counts = counted.setdefault((row["publication"], row["slug"]), [row["changed_at"], row["slug"], 0, 0])
            counts[2 if row["change"] == "withdrawn" else 3] += 1
    return [(at, slug, gone, more) for _, (at, slug, gone, more) in sorted(counted.items(), reverse=True)]


# -- the differences ----------------------------------------------------------------------------------------------


def add_changes(
    con: duckdb.DuckDBPyConnection,
    previous: Generation | None,
    number: int,
    now: datetime,
    *,
    affected: bool = False,
) -> None:
    """Append to the tables ``changes`` and ``publications`` what the generation under construction changes and holds.

    Args:
        con: connection whose default catalog holds the finished tables; ``changes`` and ``publications`` hold what was
            carried.
        previous: the generation in service. Without one, or where its catalog cannot be read, no change is recorded.
        number: the number of the generation under construction.
        now: the time of the changes.
        affected: whether the temporary table ``affected`` has every entry of which a row differs from that generation:
            then no other is compared.
    """
    compared = previous is not None and _compare(con, previous, number, now, affected=affected)
    con.execute(
        """
        INSERT INTO publications BY NAME
        SELECT $number AS publication, $now AS built_at, $previous AS previous,
            (SELECT count(DISTINCT slug) FROM images WHERE indexed) AS entries,
            (SELECT count(*) FROM images WHERE indexed) AS images,
            (SELECT count(*) FROM files WHERE role = 'file' AND status = 'ok') AS files,
            count(*) FILTER (kind = 'entry' AND change = 'new') AS new_entries,
            count(DISTINCT key) FILTER (kind = 'entry' AND change = 'altered') AS altered_entries,
            count(*) FILTER (kind = 'entry' AND change = 'withdrawn') AS withdrawn_entries,
            count(*) FILTER (kind = 'image' AND change = 'new') AS new_images,
            count(*) FILTER (kind = 'image' AND change = 'withdrawn') AS withdrawn_images
        FROM changes WHERE publication = $number
        """,
        {"number": number, "now": now, "previous": previous.number if compared and previous else None},
    )


def _compare(
    con: duckdb.DuckDBPyConnection, previous: Generation, number: int, now: datetime, *, affected: bool
) -> bool:
    """Append the differences to a generation's catalog; whether it could be read, to its last block."""
    try:
        con.execute(f"ATTACH {literal(str(previous.catalog))} AS before (READ_ONLY)")
    except duckdb.Error as cause:  # damaged, or somebody has it open for writing
        raise_if_lacking(cause, previous.catalog)
        return False
    try:
        known = {name: {row[0] for row in con.execute(f"DESCRIBE before.{name}").fetchall()} for name in _COMPARED}
        rows = _rows_to_compare(con, affected=affected)
        for query in (*_presence(rows), *_alterations(con, rows, known)):
            con.execute(
                f"INSERT INTO changes SELECT $number, $now, kind, slug, key, change, field, old, new FROM ({query})",  # noqa: S608
                {"number": number, "now": now},
            )
    except duckdb.Error as cause:
        raise_if_lacking(cause, previous.catalog)
        other_layout = isinstance(cause, duckdb.CatalogException | duckdb.BinderException)
        if not other_layout and is_as_recorded(previous.path, previous.path / HASHES, [CATALOG]):
            raise  # no fault of that generation's
        con.execute("DELETE FROM changes WHERE publication = $number", {"number": number})
        return False
    finally:
        con.execute("DETACH before")
    return True


_COMPARED = ("entries", "files", "images")
Rows = Mapping[tuple[str, str], str]
"""What is compared of each table, by ``now`` or ``before`` and its name: the name of a table."""


def _rows_to_compare(con: duckdb.DuckDBPyConnection, *, affected: bool) -> Rows:
    """All rows of both, or those of affected entries as temporary tables: they are read by some thirty queries."""
    rows = {}
    for side, of in (("now", ""), ("before", "before.")):
        for name in _COMPARED:
            rows[side, name] = f"{of}{name}"
            if affected:
                rows[side, name] = f"compared_{side}_{name}"
                chosen = f"FROM {of}{name} SEMI JOIN affected USING (slug)"
                con.execute(f"CREATE OR REPLACE TEMP TABLE {rows[side, name]} AS {chosen}")
    return rows


def _presence(rows: Rows) -> Sequence[str]:
    """Queries for what came and what went: entries and images that search has, and files that are linked."""
    keyed = (
        ("entry", "images", "SELECT slug, slug AS key FROM {rows} WHERE indexed GROUP BY slug"),
        ("file", "files", "SELECT slug, url AS key FROM {rows} WHERE role = 'file'"),
        ("image", "images", "SELECT slug, image_id::VARCHAR AS key FROM {rows} WHERE indexed"),
    )
    nothing = "NULL AS field, NULL AS old, NULL AS new"
    queries = []
    for kind, table, query in keyed:
        now, before = (query.format(rows=rows[side, table]) for side in ("now", "before"))
        for change, have, lack in (("new", now, before), ("withdrawn", before, now)):
            queries.append(
                f"SELECT {literal(kind)} AS kind, slug, key, {literal(change)} AS change, {nothing}"  # noqa: S608
                f" FROM ({have}) ANTI JOIN ({lack}) USING (slug, key) ORDER BY slug, key"
            )
    return queries


def _alterations(con: duckdb.DuckDBPyConnection, rows: Rows, known: Mapping[str, Container[str]]) -> Sequence[str]:
    """Queries for values that differ: of entries that search has or had, and of their files."""
    searched = (f"SELECT slug FROM {rows[side, 'images']} WHERE indexed" for side in ("now", "before"))  # noqa: S608
    con.execute(f"CREATE OR REPLACE TEMP TABLE compared_slugs AS {' UNION '.join(searched)}")
    queries = []
    for kind, name, table, key, join in (
        ("entry", "entries", schema.ENTRIES, "slug", "a.slug = b.slug"),
        ("file", "files", schema.RAW_FILES, "url",
         "a.slug = b.slug AND a.url = b.url AND a.role = 'file' AND b.role = 'file'"),
    ):  # fmt: skip
        for column in table.columns:
            if column.name in _OF_RUNS or column.name not in known[name]:
                continue
            old, new = _text("b", column), _text("a", column)
            queries.append(
                f"SELECT {literal(kind)} AS kind, a.slug, a.{key} AS key, 'altered' AS change,"  # noqa: S608
                f" {literal(column.name)} AS field, {old} AS old, {new} AS new"
                f" FROM {rows['now', name]} AS a JOIN {rows['before', name]} AS b ON {join}"
                f" WHERE {old} IS DISTINCT FROM {new} AND a.slug IN (FROM compared_slugs) ORDER BY a.slug, key"
            )
    return queries


def _text(alias: str, column: Column) -> str:
    """A value as text; lists joined by '; ', long texts cut."""
    value = f"{alias}.{quoted(column.name)}"
    if pa.types.is_list(column.type):
        return f"array_to_string({value}, '; ')"
    return f"left({value}::VARCHAR, {_LONGEST})"


# -- files --------------------------------------------------------------------------------------------------------


def _sealed(path: Path) -> pa.Table | None:
    """A file's rows; None where it is missing or damaged.

    Raises:
        OSError: this process may not read it, or may open no more files.
    """
    try:
        return pq.read_table(path) if seal_holds(path) else None
    except (OSError, pa.ArrowException) as cause:
        raise_if_lacking(cause, path)
        return None


def _fitted(content: pa.Table, table: Table[Any]) -> pa.Table:
    """The rows with the columns that are declared now: one that was added since is null."""
    columns = [
        content[c.name].cast(c.type) if c.name in content.schema.names else pa.array([None] * len(content), c.type)
        for c in table.columns
    ]
    return pa.table(columns, schema=table.schema)


def _until(history: History, number: int) -> History:
    """Without what a generation recorded that never came into service."""
    return History(
        history.publications.filter(pc.less_equal(history.publications["publication"], pa.scalar(number))),
        history.changes.filter(pc.less_equal(history.changes["publication"], pa.scalar(number))),
    )


def _of_newest(served: Sequence[Generation]) -> History:
    """What the first catalog has that can be read."""
    for generation in served:
        try:
            return _of_catalog(generation)
        except duckdb.Error as cause:  # damaged as well, or older than these tables
            raise_if_lacking(cause, generation.catalog)
    return History(PUBLICATIONS.schema.empty_table(), CHANGES.schema.empty_table())


def _of_catalog(generation: Generation) -> History:
    with duckdb.connect(str(generation.catalog), read_only=True) as con:
        con.execute("SET TimeZone = 'UTC'")
        found = [
            _fitted(con.sql(f"SELECT * FROM {table.name} ORDER BY publication").to_arrow_table(), table)  # noqa: S608
            for table in (PUBLICATIONS, CHANGES)
        ]
    return History(*found)
