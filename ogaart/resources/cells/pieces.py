"""Pieces: the cells of some sheets as memory-mapped arrays, in immutable folders that are named by their content.

A piece is ``piece-<made of>-<hash>/`` with four arrays. ``keys`` names pictures by the hashes of their pixels, also
those that have no cell: they need not be looked at again. ``cells`` holds each cell's picture and place, ``vectors``
its parts as an int8 vector of unit blocks (see ``likeness.projections``), ``miniatures`` what it looks like.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness.cells import MINIATURE
from ogaart.resources.storage.array_folders import (
    ArrayFolder,
    Keys,
    as_keys,
    name_by_content,
    new_draft,
    sync_arrays,
    write_header,
)

PREFIX = "piece-"
FORMAT = 1
PLACE = np.dtype(
    [
        ("picture", "<u4"), ("x", "<u4"), ("y", "<u4"), ("width", "<u4"), ("height", "<u4"),
        ("side", "<u2"), ("group", "<u2"),
    ]
)  # fmt: skip
_FILES = ("keys", "cells", "vectors", "miniatures")
_BLOCK = 8_192  # rows that are copied at once


@dataclass(frozen=True)
class Recipe:
    """What a piece is made by, besides its sheets: pieces of another recipe are of no use.

    Attributes:
        projection: name of the projection of the parts.
        most: cells that are taken of one sheet.
    """

    projection: str
    most: int

    @property
    def prefix(self) -> str:
        """What the names of its pieces begin with."""
        return PREFIX + hashlib.sha256(f"{FORMAT} {self.projection} {self.most}".encode()).hexdigest()[:8] + "-"


@dataclass(frozen=True, eq=False)
class SheetVectors:
    """The cells of one sheet, as a piece holds them.

    Attributes:
        key: hash of the sheet's pixels, hexadecimal.
        places: (N,) of ``PLACE``; ``picture`` is not set.
        vectors: (N, d) int8.
        miniatures: (N, 16, 16, 4) uint8.
    """

    key: str
    places: NDArray[Any]
    vectors: NDArray[np.int8]
    miniatures: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Piece(ArrayFolder):
    """One piece."""

    arrays: ClassVar[tuple[str, ...]] = _FILES

    @cached_property
    def cells(self) -> NDArray[Any]:
        """(N,) of ``PLACE``, ordered by picture."""
        return self._array("cells")

    @cached_property
    def vectors(self) -> NDArray[np.int8]:
        """(N, d)."""
        return self._array("vectors")

    @cached_property
    def miniatures(self) -> NDArray[np.uint8]:
        """(N, 16, 16, 4)."""
        return self._array("miniatures")

    def __len__(self) -> int:
        return len(self.cells)


def write_piece(folder: Path, recipe: Recipe, dimension: int, sheets: Sequence[SheetVectors]) -> Piece:
    """Write a piece of some sheets; durable on return."""
    places = [sheet.places.copy() for sheet in sheets]
    for number, rows in enumerate(places):
        rows["picture"] = number
    return _write(
        folder,
        recipe,
        as_keys([sheet.key for sheet in sheets]),
        [np.concatenate([np.zeros(0, PLACE), *places])],
        [np.concatenate([np.zeros((0, dimension), np.int8), *(sheet.vectors for sheet in sheets)])],
        [np.concatenate([_no_miniatures(), *(sheet.miniatures for sheet in sheets)])],
    )


def merge_pieces(folder: Path, recipe: Recipe, pieces: Sequence[Piece], kept: Sequence[NDArray[np.bool_]]) -> Piece:
    """Merge pieces into one, block by block; durable on return.

    Args:
        folder: where it is written.
        recipe: of all of them.
        pieces: which; no picture is in two of them.
        kept: for each piece which of its pictures are kept.
    """
    start = 0
    rows: list[NDArray[np.int64]] = []
    places: list[NDArray[Any]] = []
    for piece, keep in zip(pieces, kept, strict=True):
        numbers = np.cumsum(keep) - 1 + start
        chosen = np.flatnonzero(keep[piece.cells["picture"]])
        renumbered = np.array(piece.cells[chosen])
        renumbered["picture"] = numbers[renumbered["picture"]]
        rows.append(chosen)
        places.append(renumbered)
        start += int(np.count_nonzero(keep))
    blocks = [
        (piece, chosen[at : at + _BLOCK])
        for piece, chosen in zip(pieces, rows, strict=True)
        for at in range(0, len(chosen), _BLOCK)
    ]
    return _write(
        folder,
        recipe,
        np.concatenate([piece.keys[keep] for piece, keep in zip(pieces, kept, strict=True)]),
        [np.concatenate(places)],
        (pieces[0].vectors[:0], *(piece.vectors[block] for piece, block in blocks)),
        (_no_miniatures(), *(piece.miniatures[block] for piece, block in blocks)),
    )


def pieces_in(folder: Path, prefix: str = PREFIX) -> list[Piece]:
    """The pieces under a folder, by name: those of one recipe, or all."""
    return [Piece(path) for path in sorted(folder.glob(f"{prefix}*"))] if folder.is_dir() else []


def _no_miniatures() -> NDArray[np.uint8]:
    return np.zeros((0, MINIATURE, MINIATURE, 4), np.uint8)


def _write(
    folder: Path,
    recipe: Recipe,
    keys: Keys,
    cells: Iterable[NDArray[Any]],
    vectors: Iterable[NDArray[Any]],
    miniatures: Iterable[NDArray[Any]],
) -> Piece:
    draft = new_draft(folder, "piece")
    for name, blocks in (("keys", [keys]), ("cells", cells), ("vectors", vectors), ("miniatures", miniatures)):
        _write_array(draft / f"{name}.npy", blocks)
    sync_arrays(draft, _FILES)
    return Piece(name_by_content(draft, recipe.prefix, _FILES))


def _write_array(path: Path, blocks: Iterable[NDArray[Any]]) -> None:
    """Write blocks of rows as one NumPy file, of which only one is in memory at a time."""
    raw = path.with_suffix(".raw")
    count = 0
    with raw.open("wb") as target:
        for block in blocks:
            target.write(np.ascontiguousarray(block).tobytes())
            count += len(block)
            kind, shape = block.dtype, block.shape[1:]
    write_header(raw, path, kind, (count, *shape))
