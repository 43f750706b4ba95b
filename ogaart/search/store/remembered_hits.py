"""Hits of one publication that were read lately: their rows never change, and some are found again and again."""

import threading
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from cachetools import LRUCache

MOST = 4_096
"""Hits that are kept: some 20 MiB."""
MOST_WRITTEN = 24_576
"""Hits that are kept as JSON: some 40 MiB."""

V = TypeVar("V")


class RememberedHits(Generic[V]):
    """What was read last of hits, without what a search says of them; safe to use from many threads.

    Args:
        most: how many are kept.
    """

    def __init__(self, most: int = MOST) -> None:
        self._lock = threading.Lock()
        self._hits: LRUCache[int, V] = LRUCache(most)

    def known(self, ids: Iterable[int]) -> dict[int, V]:
        """Those of some images that are kept."""
        with self._lock:
            return {image_id: hit for image_id in ids if (hit := self._hits.get(image_id)) is not None}

    def keep(self, hits: Mapping[int, V]) -> None:
        """Keep hits, and drop those that were not used for longest."""
        with self._lock:
            self._hits.update(hits)
