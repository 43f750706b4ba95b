"""Locks that hold for all processes of a data root: the kernel's on one host, PostgreSQL's advisory ones across hosts.

Both end with their process: the kernel frees its own, the server those of a connection that ended.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.dialects.postgresql import ARRAY

from ogaart.core.fault_injection import Fault, fault
from ogaart.resources.state.database import StateDatabase, StateRefused
from ogaart.resources.storage.locks import Locked, hold

_LONG_WAIT = 15.0
"""Seconds of waiting after which it is reported."""
_POLL = 0.02
_SLICE = 0.5
"""Seconds that the server is waited for at a time: signals are handled in between."""
_NOT_AVAILABLE = "55P03"
_BACKEND = sa.select(sa.func.pg_backend_pid())


class LockLost(StateRefused):
    """The connection that held a lock has ended: another process may hold it now."""


class Held:
    """A lock that is held; what its holder writes is written only while it is.

    Attributes:
        shared: whether processes on other hosts may compete for it.
    """

    def __init__(self, state: StateDatabase, connection: sa.Connection | None = None) -> None:
        self.shared = connection is not None
        self._state, self._connection = state, connection
        self._lost = False

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction, as ``StateDatabase.reading``.

        Raises:
            LockLost: the lock is not held any more.
        """
        if self._connection is None:
            with self._state.reading() as connection:
                yield connection
        else:
            with self._own(self._connection):
                yield self._connection

    @contextmanager
    def writing(self, *, synced: bool = True) -> Iterator[sa.Connection]:
        """A transaction, as ``StateDatabase.writing``.

        Args:
            synced: whether it must survive a power cut; a killed process loses it in no case.

        Raises:
            LockLost: the lock is not held any more; nothing is written.
        """
        if self._connection is None:
            with self._state.writing(synced=synced) as connection:
                yield connection
        else:
            with self._own(self._connection):
                yield self._connection
                fault(Fault.STATE_DRAFTED)

    @contextmanager
    def _own(self, connection: sa.Connection) -> Iterator[None]:
        if self._lost:  # it would be replaced by a new one, which holds nothing
            raise LockLost("the connection to the database of state was lost")
        try:
            with connection.begin():
                yield
        except sa.exc.DBAPIError as cause:
            self._lost = True
            raise LockLost(f"the connection to the database of state was lost ({cause.orig})") from cause


@contextmanager
def exclusive(state: StateDatabase, path: Path, waiting: Callable[[], None] | None = None) -> Iterator[Held]:
    """Hold a lock; waits for it without limit.

    Args:
        state: the database of state.
        path: the lock file, under the data root; its place there names the lock on the server.
        waiting: called once where the wait is long.

    Raises:
        StateRefused: the server cannot be reached.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    tell = _Once(waiting)
    lock = FileLock(path, poll_interval=_POLL)
    try:
        lock.acquire(timeout=_LONG_WAIT)
    except Timeout:
        tell()
        lock.acquire()
    try:
        if state.path is not None:
            yield Held(state)
        else:
            with _advisory(state, _number(state, path), tell) as held:
                yield held
    finally:
        lock.release()


@contextmanager
def hold_everywhere(state: StateDatabase, path: Path, timeout: float = 0.0, what: str = "") -> Iterator[None]:
    """Hold ``path`` as a lock, as ``storage.locks.hold`` does, for all hosts that share the database.

    A server that is restarted meanwhile frees it; what its holder commits is whole, and of one step, all the same.

    Args:
        state: the database of state.
        path: the lock file, under the data root; its place there names the lock on the server.
        timeout: seconds to wait; 0 fails at once.
        what: what the lock protects, for the error.

    Raises:
        Locked: it was not free in time.
        StateRefused: the server cannot be reached.
    """
    with hold(path, timeout, what):
        if state.path is not None:
            yield
        else:
            refusal = Locked(
                f"{what or path.name} is held by a process on another host, waited {timeout:g} s: wait for that run to "
                "end, or cancel it"
            )
            with _advisory(state, _number(state, path), lambda: None, (timeout, refusal)):
                yield


@contextmanager
def hold_all_everywhere(state: StateDatabase, paths: Iterable[Path], what: str) -> Iterator[Callable[[], None]]:
    """Hold many locks as ``hold_everywhere``, through one connection; each must be free now.

    Yields what its holder calls before it deletes something: it raises ``LockLost`` once the server was restarted,
    which frees them.

    Args:
        state: the database of state.
        paths: the lock files, under the data root.
        what: what they protect, for the error.

    Raises:
        Locked: one is not free.
        StateRefused: the server cannot be reached.
    """
    connection = None
    with ExitStack() as held:
        numbers = []
        for path in paths:
            held.enter_context(hold(path, what=f"{what} ({path.stem})"))
            numbers.append(_number(state, path))
        if state.path is None:
            connection = held.enter_context(state.connection())
            held.callback(connection.invalidate)  # which frees them
            with state.in_words(), connection.begin():
                backend = connection.scalar(_BACKEND)
                wanted = sa.select(sa.func.unnest(sa.cast(numbers, ARRAY(sa.BigInteger))).label("number")).subquery()
                free = connection.scalars(sa.select(sa.func.pg_try_advisory_lock(wanted.c.number))).all()
            if not all(free):
                raise Locked(f"{what} is held by a process on another host: wait for its run to end, or cancel it")

        def require_held() -> None:
            if connection is None:
                return
            try:
                with connection.begin():
                    now = connection.scalar(_BACKEND)
            except sa.exc.DBAPIError as cause:
                raise LockLost(f"the connection to the database of state was lost ({cause.orig})") from cause
            if now != backend:
                raise LockLost("the connection to the database of state was lost")

        yield require_held


@contextmanager
def _advisory(
    state: StateDatabase, number: int, tell: Callable[[], None], limit: tuple[float, Locked] | None = None
) -> Iterator[Held]:
    waited = 0.0
    with state.connection() as connection:
        while not _acquired(connection, number):
            waited += _SLICE
            if limit is not None and waited >= limit[0]:
                raise limit[1]
            if waited >= _LONG_WAIT:
                tell()
        held = Held(state, connection)
        try:
            yield held
        finally:
            try:
                with held.writing():
                    connection.execute(sa.select(sa.func.pg_advisory_unlock(number)))
            except LockLost:
                connection.invalidate()  # a lock that is still there ends with it


def _acquired(connection: sa.Connection, number: int) -> bool:
    try:
        with connection.begin():
            connection.execute(sa.text(f"SET LOCAL lock_timeout = {int(_SLICE * 1000)}"))
            connection.execute(sa.select(sa.func.pg_advisory_lock(number)))
    except sa.exc.DBAPIError as cause:
        if getattr(cause.orig, "pgcode", None) == _NOT_AVAILABLE:
            return False
        raise LockLost(f"the connection to the database of state was lost ({cause.orig})") from cause
    return True


def _number(state: StateDatabase, path: Path) -> int:
    """What names the lock on the server: the same on each host, wherever its data root is."""
    name = path.relative_to(state.folder).as_posix()
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


class _Once:
    def __init__(self, call: Callable[[], None] | None) -> None:
        self._call = call

    def __call__(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call()
