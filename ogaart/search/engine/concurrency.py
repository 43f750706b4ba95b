"""Limits of how much costly work runs at a time, of which one client gets a share; beyond it requests are refused."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ogaart.search.errors import TooBusy

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
