"""What a made publication has of likeness: fused vectors, subjects and exact parts, as large as real ones.

Every third picture shows one of the demo's art, moved, and some of them stand on a flat ground, so that a search with
that art finds as much to compare as in a real publication: copies, wholes and parts. The rest is drawn by lot.
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
from ogaart.likeness.patches import USUAL, Patches, patches
from ogaart.likeness.projections import SUBJECT, Projection
from ogaart.resources.catalog.generations import FUSED, FUSED_IDS, PATCHES, PROJECTION
from ogaart.resources.catalog.subject_files import SUBJECT_IDS, SUBJECT_SIDES, SUBJECT_SIGNATURES
from ogaart.resources.patches.runs import merge_runs, write_run

SHOWN = 3  # every so many pictures show one of the art
ON_GROUND = 9  # every so many pictures stand on a flat ground: 11 % of real ones do
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


def decoded(path: Path) -> NDArray[np.uint8] | None:
    """(H, W, 4) uint8 canonical pixels of a file; None of one that cannot be indexed."""
    try:
        return decode(path.read_bytes(), Limits()).rgba
    except Unreadable:
        return None  # nothing is visible in it: no publication has it


def _write_fused(folder: Path, images: Ids, raw: NDArray[np.uint8], projection: Projection) -> None:
    ids = sorted(number for number, _ in images)
    rows = np.array([one for n, one in enumerate(ids) for _ in range(1 if n % ON_GROUND else 2)], np.int64)
    (folder / PROJECTION).write_bytes(projection.to_bytes())
    np.save(folder / FUSED_IDS, rows)
    out = np.lib.format.open_memmap(folder / FUSED, mode="w+", dtype=np.int8, shape=(len(rows), projection.dimension))
    chance = np.random.default_rng(4)
    for start in range(0, len(rows), _BLOCK):
        count = min(_BLOCK, len(rows) - start)
        one, other = raw[chance.integers(0, len(raw), (2, count))].astype(np.float32)
        values = projection.prepared(np.asarray((1 - _MIXED) * one + _MIXED * other, np.uint8))
        for block in projection.blocks:
            if block.name == SUBJECT:
                drawn = chance.normal(size=(count, block.matrix.shape[1])).astype(np.float32) * block.scale
                projected = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
            else:
                projected = block.project(values[block.name])
            out[start : start + count, projection.places[block.name]] = block.quantise(projected)
    out.flush()


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
