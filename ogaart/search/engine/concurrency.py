"""A few places for what takes long; who finds none free is told at once, so that everybody else is served."""

import threading
from types import TracebackType

from ogaart.search.errors import TooBusy


class ConcurrencyLimit:
    """So many at a time, as a context manager.

    Args:
        count: places.
        what: what is going on in them, for the message.
    """

    def __init__(self, count: int, what: str) -> None:
        self._free = threading.BoundedSemaphore(count)
        self._what = f"{count} {what}"

    def __enter__(self) -> None:
        if not self._free.acquire(blocking=False):
            raise TooBusy(f"{self._what} just now")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._free.release()
