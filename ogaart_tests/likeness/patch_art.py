"""Made-up sprites with sharp details, sheets of them, and an index of patches in memory, for tests of exact parts."""

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness.patch_evidence import looked_at
from ogaart.likeness.patch_matching import PictureFacts, Postings
from ogaart.likeness.patches import Hashes, Patches, patches

Picture = NDArray[np.uint8]


def sprite(seed: int, width: int = 24, height: int = 24) -> Picture:
    """A disc of noise in a few colours on nothing: (height, width, 4) uint8 canonical pixels."""
    random = np.random.default_rng(seed)
    colours = random.integers(0, 256, (5, 3))
    rgba = np.full((height, width, 4), 255, np.uint8)
    rgba[..., :3] = colours[random.integers(0, 5, (height, width))]
    y, x = np.mgrid[:height, :width]
    outside = ((x + 0.5) / width - 0.5) ** 2 + ((y + 0.5) / height - 0.5) ** 2 > 0.25
    rgba[outside] = 0
    return rgba


def ground(seed: int, width: int, height: int) -> Picture:
    """An opaque landscape of soft noise."""
    random = np.random.default_rng(seed)
    rgba = np.full((height, width, 4), 255, np.uint8)
    rgba[..., :3] = random.integers(90, 110, (height, width, 3))
    return rgba


def paste(into: Picture, picture: Picture, x: int, y: int) -> Picture:
    """The same with a picture on top of it."""
    made = into.copy()
    part = made[y : y + picture.shape[0], x : x + picture.shape[1]]
    part[picture[..., 3] > 0] = picture[picture[..., 3] > 0]
    return made


def sheet(pictures: list[Picture], columns: int, cell: int) -> Picture:
    """Pictures in a grid on nothing."""
    rows = -(-len(pictures) // columns)
    made = np.zeros((rows * cell, columns * cell, 4), np.uint8)
    for n, picture in enumerate(pictures):
        made = paste(made, picture, n % columns * cell, n // columns * cell)
    return made


def enlarged(picture: Picture, factor: int) -> Picture:
    return picture.repeat(factor, 0).repeat(factor, 1)


class MemoryIndex:
    """Patches of a few pictures, by brute force."""

    def __init__(self, *pictures: Picture) -> None:
        self.of: list[Patches] = [patches(picture) for picture in pictures]

    def find(self, hashes: Hashes, common: int, at_most: int) -> Postings:
        rows = [
            (q, number, int(found.x[p]), int(found.y[p]))
            for q, wanted in enumerate(hashes)
            for number, found in enumerate(self.of)
            for p in np.flatnonzero(found.hashes == wanted)
        ]
        columns = np.array(rows, np.int64).reshape(-1, 4).T
        counts = np.bincount(columns[0], minlength=len(hashes)).astype(np.int64)
        chosen, complete = looked_at(hashes, counts, common, at_most)
        kept = np.isin(columns[0], chosen)
        query, picture, x, y = (column[kept] for column in columns)
        return Postings(query, picture, x, y, counts, complete)

    def facts(self, picture: int) -> PictureFacts:
        found = self.of[picture]
        return PictureFacts(found.width, found.height, found.enlarged, found.step, len(found), int(found.opaque.sum()))
