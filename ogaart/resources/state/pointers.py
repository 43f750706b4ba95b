"""Pointers as rows of the database of state: which object is current for each table and pack."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import sqlalchemy as sa

from ogaart.resources.state.database import StateDamaged, StateDatabase, upsert
from ogaart.resources.state.schema import JOURNALS, POINTERS
from ogaart.resources.storage.objects import Key, Pointer, PointersUnavailable
from ogaart.resources.storage.sealed_json import seal_of

_MADE = {"name": POINTERS.name, "id": "", "position": 0}
"""The row that says that a database holds all pointers."""


class PointersChanged(RuntimeError):
    """Another process has changed pointers that were to be replaced."""


class Pointers:
    """The pointers of a data root: a ``PointerStore``."""

    def __init__(self, state: StateDatabase) -> None:
        self._state = state

    def made(self) -> bool:
        """Whether the rows are complete: a new database has none yet."""
        with self._reading() as connection:
            return connection.scalar(sa.select(JOURNALS.c.id).where(JOURNALS.c.name == POINTERS.name)) is not None

    def one(self, key: Key) -> Pointer | None:
        """The pointer of one key.

        Raises:
            PointersUnavailable: it cannot be read, or is not as it was written.
        """
        with self._reading() as connection:
            row = connection.execute(_where(*Key._fields), key._asdict()).one_or_none()
            return None if row is None else self._whole(row)

    def all(self, kind: str = "", stage: str = "", partition: str = "") -> list[Pointer]:
        """All pointers, of one kind, or of one stage and partition; of one moment.

        Raises:
            PointersUnavailable: they cannot be read, or one is not as it was written.
        """
        given = {"kind": kind, "stage": stage, "partition": partition}
        wanted = {name: value for name, value in given.items() if value}
        with self._reading() as connection:
            return [self._whole(row) for row in connection.execute(_where(*wanted), wanted)]

    def some(self, partition: str, kinds: Collection[str]) -> list[Pointer]:
        """The pointers of some kinds of a partition, of all its stages; of one moment. Errors as ``all``."""
        with self._reading() as connection:
            found = connection.execute(_SOME, {"partition": partition, "kinds": list(kinds)})
            return [self._whole(row) for row in found]

    def replace(self, pointers: Sequence[Pointer]) -> None:
        """Replace the pointers of these keys, in one transaction."""
        with self._state.writing() as connection:
            upsert(connection, POINTERS, [_row(pointer) for pointer in pointers])

    def remake(
        self,
        pointers: Sequence[Pointer],
        *,
        before: Sequence[Pointer] | None = None,
        also: Callable[[sa.Connection], object] = lambda _connection: None,
    ) -> None:
        """Replace all pointers by these.

        Args:
            pointers: all that there will be.
            before: those that are replaced; by default whichever there are.
            also: what the same transaction writes besides.

        Raises:
            PointersChanged: there are others than those that were to be replaced.
        """
        with self._state.writing() as connection:
            if before is not None:
                rows = connection.execute(sa.select(POINTERS))
                if {_pointer(row) for row in rows} != set(before):
                    raise PointersChanged("other tables have become current meanwhile")
            also(connection)
            connection.execute(sa.delete(POINTERS))
            upsert(connection, POINTERS, [_row(pointer) for pointer in pointers])
            upsert(connection, JOURNALS, [_MADE])

    def damage(self) -> Iterator[tuple[str, str]]:
        """Where rows are that are not as they were written, and what is wrong; for a database opened read-only."""
        if self._state.path is not None and not self._state.path.exists():
            return
        try:
            with self._state.reading() as connection:
                wrong = [row for row in connection.execute(sa.select(POINTERS)) if _pointer(row) is None]
        except (StateDamaged, sa.exc.OperationalError):
            return  # named by the check of the whole database, or held by a writer, or of a version before
        if wrong:
            yield self._state.where, f"{len(wrong)} pointers are not as they were written, such as {wrong[0].object!r}"

    def _whole(self, row: Any) -> Pointer:
        pointer = _pointer(row)
        if pointer is None:
            raise StateDamaged(f"{self._state.where}: a pointer is not as it was written: run `ogaart verify --repair`")
        return pointer

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        try:
            with self._state.reading() as connection:
                yield connection
        except StateDamaged as cause:
            raise PointersUnavailable(cause) from cause
        except (sa.exc.OperationalError, OSError) as cause:
            if self._state.path is None or "locked" in str(cause):
                raise
            raise PointersUnavailable(cause) from cause


@cache
def _where(*names: str) -> sa.Select[Any]:
    """The query for pointers by some columns of their key."""
    return sa.select(POINTERS).where(*(POINTERS.c[name] == sa.bindparam(name) for name in names))


_SOME = sa.select(POINTERS).where(
    POINTERS.c.partition == sa.bindparam("partition"), POINTERS.c.kind.in_(sa.bindparam("kinds", expanding=True))
)


def _fields(pointer: Pointer) -> dict[str, Any]:
    found = {**pointer.key._asdict(), "object": pointer.object, "sequence": pointer.sequence}
    return found | {"bytes": pointer.bytes, "sha256": pointer.sha256}


def _row(pointer: Pointer) -> dict[str, Any]:
    fields = _fields(pointer)
    return fields | {"seal": seal_of(fields)}


def _pointer(row: Any) -> Pointer | None:
    """The pointer of a row; None where it is not as it was written."""
    key = Key(row.kind, row.stage, row.partition)
    pointer = Pointer(key, row.object, row.sequence, row.bytes, row.sha256)
    return pointer if seal_of(_fields(pointer)) == row.seal else None
