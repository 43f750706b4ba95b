"""Logs of lines that are only ever added to: each line is an object first, then a row of the database of state.

Either can be made again from the other. Lines have numbers, given under a lock that holds for all that add some, so
that their order does not rest on clocks. On one machine the objects' names are looked through whenever a log is read:
what was taken down counts also where the database is damaged, away, or an older copy. A bucket is not listed for that:
the rows are what all its hosts read. The file of a version before is read as the oldest lines, until it is adopted.
"""

import errno
import hashlib
import logging
import os
import re
import secrets
from collections.abc import Collection, Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from ogaart.resources.objects.factory import open_objects
from ogaart.resources.objects.store import ObjectsRefused, ObjectStore, StoredFile
from ogaart.resources.state.database import BUSY_SECONDS, StateDamaged, StateDatabase, StateRefused, is_made, upsert
from ogaart.resources.state.locks import exclusive
from ogaart.resources.state.schema import JOURNALS, LINES
from ogaart.resources.storage.atomic_files import TEMPORARY, make_folders, point_link, write_durably
from ogaart.resources.storage.lock_names import lines_lock
from ogaart.resources.storage.locks import Locked, hold
from ogaart.resources.storage.sealed_json import open_json, seal_json
from ogaart.settings import Settings

logger = logging.getLogger(__name__)

_NAME = re.compile(r"(?P<number>[+-]\d{10})-(?P<id>[0-9a-f]+)\.json")
_OLDEST = -9_000_000_000
"""The number of the first line of the file of before: more follow than any file has, before number 1."""
_NO_DATABASE = (StateRefused, StateDamaged, sa.exc.OperationalError)


class LogUnavailable(RuntimeError):
    """The log cannot be reached, or added to, at the moment."""


class LineKey(NamedTuple):
    """What names a line: its number, and an id, since a killed process may have used the number before."""

    number: int
    id: str


class Line(NamedTuple):
    """A line of JSON; one that a person has added has no seal.

    Attributes:
        where: what holds it, for messages.
        content: its bytes.
    """

    where: str
    content: bytes

    @property
    def is_whole(self) -> bool:
        """Whether it is as it was written."""
        try:
            open_json(self.content)
        except (ValueError, RecursionError):
            return False
        return True


class LineLog:
    """The lines of one log of a data root, or of all those that share a bucket.

    Args:
        state: the database.
        objects: where each line is an object.
        folder: theirs, under the data root; its name is that of the log.
        own: whether ``close`` closes the database.
    """

    def __init__(self, state: StateDatabase, objects: ObjectStore, folder: Path, *, own: bool = False) -> None:
        self._state, self._objects, self.folder, self._own = state, objects, folder, own
        self._name = folder.name
        self._file = folder.with_suffix(".jsonl")
        self._made = False
        self.shared = objects.remote
        """Whether several hosts add to it: then every look costs a request to the database."""

    @property
    def where(self) -> str:
        """What holds the lines, for messages."""
        return f"{self._name} in {self._state.where}" if self.shared else str(self.folder)

    def lines(self) -> list[Line]:
        """All lines, the oldest first.

        Raises:
            OSError: a file cannot be read.
            LogUnavailable: what several hosts share cannot be reached.
        """
        return [line for _, line in sorted(self.named_lines().items())]

    def named_lines(self) -> dict[LineKey, Line]:
        """All lines by what names them, in no order; errors as ``lines``."""
        before = self._content_before()  # first: what is adopted meanwhile is found among the others
        with self._in_words():
            rows = self._rows()
            files = {} if self.shared else self._files()
            rows = _well_numbered(rows, files)
            lacking = {key: file for key, file in files.items() if key not in rows or not rows[key].is_whole}
            return self._named(before, rows.keys() | files.keys()) | rows | self._stored(lacking)

    def stamp(self) -> Hashable:
        """What is another value whenever the lines are, and costs less than that; errors as ``lines``."""
        before = _stamp_of(self._file)
        if not self.shared:  # two files within one tick of the file system's clock have the same time
            with suppress(FileNotFoundError), os.scandir(self.folder) as files:
                number = sum(not file.name.startswith(TEMPORARY) for file in files)
                return _stamp_of(self.folder), number, before
            return before
        numbers = sa.select(sa.func.count(), sa.func.min(LINES.c.number), sa.func.max(LINES.c.number))
        with self._in_words():
            self._make()
            with self._state.reading() as connection:
                return tuple(connection.execute(numbers.where(LINES.c.log == self._name)).one()), before

    def append(self, line: Mapping[str, Any]) -> None:
        """Add one line, sealed; it is durable when this returns. Errors as ``lines``."""
        with self._in_words(), self._turn():
            self._make(complete=True)  # an object of a killed process has used its number
            number = max((key.number for key in self._keys()), default=0) + 1
            self._store({LineKey(number, secrets.token_hex(8)): Line("", seal_json(line))})

    def add(self, lines: Mapping[LineKey, Line]) -> None:
        """Add lines under keys that they have elsewhere; those that are there already stay as they are."""
        with self._in_words(), self._turn():
            self._make()
            rows = self._rows()
            self._store({key: line for key, line in lines.items() if key not in rows})

    @property
    def file_before(self) -> Path | None:
        """The file of a data root of before that is not adopted yet."""
        return None if self._is_adopted() or not os.path.lexists(self._file) else self._file

    def damaged_before(self) -> list[str]:
        """Where that file has lines that are torn or not as they were written: it is not adopted."""
        return [line.where for line in self._named(self._content_before(), ()).values() if not line.is_whole]

    def adopt(self) -> None:
        """Make its lines the oldest ones of the log.

        Killed meanwhile or called again it adds none twice: an id is the hash of its line. A link to the folder takes
        the file's place: a program of before that is still running refuses it, and shows nothing that was taken down.
        """
        if self.file_before is not None:
            before = self._content_before()
            with self._in_words():
                self.add(self._named(before, self._keys()))
            point_link(self._file, Path(self._name))

    def damage(self) -> Iterator[tuple[str, str]]:
        """What is not as it was written: where, and what is wrong. For a log that nothing is added to meanwhile."""
        try:
            yield from ((where, "not as it was written: correct or delete it") for where in self.damaged_before())
        except OSError as cause:
            reason = (cause.strerror or type(cause).__name__).lower()
            yield str(self._file), f"{reason}: restore the file from a backup"
        stored = self._stored(self._files())
        try:
            rows = self._all_rows() if self._has_rows() or not self.shared else None
        except _NO_DATABASE:
            rows = None  # named by the other checks
        if rows is not None and (misplaced := sorted(rows.keys() - _well_numbered(rows, stored).keys())):
            rows = _well_numbered(rows, stored)
            yield (
                self._state.where,
                f"{len(misplaced)} lines of {self._name} have a wrong number, such as {misplaced[0].number}",
            )
        for where, these, others in ((self._state.where, rows, stored), (str(self.folder), stored, rows or stored)):
            wrong = sorted(key for key, line in (these or {}).items() if not line.is_whole)
            missing = sorted(others.keys() - these.keys()) if these is not None else []
            if these is rows and not self.shared:
                missing = []  # they count without, and the next line makes them
            for keys, what in ((wrong, "are not as they were written"), (missing, "are missing")):
                if keys:
                    yield where, f"{len(keys)} lines of {self._name} {what}, such as number {keys[0].number}"

    def repair(self) -> None:
        """Make rows and objects again from what is intact in either."""
        with self._turn():
            stored = self._stored(self._files())
            found = self._rows()
            rows = _well_numbered(found, stored)
            self._delete(found.keys() - rows.keys())
            whole = {key: line for found in (rows, stored) for key, line in found.items() if line.is_whole}
            for key, line in whole.items():
                if key not in stored or stored[key].content != line.content:
                    self._put(key, line)
            wanted = {key: line for key, line in whole.items() if key not in rows or rows[key].content != line.content}
            self._insert(wanted, made=True)

    def complete(self, folder: Path) -> None:
        """Write into a copy of the objects' folder what rows alone hold intact; errors as ``lines``."""
        with self._in_words():
            stored = self._stored(self._files())
            rows = _well_numbered(self._rows(), stored)
        for key, line in rows.items():
            if line.is_whole and not (key in stored and stored[key].is_whole):
                write_durably(folder / _file_name(key), line.content)

    def close(self) -> None:
        """Close the connection, where this log has opened it."""
        if self._own:
            self._state.close()

    # -- objects ------------------------------------------------------------------------------------------------------

    def _files(self) -> dict[LineKey, StoredFile]:
        if self.folder.is_symlink() and not self.folder.exists():  # such as a disk that is not mounted
            missing = f"a link to {self.folder.readlink()}, which is missing"
            raise FileNotFoundError(errno.ENOENT, missing, str(self.folder))
        found = ((_NAME.fullmatch(file.path.name), file) for file in self._objects.files(self.folder))
        return {LineKey(int(name["number"]), name["id"]): file for name, file in found if name is not None}

    def _stored(self, files: Mapping[LineKey, StoredFile]) -> dict[LineKey, Line]:
        """The lines of objects; copies of a bucket's are deleted again."""
        self._objects.fetch((file.path for file in files.values()), fresh=True)
        found = {}
        for key, (path, size, _) in files.items():
            found[key] = Line(str(path), self._objects.read(path, 0, size))
            if self.shared:
                path.unlink(missing_ok=True)
        return found

    def _put(self, key: LineKey, line: Line) -> None:
        path = self.folder / _file_name(key)
        make_folders(self.folder, self.folder.parent)
        if path.is_dir():
            path.rename(path.with_suffix(".misplaced"))
        write_durably(path, line.content)
        self._objects.put(path, path)
        if self.shared:
            path.unlink(missing_ok=True)  # it is read from the bucket, where a database is made again

    def _store(self, lines: Mapping[LineKey, Line]) -> None:
        for key, line in lines.items():
            self._put(key, line)
        self._insert(lines)

    # -- rows ---------------------------------------------------------------------------------------------------------

    def _has_rows(self) -> bool:
        return is_made(self._state, f"lines:{self._name}")

    def _make(self, *, complete: bool = False) -> None:
        """Make rows of the objects that have none; in a bucket, which is listed for it, only where asked or new."""
        with self._rows_are_spared():
            if complete or not self.shared or not (self._made or self._has_rows()):
                rows = self._all_rows()
                lacking = {key: file for key, file in self._files().items() if key not in rows}
                if lacking or self.shared:  # damaged ones too: what they held must not count as lifted
                    self._insert(self._stored(lacking), made=True)
            self._made = True

    def _rows(self) -> dict[LineKey, Line]:
        """All rows; none on one machine where the database cannot be read, since each of them is an object as well."""
        if not self.shared and self._state.path is not None and not self._state.path.exists():
            return {}
        with self._rows_are_spared():
            if self.shared:
                self._make()
            return self._all_rows()
        return {}

    def _all_rows(self) -> dict[LineKey, Line]:
        with self._state.reading() as connection:
            rows = connection.execute(sa.select(LINES).where(LINES.c.log == self._name)).all()
        return {
            LineKey(row.number, row.id): Line(f"{self._state.where}, {self._name} number {row.number}", _bytes(row))
            for row in rows
            if isinstance(row.number, int) and isinstance(row.id, str)  # else damaged: SQLite has any type anywhere
        }

    def _keys(self) -> Collection[LineKey]:
        files = set() if self.shared else self._files().keys()
        return _well_numbered(self._rows(), files).keys() | files

    def _insert(self, lines: Mapping[LineKey, Line], *, made: bool = False) -> None:
        with self._rows_are_spared(), self._state.writing() as connection:
            rows = [{"log": self._name, **key._asdict(), "content": line.content} for key, line in lines.items()]
            upsert(connection, LINES, rows)
            if made:
                upsert(connection, JOURNALS, [{"name": f"lines:{self._name}", "id": "", "position": 0}])

    def _delete(self, keys: Collection[LineKey]) -> None:
        damaged = [sa.and_(LINES.c.number == key.number, LINES.c.id == key.id) for key in keys]
        with self._rows_are_spared(), self._state.writing() as connection:
            if connection.dialect.name == "sqlite":  # it stores any type in any column
                damaged += [sa.func.typeof(LINES.c.number) != "integer", sa.func.typeof(LINES.c.id) != "text"]
            for condition in damaged:
                connection.execute(sa.delete(LINES).where(LINES.c.log == self._name, condition))

    @contextmanager
    def _rows_are_spared(self) -> Iterator[None]:
        """On one machine lines count without rows, where the database cannot be used."""
        try:
            yield
        except _NO_DATABASE as cause:
            if self.shared:
                raise
            logger.info("the rows of %s are not used: %s", self.where, cause)

    # -- the file of before -------------------------------------------------------------------------------------------

    def _is_adopted(self) -> bool:
        return self._file.is_symlink() and self._file.readlink() == Path(self._name)

    def _content_before(self) -> bytes:
        """The bytes of the file of before; none where there is none.

        Raises:
            FileNotFoundError: it is a link to nothing.
            OSError: it cannot be read.
        """
        try:
            return self._file.read_bytes()
        except OSError as cause:
            if self.file_before is None:
                return b""
            if isinstance(cause, FileNotFoundError):
                missing = f"a link to {self._file.readlink()}, which is missing"
                raise FileNotFoundError(errno.ENOENT, missing, str(self._file)) from cause
            raise

    def _named(self, content: bytes, keys: Collection[LineKey]) -> dict[LineKey, Line]:
        """The lines of that file under the keys that adopting gives them, whatever part of it is done already."""
        lines = [(number, line) for number, line in enumerate(content.split(b"\n"), start=1) if line.strip()]
        ids = [hashlib.sha256(b"%d:%s" % (at, line)).hexdigest()[:16] for at, (_, line) in enumerate(lines)]
        places = {line_id: at for at, line_id in enumerate(ids)}
        known = {key.id: key.number for key in keys if key.id in places}
        others = {key.number for key in keys if key.id not in places and key.number < _OLDEST // 2}
        behind = max(others, default=_OLDEST - 1) + 1  # what was adopted before of a file that is another one now
        first = min((number - places[line_id] for line_id, number in known.items()), default=behind)
        after = max(behind, first + len(lines))
        found = {}
        for at, (number, line) in enumerate(lines):
            free = after + at if first + at in others else first + at
            found[LineKey(known.get(ids[at], free), ids[at])] = Line(f"{self._file}, line {number}", line)
        return found

    def _turn(self) -> AbstractContextManager[object]:
        """The right to add lines: of this machine's processes, or of all hosts'."""
        lock = lines_lock(self._state.folder, self._name)
        return exclusive(self._state, lock) if self.shared else hold(lock, BUSY_SECONDS, what=self._name)

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except (StateRefused, ObjectsRefused, Locked) as cause:
            raise LogUnavailable(str(cause)) from cause


def lines_of(settings: Settings, folder: Path, *, read_only: bool = False) -> LineLog:
    """A log with a connection of its own, for what has no stores open.

    Args:
        settings: the settings.
        folder: the log's, under the data root.
        read_only: for what only reads it: a database in the data root is not made, nor brought to another version.
    """
    objects = open_objects(settings)
    return LineLog(StateDatabase(settings, read_only=read_only and not objects.remote), objects, folder, own=True)


def _file_name(key: LineKey) -> str:
    return f"{key.number:+011d}-{key.id}.json"


def _well_numbered(rows: dict[LineKey, Line], files: Collection[LineKey]) -> dict[LineKey, Line]:
    """Rows without those that have the id of an object and another number: the order rests on it, and it is damaged."""
    numbers = {key.id: key.number for key in files}
    return {key: line for key, line in rows.items() if numbers.get(key.id, key.number) == key.number}


def _bytes(row: sa.Row[Any]) -> bytes:
    """What a row holds; nothing where damage has made it another type, so that it is not taken for whole."""
    content: object = row.content
    return bytes(content) if isinstance(content, bytes | memoryview) else b""


def _stamp_of(path: Path) -> tuple[int, int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0, 0, 0
    return status.st_ino, status.st_mtime_ns, status.st_size
