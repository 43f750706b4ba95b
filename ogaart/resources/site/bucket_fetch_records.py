"""Fetch records whose journal is a bucket: an object for each response, stored before its row.

Workers in several places add to it at once, which a file cannot take. Its name has the URL's key and the time, so that
names alone tell which record of a URL is the newest. The rows of a new database are made from all of them.
"""

import secrets
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from ogaart.core.fault_injection import Fault, fault
from ogaart.resources.objects.store import ObjectStore, StoredFile
from ogaart.resources.site.fetch_record import FetchRecord, url_key
from ogaart.resources.site.fetch_records import FETCHES, FetchRecords, record_of_row, row_of_record
from ogaart.resources.state.database import StateDatabase, upsert
from ogaart.resources.state.schema import FETCH_RECORDS, JOURNALS
from ogaart.resources.storage.atomic_files import sync_file, temporary
from ogaart.resources.storage.sealed_json import open_json, seal_json

_ROWS = 1000
_AT_ONCE = 16
"""Records of a batch that are stored at a time."""
T = TypeVar("T")
_MADE = {"name": FETCHES, "id": "bucket", "position": 0}
"""The row that says that a database has all records."""


class BucketFetchRecords(FetchRecords):
    """The fetch records of all workers that share a bucket.

    Args:
        state: the database of state, which they share too.
        site: this data root's folder for the site.
        objects: the bucket.
    """

    def __init__(self, state: StateDatabase, site: Path, objects: ObjectStore) -> None:
        super().__init__(state, site)
        self._objects = objects
        self._folder = site.parent / FETCHES

    @property
    def journal(self) -> Path:
        """The folder, in the bucket, from which the rows can be made again."""
        return self._folder

    def write(self, record: FetchRecord) -> None:
        """Store a record; its blob must be durable already."""
        self._follow()
        self._put(record)
        self._add_rows([record])
        fault(Fault.FETCH_RECORDED)

    def add(self, records: Iterable[FetchRecord]) -> None:
        """Store many records, whose blobs must be durable already; of a URL that has a newer one, that one counts."""
        self._follow()
        for batch in _batches(records):
            with ThreadPoolExecutor(_AT_ONCE) as pool:
                list(pool.map(self._put, batch))
            self._add_rows(batch)

    def all(self) -> list[FetchRecord]:
        """Every URL's record."""
        self._follow()
        return list(self._intact_rows())

    def forget(self, urls: Iterable[str]) -> None:
        """Delete the records of URLs, and what was superseded."""
        gone = {url_key(url) for url in urls}
        for file in [*self._superseded(), *(f for f in self._files() if _key(f.path) in gone)]:
            self._objects.delete(file.path)
        with self._state.writing() as connection:
            for keys in _batches(sorted(gone)):
                connection.execute(sa.delete(FETCH_RECORDS).where(FETCH_RECORDS.c.key.in_(keys)))

    def superseded(self) -> int:
        """Bytes of the records that no longer count."""
        return sum(file.bytes for file in self._superseded())

    def damage(self) -> Iterator[tuple[str, str]]:
        """What is not as it was written: where, and what is wrong."""
        rows, wrong = {}, []
        with self._state.reading() as connection:
            for row in connection.execute(sa.select(FETCH_RECORDS)):
                rows[row.key] = record_of_row(row)
                wrong += [row.url] if rows[row.key] is None else []
        if wrong:
            yield self._state.where, f"{len(wrong)} fetch records are not as they were written, such as {min(wrong)}"
        stored = dict(self._read(self._newest().values()))
        damaged = sorted(path for path, record in stored.items() if record is None)
        for path in damaged:
            yield str(path), "not as it was written"
        keys = {_key(path) for path in stored}
        for where, missing in ((str(self._folder), rows.keys() - keys), (self._state.where, keys - rows.keys())):
            if missing:
                yield where, f"{len(missing)} fetch records are missing, such as that of the key {min(missing)}"

    def repair(self) -> None:
        """Make database and bucket again from what is intact in either; the newer record of a URL counts."""
        found: dict[str, FetchRecord] = {}
        for _, record in self._read(self._files()):
            if record is not None and (record.url not in found or found[record.url].checked_at <= record.checked_at):
                found[record.url] = record
        stored = dict(found)
        for record in self._intact_rows():
            if record.url not in found or found[record.url].checked_at < record.checked_at:
                found[record.url] = record
        for path, record in list(self._read(self._files())):
            if record is None:
                self._objects.delete(path)
        for url, record in found.items():
            if stored.get(url) != record:
                self._put(record)
        self._state.discard()
        self._add_rows(found.values(), made=True)

    def _follow(self) -> None:
        """Make the rows of a new database, before they are first used."""
        if self._follows:
            return
        with self._state.reading() as connection:
            made = connection.scalar(sa.select(JOURNALS.c.id).where(JOURNALS.c.name == FETCHES)) is not None
        if not made:
            found = (record for _, record in self._read(self._newest().values()) if record is not None)
            self._add_rows(found, made=True)
        self._follows = True

    def _add_rows(self, records: Iterable[FetchRecord], *, made: bool = False) -> None:
        with self._state.writing() as connection:
            for batch in _batches(records):
                upsert(connection, FETCH_RECORDS, [row_of_record(record) for record in batch], newest="checked_at")
            if made:
                upsert(connection, JOURNALS, [_MADE])

    def _put(self, record: FetchRecord) -> None:
        key = url_key(record.url)
        stamp = record.checked_at.strftime("%Y%m%dT%H%M%S%f")
        path = self._folder / key[:2] / f"{key}-{stamp}-{secrets.token_hex(4)}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = temporary(path)
        draft.write_bytes(seal_json(record.fields()))
        sync_file(draft)
        self._objects.put(draft, path)
        path.unlink()  # it is read where a database is made again, and then from the bucket

    def _files(self) -> list[StoredFile]:
        return sorted(self._objects.files(self._folder))

    def _newest(self) -> dict[str, StoredFile]:
        """The newest record of each URL's key."""
        return {_key(file.path): file for file in self._files()}

    def _superseded(self) -> list[StoredFile]:
        newest = {file.path for file in self._newest().values()}
        return [file for file in self._files() if file.path not in newest]

    def _read(self, files: Iterable[StoredFile]) -> Iterator[tuple[Path, FetchRecord | None]]:
        """What objects hold; None of one that is damaged. Their copies are deleted again."""
        for batch in _batches(files):
            self._objects.fetch((file.path for file in batch), fresh=True)
            for file in batch:
                try:
                    yield file.path, FetchRecord.of(open_json(file.path.read_bytes()))
                except FileNotFoundError:
                    continue  # deleted meanwhile
                except ValueError:
                    yield file.path, None
                file.path.unlink(missing_ok=True)


def open_fetch_records(state: StateDatabase, site: Path, objects: ObjectStore) -> FetchRecords:
    """The fetch records of a data root, or of the bucket that it has copies of."""
    return BucketFetchRecords(state, site, objects) if objects.remote else FetchRecords(state, site)


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    left = iter(items)
    while batch := list(islice(left, _ROWS)):
        yield batch


def _key(path: Path) -> str:
    return path.name.partition("-")[0]
