"""The search service in a process of its own, and clients that send requests without pause."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from types import TracebackType
from typing import Any, Self

import httpx
import psutil

from ogaart.cli.demo_command import free_port
from ogaart_tests.torture.running import Group, World

WORDS = ("alien", "coin", "lava", "stone", "blob", "worm", "escort tank")
START_SECONDS = 120.0
PAUSE = 0.1


def service(port: int) -> Iterator[Any]:
    """Inside the service's process: serve until killed."""
    from ogaart.search.web.app import serve
    from ogaart.settings import Settings

    serve(Settings(serve_port=port, searches_per_minute=0, uploads_per_minute=0))
    yield from ()


class Served:
    """The service of a world with clients: use it as a context manager.

    Attributes:
        answers: answers by HTTP status.
        complaints: what was no proper answer, in words.
        peak_bytes: largest resident memory of the service.
    """

    def __init__(self, world: World, clients: int, seed: int) -> None:
        self._world, self._clients, self._seed = world, clients, seed
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self.answers: Counter[int] = Counter()
        self.complaints: list[str] = []
        self.peak_bytes = 0

    def __enter__(self) -> Self:
        port = free_port(0)
        self._group = Group(self._world, partial(service, port))
        self._base = f"http://127.0.0.1:{port}"
        self._await()
        chances = [random.Random(self._seed + n) for n in range(self._clients)]
        self._threads = [threading.Thread(target=self._ask, args=(chance,), daemon=True) for chance in chances]
        self._threads.append(threading.Thread(target=self._weigh, daemon=True))
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if not self._group.running:
            self.complaints.append("the service ended")
        self._group.kill()

    def _await(self) -> None:
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until:
            try:
                if httpx.get(f"{self._base}/healthz").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.2)
        self._group.kill()
        raise TimeoutError(f"the service did not start in {START_SECONDS:g} s: see {self._world.root / 'said.txt'}")

    def _ask(self, chance: random.Random) -> None:
        with httpx.Client(base_url=self._base, timeout=60) as client:
            known: list[str] = []
            while not self._stop.wait(PAUSE):
                like = known and chance.random() < 0.5
                query = {"like": chance.choice(known)} if like else {"q": chance.choice(WORDS)}
                try:
                    answer = client.get("/api/v1/search", params=query)
                except httpx.HTTPError as error:
                    self.complaints.append(f"search: {type(error).__name__}: {error}")
                    continue
                self.answers[answer.status_code] += 1
                if answer.status_code >= 500 and answer.status_code != 503:
                    self.complaints.append(f"search answered {answer.status_code}: {answer.text[:200]}")
                if answer.status_code == 200:
                    known = [str(hit["image_id"]) for hit in answer.json().get("hits", [])[:5]] or known

    def _weigh(self) -> None:
        while not self._stop.wait(0.5):
            try:
                self.peak_bytes = max(self.peak_bytes, psutil.Process(self._group.pid).memory_info().rss)
            except psutil.NoSuchProcess:
                return
