"""The cells of the sheets of one generation: which sheet an altered sprite is of, and where in it."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ogaart.core.arrays import load_array
from ogaart.likeness import fusion, signatures
from ogaart.likeness.cells import TrimmedPicture
from ogaart.likeness.fusion import Weights
from ogaart.likeness.projections import Projection
from ogaart.resources.catalog.generations import CELLS
from ogaart.resources.cells.build import IMAGES
from ogaart.resources.cells.pieces import pieces_in
from ogaart.search.candidates.columns import Columns, Mask
from ogaart.search.candidates.fused_scan import highest, scan

_COMPARED = 300  # cells that are compared exactly
_SAMPLED, _ENOUGH = 300, 30  # cells whose pairs show what is typical, and fewest that do
_QUERIES = 30  # cells that are compared with those of other entries
_COPY = 0.9
_COPY_CLOSENESS = 0.9
"""Of miniatures of 16 x 16 pixels: of 743 pictures of other games, the nearest of 579 cells reached 0.73."""
_COPY_SHAPE, _COPY_LIKE, _COPY_PALETTE = 0.8, 1.1, 0.5
"""Cosines of a copy's shape, of that with half of its layout's, and of its palette."""
_COPY_SIDE = 16  # pixels: smaller ones are alike by chance

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class CellHit:
    """The cell of a sheet that is most like a query.

    Attributes:
        image_id: the sheet's.
        box: x, y, width, height of the cell, in pixels of the sheet.
        side: the smaller one of what the cell shows, in pixels.
        scale: how many times as large the query is.
        score: by the parts alone, -1 to 1.
        closeness: of the miniatures, 0 to 1.
        copy: whether it is a copy: the miniatures and every part say so.
        cosines: of the parts.
    """

    image_id: int
    box: Box
    side: int
    scale: float
    score: float
    closeness: float
    copy: bool
    cosines: Mapping[str, float]


class _Best(NamedTuple):
    """Cells, best first: their rows, scores, and the cosines of each part."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    cosines: dict[str, NDArray[np.float32]]


class CellIndex:
    """Search over the cells of a publication; safe to use from many threads.

    Args:
        folder: the generation's folder of cells.
        projection: of the parts alone.
        columns: of the generation's images, for filters.
    """

    def __init__(self, folder: Path, projection: Projection, columns: Columns) -> None:
        self._projection = projection
        self._pieces = [piece for piece in pieces_in(folder) if len(piece)]
        counts = {piece.name: len(piece.keys) for piece in pieces_in(folder)}
        starts = dict(zip(counts, np.cumsum([0, *counts.values()]).tolist(), strict=False))
        self._pictures = np.concatenate(
            [np.zeros(0, np.int64), *(piece.cells["picture"] + starts[piece.name] for piece in self._pieces)]
        ).astype(np.int64)
        """Of each cell, through all pieces."""
        self._ends = np.cumsum([len(piece) for piece in self._pieces])
        images = load_array(folder / IMAGES)
        rows = columns.rows(images["image_id"])
        images, self._rows = images[rows >= 0], rows[rows >= 0]
        self._picture_of: NDArray[np.int64] = images["picture"]
        self._ids: NDArray[np.int64] = images["image_id"]
        self._entries = np.full(sum(counts.values()), -1)
        self._entries[self._picture_of[::-1]] = columns.entry_of[self._rows[::-1]]
        self._lock = threading.Lock()

    @classmethod
    def open(cls, path: Path, projection: Projection, columns: Columns) -> Self | None:
        """The cells of a generation; None where it was published without them, or has none.

        Args:
            path: the generation's folder.
            projection: that of its fused vectors.
            columns: of its images.
        """
        if not (path / CELLS / IMAGES).exists():
            return None
        found = cls(path / CELLS, projection.without_subject(), columns)
        return found if len(found) else None

    def __len__(self) -> int:
        return len(self._pictures)

    @cached_property
    def typical(self) -> float:
        """The median score of pairs of cells; 0 of fewer than 30."""
        chosen = np.arange(0, len(self), max(1, len(self) // _SAMPLED))[:_SAMPLED]
        if len(chosen) < _ENOUGH:
            return 0.0
        vectors = self._vectors(chosen)
        pairs = np.triu_indices(len(vectors), 1)
        cosines = {n: (vectors[:, at] @ vectors[:, at].T)[pairs] for n, at in self._projection.places.items()}
        return float(np.median(fusion.fused_score(cosines, fusion.USUAL)))

    @cached_property
    def unrelated(self) -> float | None:
        """The score that nine of ten cells stay below with all cells of other entries, copies left out; or None."""
        best: list[float] = []
        for row in range(0, len(self), max(1, len(self) // _QUERIES)):
            entry = self._entries[self._pictures[row]]
            others = (self._entries >= 0) & (self._entries != entry)
            [found] = self._best(self._vectors(np.array([row])), fusion.USUAL, others)
            best += [score for score in found.scores.tolist() if score < _COPY][:1]
        return float(np.quantile(best, 0.9)) if len(best) >= _ENOUGH // 2 else None

    def nearest(
        self, pictures: Sequence[TrimmedPicture], weights: Weights, passing: Mask, limit: int
    ) -> list[list[CellHit]]:
        """The sheets with the most similar cells, best first; each image once.

        Args:
            pictures: the queries; a cell is read once for all.
            weights: how much each side counts; the subject is not compared.
            passing: which images may be hits.
            limit: most hits returned of each query.

        Returns:
            Those of each query.
        """
        counted = any(weight > 0 for name, weight in weights.of_blocks().items() if name in self._projection.places)
        if not pictures or not counted:
            return [[] for _ in pictures]
        allowed = passing[self._rows]
        with_cells = np.zeros(len(self._entries), np.bool_)
        with_cells[self._picture_of[allowed]] = True
        directions = self._projection.fuse(None, np.stack([picture.parts for picture in pictures]))
        best = self._best(directions, weights, with_cells)
        return [self._hits(*of_picture, allowed, limit) for of_picture in zip(pictures, best, strict=True)]

    def _hits(self, picture: TrimmedPicture, best: _Best, allowed: NDArray[np.bool_], limit: int) -> list[CellHit]:
        rows = best.rows
        first: dict[int, int] = {}
        for place in range(len(rows)):
            first.setdefault(int(self._pictures[rows[place]]), place)
        places = list(first.values())[:limit]
        near = self._closeness(picture, rows[places])
        hits: list[CellHit] = []
        for place, closeness, cell in zip(places, near.tolist(), self._gathered("cells", rows[places]), strict=True):
            found = {name: float(values[place]) for name, values in best.cosines.items()}
            side = int(cell["side"])
            small = min(picture.side, side) < _COPY_SIDE
            copy = not small and closeness >= _COPY_CLOSENESS and _like_a_copy(found)
            scale = round(picture.side / max(side, 1), 2)
            box = int(cell["x"]), int(cell["y"]), int(cell["width"]), int(cell["height"])
            own = np.flatnonzero((self._picture_of == self._pictures[rows[place]]) & allowed)
            hits += [
                CellHit(image_id, box, side, scale, float(best.scores[place]), closeness, copy, found)
                for image_id in self._ids[own].tolist()
            ]
            if len(hits) >= limit:
                break
        return sorted(hits, key=lambda hit: (not hit.copy, -hit.score, hit.image_id))

    def _best(self, directions: NDArray[np.float32], weights: Weights, pictures: NDArray[np.bool_]) -> list[_Best]:
        """The cells of some pictures that are most similar to each direction."""
        allowed = pictures[self._pictures]
        count = min(_COMPARED, int(np.count_nonzero(allowed)))
        if not count:
            return [self._exact(direction, weights, np.zeros(0, np.int64)) for direction in directions]
        ways = [_between(weights)]
        found = [scan(self._projection, piece.vectors, directions, ways)[:, 0] for piece in self._pieces]
        scores = np.concatenate(found, axis=1)
        scores[:, ~allowed] = -np.inf
        return [
            self._exact(direction, weights, highest(of_direction, count))
            for direction, of_direction in zip(directions, scores, strict=True)
        ]

    def _exact(self, direction: NDArray[np.float32], weights: Weights, rows: NDArray[np.int64]) -> _Best:
        stored = self._vectors(rows)
        cosines = {
            name: np.asarray(stored[:, at] @ direction[at], np.float32) for name, at in self._projection.places.items()
        }
        scores = fusion.fused_score(cosines, weights)
        order = np.argsort(-scores, kind="stable")
        return _Best(rows[order], scores[order], {name: values[order] for name, values in cosines.items()})

    def _gathered(self, name: str, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Rows of one of the pieces' arrays, in their order."""
        nth = np.searchsorted(self._ends, rows, side="right")
        first: NDArray[Any] = getattr(self._pieces[0], name)
        found = np.empty((len(rows), *first.shape[1:]), first.dtype)
        for n in np.unique(nth).tolist():
            of_piece = nth == n
            start = self._ends[n] - len(self._pieces[n])
            found[of_piece] = getattr(self._pieces[n], name)[rows[of_piece] - start]
        return found

    def _vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        return self._projection.restore(self._gathered("vectors", rows))

    def _closeness(self, picture: TrimmedPicture, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        if not len(rows) or signatures.flat(picture.miniature):
            return np.zeros(len(rows), np.float32)
        return signatures.nearness(picture.miniature, self._gathered("miniatures", rows))


def _between(weights: Weights) -> dict[str, float]:
    """Weights of one scan that finds what is alike in everything, and what is so but for its colours."""
    usual, other = weights.of_blocks(), weights.of_other_colours()
    share = sum(other.get(name, 0.0) for name in usual) / max(sum(usual.values()), 1e-9)
    return {name: weight * max(share, 1e-9) + other.get(name, 0.0) for name, weight in usual.items()}


def _like_a_copy(cosines: Mapping[str, float]) -> bool:
    """Whether the parts witness what the miniatures say."""
    shape, layout, palette = (cosines.get(name, 1.0) for name in ("shape", "layout", "palette"))
    return shape >= _COPY_SHAPE and shape + layout / 2 >= _COPY_LIKE and palette >= _COPY_PALETTE
