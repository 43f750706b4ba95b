"""Readers that look at the publication all the time, while runs come, go and die."""

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

import duckdb

from ogaart.resources.catalog.generations import GenerationMissing
from ogaart_tests.torture.inspecting import published_whole
from ogaart_tests.torture.running import World

PAUSE = 0.05
PATIENCE = 5
"""A generation may be pruned while it is being looked at: a reader then resolves ``current`` again."""


class _Looking(ABC):
    """Use it as a context manager; ``complaints`` lists the half states that it saw, ``looks`` counts its reads."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go_on, daemon=True)
        self.complaints: list[str] = []
        self.looks = 0

    @abstractmethod
    def _look(self) -> str | None:
        """Look once; what is wrong, in words.

        Raises:
            OSError, GenerationMissing, duckdb.Error: what was looked at is gone, as is allowed between two switches.
        """

    def _go_on(self) -> None:
        failed = 0
        while not self._stop.wait(PAUSE):
            self.looks += 1
            try:
                wrong = self._look()
                failed = 0
            except (GenerationMissing, OSError, duckdb.Error) as error:
                failed += 1
                wrong = str(error) if failed >= PATIENCE else None
            if wrong:
                self.complaints.append(wrong)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()


class Reader(_Looking):
    """Looks at each new generation as the service does: words, index and sizes must agree."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.seen: set[int] = set()

    def _look(self) -> str | None:
        return published_whole(self._world, self.seen)


class Analyst(_Looking):
    """Opens the catalog through its link, read-only, and counts."""

    def _look(self) -> str | None:
        with duckdb.connect(str(self._world.data / "ogaart.duckdb"), read_only=True) as con:
            [(images, loose)] = con.execute(
                "SELECT count(*), count(*) FILTER (image_id NOT IN (SELECT image_id FROM occurrences)) FROM images"
            ).fetchall()
        return f"{loose} of {images} images have no occurrence" if loose or not images else None
