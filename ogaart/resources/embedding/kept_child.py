"""A child process that is kept from request to request, and replaced when it is lost."""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ogaart.workers import protocol
from ogaart.workers.process import Child, ChildLost

MAX_LOSSES = 3
"""Children that may break in a row, each with another picture, before something else than pictures is to blame."""
_log = logging.getLogger(__name__)


class EmbedderBroken(RuntimeError):
    """The child process breaks at everything: no picture's fault."""


class KeptChild:
    """A child, started by the first request; threads may share it, and then wait for each other.

    Args:
        start: starts it; what it raises is passed on.
    """

    def __init__(self, start: Callable[[], Child]) -> None:
        self._start = start
        self._child: Child | None = None
        self._losses = 0
        self._lock = threading.Lock()
        self.peak = 0
        """Largest resident size that a child has reported, in bytes."""

    @property
    def pid(self) -> int | None:
        """The child's process id, where one runs."""
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Start it now."""
        with self._lock:
            self._ready()

    def stop(self) -> None:
        """Kill it while another thread waits for its answer; that request fails."""
        child = self._child
        if child is not None:
            child.stop()

    def close(self) -> None:
        """End it."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def request(
        self, fields: Mapping[str, Any], blobs: Sequence[Any], seconds: float, *, retry: bool = False
    ) -> protocol.Message:
        """Send a request and wait for its answer.

        Args:
            fields: JSON values.
            blobs: objects with the buffer interface.
            seconds: how long it may take.
            retry: where the child is lost, try once more in a new one.

        Raises:
            ChildLost: it crashed or hung.
            EmbedderBroken: so did all before it.
        """
        with self._lock:
            try:
                return self._request(fields, blobs, seconds)
            except ChildLost as error:
                if not retry:
                    raise
                _log.warning("%s: retrying in a new process", error)
            return self._request(fields, blobs, seconds)

    def _request(self, fields: Mapping[str, Any], blobs: Sequence[Any], seconds: float) -> protocol.Message:
        child = self._ready()
        try:
            answer = child.request(fields, blobs, seconds=seconds)
        except ChildLost as error:
            self._child = None
            self._losses += 1
            if self._losses > 3 * MAX_LOSSES:  # each picture may cost three
                raise EmbedderBroken(f"{self._losses} children broke one after the other, the last: {error}") from error
            raise
        except BaseException:
            self.close()  # a late answer would be taken for the next request's
            raise
        self._losses = 0
        self.peak = max(self.peak, answer.fields["peak"])
        return answer

    def _ready(self) -> Child:
        if self._child is None:
            self._child = self._start()
        return self._child
