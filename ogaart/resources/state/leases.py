"""Leases: facts that processes renew while they live, by which other hosts know that a run is in progress.

They are for hosts that share a PostgreSQL database; with SQLite the kernel's locks tell it. A lease that is not renewed
has lapsed. Times are the server's; while it is away none lapses, since nothing can be decided without it either.
"""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import sqlalchemy as sa

from ogaart.core.process_identity import is_alive, this_process
from ogaart.core.repetition import repeat
from ogaart.resources.objects.store import ObjectsRefused
from ogaart.resources.state.database import StateDamaged, StateDatabase, StateRefused
from ogaart.resources.state.facts import read_fact, write_fact
from ogaart.resources.state.schema import FACTS
from ogaart.resources.storage.sealed_json import SealBroken

KIND = "lease"
BEAT = 5.0
"""Seconds between two renewals."""
LAPSES = 30.0
"""Seconds after the last renewal, or the server's start, for which a lease counts."""
_FORGOTTEN = 86_400.0
"""Seconds after which a lapsed lease is deleted."""
_AWAY = (StateRefused, StateDamaged, ObjectsRefused, sa.exc.SQLAlchemyError)
_NOW = sa.text("SELECT extract(epoch FROM clock_timestamp()), extract(epoch FROM pg_postmaster_start_time())")


class Lease(NamedTuple):
    """A lease that counts.

    Attributes:
        what: what its process works on, such as a run's id.
        process: that process, as ``this_process``.
    """

    what: str
    process: str


class _Renewed(NamedTuple):
    what: str
    process: str
    renewed: float


@contextmanager
def leased(state: StateDatabase, what: str) -> Iterator[None]:
    """Hold a lease for the length of the block; several processes may hold one for the same thing.

    While the server is away the block goes on, and the lease is renewed when it is back.

    Args:
        state: the database of state; with SQLite nothing is done.
        what: what this process works on.
    """
    if state.path is not None:
        yield
        return
    name = f"{what} {secrets.token_hex(8)}"
    ended = threading.Event()

    def renew() -> None:
        with suppress(*_AWAY):
            _renew(state, name, what)

    renew()
    thread = threading.Thread(target=repeat, args=(renew, BEAT, ended, f"renewing {name}"), name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(BEAT)
        with suppress(*_AWAY), state.writing() as connection:
            connection.execute(sa.delete(FACTS).where(FACTS.c.kind == KIND, FACTS.c.name == name))
        with suppress(*_AWAY):
            _forget_lapsed(state)


def live_leases(state: StateDatabase) -> list[Lease]:
    """The leases that count now, those of this process too; none with SQLite.

    One whose process is seen to be gone does not count; of a process elsewhere the last renewal tells.

    Raises:
        StateRefused: the server cannot be reached.
    """
    if state.path is not None:
        return []
    with state.reading() as connection:
        now, started = map(float, connection.execute(_NOW).one())
        found = _leases(connection)
    with suppress(*_AWAY):
        _follow_clock(state, now, {name: lease for name, lease in found.items() if lease.renewed > now + BEAT})
    since = started if started <= now else 0.0  # the server's clock was set back since it started
    return [
        Lease(lease.what, lease.process)
        for lease in found.values()
        if is_alive(lease.process) is not False and now - max(lease.renewed, since) < LAPSES
    ]


def _follow_clock(state: StateDatabase, now: float, ahead: dict[str, _Renewed]) -> None:
    """Let leases that were renewed after now count from now on: those of the dead would count for hours.

    The server's clock was set back since. Who lives renews its lease by the new one.
    """
    if not ahead:
        return
    with state.writing() as connection:
        newest = _leases(connection)
        for name, lease in ahead.items():
            if newest.get(name) == lease:
                write_fact(connection, KIND, name, lease._replace(renewed=now)._asdict())


def _renew(state: StateDatabase, name: str, what: str) -> None:
    with state.writing() as connection:
        now, _ = map(float, connection.execute(_NOW).one())
        write_fact(connection, KIND, name, {"what": what, "process": this_process(), "renewed": now})


def _forget_lapsed(state: StateDatabase) -> None:
    """Delete the leases of processes that were killed long ago."""
    with state.writing() as connection:
        now, _ = map(float, connection.execute(_NOW).one())
        old = [name for name, lease in _leases(connection).items() if now - lease.renewed > _FORGOTTEN]
        connection.execute(sa.delete(FACTS).where(FACTS.c.kind == KIND, FACTS.c.name.in_(old)))


def _leases(connection: sa.Connection) -> dict[str, _Renewed]:
    found = {}
    for name in connection.scalars(sa.select(FACTS.c.name).where(FACTS.c.kind == KIND)).all():
        with suppress(SealBroken, TypeError):  # it is renewed, or repaired; or of a version that writes other leases
            found[name] = _Renewed(**read_fact(connection, KIND, name))
    return found
