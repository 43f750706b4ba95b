"""Points on a server that a publication leaves out: they are deleted once no search answers from the one before."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ogaart.resources.storage.atomic_files import read_json, write_json

_FILE = "left-out.json"


class DeferredDeletions:
    """The points that the newest built publication leaves out, in a file beside the collection's identity.

    Where the file is lost, the next publication finds them again: they belong to none of its rows either.

    Args:
        folder: of the collection.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE

    def note(self, generation: int, ids: NDArray[np.int64]) -> None:
        """Remember the points that a generation leaves out, in place of those of the one before."""
        write_json(self._path, {"generation": generation, "ids": ids.tolist()})

    def of(self, generation: int) -> list[int]:
        """What is still to be deleted for a generation; nothing where another one was built since."""
        found = read_json(self._path)
        if not isinstance(found, dict) or found.get("generation") != generation:
            return []
        return [int(one) for one in found["ids"]]

    def done(self) -> None:
        """Forget them."""
        self._path.unlink(missing_ok=True)
