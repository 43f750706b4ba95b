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
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness import parts, patches, sheets, subjects

Derivation = Callable[[NDArray[np.uint8]], bytes]
"""From (H, W, 4) uint8 canonical pixels to the bytes that are kept."""


def _patches(rgba: NDArray[np.uint8]) -> bytes:
    return patches.packed(patches.patches(rgba))


def _parts(rgba: NDArray[np.uint8]) -> bytes:
    return parts.raw_parts(rgba).tobytes()


def _sheets(rgba: NDArray[np.uint8]) -> bytes:
    return sheets.packed(sheets.recognise(rgba))


DERIVATIONS: Mapping[str, Derivation] = MappingProxyType(
    {parts.SPACE: _parts, patches.SPACE: _patches, sheets.SPACE: _sheets, subjects.SPACE: subjects.describe}
)
"""Every derived space: its name, with a version at the end, and its function."""
