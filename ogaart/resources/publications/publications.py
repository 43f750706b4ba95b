"""Publications as rows that all hosts of a bucket share: uploaded file by file, then put in service by one transaction.

A file is uploaded once, under its hash, however many publications have it; packs are there already, as objects of their
steps. The record of a publication is stored in the bucket before its row, so that the rows of a lost database can be
made again.
"""

from collections.abc import Collection, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ogaart.core.fault_injection import Fault, fault
from ogaart.resources.catalog.generations import HASHES, INDEX, NAMED_BY_CONTENT, PACKS, Generation
from ogaart.resources.index.edge import NEVER_WRITTEN
from ogaart.resources.objects.store import ObjectStore, StoredFile
from ogaart.resources.publications.record import FOLDER, PublicationRecord, PublishedFile, object_of, record_path
from ogaart.resources.state.database import StateDamaged, StateDatabase, is_made, upsert
from ogaart.resources.state.pointers import Pointers
from ogaart.resources.state.schema import JOURNALS, PUBLICATIONS
from ogaart.resources.storage.atomic_files import read_json, sync_file, temporary
from ogaart.resources.storage.objects import Key
from ogaart.resources.storage.packs import stored_pack_seal
from ogaart.resources.storage.sparse_copy import has_hash, sparse_hash

_MADE = {"name": PUBLICATIONS.name, "id": "bucket", "position": 0}
"""The row that says that a database has all publications."""


class Publications:
    """The publications of all hosts that share a bucket and a database; of a data root without a bucket there are none.

    Args:
        state: the database.
        objects: the bucket.
    """

    def __init__(self, state: StateDatabase, objects: ObjectStore) -> None:
        self._state, self._objects, self._root = state, objects, state.folder
        self.shared = objects.remote
        """Whether there is anything to share."""

    def in_service(self) -> PublicationRecord | None:
        """The publication that is in service; None before the first one.

        Raises:
            StateRefused: the database cannot be reached.
            StateDamaged: the row is not as it was written.
        """
        self._make()
        with self._state.reading() as connection:
            content = connection.scalar(sa.select(PUBLICATIONS.c.content).where(PUBLICATIONS.c.in_service))
        try:
            return None if content is None else PublicationRecord.of(bytes(content))
        except ValueError as cause:
            where = self._state.where
            raise StateDamaged(
                f"{where}: the publication in service ({cause}): run `ogaart verify --repair`"
            ) from cause

    def number_in_service(self) -> int:
        """Its number; 0 before the first one."""
        self._make()
        with self._state.reading() as connection:
            return int(connection.scalar(sa.select(PUBLICATIONS.c.number).where(PUBLICATIONS.c.in_service)) or 0)

    def stored_at(self, number: int) -> float | None:
        """When a publication's record was stored, in seconds since 1970; None where there is none.

        It is stored last before the publication is put in service.
        """
        path = record_path(self._root, number)
        return next((file.written for file in self._objects.files(path.parent) if file.path == path), None)

    def last(self) -> int:
        """The largest number that a publication has; 0 where there is none, or nothing is shared."""
        return max((record.number for record in self.all()), default=0) if self.shared else 0

    def all(self) -> list[PublicationRecord]:
        """Every publication whose row is as it was written."""
        if not self.shared:
            return []
        self._make()
        return [record for record in self._rows().values() if record is not None]

    def publish(self, generation: Generation) -> None:
        """Upload the files of an audited publication that are new, then put it in service for all hosts.

        Killed at any point it changes nothing for others, and the next call uploads the rest.

        Raises:
            ObjectsRefused: the bucket refuses, or cannot be reached.
            StateRefused: the database cannot be reached.
        """
        if not self.shared:
            return
        self._make()
        serving = self.in_service()
        again = serving is not None and serving.number == generation.number
        record = serving if again and serving else PublicationRecord(generation.number, tuple(self._files(generation)))
        stored = {file.path: file.bytes for file in self._objects.files(self._root / FOLDER / "files")}
        for file in record.files:
            path = self._root / file.object
            if not file.is_pack and stored.get(path) != file.bytes:
                self._objects.upload(generation.path / file.name, path)
                stored[path] = file.bytes
        if again:
            return
        fault(Fault.PUBLICATION_UPLOADED)
        self._put(record)
        with self._state.writing() as connection:
            connection.execute(sa.update(PUBLICATIONS).values(in_service=False))
            upsert(connection, PUBLICATIONS, [_row(record, in_service=True)])
        fault(Fault.PUBLICATION_SWITCHED)

    def keep(self, numbers: Collection[int]) -> None:
        """Forget the publications of other numbers, but the one in service; delete what no other one needs."""
        if not self.shared:
            return
        self._make()
        keep = {*numbers, self.number_in_service()}
        gone = [number for number in self._rows() if number not in keep]
        for number in gone:
            self._objects.delete(record_path(self._root, number))
        if gone:
            with self._state.writing() as connection:
                connection.execute(sa.delete(PUBLICATIONS).where(PUBLICATIONS.c.number.in_(gone)))
            for file in self.unused():
                self._objects.delete(file.path)

    def unused(self) -> list[StoredFile]:
        """Files and records in the bucket that no publication has; while one is uploaded they may be its own."""
        if not self.shared:
            return []
        records = self.all()
        used = {self._root / name for record in records for name in record.objects}
        used |= {record_path(self._root, record.number) for record in records}
        return [file for file in self._objects.files(self._root / FOLDER) if file.path not in used]

    def damage(self, *, quick: bool) -> Iterator[tuple[Path, str, int]]:
        """Files in the bucket that are missing or not as they were written: which, what is wrong, of which publication.

        Args:
            quick: compare sizes only.
        """
        stored = {file.path: file.bytes for file in self._objects.files(self._root / FOLDER)} if self.shared else {}
        seen: set[str] = set()
        for record in self.all():
            for file in record.files:
                path = self._root / file.object
                if file.object in seen or file.is_pack:
                    continue  # an object of a step is checked with the others
                seen.add(file.object)
                if stored.get(path) != file.bytes:
                    there = f"{stored[path]:,} bytes, not {file.bytes:,}" if path in stored else "missing"
                    yield path, f"{file.name} of publication {record.number}: {there}", record.number
                elif not quick and not self.is_intact(file):
                    yield path, f"{file.name} of publication {record.number}: not as it was written", record.number

    def is_intact(self, file: PublishedFile) -> bool:
        """Whether a file in the bucket has its hash; its copy is deleted again."""
        path = self._root / file.object
        self._objects.fetch([path], fresh=True)
        try:
            return has_hash(path, file.digest)
        except FileNotFoundError:
            return False
        finally:
            path.unlink(missing_ok=True)

    def damaged_rows(self) -> Iterator[tuple[str, str]]:
        """Rows and records that are not as they were written: where, and what is wrong."""
        if not self.shared:
            return
        records = self._records()
        rows = self._rows() if is_made(self._state, PUBLICATIONS.name) else records
        for where, these, others in (
            (self._state.where, rows, records),
            (str(self._root / FOLDER / "records"), records, rows),
        ):
            wrong = sorted(number for number, record in these.items() if record is None)
            missing = sorted(others.keys() - these.keys())
            for numbers, what in ((wrong, "not as it was written"), (missing, "missing")):
                if numbers:
                    yield where, f"the record of publication {numbers[0]} is {what}"

    def repair(self) -> None:
        """Make rows and records again from what is intact in either; in service stays what was, or the newest."""
        if not self.shared:
            return
        rows, records = self._rows(), self._records()
        whole = {n: record for found in (records, rows) for n, record in found.items() if record is not None}
        serving = self.number_in_service()
        for number, record in whole.items():
            if records.get(number) != record:
                self._put(record)
        for number in records.keys() - whole.keys():
            self._objects.delete(record_path(self._root, number))
        self._remake(whole.values(), serving if serving in whole else max(whole, default=0))

    def _make(self) -> None:
        """Make the rows of a new database from the records, before they are first used."""
        if not is_made(self._state, PUBLICATIONS.name):
            found = [record for record in self._records().values() if record is not None]
            self._remake(found, max((record.number for record in found), default=0))

    def _remake(self, records: Collection[PublicationRecord], serving: int) -> None:
        with self._state.writing() as connection:
            connection.execute(sa.delete(PUBLICATIONS))
            rows = [_row(record, in_service=record.number == serving) for record in records]
            upsert(connection, PUBLICATIONS, rows)
            upsert(connection, JOURNALS, [_MADE])

    def _rows(self) -> dict[int, PublicationRecord | None]:
        with self._state.reading() as connection:
            found = connection.execute(sa.select(PUBLICATIONS).order_by(PUBLICATIONS.c.number)).all()
        return {row.number: _whole(bytes(row.content), row.number) for row in found}

    def _records(self) -> dict[int, PublicationRecord | None]:
        files = sorted(self._objects.files(self._root / FOLDER / "records"))
        numbers = {int(file.path.stem): file for file in files if file.path.stem.isdecimal()}
        return {n: _whole(self._objects.read(file.path, 0, file.bytes), n) for n, file in numbers.items()}

    def _put(self, record: PublicationRecord) -> None:
        path = record_path(self._root, record.number)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = temporary(path)
        draft.write_bytes(record.to_bytes())
        sync_file(draft)
        self._objects.put(draft, path)
        path.unlink(missing_ok=True)  # it is read from the bucket

    def _files(self, generation: Generation) -> Iterator[PublishedFile]:
        """Every file of a generation, with where it is stored, or will be."""
        known = {file.name: file for record in self.all() for file in record.files}
        listed = read_json(generation.path / HASHES)
        hashes = listed["files"] if isinstance(listed, dict) else {}
        pointers = {pointer.key: pointer for pointer in Pointers(self._state).all(kind=PACKS)}
        for path in sorted(path for path in generation.path.rglob("*") if path.is_file()):
            name, size = path.relative_to(generation.path).as_posix(), path.stat().st_size
            folder, *rest = Path(name).parts
            same = known.get(name)
            if folder == PACKS:
                key = Key(PACKS, rest[0], "/".join(rest[1:]).removesuffix(".zip"))
                pointer = pointers.get(key)
                if pointer is not None and (pointer.bytes, pointer.sha256) == (size, stored_pack_seal(path) or None):
                    yield PublishedFile(name, pointer.object, size, "")
                    continue
            named = len(rest) > 1 and fnmatch(rest[0], NAMED_BY_CONTENT.get(folder, ""))
            if same is not None and same.bytes == size and named:
                yield same
                continue
            written_to = folder == INDEX and path.name not in NEVER_WRITTEN  # by its engine, since it was hashed
            digest = sparse_hash(path) if written_to else hashes.get(name) or sparse_hash(path)
            yield PublishedFile(name, object_of(digest), size, digest)


def _row(record: PublicationRecord, *, in_service: bool) -> dict[str, Any]:
    return {"number": record.number, "content": record.to_bytes(), "in_service": in_service}


def _whole(content: bytes, number: int) -> PublicationRecord | None:
    """A record; None where it is damaged, or another publication's."""
    try:
        record = PublicationRecord.of(content)
    except ValueError:
        return None
    return record if record.number == number else None
