"""Points whose payload the ledger does not tell, from when a step may change it until a publication has set it.

The ledger has a row of each partition that stored a point. Where a step is killed between the point and its row, or a
partition that stored a point last gives the entry up, the rows that are left promise a payload that is not there.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.facts import Facts
from ogaart.resources.storage.sealed_json import SealBroken

_KIND = "unproven points"


class UnprovenPoints:
    """The points of all spaces and partitions that are to be compared with their rows, as facts in the database.

    Args:
        state: the database of state.
    """

    def __init__(self, state: StateDatabase) -> None:
        self._facts = Facts(state, _KIND)

    def note(self, space: str, partition: str, ids: Sequence[int]) -> None:
        """Add points to those of a partition; they are on disk when this returns."""
        before = self._of(space, partition)
        if not before.issuperset(ids):
            self._facts.write(f"{space} {partition}", sorted(before.union(ids)))

    def withdraw(self, space: str, partition: str, ids: Sequence[int]) -> None:
        """Take points from those of a partition: its ledger has a row of each again."""
        before = self._of(space, partition)
        if not before.isdisjoint(ids):
            self._facts.write(f"{space} {partition}", sorted(before.difference(ids)))

    def _of(self, space: str, partition: str) -> frozenset[int]:
        try:
            return frozenset(self._facts.read(f"{space} {partition}") or ())
        except SealBroken:
            return frozenset()

    def read(self) -> dict[str, Any]:
        """All of them as they are stored, for ``ids_of`` and ``settle``; a damaged row is left out."""
        return self._facts.all()

    def settle(self, read: dict[str, Any]) -> None:
        """Forget those that were read and have their payload now; what was added since stays."""
        self._facts.delete(read)


def ids_of(read: dict[str, Any]) -> NDArray[np.int64]:
    """The ids of what ``UnprovenPoints.read`` returned: int64, rising, each once."""
    return np.unique(np.array([i for ids in read.values() for i in ids], np.int64))
