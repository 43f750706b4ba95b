"""The client of a request: costly work counts against its share and is charged to its allowance."""

from collections.abc import Callable
from dataclasses import dataclass, replace


def _free() -> None:
    """Charge nothing."""


@dataclass(frozen=True)
class Visitor:
    """The client of a request.

    Attributes:
        client: its address; limits of what runs at a time are shared out by it.
        charge: takes one picture from its allowance, before a picture is fetched, decoded or embedded; raises
            ``TooManyRequests`` where none is left.
    """

    client: str
    charge: Callable[[], None] = _free

    @property
    def charged(self) -> "Visitor":
        """The same client, for work that was charged already."""
        return replace(self, charge=_free)


LOCAL = Visitor("")
"""The operator's own commands, which have no allowance."""
