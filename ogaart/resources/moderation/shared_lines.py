"""Lines that several hosts add to: each an object in the bucket, then a row of the database that all of them read.

Either can be made again from the other. Lines have numbers, under a lock that holds for all hosts, so that their order
does not rest on clocks. The file of a data root of before is read as the oldest lines, until it is adopted.
"""

import hashlib
import secrets
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from ogaart.resources.moderation.line_log import FileLines, LineLog, LogUnavailable
from ogaart.resources.objects.factory import open_objects
from ogaart.resources.objects.store import ObjectsRefused, ObjectStore
from ogaart.resources.state.database import StateDatabase, StateRefused, is_made, upsert
from ogaart.resources.state.locks import exclusive
from ogaart.resources.state.schema import JOURNALS, LINES
from ogaart.resources.storage.atomic_files import sync_file, temporary
from ogaart.resources.storage.lock_names import lines_lock
from ogaart.resources.storage.sealed_json import open_json, seal_json
from ogaart.settings import Settings


class LineKey(NamedTuple):
    """What names a line: its number, and an id, since a killed process may have used the number before."""

    number: int
    id: str


class SharedLines:
    """The lines of one log, for all data roots that share a bucket and a database: a ``LineLog``.

    Args:
        state: the database.
        objects: the bucket.
        before: the file of a data root of before; its name without the suffix is that of the log.
        own: whether ``close`` closes the database.
    """

    shared = True

    def __init__(self, state: StateDatabase, objects: ObjectStore, before: FileLines, *, own: bool = False) -> None:
        self._state, self._objects, self._before, self._own = state, objects, before, own
        self._name = before.path.stem
        self._folder = before.path.with_suffix("")
        self._made = False

    @property
    def where(self) -> str:
        """The database."""
        return f"{self._name} in {self._state.where}"

    @property
    def before(self) -> Path:
        """The file of a data root of before, which ``adopt`` deletes."""
        return self._before.path

    def content(self) -> bytes:
        """As ``LineLog.content``: the lines of the file of before, then the rows."""
        with self._in_words():
            self._make()
            with self._state.reading() as connection:
                rows = [bytes(row.content) for row in connection.execute(self._select().order_by(*_ORDER))]
        before = self._before.content()
        before += b"\n" if before and not before.endswith(b"\n") else b""
        return before + b"".join(row + b"\n" for row in rows)

    def stamp(self) -> Hashable:
        """The number of rows and of the newest, and the stamp of the file of before."""
        numbers = sa.select(sa.func.count(), sa.func.min(LINES.c.number), sa.func.max(LINES.c.number))
        with self._in_words():
            self._make()
            with self._state.reading() as connection:
                counted = tuple(connection.execute(numbers.where(LINES.c.log == self._name)).one())
        return counted, self._before.stamp()

    def size(self) -> int:
        """As ``LineLog.size``."""
        length = sa.select(sa.func.sum(sa.func.length(LINES.c.content) + 1)).where(LINES.c.log == self._name)
        with self._in_words():
            self._make()
            with self._state.reading() as connection:
                return int(connection.scalar(length) or 0) + self._before.size()

    def append(self, line: Mapping[str, Any]) -> None:
        """As ``LineLog.append``."""
        with self._in_words(), exclusive(self._state, self._lock):
            self._make()
            number = max((key.number for key in self._rows()), default=0) + 1
            self._store({LineKey(number, secrets.token_hex(8)): seal_json(line)})

    def damaged_before(self) -> list[int]:
        """Numbers of the lines of the file of before that are torn or not as they were written: it is not adopted."""
        return damaged_numbers(self._before)

    def adopt(self) -> None:
        """Add the lines of the file of before as the oldest ones, and delete it."""
        self.add_older(self._before)
        self._before.path.unlink(missing_ok=True)

    def add_older(self, file: FileLines) -> None:
        """Add the lines of a file as the oldest ones; it is not changed.

        Killed meanwhile or called again it adds none twice: an id is the hash of its line.
        """
        lines = [line for line in file.content().split(b"\n") if line.strip()]
        found = [(hashlib.sha256(b"%d:%s" % place).hexdigest()[:16], place[1]) for place in enumerate(lines)]
        with self._in_words(), exclusive(self._state, self._lock):
            self._make()
            stored = {key.id for key in self._rows()}
            first = min((key.number for key in self._rows() if key.id not in dict(found)), default=1) - len(found)
            self._store(
                {LineKey(first + at, name): line for at, (name, line) in enumerate(found) if name not in stored}
            )

    def damage(self) -> Iterator[tuple[str, str]]:
        """What is not as it was written: where, and what is wrong. For a database that is not changed meanwhile."""
        try:
            stored = self._stored()
            rows = self._rows() if is_made(self._state, self._journal) else stored
        except StateRefused:
            return  # named by the other checks
        for where, these, others in ((self._state.where, rows, stored), (str(self._folder), stored, rows)):
            wrong = sorted(key for key, line in these.items() if not _is_whole(line))
            missing = sorted(others.keys() - these.keys())
            for keys, what in ((wrong, "are not as they were written"), (missing, "are missing")):
                if keys:
                    yield where, f"{len(keys)} lines of {self._name} {what}, such as number {keys[0].number}"

    def repair(self) -> None:
        """Make rows and objects again from what is intact in either."""
        with exclusive(self._state, self._lock):
            rows, stored = self._rows(), self._stored()
            whole = {key: line for found in (rows, stored) for key, line in found.items() if _is_whole(line)}
            for key, line in whole.items():
                if stored.get(key) != line:
                    self._put(key, line)
            self._insert({key: line for key, line in whole.items() if rows.get(key) != line}, made=True)

    def close(self) -> None:
        """Close the connection, where this log has opened it."""
        if self._own:
            self._state.close()

    @property
    def _lock(self) -> Path:
        return lines_lock(self._state.folder, self._name)

    def _make(self) -> None:
        """Make the rows of a new database from the objects, before they are first used."""
        if self._made:
            return
        if not is_made(self._state, self._journal):
            self._insert(self._stored(), made=True)  # damaged ones too: what they held must not count as lifted
        self._made = True

    @property
    def _journal(self) -> str:
        return f"lines:{self._name}"

    def _store(self, lines: Mapping[LineKey, bytes]) -> None:
        for key, line in lines.items():
            self._put(key, line)
        self._insert(lines)

    def _put(self, key: LineKey, line: bytes) -> None:
        path = self._folder / f"{key.number:+011d}-{key.id}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = temporary(path)
        draft.write_bytes(line)
        sync_file(draft)
        self._objects.put(draft, path)
        path.unlink(missing_ok=True)  # it is read from the bucket, where a database is made again

    def _insert(self, lines: Mapping[LineKey, bytes], *, made: bool = False) -> None:
        with self._state.writing() as connection:
            rows = [{"log": self._name, **key._asdict(), "content": line} for key, line in lines.items()]
            upsert(connection, LINES, rows)
            if made:
                upsert(connection, JOURNALS, [{"name": self._journal, "id": "bucket", "position": 0}])

    def _select(self) -> sa.Select[Any]:
        return sa.select(LINES).where(LINES.c.log == self._name)

    def _rows(self) -> dict[LineKey, bytes]:
        with self._state.reading() as connection:
            return {LineKey(row.number, row.id): bytes(row.content) for row in connection.execute(self._select())}

    def _stored(self) -> dict[LineKey, bytes]:
        """The lines in the bucket; their copies are deleted again."""
        found = {}
        files = list(self._objects.files(self._folder))
        self._objects.fetch((file.path for file in files), fresh=True)
        for path, size, _ in files:
            number, _, name = path.stem.rpartition("-")
            try:
                found[LineKey(int(number), name)] = path.read_bytes()
            except FileNotFoundError:  # deleted by another process of this folder
                found[LineKey(int(number), name)] = self._objects.read(path, 0, size)
            path.unlink(missing_ok=True)
        return found

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except (StateRefused, ObjectsRefused) as cause:
            raise LogUnavailable(str(cause)) from cause


_ORDER = (LINES.c.number, LINES.c.id)


def open_lines(state: StateDatabase, objects: ObjectStore, path: Path) -> LineLog:
    """The log of a data root whose file would be ``path``: that file, or what all hosts of a bucket share."""
    return SharedLines(state, objects, FileLines(path)) if objects.remote else FileLines(path)


def lines_of(settings: Settings, path: Path) -> LineLog:
    """The same with a connection of its own, for what has no stores open."""
    objects, file = open_objects(settings), FileLines(path)
    return SharedLines(StateDatabase(settings), objects, file, own=True) if objects.remote else file


def shared_logs(logs: Iterable[LineLog]) -> list[SharedLines]:
    """Those that are shared."""
    return [log for log in logs if isinstance(log, SharedLines)]


def damaged_numbers(file: FileLines) -> list[int]:
    """Numbers of a file's lines that are torn or not as they were written."""
    lines = file.content().split(b"\n")
    return [number for number, line in enumerate(lines, start=1) if line.strip() and not _is_whole(line)]


def _is_whole(line: bytes) -> bool:
    try:
        open_json(line)
    except ValueError:
        return False
    return True
