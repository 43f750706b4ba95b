"""Hits of one publication that were read lately: their rows never change, and some are found again and again."""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from typing import Generic, TypeVar

MOST = 4_096
"""Hits, and entries, that are kept: some 20 MiB of each."""
MOST_WRITTEN = 24_576
"""Hits that are kept as JSON, without what they share with their entry: some 30 MiB."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class RememberedHits(Generic[K, V]):
    """What was read last of hits, without what a search says of them; safe to use from many threads.

    A search looks for hundreds, each of which takes an ``LRUCache`` of cachetools as long as to write it as JSON.

    Args:
        most: how many are kept.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[K, V] = OrderedDict()  # the least used first

    def known(self, keys: Iterable[K]) -> dict[K, V]:
        """Those of some that are kept."""
        with self._lock:
            kept = self._kept
            found = {key: kept[key] for key in keys if key in kept}
            for key in found:
                kept.move_to_end(key)
        return found

    def keep(self, read: Mapping[K, V]) -> None:
        """Keep some, and drop those that were not used for longest."""
        with self._lock:
            for key, one in read.items():
                self._kept[key] = one
                self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
