"""The miniatures of a publication's pictures: (32, 32, 4) uint8 each, in parts that publications share."""

from pathlib import Path

import numpy as np

from ogaart.core.arrays import load_array
from ogaart.likeness.signatures import SIDE
from ogaart.resources.catalog.generations import SIGNATURES
from ogaart.resources.storage.array_parts import ArrayParts, RowKind

SIGNATURE = RowKind((SIDE, SIDE, 4), np.uint8)
_ARRAY, _IDS = "signatures.npy", "signature_ids.npy"  # of publications of earlier versions


def open_signatures(path: Path) -> ArrayParts:
    """The miniatures of all published pictures; zeros where a picture has none.

    Args:
        path: the generation's folder.

    Raises:
        ArrayDamaged: a file is not as it was written.
        OSError: one is missing.
    """
    if (path / SIGNATURES).is_dir():
        return ArrayParts.open(path / SIGNATURES, SIGNATURE)
    # Mapped, not read: half a million are 2 GB, of which a search touches a hundred.
    return ArrayParts.whole(SIGNATURE, load_array(path / _IDS), load_array(path / _ARRAY, mapped=True))
