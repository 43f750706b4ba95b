"""Small facts that change, each under its kind and name: sealed JSON in rows of the database of state.

None of them is dear: what is lost with the database is requested again, or made again from what is stored.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from ogaart.resources.state.database import StateDamaged, StateDatabase, StateRefused, upsert
from ogaart.resources.state.schema import FACTS
from ogaart.resources.storage.sealed_json import SealBroken, open_json, seal_json

OF_THIS_DATABASE = "this database"
"""The kind of facts that hold as long as nothing of the database is lost: they are not put back into another one."""
_ONE = sa.select(FACTS).where(FACTS.c.kind == sa.bindparam("kind"), FACTS.c.name == sa.bindparam("name"))


def read_fact(connection: sa.Connection, kind: str, name: str) -> Any:
    """A fact; None where there is none.

    Raises:
        SealBroken: it is not as it was written.
    """
    row = connection.execute(_ONE, {"kind": kind, "name": name}).one_or_none()
    return None if row is None else _opened(row)


def write_fact(connection: sa.Connection, kind: str, name: str, fact: Any) -> None:
    """Replace a fact; within a transaction that writes."""
    content = seal_json({"kind": kind, "name": name, "fact": fact})
    upsert(connection, FACTS, [{"kind": kind, "name": name, "content": content}])


class Facts:
    """The facts of one kind.

    Args:
        state: the database of state.
        kind: at most 16 characters.
    """

    def __init__(self, state: StateDatabase, kind: str) -> None:
        self._state, self._kind = state, kind

    def read(self, name: str) -> Any:
        """As ``read_fact``."""
        with self._state.reading() as connection:
            return read_fact(connection, self._kind, name)

    def state(self, name: str) -> str | None:
        """The hash of a fact as it is stored, which is not read; None where there is none."""
        with self._state.reading() as connection:
            row = connection.execute(_ONE, {"kind": self._kind, "name": name}).one_or_none()
        return None if row is None else hashlib.sha256(row.content).hexdigest()

    def write(self, name: str, fact: Any) -> None:
        """Replace a fact; it is on disk when this returns."""
        with self._state.writing() as connection:
            write_fact(connection, self._kind, name, fact)

    def all(self) -> dict[str, Any]:
        """The facts by name, without those that are not as they were written."""
        with self._state.reading() as connection:
            rows = connection.execute(sa.select(FACTS).where(FACTS.c.kind == self._kind)).all()
        return {row.name: _opened(row) for row in rows if _is_intact(row)}

    def damaged(self) -> list[str]:
        """The names of those that are not as they were written."""
        with self._state.reading() as connection:
            rows = connection.execute(sa.select(FACTS).where(FACTS.c.kind == self._kind)).all()
        return [row.name for row in rows if not _is_intact(row)]

    def delete(self, facts: Mapping[str, Any]) -> None:
        """Delete those that are still as given."""
        with self._state.writing() as connection:
            for name, fact in facts.items():
                if read_fact(connection, self._kind, name) == fact:
                    connection.execute(sa.delete(FACTS).where(FACTS.c.kind == self._kind, FACTS.c.name == name))

    def add(self, facts: Iterable[tuple[str, Any]]) -> None:
        """Add facts under names that have none."""
        with self._state.writing() as connection:
            for name, fact in facts:
                if connection.execute(_ONE, {"kind": self._kind, "name": name}).one_or_none() is None:
                    write_fact(connection, self._kind, name, fact)


def damaged_facts(state: StateDatabase) -> list[tuple[str, str]]:
    """Kind and name of each fact that is not as it was written; none where the database cannot be read at all."""
    return [(row.kind, row.name) for row in _rows(state) if not _is_intact(row)]


def delete_damaged_facts(state: StateDatabase) -> None:
    """Delete them; the facts are requested or made again."""
    kept = intact_facts(state)
    with state.writing() as connection:
        connection.execute(sa.delete(FACTS))  # of a damaged name, no condition is sure to find the row
        upsert(connection, FACTS, kept)


def intact_facts(state: StateDatabase) -> list[dict[str, Any]]:
    """The rows that can be read of a database that is about to be made again, and that hold of any."""
    return [dict(row._mapping) for row in _rows(state) if _is_intact(row) and row.kind != OF_THIS_DATABASE]


def put_back(state: StateDatabase, rows: list[dict[str, Any]]) -> None:
    """Store rows of ``intact_facts``."""
    with state.writing() as connection:
        upsert(connection, FACTS, rows)


def _rows(state: StateDatabase) -> Iterator[Any]:
    if state.path is not None and not state.path.exists():
        return
    try:
        with state.reading() as connection:
            yield from connection.execute(sa.select(FACTS))
    except (StateDamaged, StateRefused, sa.exc.OperationalError):
        return  # torn, of a version before, or held by a writer: nothing more is known of it


def _opened(row: Any) -> Any:
    found = open_json(bytes(row.content))
    if (found["kind"], found["name"]) != (row.kind, row.name):
        raise SealBroken("not the fact of its row")
    return found["fact"]


def _is_intact(row: Any) -> bool:
    try:
        _opened(row)
    except (ValueError, KeyError, TypeError):
        return False
    return True
