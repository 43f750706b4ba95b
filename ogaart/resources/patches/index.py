"""The patches of a publication, as the search reads them: several runs as one index."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness.patch_evidence import looked_at
from ogaart.likeness.patch_matching import PictureFacts, Postings
from ogaart.likeness.patches import Hashes
from ogaart.resources.patches.runs import Run, runs_in


class PatchRuns:
    """Patches of all pictures of some runs; safe to use from many threads.

    Pictures are numbered through all runs. What a run holds of a picture that is not published must be left out by
    those who know what is.

    Args:
        runs: which; they stay mapped as long as this object lives.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = sorted(runs, key=len)
        self._starts = np.cumsum([0, *(len(run.pictures) for run in self.runs)])

    @classmethod
    def open(cls, folder: Path) -> "PatchRuns | None":
        """Those of a publication; None of one that was published without patches."""
        runs = runs_in(folder)
        return cls(runs) if runs else None

    def __len__(self) -> int:
        return sum(len(run) for run in self.runs)

    @property
    def pictures(self) -> int:
        """Number of pictures."""
        return int(self._starts[-1])

    def find(self, hashes: Hashes, common: int, at_most: int) -> Postings:
        """Places of patches, without those in more than ``common`` places, ``at_most`` in all (``looked_at``)."""
        bounds = [run.find(hashes) for run in self.runs]
        counts = np.zeros(len(hashes), np.int64)
        for low, high in bounds:
            counts += high - low
        found, complete = looked_at(hashes, counts, common, at_most)
        columns: list[tuple[NDArray[np.int64], ...]] = []
        for start, run, (low, high) in zip(self._starts, self.runs, bounds, strict=False):
            many = (high - low)[found]
            query = np.repeat(found, many)
            if not len(query):
                continue
            rows = np.repeat(low[found] - (np.cumsum(many) - many), many) + np.arange(len(query))
            places = run.places[rows]
            columns.append(
                (query, places["picture"] + start, places["x"].astype(np.int64), places["y"].astype(np.int64))
            )
        if not columns:
            nothing = np.empty(0, np.int64)
            return Postings(nothing, nothing, nothing, nothing, counts, complete)
        query, picture, x, y = (np.concatenate(column) for column in zip(*columns, strict=True))
        return Postings(query, picture, x, y, counts, complete)

    def facts(self, picture: int) -> PictureFacts:
        """What is known of a picture."""
        nth = int(np.searchsorted(self._starts, picture, side="right")) - 1
        return self.runs[nth].facts(picture - int(self._starts[nth]))

    def key(self, picture: int) -> str:
        """The hash of a picture's pixels."""
        nth = int(np.searchsorted(self._starts, picture, side="right")) - 1
        return bytes(self.runs[nth].keys[picture - int(self._starts[nth])].tobytes()).hex()
