"""Where all processes keep what they know about the site: a fact of the database, changed under the host's lock.

What is in force for longer than a moment (delay, pause, circuit) is also a line of ``<host>.jsonl`` when it changes, so
that a lost database cannot make the next request come earlier.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ogaart.resources.site.site_state import SiteState, state_of
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.facts import read_fact, write_fact
from ogaart.resources.state.locks import Held, exclusive
from ogaart.resources.storage.atomic_files import write_durably
from ogaart.resources.storage.lock_names import host_lock
from ogaart.resources.storage.sealed_json import append_lines, open_json, seal_json, whole_lines

KIND = "site"
_LONG = 1 << 20
"""Bytes of a journal beyond which it is written again with its last line alone."""


class SiteStateStore:
    """The state of one host.

    Args:
        state: the database of state.
        folder: the data root's folder for the site.
        name: the host, as a file name.
        clock: the wall clock, where the database is SQLite; else its server's clock counts, for all hosts.
    """

    def __init__(self, state: StateDatabase, folder: Path, name: str, clock: Callable[[], float]) -> None:
        self._state, self._name, self._clock = state, name, clock
        self._lock = host_lock(folder, name)
        self._journal = folder / f"{name}.jsonl"
        self._earlier = folder / f"{name}.json"
        self._server: tuple[float, float, float] | None = None

    def now(self) -> float:
        """Seconds since 1970, by the clock that all processes share; of a server's clock, the earliest it can be."""
        return self._between()[0]

    def now_at_latest(self) -> float:
        """The latest that the clock can be: when something began that others wait for, for a delay or a pause.

        How long a server's answer took is not known to others, whose own answers took another time.
        """
        return self._between()[1]

    def _between(self) -> tuple[float, float]:
        """The earliest and the latest that the clock can be."""
        if self._state.path is not None:
            return (now := self._clock()), now
        if self._server is None:
            self.read()
        assert self._server is not None
        at, before, after = self._server
        monotonic = time.monotonic()
        return at + monotonic - after, at + monotonic - before

    def read(self) -> SiteState:
        """The state now, without waiting for a turn."""
        with self._state.reading() as connection:
            return self.read_with(connection)

    def read_with(self, connection: sa.Connection) -> SiteState:
        """The state now; where it is damaged or lost, the last request may have been just now."""
        if self._state.path is None:
            before = time.monotonic()
            at = connection.scalar(sa.text("SELECT extract(epoch FROM clock_timestamp())"))
            self._server = float(at), before, time.monotonic()
        try:
            fields = read_fact(connection, KIND, self._name)
            return self._lost() if fields is None else state_of(fields)
        except (ValueError, TypeError, KeyError, AttributeError):
            return replace(self._lost(), in_flight=True)

    @contextmanager
    def held(self, waiting: Callable[[], None]) -> Iterator["HeldState"]:
        """Hold the host's lock; ``waiting`` is called once where it is waited for long."""
        with exclusive(self._state, self._lock, waiting) as lock:
            yield HeldState(self, lock)

    def note(self, before: SiteState, after: SiteState) -> None:
        """Add to the journal what is in force, where it changed."""
        fields = _in_force(after)
        if fields == _in_force(before):
            return
        if self._journal.exists() and self._journal.stat().st_size > _LONG:
            write_durably(self._journal, seal_json(fields) + b"\n")
        else:
            append_lines(self._journal, [fields])

    def write_with(self, connection: sa.Connection, state: SiteState) -> None:
        """Replace the state; within a transaction of the lock's holder."""
        write_fact(connection, KIND, self._name, asdict(state))

    def _lost(self) -> SiteState:
        """What the journal, or the file of versions before, knows of the state; one that never was is empty."""
        for line in reversed([line for _, line in whole_lines(self._journal)]):
            try:
                return state_of({**open_json(line), "in_flight": True})
            except (ValueError, TypeError, KeyError, AttributeError):
                continue
        try:
            return state_of(open_json(self._earlier.read_bytes()))
        except FileNotFoundError:
            return SiteState(in_flight=self._journal.exists())
        except (ValueError, TypeError, KeyError, AttributeError):
            return SiteState(in_flight=True)


class HeldState:
    """The state while this process holds the host's lock.

    Attributes:
        lock: the lock.
    """

    def __init__(self, store: SiteStateStore, lock: Held) -> None:
        self.lock = lock
        self._store = store
        self._before = SiteState()

    def load(self) -> SiteState:
        """The state as stored.

        Raises:
            LockLost: the lock is not held any more.
        """
        with self.lock.reading() as connection:
            state = self._store.read_with(connection)
        self._before = deepcopy(state)
        return state

    def save(self, state: SiteState) -> None:
        """Replace the state; a killed process loses nothing of it.

        Raises:
            LockLost: the lock is not held any more; nothing is written.
        """
        self._store.note(self._before, state)
        self._before = deepcopy(state)
        with self.lock.writing(synced=False) as connection:
            self._store.write_with(connection, state)


def _in_force(state: SiteState) -> dict[str, Any]:
    return {name: value for name, value in asdict(state).items() if name in {"delay", "pause", "shut", "trips"}}
