"""What each part of the likeness costs: bytes kept of a picture, and processor time to make them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness import cells, parts, patches, sheets, subjects
from ogaart.likeness.projections import SUBJECT, Projection
from ogaart.resources.catalog.fused_files import FUSED, FUSED_INCOMPLETE, FUSED_SUBJECTS
from ogaart.resources.catalog.generations import PROJECTION, Generation
from ogaart.resources.embedding.derivations import DERIVATIONS, CanonicalPixels

_NAMES = {
    parts.SPACE: "raw parts",
    subjects.SPACE: "subject without its ground",
    patches.SPACE: "patches",
    sheets.SPACE: "sheets and their cells",
    cells.SPACE: "likeness of cells",
}


@dataclass(frozen=True)
class Cost:
    """Of one part, on average.

    Attributes:
        name: the part.
        stored: bytes of a picture that are kept to build publications from.
        published: bytes of a picture in a publication; 0 where it is not told apart.
        milliseconds: of one core, to make it of the pixels, and fused vectors of raw parts and the model's vector.
    """

    name: str
    stored: float
    published: float = 0.0
    milliseconds: float = 0.0


def costs(pictures: Sequence[NDArray[np.uint8]], generation: Generation) -> list[Cost]:
    """Measure the derived spaces on some pictures, and the files of a publication of all of them."""
    of_patches = sum(file.stat().st_size for file in generation.patches.rglob("*.npy"))
    of_cells = sum(file.stat().st_size for file in generation.cells.rglob("*.npy"))
    folders = [generation.path / name for name in (FUSED, FUSED_INCOMPLETE, FUSED_SUBJECTS)]
    of_fused = sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.is_file())
    images = max(int(generation.manifest["counts"].get("words_images", 0)), 1)
    found = []
    pixels = [CanonicalPixels(rgba) for rgba in pictures]
    for space, derive in DERIVATIONS.items():
        began = time.thread_time()
        sizes = [len(derive(one)) for one in pixels]
        each = 1000 * (time.thread_time() - began) / max(len(sizes), 1)
        published = {patches.SPACE: of_patches, cells.SPACE: of_cells}.get(space, 0) / images
        found.append(Cost(_NAMES.get(space, space), float(np.mean(sizes)), published, each))
    raw = np.stack([np.frombuffer(DERIVATIONS[parts.SPACE](one), np.uint8) for one in pixels])
    found.append(Cost("fused vectors", 0.0, of_fused / images, _fusing(generation, raw)))
    return found


def _fusing(generation: Generation, raw: NDArray[np.uint8]) -> float:
    """Milliseconds a picture to make fused vectors of raw parts, 512 pictures at a time as a publication does."""
    projection = Projection.from_bytes((generation.path / PROJECTION).read_bytes())
    raw = np.resize(raw, (512, parts.RAW_BYTES))
    values = projection.prepared(raw)
    for block in projection.blocks:
        if block.name == SUBJECT:  # how long it takes does not depend on the vectors
            values[SUBJECT] = np.random.default_rng(1).normal(size=(len(raw), len(block.mean))).astype(np.float32)
    began = time.process_time()  # of all threads of linear algebra
    values.update(projection.prepared(raw))
    for block in projection.blocks:
        block.quantise(block.project(values[block.name]))
    return 1000 * (time.process_time() - began) / len(raw)
