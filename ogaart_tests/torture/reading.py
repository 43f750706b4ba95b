"""A reader that looks at the publication all the time, while runs come, go and die."""

import threading
from types import TracebackType
from typing import Self

from ogaart.resources.generations import GenerationMissing
from ogaart_tests.torture.inspecting import published_whole
from ogaart_tests.torture.running import World

PAUSE = 0.05
PATIENCE = 5
"""A generation may be pruned while it is being looked at: a reader then resolves ``current`` again."""


class Reader:
    """Use it as a context manager; ``complaints`` says what half states it saw, ``looks`` how often it looked."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen: dict[int, bool] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.complaints: list[str] = []
        self.looks = 0

    def _look(self) -> None:
        failed = 0
        while not self._stop.wait(PAUSE):
            self.looks += 1
            try:
                wrong = published_whole(self._world, self._seen)
                failed = 0
            except (GenerationMissing, OSError) as error:
                failed += 1
                wrong = str(error) if failed >= PATIENCE else None
                self._seen.clear()
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
