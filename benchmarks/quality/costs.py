"""What each part of the likeness costs: bytes kept of a picture, and processor time to make them."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness import parts, patches, sheets, subjects
from ogaart.resources.catalog.generations import FUSED, Generation
from ogaart.resources.embedding.derivations import DERIVATIONS

_NAMES = {
    parts.SPACE: "raw parts",
    subjects.SPACE: "subject without its ground",
    patches.SPACE: "patches",
    sheets.SPACE: "cells of sheets",
}


@dataclass(frozen=True)
class Cost:
    """Of one part, on average.

    Attributes:
        name: the part.
        stored: bytes of a picture that are kept to build publications from.
        published: bytes of a picture in a publication; 0 where it is not told apart.
        milliseconds: of one core, to make it of the pixels; 0 for what is made of stored bytes.
    """

    name: str
    stored: float
    published: float = 0.0
    milliseconds: float = 0.0


def costs(pictures: Sequence[NDArray[np.uint8]], generation: Generation) -> list[Cost]:
    """Measure the derived spaces on some pictures, and the files of a publication of all of them."""
    of_patches = sum(file.stat().st_size for file in generation.patches.rglob("*.npy"))
    fused = generation.path / FUSED
    images = max(int(generation.manifest["counts"].get("words_images", 0)), 1)
    found = []
    for space, derive in DERIVATIONS.items():
        began = time.thread_time()
        sizes = [len(derive(rgba)) for rgba in pictures]
        each = 1000 * (time.thread_time() - began) / max(len(sizes), 1)
        published = of_patches / images if space == patches.SPACE else 0.0
        found.append(Cost(_NAMES.get(space, space), float(np.mean(sizes)), published, each))
    found.append(Cost("fused vectors", 0.0, fused.stat().st_size / images if fused.exists() else 0.0))
    return found
