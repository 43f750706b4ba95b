"""Points whose payload the ledger does not tell, from when a step may change it until a publication has set it.

The ledger has a row of each partition that stored a point. Where a step is killed between the point and its row, or a
partition that stored a point last gives the entry up, the rows that are left promise a payload that is not there. So do
those of a point whose payload a publication has set before the step of the partition came to it: the rows of the
partition may become again what the ledger tells, and then no step upserts the point.

Where notes may be lost, with the database or a row of it, the next publication looks at the payloads of all points.
"""

import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ogaart.resources.state.database import StateDatabase
from ogaart.resources.state.facts import OF_THIS_DATABASE, Facts

_KIND = "unproven points"
_ALL_KNOWN = True


class UnprovenPoints:
    """The points of one space that are to be compared with their rows, as facts in the database.

    Args:
        state: the database of state.
        space: the vector space; what is noted of the collections of others stays until they are published again.
    """

    def __init__(self, state: StateDatabase, space: str) -> None:
        self._facts, self._space = Facts(state, _KIND), space
        self._whole = Facts(state, OF_THIS_DATABASE)

    def note(self, partition: str, ids: Sequence[int]) -> None:
        """Add points to those of a partition; they are on disk when this returns."""
        before = self._of(partition)
        if not before.issuperset(ids):
            self._facts.write(self._name(partition), sorted(before.union(ids)))

    def withdraw(self, partition: str, ids: Sequence[int]) -> None:
        """Take points from those of a partition: its ledger has a row of each again."""
        before = self._of(partition)
        if not before.isdisjoint(ids):
            self._facts.write(self._name(partition), sorted(before.difference(ids)))

    def note_set(self, ids: Sequence[int]) -> None:
        """Add points whose payload a publication sets; ``settle`` of what it has read before does not forget them."""
        self._facts.write(self._name(f"set-{uuid.uuid4().hex}"), sorted(ids))

    def _name(self, of: str) -> str:
        return f"{self._space} {of}"

    def _of(self, partition: str) -> frozenset[int]:
        try:
            return frozenset(self._facts.read(self._name(partition)) or ())
        except (ValueError, KeyError, TypeError):  # damaged, and about to be replaced
            self._whole.delete({self._name(_KIND): _ALL_KNOWN})
            return frozenset()

    def read(self) -> dict[str, Any]:
        """All of them as they are stored, for ``ids_of`` and ``settle``; a damaged row is left out."""
        return {name: ids for name, ids in self._facts.all().items() if name.startswith(self._name(""))}

    def are_all_known(self) -> bool:
        """Whether a publication has made sure of all other points since the database was made, and no note is lost."""
        return self._whole.all().get(self._name(_KIND)) is _ALL_KNOWN and not self._facts.damaged()

    def settle(self, read: dict[str, Any]) -> None:
        """Forget those that were read: all points but those that were added since have the payload of their rows."""
        self._facts.delete(read)
        if not self.are_all_known():
            self._whole.write(self._name(_KIND), _ALL_KNOWN)


def ids_of(read: dict[str, Any]) -> NDArray[np.int64]:
    """The ids of what ``UnprovenPoints.read`` returned: int64, rising, each once."""
    return np.unique(np.array([i for ids in read.values() for i in ids], np.int64))
