"""What a made publication has of likeness: fused vectors, subjects, exact parts and cells, as large as real ones.

Every third picture shows one of the demo's art, moved, and some of them stand on a flat ground, so that a search with
that art finds as much to compare as in a real publication: copies, wholes and parts. Every tenth
is a sheet of 32 cells. The rest is drawn by lot.
"""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ogaart.imaging.errors import Unreadable
from ogaart.imaging.limits import Limits
from ogaart.imaging.pictures import decode
from ogaart.likeness import parts
from ogaart.likeness.cells import MINIATURE
from ogaart.likeness.patches import USUAL, Patches, patches
from ogaart.likeness.projections import SUBJECT, Projection
from ogaart.resources.catalog.fused_files import FUSED, FUSED_INCOMPLETE, FUSED_SUBJECTS, fused_row
from ogaart.resources.catalog.generations import CELLS, PATCHES, PROJECTION
from ogaart.resources.catalog.subject_files import SUBJECT_IDS, SUBJECT_SIDES, SUBJECT_SIGNATURES
from ogaart.resources.cells.build import IMAGE, IMAGES
from ogaart.resources.cells.pieces import PLACE, Recipe, SheetVectors, write_piece
from ogaart.resources.patches.runs import merge_runs, write_run
from ogaart.resources.storage.array_parts import write_array

SHOWN = 3  # every so many pictures show one of the art
ON_GROUND = 9  # every so many pictures stand on a flat ground: 11 % of real ones do
SHEETS, CELLS_EACH = 10, 32  # every so many pictures are a sheet, of so many cells
CELL = 16
"""Pixels of a cell's side."""
WINDOWS = 560  # patches of a picture, on average of the demo's single pictures and small sheets
_BLOCK = 2_000
_RUN = 2_000_000  # patches of a run before runs are merged
_MIXED = 0.35  # how far a made picture's raw parts are from those of the art that they were made of

Ids = Sequence[tuple[int, str]]
"""Ids of images with the hashes of their pixels."""


def write_likeness(folder: Path, images: Ids, art: Sequence[Path], projection: Projection) -> None:
    """Write what the search reads beside collection and miniatures.

    Args:
        folder: the generation's.
        images: all of them.
        art: picture files.
        projection: of the fused vectors.
    """
    pixels = [rgba for path in art if (rgba := decoded(path)) is not None]
    _write_fused(folder, images, np.stack([parts.raw_parts(rgba) for rgba in pixels]), projection)
    _write_subjects(folder, sorted(number for number, _ in images)[::ON_GROUND])
    write_patches(folder / PATCHES, images, [patches(rgba) for rgba in pixels])
    write_cells(folder / CELLS, sorted(number for number, _ in images)[::SHEETS], projection)


def decoded(path: Path) -> NDArray[np.uint8] | None:
    """(H, W, 4) uint8 canonical pixels of a file; None of one that cannot be indexed."""
    try:
        return decode(path.read_bytes(), Limits()).rgba
    except Unreadable:
        return None  # nothing is visible in it: no publication has it


def _write_fused(folder: Path, images: Ids, raw: NDArray[np.uint8], projection: Projection) -> None:
    ids = np.array(sorted(number for number, _ in images), np.int64)
    (folder / PROJECTION).write_bytes(projection.to_bytes())
    chance = np.random.default_rng(4)

    def rows(some: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int8]]]:
        for start in range(0, len(some), _BLOCK):
            count = min(_BLOCK, len(some) - start)
            yield some[start : start + count], _fused(count, raw, projection, chance)

    for name, chosen in ((FUSED, ids), (FUSED_SUBJECTS, ids[::ON_GROUND]), (FUSED_INCOMPLETE, ids[:0])):
        write_array(folder / name, chosen, fused_row(projection.dimension), None, rows)


def _fused(count: int, raw: NDArray[np.uint8], projection: Projection, chance: np.random.Generator) -> NDArray[np.int8]:
    one, other = raw[chance.integers(0, len(raw), (2, count))].astype(np.float32)
    values = projection.prepared(np.asarray((1 - _MIXED) * one + _MIXED * other, np.uint8))
    out = np.empty((count, projection.dimension), np.int8)
    for block in projection.blocks:
        if block.name == SUBJECT:
            drawn = chance.normal(size=(count, block.matrix.shape[1])).astype(np.float32) * block.scale
            projected = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
        else:
            projected = block.project(values[block.name])
        out[:, projection.places[block.name]] = block.quantise(projected)
    return out


def _write_subjects(folder: Path, ids: Sequence[int]) -> None:
    np.save(folder / SUBJECT_IDS, np.array(ids, np.int64))
    np.save(folder / SUBJECT_SIDES, np.full(len(ids), 64, np.int32))
    drawn = np.random.default_rng(5).integers(0, 255, (len(ids), 4, 4, 4), np.uint8)
    np.save(folder / SUBJECT_SIGNATURES, drawn.repeat(8, 1).repeat(8, 2))


def write_patches(folder: Path, images: Ids, known: Sequence[Patches]) -> None:
    """Write the runs of exact parts.

    Args:
        folder: made here.
        images: all of them.
        known: the patches of the art.
    """
    folder.mkdir()
    runs, some, count = [], [], 0
    for key, found in _made(images, known):
        some.append((key, found))
        count += len(found)
        if count >= _RUN:
            runs.append(write_run(folder, some))
            some, count = [], 0
    if some:
        runs.append(write_run(folder, some))
    # As in a publication: what is old is one large run, and what came lately a small one.
    old = runs[:-1]
    if len(old) > 1:
        merge_runs(folder, old, [np.ones(len(run.pictures), np.bool_) for run in old])
        for run in old:
            shutil.rmtree(run.path)


def _made(images: Ids, known: Sequence[Patches]) -> Iterator[tuple[str, Patches]]:
    chance = np.random.default_rng(6)
    shown = [found for found in known if len(found)]
    for n, (_, key) in enumerate(images):
        count = int(chance.gamma(1.2, WINDOWS / 1.2)) + 1
        side = max(16, round(count**0.5 * 5))
        hashes = chance.integers(0, 1 << 60, count, np.uint64) * np.uint64(USUAL)
        x, y = chance.integers(0, side, (2, count), np.uint16)
        made = Patches(hashes, x, y, np.ones(count, np.bool_), side + 8, side + 8, 1, USUAL)
        if n % SHOWN == 0:
            art = shown[n // SHOWN % len(shown)]
            right = int(chance.integers(0, 64))
            width, height = max(made.width, art.width + right), max(made.height, art.height)
            moved = art.moved(right, 0, width, height)
            made = Patches(
                np.concatenate((made.hashes, moved.hashes)), np.concatenate((made.x, moved.x)),
                np.concatenate((made.y, moved.y)), np.concatenate((made.opaque, moved.opaque)),
                width, height, 1, USUAL,
            )  # fmt: skip
        yield key, made


def write_cells(folder: Path, images: Sequence[int], projection: Projection) -> None:
    """Write the pieces of sheets, whose cells are drawn by lot.

    Args:
        folder: made here.
        images: ids of the sheets.
        projection: of the fused vectors.
    """
    parts_alone = projection.without_subject()
    chance = np.random.default_rng(3)
    for start in range(0, len(images), _BLOCK):
        made = []
        for _ in images[start : start + _BLOCK]:
            drawn = chance.normal(size=(CELLS_EACH, parts_alone.dimension)).astype(np.float32) * parts_alone.scales
            blocks = [
                block.quantise(part / np.linalg.norm(part, axis=1, keepdims=True))
                for block in parts_alone.blocks
                for part in (drawn[:, parts_alone.places[block.name]],)
            ]
            miniatures = chance.integers(0, 255, (CELLS_EACH, MINIATURE, MINIATURE, 4), np.uint8)
            key, places = chance.bytes(32).hex(), np.zeros(CELLS_EACH, PLACE)
            places["x"], places["width"], places["height"] = np.arange(CELLS_EACH) * CELL, CELL, CELL
            made.append(SheetVectors(key, places, np.concatenate(blocks, axis=1), miniatures))
        write_piece(folder, Recipe(parts_alone.name, CELLS_EACH), parts_alone.dimension, made)
    np.save(folder / IMAGES, np.array(list(enumerate(images)), IMAGE))
