"""Rows between the stages: one Parquet file for each (table, stage, partition), swapped whole.

A step's files (its tables and its pack) become visible together: they are written under temporary names, named in a
small journal, then renamed under one short lock. A step killed among the renames is completed from the journal by
the next process that takes that lock, so neither a reader nor a catalog's cut sees half of it.

Layout: ``tables/<table>/<stage>/<query>/<page>.parquet`` and ``packs/<stage>/<query>/<page>.zip``.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import pyarrow as pa
import pyarrow.parquet as pq

from ogaart.core.fault_injection import Fault, fault
from ogaart.resources.storage.atomic_files import TEMPORARY, sync_file, sync_folder, temporary, write_json
from ogaart.resources.storage.checksummed_parquet import SEALED, seal_holds, write_sealed
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.leftovers import is_leftover
from ogaart.resources.storage.lock_names import swap_lock
from ogaart.resources.storage.locks import hold
from ogaart.resources.storage.schema import LICENCE_HISTORY, TABLES, by_name
from ogaart.resources.storage.sealed_json import open_json
from ogaart.resources.storage.table_types import Table

Row = Mapping[str, Any]
"""A row of any table; what handles one table's rows names their type of ``rows.py``."""
R = TypeVar("R", bound=Mapping[str, Any])


class NewerFormat(RuntimeError):
    """A file was written by a newer ogaart than this one."""


class TornTable(RuntimeError):
    """A table's file cannot be read."""


class Tables:
    """All tables under one data root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._tables = root / "tables"
        self._packs = root / "packs"
        self._journals = root / "tables" / ".journal"
        self._lock = swap_lock(DataRoot(root))

    def path(self, table: Table, stage: str, partition: str) -> Path:
        """Where the rows of (table, stage, partition) lie."""
        return self._tables / table.name / stage / f"{partition}.parquet"

    def pack_path(self, stage: str, partition: str) -> Path:
        """Where the pack of (stage, partition) lies."""
        return self._packs / stage / f"{partition}.zip"

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
        if not path.exists():
            return []
        return list(_rows(table, _read(table, path)))

    def verify(self, table: Table, partition: str, stage: str | None = None) -> None:
        """Read one partition's rows, and compare every byte of the file with its seal.

        Raises:
            NewerFormat: the file is of a newer format than this ogaart knows.
            TornTable: the file is not whole, or not as it was written.
        """
        path = self.path(table, stage or table.stage, partition)
        holds = seal_holds(path)  # checked first: a damaged footer may crash its parser
        if holds is False or (SEALED in (_read(table, path).schema.metadata or {}) and holds is None):
            raise TornTable(
                f"{path} is not as it was written (its hash is wrong): delete it and materialize its partition"
            )

    def select(self, table: Table[R], partition: str, columns: Sequence[str], stage: str | None = None) -> list[R]:
        """Rows with some columns only, read without the others; errors as ``read``."""
        path = self.path(table, stage or table.stage, partition)
        if not path.exists():
            return []
        return list(_rows(table, _read(table, path, columns), columns))

    def exists(self, table: Table, partition: str, stage: str | None = None) -> bool:
        """Whether the stage has written this partition."""
        return self.path(table, stage or table.stage, partition).exists()

    def partitions(self, table: Table, stage: str | None = None) -> list[str]:
        """The partitions for which the table has a file, sorted."""
        folder = self._tables / table.name / (stage or table.stage)
        return sorted(
            str(p.relative_to(folder).with_suffix(""))
            for p in folder.glob("*/*.parquet")
            if not p.name.startswith(TEMPORARY)
        )

    def files(self, table: Table) -> list[Path]:
        """The table's current files, of all stages and partitions, sorted."""
        folder = self._tables / table.name
        return sorted(p for p in folder.rglob("*.parquet") if not p.name.startswith(TEMPORARY))

    def commit(
        self,
        stage: str,
        partition: str,
        rows: Mapping[str, Sequence[Row]],
        pack: Path | None = None,
        journal: str = "rows",
    ) -> None:
        """Replace what a stage holds for a partition by ``rows`` (by table name) and its pack, in one step.

        Args:
            stage: the stage that writes.
            partition: its partition.
            rows: all rows of each table; a table that is not named is left alone.
            pack: a finished pack under a temporary name on the same disk, or None.
            journal: tells the swaps of one stage apart.
        """
        swaps: list[tuple[Path, Path]] = []
        for name, content in rows.items():
            table = by_name(name)
            final = self.path(table, stage, partition)
            final.parent.mkdir(parents=True, exist_ok=True)
            draft = temporary(final)
            _write(table, content, draft)
            swaps.append((draft, final))
            fault(Fault.TABLE_DRAFTED)
        if pack is not None:
            final = self.pack_path(stage, partition)
            final.parent.mkdir(parents=True, exist_ok=True)
            sync_file(pack)
            swaps.append((pack, final))
        intent = self._journals / f"{stage}-{partition.replace('/', '-')}-{journal}.json"
        with self._swapping():
            relative = [[str(a.relative_to(self.root)), str(b.relative_to(self.root))] for a, b in swaps]
            write_json(intent, {"renames": relative})
            fault(Fault.JOURNAL_WRITTEN)
            self._replay(intent)

    @contextmanager
    def _swapping(self) -> Iterator[None]:
        with hold(self._lock, timeout=600, what="the swap of tables"):
            for journal in sorted(self._journals.glob("*.json")):
                if not journal.name.startswith(TEMPORARY):
                    self._replay(journal)
            yield

    def _replay(self, journal: Path) -> None:
        """Complete the renames that a journal names; those already done are past."""
        folders = set()
        for source, target in _renames(journal):
            draft, final = self.root / source, self.root / target
            if draft.exists():
                draft.replace(final)
                folders.add(final.parent)
            fault(Fault.TABLE_SWAPPED)
        for folder in folders:
            sync_folder(folder)
        journal.unlink()
        sync_folder(journal.parent)

    def cut(self, destination: Path) -> None:
        """Hard-link every current table and pack under ``destination``: a frozen state of all partitions.

        Makes ``destination/tables/…`` and ``destination/packs/…`` in the layout of the data root.
        """
        with self._swapping():
            for folder in (self._tables, self._packs):
                for path in _current_files(folder):
                    link = destination / folder.name / path.relative_to(folder)
                    link.parent.mkdir(parents=True, exist_ok=True)
                    os.link(path, link)

    def clean_up(self) -> int:
        """Delete temporary files of processes that have ended; returns how many."""
        with self._swapping():
            leftovers = [
                p for folder in (self._tables, self._packs) for p in folder.rglob(f"{TEMPORARY}*") if is_leftover(p)
            ]
            for path in leftovers:
                path.unlink()
        return len(leftovers)


def damaged_journal(journal: Path) -> str:
    """What is wrong with a journal; empty where it is intact."""
    try:
        _renames(journal)
    except TornTable as cause:
        return str(cause)
    return ""


def _renames(journal: Path) -> list[tuple[str, str]]:
    """The renames that a journal names, relative to the data root.

    Raises:
        TornTable: it is damaged.
    """
    try:
        found = open_json(journal.read_bytes())
        # Versions before seals were made wrote the list alone.
        return [(source, target) for source, target in (found["renames"] if isinstance(found, dict) else found)]
    except (ValueError, KeyError, TypeError) as cause:
        raise TornTable(
            f"{journal}, which names the files that a step was replacing when it was killed, is damaged ({cause}): "
            "run `ogaart verify --repair`"
        ) from cause


def _current_files(folder: Path) -> Iterable[Path]:
    for path in folder.rglob("*"):
        if path.suffix in {".parquet", ".zip"} and not path.name.startswith(TEMPORARY):
            yield path


def _write(table: Table, rows: Sequence[Row], path: Path) -> None:
    names = set(table.schema.names)
    unknown = {key for row in rows for key in row} - names
    if unknown:
        raise KeyError(f"table {table.name} has no column {', '.join(sorted(unknown))}")
    write_sealed(pa.Table.from_pylist(list(rows), schema=table.schema), path)
    sync_file(path)


def _read(table: Table, path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            there = set(file.schema_arrow.names)
            chosen = None if columns is None else [name for name in columns if name in there]
            content = file.read(columns=chosen)
    except (pa.ArrowInvalid, OSError) as cause:
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
