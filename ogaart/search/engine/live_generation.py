"""Follows the published generation: a new one is opened beside the old, which closes when its last reader left."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ogaart.core.repetition import repeat
from ogaart.resources.catalog.generations import Generation, Generations
from ogaart.resources.index.base import VectorIndex
from ogaart.resources.patches.index import PatchRuns
from ogaart.search.candidates.cell_index import CellIndex
from ogaart.search.candidates.fused_index import FusedIndex
from ogaart.search.engine.remembered_answers import RememberedAnswers
from ogaart.search.errors import NothingPublished
from ogaart.search.store.serving_store import ServingStore

logger = logging.getLogger(__name__)
CLOSING = 5.0
"""Seconds that closing waits for a copy in progress; the next start takes over what it has."""


@dataclass(eq=False)
class OpenGeneration:
    """One generation, open: its store and index; and patches, fused vectors and cells, which those of before lack."""

    number: int
    store: ServingStore
    index: VectorIndex
    patches: PatchRuns | None = None
    fused: FusedIndex | None = None
    cells: CellIndex | None = None
    readers: int = field(default=0, init=False)
    answers: RememberedAnswers = field(default_factory=RememberedAnswers, init=False)

    def close(self) -> None:
        """Close both, after the last reader."""
        self.index.close()
        self.store.close()


class LiveGeneration:
    """The newest generation, leased to readers.

    Args:
        generations: where generations are published.
        open_generation: opens one.
        interval: seconds between two looks for a newer one.
        pull: called before each look of the thread: copies what another host has published.
    """

    def __init__(
        self,
        generations: Generations,
        open_generation: Callable[[Generation], OpenGeneration],
        interval: float = 1.0,
        pull: Callable[[], object] | None = None,
    ) -> None:
        self._generations = generations
        self._pull = pull
        self._not_pulled = "" if pull is None else "it was not looked for yet"
        self._open = open_generation
        self._interval = interval
        self._lock = threading.Lock()
        self._following = threading.Lock()
        self._opened: OpenGeneration | None = None
        self._retired: set[OpenGeneration] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="follow-generations", daemon=True)

    def start(self) -> None:
        """Open what is published, if anything is, and watch from now on."""
        self.follow()
        self._thread.start()

    def follow(self) -> bool:
        """Look once; True if another generation is served from now on. An unreadable one leaves the old in service."""
        with self._following:
            newest = self._generations.current()
            current = self._opened
            if newest is None or (current is not None and newest.number == current.number):
                return False
            opened = self._open(newest)
            with self._lock:
                old, self._opened = self._opened, opened
                if old is not None:
                    self._retired.add(old)
            self._close_unread()
            logger.info("serving generation %d", opened.number)
            return True

    @contextmanager
    def lease(self) -> Iterator[OpenGeneration]:
        """The current generation, kept open while the block runs.

        Raises:
            NothingPublished: there is none yet.
        """
        with self._lock:
            opened = self._opened
            if opened is not None:
                opened.readers += 1
        if opened is None:
            raise NothingPublished(copied=not self._not_pulled)
        try:
            yield opened
        finally:
            with self._lock:
                opened.readers -= 1
            if opened in self._retired:
                self._close_unread()

    def close(self) -> None:
        """Stop watching and close everything."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(None if self._pull is None else CLOSING)
        with self._lock:
            if self._opened is not None:
                self._retired.add(self._opened)
            self._opened = None
        self._close_unread()

    def _close_unread(self) -> None:
        with self._lock:
            unread = {opened for opened in self._retired if opened.readers == 0}
            self._retired -= unread
        for opened in unread:
            opened.close()

    def _watch(self) -> None:
        def look() -> None:
            try:
                self._copy()
            finally:
                self.follow()

        # What does not open may be whole at the next look, or the one after; what is open answers meanwhile.
        first = self._interval if self._pull is None else 0.0  # a new replica has nothing to serve yet
        repeat(look, self._interval, self._stop, "following the newest publication", first=first)

    def _copy(self) -> None:
        if self._pull is None:
            return
        try:
            self._pull()
            self._not_pulled = ""
        except (OSError, RuntimeError, ValueError) as cause:
            if str(cause) != self._not_pulled:  # not once a second for as long as a server is away
                logger.warning("the publication in service is not followed: %s", cause)
            self._not_pulled = str(cause)
