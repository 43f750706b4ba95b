"""Derived spaces: what is computed from each new picture's canonical pixels beside the model's vector, by name.

The process that embeds decodes a picture once and hands its pixels to every space that lacks it; the step
``embeddings`` stores what comes back in segments of its own, ``derived/<space>/`` (see ``resources.storage.derived``),
by the hash of the picture's pixels. A picture lacks what no segment of a space holds: a data root gets a new space by
materializing ``embeddings`` again, without extracting anything again.

To add a space: write a pure function of pixels in ``ogaart.likeness`` with a name that carries its version, and list
both in ``DERIVATIONS``. It returns the bytes that are kept, empty where the picture has none. What it raises or
crashes is that picture's row in ``failures``, with the key ``<image_id> <space>``; the picture keeps its vector.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness import cells, parts, patches, sheets, subjects
from ogaart.likeness.sheets import Sheet


@dataclass(frozen=True, eq=False)
class CanonicalPixels:
    """One picture's canonical pixels, (H, W, 4) uint8, with what several spaces need of them computed once."""

    rgba: NDArray[np.uint8]

    @cached_property
    def sheet(self) -> Sheet | None:
        """How it is divided, where it is a sheet."""
        return sheets.recognise(self.rgba)


Derivation = Callable[[CanonicalPixels], bytes]
"""From canonical pixels to the bytes that are kept."""


def _patches(pixels: CanonicalPixels) -> bytes:
    return patches.packed(patches.patches(pixels.rgba))


def _parts(pixels: CanonicalPixels) -> bytes:
    return parts.raw_parts(pixels.rgba).tobytes()


def _sheets(pixels: CanonicalPixels) -> bytes:
    return sheets.packed(pixels.sheet)


def _cells(pixels: CanonicalPixels) -> bytes:
    return cells.describe(pixels.rgba, pixels.sheet)


def _subjects(pixels: CanonicalPixels) -> bytes:
    return subjects.describe(pixels.rgba)


DERIVATIONS: Mapping[str, Derivation] = MappingProxyType(
    {
        parts.SPACE: _parts,
        patches.SPACE: _patches,
        sheets.SPACE: _sheets,
        cells.SPACE: _cells,
        subjects.SPACE: _subjects,
    }
)
"""Every derived space: its name, with a version at the end, and its function."""
