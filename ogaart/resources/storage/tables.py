"""Rows between the stages: one Parquet object for each (table, stage, partition), and one pack for each step.

A step's objects are written and synced under names of their own; then they become current together, in the one
transaction that points to them (``current_objects``). A cut is what the pointers say at one moment.
"""

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import pyarrow as pa
import pyarrow.parquet as pq

from ogaart.core.fault_injection import Fault, fault
from ogaart.core.process_limits import raise_if_lacking
from ogaart.resources.objects.store import ObjectStore
from ogaart.resources.storage.atomic_files import make_folders, sync_file, sync_folder, temporary
from ogaart.resources.storage.checksummed_parquet import SEALED, seal_holds, write_sealed
from ogaart.resources.storage.current_objects import CurrentObjects, made_pointer, next_sequence
from ogaart.resources.storage.objects import (
    NOTE,
    PACKS,
    Cut,
    Key,
    Pointer,
    PointerStore,
    commit_note,
    is_file,
    object_name,
)
from ogaart.resources.storage.packs import read_at
from ogaart.resources.storage.schema import LICENCE_HISTORY, TABLES, by_name
from ogaart.resources.storage.table_types import Table

Row = Mapping[str, Any]
"""A row of any table; what handles one table's rows names their type of ``rows.py``."""
R = TypeVar("R", bound=Mapping[str, Any])
_DISTINCT = 4096
"""Columns of objects whose values are kept in memory; of a page of results, some 10 KB each."""
_SMALL = 1 << 20
"""Bytes of a file that one thread decodes sooner than several are woken."""


class NewerFormat(RuntimeError):
    """A file was written by a newer ogaart than this one."""


class TornTable(RuntimeError):
    """A table's file cannot be read."""


class Tables:
    """All tables and packs under one data root.

    Args:
        root: the data root.
        pointers: which object is current.
        store: where objects are durable; by default the data root itself.
    """

    def __init__(self, root: Path, pointers: PointerStore, store: ObjectStore | None = None) -> None:
        self.root = root
        self.objects = CurrentObjects(root, pointers, store)

    def path(self, table: Table, stage: str, partition: str) -> Path:
        """Where the rows of (table, stage, partition) lie now, or their fixed name where there are none."""
        return self.objects.path(Key(table.name, stage, partition))

    def pack_path(self, stage: str, partition: str) -> Path:
        """Where the pack of (stage, partition) lies now, or its fixed name where there is none."""
        return self.objects.path(Key(PACKS, stage, partition))

    def read_pack(self, stage: str, partition: str, offset: int, length: int) -> bytes:
        """A range of the pack of (stage, partition), without fetching the rest from a bucket.

        Raises:
            OSError: the pack is missing or shorter than that.
        """
        place, store = self.objects.place(Key(PACKS, stage, partition)), self.objects.store
        return store.read(place, offset, length) if store.remote else read_at(place, offset, length)

    def link(self, table: Table, stage: str, partition: str) -> Path:
        """The fixed name that leads to the rows of (table, stage, partition)."""
        return self.root / Key(table.name, stage, partition).name

    def pack_draft(self, stage: str, partition: str) -> Path:
        """A temporary name for a new pack."""
        return temporary(self.root / Key(PACKS, stage, partition).name)

    def stage_files(self, stage: str, partition: str) -> tuple[Path, ...]:
        """All tables and the pack that a stage makes for a partition from what is stored: what may be made again.

        The history of licences is not among them: when a licence was first read is stored nowhere else.
        """
        own = [table for table in TABLES if table.stage == stage and table is not LICENCE_HISTORY]
        return (*(self.path(table, stage, partition) for table in own), self.pack_path(stage, partition))

    def read(self, table: Table[R], partition: str, stage: str | None = None) -> list[R]:
        """The rows of one partition; none where the stage has not run.

        Raises:
            NewerFormat: the file is of a newer format than this ogaart knows.
            TornTable: the file is not whole.
        """
        path = self.path(table, stage or table.stage, partition)
        return list(_rows(table, _read(table, path))) if path.exists() else []

    def verify(self, table: Table, path: Path) -> None:
        """Read a table's file, and compare every byte of it with its seal.

        Raises:
            NewerFormat: the file is of a newer format than this ogaart knows.
            TornTable: the file is not whole, or not as it was written.
            PermissionError: it may not be read.
        """
        try:
            holds = seal_holds(path)  # checked first: a damaged footer may crash its parser
        except OSError as cause:
            raise_if_lacking(cause, path)
            reason = (cause.strerror or type(cause).__name__).lower()
            raise TornTable(f"{path} cannot be read ({reason}): delete it and materialize its partition") from cause
        if holds is False or (SEALED in (_read(table, path).schema.metadata or {}) and holds is None):
            raise TornTable(
                f"{path} is not as it was written (its hash is wrong): delete it and materialize its partition"
            )

    def select(self, table: Table[R], partition: str, columns: Sequence[str], stage: str | None = None) -> list[R]:
        """Rows with some columns only, read without the others; errors as ``read``.

        Raises:
            KeyError: the table has no such column.
        """
        if unknown := [name for name in columns if name not in table.schema.names]:
            raise KeyError(f"table {table.name} has no column {unknown[0]!r}")
        path = self.path(table, stage or table.stage, partition)
        return list(_rows(table, _read(table, path, columns), columns)) if path.exists() else []

    def distinct(self, table: Table, column: str) -> dict[str, frozenset[Any]]:
        """The values of a column by partition, without null; a process reads each object once. Errors as ``read``."""
        found: dict[str, frozenset[Any]] = {}
        for key, path in self.objects.all(table.name).items():
            status = path.stat()
            if key.stage == table.stage:
                found[key.partition] = _distinct(path, status.st_size, status.st_mtime_ns, table.name, column)
        return found

    def exists(self, table: Table, partition: str, stage: str | None = None) -> bool:
        """Whether the stage has written this partition."""
        return self.path(table, stage or table.stage, partition).exists()

    def partitions(self, table: Table, stage: str | None = None) -> list[str]:
        """The partitions for which the table has a file, sorted."""
        return [key.partition for key in self.objects.keys(table.name) if key.stage == (stage or table.stage)]

    def files(self, table: Table) -> list[Path]:
        """The table's current files, of all stages and partitions, sorted."""
        return list(self.objects.all(table.name).values())

    def commit(self, stage: str, partition: str, rows: Mapping[str, Sequence[Row]], pack: Path | None = None) -> None:
        """Replace what a stage holds for a partition by ``rows`` (by table name) and its pack, in one transaction.

        Args:
            stage: the stage that writes.
            partition: its partition.
            rows: all rows of each table, one table at least; a table that is not named is left alone.
            pack: a finished pack under a temporary name on the same disk, or None.
        """
        keys = [Key(name, stage, partition) for name in (*rows, *([PACKS] if pack is not None else []))]
        self._replace(self._before(keys), keys, {name: _content(by_name(name), rows[name]) for name in rows}, pack)

    def _before(self, keys: Sequence[Key]) -> list[Pointer]:
        """The pointers of the stage's partition to which all keys belong; files at their fixed names become objects."""
        self.objects.adopt(key for key in keys if is_file(self.root / key.name))
        return self.objects.before(keys[0].stage, keys[0].partition)

    def _replace(
        self, before: Sequence[Pointer], keys: Sequence[Key], rows: Mapping[str, pa.Table], pack: Path | None
    ) -> None:
        """Make new objects of keys current, in one transaction."""
        sequence, commit = next_sequence(before), secrets.token_hex(4)
        names = [object_name(key, sequence, commit) for key in keys]
        paths = [self.root / name for name in names]
        make_folders(paths[0].parent, self.root)
        try:
            for key, path in zip(keys, paths, strict=True):
                if key.kind == PACKS:
                    sync_file(cast("Path", pack))
                    cast("Path", pack).replace(path)
                else:
                    _write(rows[key.kind], path, commit_note(key, sequence, names))
                    fault(Fault.TABLE_DRAFTED)
                self.objects.store.put(path, path)
            sync_folder(paths[0].parent)
        except BaseException:
            for path in paths:
                path.unlink(missing_ok=True)
            raise
        self.objects.switch(before, [made_pointer(self.root, path) for path in paths])

    def append(self, table: Table, stage: str, partition: str, rows: Sequence[Row], keep: int) -> None:
        """Add rows behind those of (table, stage, partition), of all of which the last ``keep`` stay.

        Raises:
            NewerFormat: the file is of a newer format than this ogaart knows.
            TornTable: the file is not whole.
        """
        key, added = Key(table.name, stage, partition), _content(table, rows)
        before = self._before([key])
        path = self.objects.among(before, key)
        if path.exists():
            added = pa.concat_tables([_in_columns_of(table, _read(table, path)), added])
        self._replace(before, [key], {table.name: added.slice(max(0, len(added) - keep))}, None)

    def cut(self, stages: Collection[str] | None = None) -> Cut:
        """The current objects of some stages, or of all, and of all partitions at one moment."""
        return self.objects.cut(stages)

    def follow_objects(self) -> None:
        """Make what is current again from the objects where the database is of an earlier moment, as each run does."""
        self.objects.follow()

    def clean_up(self) -> int:
        """Delete what killed processes left behind, and objects whose grace has ended; returns how many."""
        return self.objects.clean_up()


def _content(table: Table, rows: Sequence[Row]) -> pa.Table:
    names = set(table.schema.names)
    unknown = {key for row in rows for key in row} - names
    if unknown:
        raise KeyError(f"table {table.name} has no column {', '.join(sorted(unknown))}")
    return pa.Table.from_pylist(list(rows), schema=table.schema)


def _in_columns_of(table: Table, content: pa.Table) -> pa.Table:
    """Rows of an earlier version's file in today's columns: those added since are null."""
    if content.schema.equals(table.schema):
        return content.replace_schema_metadata(table.schema.metadata)
    columns = [
        content[field.name].cast(field.type)
        if field.name in content.schema.names
        else pa.nulls(len(content), field.type)
        for field in table.schema
    ]
    return pa.table(columns, schema=table.schema)


def _write(content: pa.Table, path: Path, note: bytes) -> None:
    write_sealed(content.replace_schema_metadata({**(content.schema.metadata or {}), NOTE: note}), path)
    sync_file(path)


@lru_cache(_DISTINCT)
def _distinct(path: Path, size: int, time: int, table: str, column: str) -> frozenset[Any]:  # noqa: ARG001 - the key
    """The values of a column of a file of that size and time."""
    rows = _rows(by_name(table), _read(by_name(table), path, [column]), [column])
    return frozenset(value for row in rows if (value := row[column]) is not None)


def _read(table: Table, path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            there = set(file.schema_arrow.names)
            chosen = None if columns is None else [name for name in columns if name in there]
            content = file.read(columns=chosen, use_threads=path.stat().st_size > _SMALL)
    except (pa.ArrowInvalid, OSError) as cause:
        raise_if_lacking(cause, path)
        raise TornTable(
            f"{path} is not a whole Parquet file ({cause}): delete it and materialize its partition"
        ) from cause
    version = int((content.schema.metadata or {}).get(b"ogaart.format_version", b"0"))
    if version > table.format_version:
        raise NewerFormat(
            f"{path} has format {version} of table {table.name}, "
            f"this ogaart knows {table.format_version}: upgrade ogaart"
        )
    return content


def _rows(table: Table[R], content: pa.Table, columns: Sequence[str] | None = None) -> Iterator[R]:
    """Rows with every requested column: one added since the file was written is null."""
    names = table.schema.names if columns is None else columns
    missing = [name for name in names if name not in content.schema.names]
    for row in content.select([n for n in names if n in content.schema.names]).to_pylist():
        for name in missing:
            row[name] = None
        yield cast("R", row)
