"""Fetch records: rows of the database of state, made from a journal to which each is added first.

A record is the proof that a URL need not be requested again. Its line is on disk before its row, and rows follow the
journal by position: a process that opens the records, or adds one, first adds the rows that a killed process did not. A
database that was deleted is made again in the same way.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from filelock import FileLock

from ogaart.core.fault_injection import Fault, fault
from ogaart.resources.site.earlier_records import EarlierRecords
from ogaart.resources.site.fetch_journal import FetchJournal
from ogaart.resources.site.fetch_record import FORMAT_VERSION, FetchRecord, url_key
from ogaart.resources.state.database import StateDamaged, StateDatabase, upsert
from ogaart.resources.state.layout import layout_problem
from ogaart.resources.state.locks import exclusive
from ogaart.resources.state.schema import FETCH_RECORDS, JOURNALS, StrangersText
from ogaart.resources.state.sqlite_files import sqlite_problem
from ogaart.resources.storage.lock_names import fetch_lock, journal_lock
from ogaart.resources.storage.sealed_json import damaged_lines, seal_of

FETCHES = "fetches"
"""Folder under the site's of the locks of URLs, and of the records of versions before."""
JOURNAL = "fetches.jsonl"
"""The journal under the site's folder."""
_ROWS = 1000
_LONG, _MANY = 64 << 20, 4
"""A journal is written again without what was superseded where it is longer than this, and than so many times that."""


_AS_STORED = [
    sa.type_coerce(column, sa.Text).label(column.name) if isinstance(column.type, StrangersText) else column
    for column in FETCH_RECORDS.c
]
"""The columns of a record, texts with their escapes: to compare rows, none needs to be read."""


class RecordState(NamedTuple):
    """A row as it is stored: a text of all its columns, and the blob with its length; "" where it has none."""

    text: str
    sha256: str
    bytes: int


class FetchRecords:
    """The fetch records of a data root; opened when they are first used.

    Args:
        state: the database of state.
        site: the data root's folder for the site.
    """

    def __init__(self, state: StateDatabase, site: Path) -> None:
        self._state = state
        self._journal = FetchJournal(site / JOURNAL)
        self._locks = site / FETCHES
        self._earlier = EarlierRecords(site / FETCHES)
        self._follows = False

    @property
    def journal(self) -> Path:
        """The file from which the rows can be made again."""
        return self._journal.path

    def read(self, url: str) -> FetchRecord | None:
        """The URL's record, or None where there is none, or only a damaged one."""
        self._follow()
        with self._state.reading() as connection:
            row = connection.execute(_BY_KEY, {"key": url_key(url)}).one_or_none()
        record = record_of_row(row) if row is not None else None
        return record if record is not None and record.url == url else self._earlier.read(url)

    def states(self, urls: Iterable[str]) -> list[RecordState]:
        """The rows of those of many URLs that have one, as they are stored; their seals are not compared."""
        self._follow()
        keys = [url_key(url) for url in urls]
        found: list[RecordState] = []
        with self._state.reading() as connection:
            for at in range(0, len(keys), _ROWS // 2):
                wanted = FETCH_RECORDS.c.key.in_(keys[at : at + _ROWS // 2])
                rows = connection.execute(sa.select(*_AS_STORED).where(wanted))
                found += [RecordState(repr(tuple(row)), row.sha256 or "", row.bytes) for row in rows]
        return found

    def write(self, record: FetchRecord) -> None:
        """Store a record; its blob must be durable already."""
        self._add([record])
        fault(Fault.FETCH_RECORDED)

    def all(self) -> list[FetchRecord]:
        """Every URL's record, of versions before too; from the journal, since this is read on a full disk as well."""
        found = {record.url: record for _, record in self._earlier.files() if record is not None}
        return list((found | {record.url: record for _, record in self._journal.records()}).values())

    def forget(self, urls: Iterable[str]) -> None:
        """Delete the records of URLs, and what was superseded in the journal."""
        gone = set(urls)
        with self._locked():
            self._catch_up()
            head = self._journal.head()
            kept = [record for record in self._both() if record.url not in gone]
            self._journal.replace(kept, head.id if head else "")
            self._catch_up()
        for path, record in self._earlier.files():
            if record is not None and record.url in gone:
                path.unlink(missing_ok=True)

    def superseded(self) -> int:
        """Bytes of the journal that no longer count."""
        newest = {record.url: record for _, record in self._journal.records()}
        return self._journal.size() - sum(record.line_bytes for record in newest.values())

    def earlier_files(self) -> Iterator[tuple[Path, FetchRecord | None]]:
        """The files of versions before, each with its record; None where it is damaged."""
        return self._earlier.files()

    def adopt(self, files: Iterable[tuple[Path, FetchRecord]]) -> None:
        """Make rows of files of versions before, and delete the files; newer rows stay as they are."""
        batch = list(files)
        with self._locked():
            self._catch_up()
            with self._state.reading() as connection:
                stored = set(connection.scalars(sa.select(FETCH_RECORDS.c.url)))
            self._journal.append(record for _, record in batch if record.url not in stored)
            self._catch_up()
        for path, _ in batch:
            path.unlink(missing_ok=True)

    def damage(self) -> Iterator[tuple[str, str]]:
        """What is not as it was written: where, and what is wrong. For records whose database is opened read-only."""
        journal, path = str(self._journal.path), self._state.path
        if self._journal.path.is_dir():
            yield journal, "a folder lies in its place"
            return
        if self._journal.size():
            for number in damaged_lines(self._journal.path.read_bytes()):
                yield journal, f"line {number} is not as it was written"
        if path is not None and not path.exists():
            return  # it is made again when it is next used
        if path is not None and (problem := sqlite_problem(path) or layout_problem(path)):
            yield str(path), problem
            return
        try:
            with self._state.reading() as connection:
                follows = connection.execute(_POSITION).one_or_none()
                rows = {row.url: row for row in connection.execute(sa.select(FETCH_RECORDS))}
        except StateDamaged as cause:
            yield self._state.where, str(cause)
        except sa.exc.OperationalError:
            return  # held by a writer, or on a read-only disk with a log to replay: nothing is known of it
        else:
            yield from self._differences(follows, rows)

    def _differences(self, follows: Any, rows: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Where rows and journal disagree; what was added to the journal since the rows were read is left out."""
        head, journal = self._journal.head(), str(self._journal.path)
        if follows is None:
            return  # made just now
        if head is None or follows.id not in {head.id, head.follows}:
            yield journal, f"not the journal of the {len(rows)} fetch records in {self._state.where}"
            return
        if head.id != follows.id:
            return  # the rows follow when they are next used
        lines = {record.url: seal_of(record.fields()) for _, record in self._journal.records(end=follows.position)}
        for where, urls, what in (
            (journal, rows.keys() - lines.keys(), "are missing"),
            (self._state.where, lines.keys() - rows.keys(), "are missing"),
            (
                self._state.where,
                {
                    url
                    for url, row in rows.items()
                    if lines.get(url) not in {None, row.seal} or record_of_row(row) is None
                },
                "are not as they were written",
            ),
        ):
            if urls:
                yield where, f"{len(urls)} fetch records {what}, such as {min(urls)}"

    def repair(self) -> None:
        """Make database and journal again from what is intact in either; the newer record of a URL counts."""
        with self._locked():
            self._journal.replace(list(self._both()))
            self._state.discard()
            self._catch_up()

    @contextmanager
    def hold(self, url: str) -> Iterator[None]:
        """Keep other processes from fetching the same URL meanwhile; they wait, then find its record.

        All URLs share 256 lock files, since one each would never be cleaned up.
        """
        path = fetch_lock(self._locks, url_key(url))
        with exclusive(self._state, path):
            yield

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = journal_lock(self._journal.path)
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):
            yield

    def _add(self, records: Iterable[FetchRecord]) -> None:
        with self._locked():
            self._journal.append(records)
            self._catch_up()

    def _follow(self) -> None:
        """Before the first reading: add the rows that a killed process did not, or all of a new database."""
        if self._follows:
            return
        with self._state.reading() as connection:
            follows = connection.execute(_POSITION).one_or_none()
        head, size = self._journal.head(), self._journal.size()
        if head is not None and (follows is None or (follows.id, follows.position) != (head.id, size)):
            with self._locked():
                self._catch_up()
        if size > _LONG and self.superseded() > size * (1 - 1 / _MANY):
            self.forget([])
        self._follows = True

    def _catch_up(self) -> None:
        """Add the rows of the journal's lines that have none yet."""
        head = self._journal.head()
        if head is None:
            return
        with self._state.writing() as connection:
            follows = connection.execute(_POSITION).one_or_none()
            known = follows is not None and follows.id == head.id and follows.position <= self._journal.size()
            start = follows.position if follows is not None and known else 0
            if follows is not None and head.follows and follows.id == head.follows:
                connection.execute(sa.delete(FETCH_RECORDS))  # those that count are in the file that took its place
            newest = {record.url: record for _, record in self._journal.records(start)}
            rows = [row_of_record(record) for record in newest.values()]
            for at in range(0, len(rows), _ROWS):
                upsert(connection, FETCH_RECORDS, rows[at : at + _ROWS], newest="" if known else "checked_at")
            position = {"name": FETCHES, "id": head.id, "position": self._journal.end(start)}
            upsert(connection, JOURNALS, [position])

    def _both(self) -> Iterator[FetchRecord]:
        """Every record that is intact in the journal or in the database; the newer one of each URL."""
        found: dict[str, FetchRecord] = {}
        for record in chain((record for _, record in self._journal.records()), self._intact_rows()):
            if record.url not in found or found[record.url].checked_at <= record.checked_at:
                found[record.url] = record
        yield from found.values()

    def _intact_rows(self) -> Iterator[FetchRecord]:
        try:
            with self._state.reading() as connection:
                for row in connection.execute(sa.select(FETCH_RECORDS)):
                    if (record := record_of_row(row)) is not None:
                        yield record
        except StateDamaged:
            return  # what follows in the file is not readable


_POSITION = sa.select(JOURNALS).where(JOURNALS.c.name == FETCHES)
_BY_KEY = sa.select(FETCH_RECORDS).where(FETCH_RECORDS.c.key == sa.bindparam("key"))


def row_of_record(record: FetchRecord) -> dict[str, Any]:
    """The row of a record."""
    fields = record.fields()
    row = {"key": url_key(record.url), "seal": seal_of(fields)} | fields
    del row["format_version"]
    return row


def record_of_row(row: Any) -> FetchRecord | None:
    """The record of a row; None where it is not as it was written."""
    values = dict(row._mapping) | {"format_version": FORMAT_VERSION}
    key, seal = values.pop("key"), values.pop("seal")
    try:
        record = FetchRecord.of(values)
    except ValueError:
        return None
    return record if key == url_key(record.url) and seal == seal_of(record.fields()) else None
