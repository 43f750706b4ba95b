"""Progress of a step in the log, at intervals: how much is done, how fast, how long it will take, what is in work."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from ogaart.core.repetition import repeat


def duration(seconds: float) -> str:
    """Seconds as a short text.

    >>> duration(42), duration(400), duration(9000)
    ('42 s', '7 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Progress:
    """Counts items of a step and logs a line at intervals, also while one item takes long.

    A context manager: the thread that logs ends with the block.

    Args:
        log: receives each line.
        what: begins each line, such as ``content_pages of 2d-art/0000``.
        every: seconds between two lines.
    """

    def __init__(self, log: Callable[[str], object] = lambda _line: None, what: str = "", every: float = 30.0) -> None:
        self._log = log
        self._what = what
        self._every = every
        self._began = time.monotonic()
        self._total = 0
        self._done = 0
        self._unit = ""
        self._current = ""
        self._waiting_for = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"progress of {what}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def begin(self, total: int, unit: str) -> None:
        """Begin to count ``total`` items; ``unit`` is their name in the plural."""
        self._began, self._total, self._done, self._unit, self._current = time.monotonic(), total, 0, unit, ""

    def start(self, current: str) -> None:
        """Name the item in work: a URL, a file, a picture."""
        self._current = current

    @contextmanager
    def waiting(self, cause: str) -> Iterator[None]:
        """While the block runs, lines say what it waits for instead of how long the rest will take."""
        self._waiting_for = cause
        try:
            yield
        finally:
            self._waiting_for = ""

    def advance(self, items: int = 1) -> None:
        """Count items as done."""
        self._done += items

    def line(self) -> str:
        """The current state as one line."""
        seconds = time.monotonic() - self._began
        parts = [
            f"{self._done:,} of {self._total:,} {self._unit}" if self._unit else f"running for {duration(seconds)}"
        ]
        if self._waiting_for:
            return f"{self._what}: {parts[0]}, waiting: {self._waiting_for}"
        if self._done and self._unit and seconds > 0:
            rate = self._done / seconds
            parts += [f"{60 * rate:.3g} a minute", f"{duration((self._total - self._done) / rate)} left"]
        if self._current:
            parts.append(f"now {self._current}")
        return f"{self._what}: {', '.join(parts)}"

    def _run(self) -> None:
        repeat(lambda: self._log(self.line()), self._every, self._ended, f"reporting the progress of {self._what}")
