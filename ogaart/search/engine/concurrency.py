"""What runs at the same time: limits of costly work, of which one client gets a share, and work of another thread."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, wait
from contextlib import contextmanager
from types import TracebackType
from typing import Generic, Self, TypeVar

from ogaart.core.cached_property import own_cached_property
from ogaart.search.errors import TooBusy

T = TypeVar("T")

SHARE = 4  # one client may hold a quarter of any limit


class ConcurrencyLimit:
    """At most so many at a time, and a quarter of them for one client; safe to use from many threads.

    Args:
        count: how many in all.
        what: what is limited, in the plural, for the message.
    """

    def __init__(self, count: int, what: str) -> None:
        self._count = count
        self._share = max(1, count // SHARE)
        self._what = what
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()

    def enter(self, client: str) -> None:
        """Take one for a client.

        Raises:
            TooBusy: all are taken, or the client has its share.
        """
        with self._lock:
            if self._held.total() >= self._count:
                raise TooBusy(f"too many {self._what} in progress (limit {self._count})")
            if self._held[client] >= self._share:
                raise TooBusy(f"too many {self._what} from your address in progress (limit {self._share})")
            self._held[client] += 1

    def leave(self, client: str) -> None:
        """Return one."""
        with self._lock:
            self._held[client] -= 1
            if not self._held[client]:
                del self._held[client]

    @contextmanager
    def held(self, client: str) -> Iterator[None]:
        """Hold one while the block runs.

        Raises:
            TooBusy: see ``enter``.
        """
        self.enter(client)
        try:
            yield
        finally:
            self.leave(client)


class Meanwhile(Generic[T]):
    """One computation, begun by a thread that is free, or else done where its result is needed.

    It has ended when the block has ended, whatever happened there.

    Args:
        compute: computes the result.
        threads: of which one may be free; None: there are none.
    """

    def __init__(self, compute: Callable[[], T], threads: Executor | None) -> None:
        self._compute = compute
        self._begun = threads.submit(compute) if threads is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self._begun is not None and not self._begun.cancel():
            wait([self._begun])
        del self._compute  # it may hold what holds this: the collector, which would free both, runs seldom

    @own_cached_property
    def result(self) -> T:
        """The result, which is waited for; an exception of the computation is raised here."""
        if self._begun is None or self._begun.cancel():  # no thread was free
            return self._compute()
        return self._begun.result()
