"""Builds the cells of a publication from those of the one before: only the sheets that are new are read and projected.

Pieces that did not change are hard links of the same files, as the runs of ``resources.patches`` are, and are merged by
the same rule. Sheets that are no longer published stay in their piece, where the search ignores them, until they are a
third of it.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
    link_piece,
    merge_pieces,
    pieces_in,
    write_piece,
)
from ogaart.resources.patches.build import to_merge
from ogaart.resources.patches.runs import Keys, as_keys, contained
from ogaart.resources.storage.derived import DerivedBytes

IMAGES = "images.npy"
IMAGE = np.dtype([("picture", "<i8"), ("image_id", "<i8")])
"""Which images the pictures of the pieces are, numbered through all pieces by name; ordered by both."""
_IN_MEMORY = 16_384  # cells that are written at once
_DEAD = 1 / 3  # share of pictures that are not published from which a piece is written again without them


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
    pieces = _tidied(folder, recipe, [*old, *_new_pieces(folder, source, new)], keys)
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
    by_segment: dict[str, list[str]] = {}
    for key, place in store.locate(keys).items():
        by_segment.setdefault(place.segment, []).append(key)
    for segment in sorted(by_segment):
        yield from store.get(by_segment[segment]).items()


def _projected(key: str, found: NDArray[Any], projection: Projection) -> SheetVectors:
    places = np.zeros(len(found), PLACE)
    for name in ("x", "y", "width", "height", "side", "group"):
        places[name] = found[name]
    if not len(found):
        return SheetVectors(key, places, np.zeros((0, projection.dimension), np.int8), found["miniature"])
    fused = projection.fuse(None, found["parts"])
    blocks = [block.quantise(fused[:, projection.places[block.name]]) for block in projection.blocks]
    return SheetVectors(key, places, np.concatenate(blocks, axis=1), found["miniature"])


def _tidied(folder: Path, recipe: Recipe, pieces: Sequence[Piece], keys: Keys) -> list[Piece]:
    """Merge what is to be merged, and link the rest into the folder."""
    kept = {piece: contained(piece.keys, keys) for piece in pieces}
    ordered = sorted(pieces, key=len)
    many = to_merge([len(piece) for piece in ordered])
    merged, left = ordered[:many], ordered[many:]
    groups = [merged] if many else []
    groups += [[piece] for piece in left if 1 - kept[piece].mean() > _DEAD]
    rewritten = [merge_pieces(folder, recipe, group, [kept[piece] for piece in group]) for group in groups]
    replaced = {piece for group in groups for piece in group}
    result = [*rewritten, *(piece for piece in pieces if piece not in replaced)]
    names = {piece.name for piece in result}
    for piece in replaced:
        if piece.path.parent == folder and piece.name not in names:
            shutil.rmtree(piece.path)
    return [piece if piece.path.parent == folder else link_piece(piece, folder) for piece in result]


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
