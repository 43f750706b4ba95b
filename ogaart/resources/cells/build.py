"""Builds the cells of a publication from those of the one before: only the sheets that are new are read and projected.

Pieces that did not change are hard links of the same files, and small ones are merged: see
``resources.storage.array_folders``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness.cells import unpacked
from ogaart.likeness.projections import Projection
from ogaart.resources.cells.pieces import (
    PLACE,
    Piece,
    Recipe,
    SheetVectors,
    merge_pieces,
    pieces_in,
    write_piece,
)
from ogaart.resources.storage.array_folders import as_keys, contained, tidied
from ogaart.resources.storage.derived import DerivedBytes

IMAGES = "images.npy"
IMAGE = np.dtype([("picture", "<i8"), ("image_id", "<i8")])
"""Which images the pictures of the pieces are, numbered through all pieces by name; ordered by both."""
_IN_MEMORY = 16_384  # cells that are written at once


@dataclass(frozen=True)
class CellSource:
    """What the cells of a publication are made of.

    Attributes:
        projection: of the parts alone, see ``Projection.without_subject``.
        store: what is kept of the cells of all pictures, see ``likeness.cells``.
        most: cells that are taken of one sheet.
    """

    projection: Projection
    store: DerivedBytes
    most: int

    @property
    def recipe(self) -> Recipe:
        """What the pieces are made by."""
        return Recipe(self.projection.name, self.most)


def build_cells(folder: Path, previous: Path | None, source: CellSource, wanted: Mapping[str, Sequence[int]]) -> int:
    """Write the pieces of a publication, and which images their pictures are.

    Args:
        folder: where they are written; made here.
        previous: the same folder of the publication before; None: there is none.
        source: what they are made of.
        wanted: the published images of each picture that has cells, by the hash of its pixels.

    Returns:
        How many cells of published pictures there are.
    """
    folder.mkdir(parents=True)
    keys = as_keys(list(wanted))
    recipe = source.recipe
    old = [piece for piece in pieces_in(previous, recipe.prefix) if piece.intact()] if previous is not None else []
    held = np.concatenate([piece.keys for piece in old]) if old else as_keys([])
    new = [key for key, there in zip(wanted, contained(keys, held), strict=True) if not there]
    pieces = tidied(
        folder,
        [*old, *_new_pieces(folder, source, new)],
        keys,
        partial(merge_pieces, folder, recipe),
    )
    return _write_images(folder / IMAGES, sorted(pieces, key=lambda piece: piece.name), wanted)


def _new_pieces(folder: Path, source: CellSource, keys: Sequence[str]) -> Iterator[Piece]:
    dimension = source.projection.dimension
    sheets: list[SheetVectors] = []
    count = 0
    for key, content in _stored(source.store, keys):
        sheets.append(_projected(key, unpacked(content)[: source.most], source.projection))
        count += len(sheets[-1].places)
        if count >= _IN_MEMORY:
            yield write_piece(folder, source.recipe, dimension, sheets)
            sheets, count = [], 0
    if sheets:
        yield write_piece(folder, source.recipe, dimension, sheets)


def _stored(store: DerivedBytes, keys: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """What is kept of pictures, a segment at a time; those that have not been looked at yet are left out."""
    for name, places, rows in store.by_segment(keys):
        contents = store.segment(name).contents
        for place, row in zip(places.tolist(), rows.tolist(), strict=True):
            yield keys[place], contents[row]


def _projected(key: str, found: NDArray[Any], projection: Projection) -> SheetVectors:
    places = np.zeros(len(found), PLACE)
    for name in ("x", "y", "width", "height", "side", "group"):
        places[name] = found[name]
    if not len(found):
        return SheetVectors(key, places, np.zeros((0, projection.dimension), np.int8), found["miniature"])
    fused = projection.fuse(None, found["parts"])
    blocks = [block.quantise(fused[:, projection.places[block.name]]) for block in projection.blocks]
    return SheetVectors(key, places, np.concatenate(blocks, axis=1), found["miniature"])


def _write_images(path: Path, pieces: Sequence[Piece], wanted: Mapping[str, Sequence[int]]) -> int:
    pairs: list[tuple[int, int]] = []
    start = cells = 0
    for piece in pieces:
        published = np.zeros(len(piece.keys), np.bool_)
        for number, key in enumerate(piece.keys):
            images = wanted.get(bytes(key.tobytes()).hex(), ())
            published[number] = bool(images)
            pairs += [(start + number, image_id) for image_id in sorted(images)]
        cells += int(np.count_nonzero(published[piece.cells["picture"]]))
        start += len(piece.keys)
    np.save(path, np.array(pairs, IMAGE))
    return cells
