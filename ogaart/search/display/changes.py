"""How a visitor's picture differs from the picture that it is a copy of, in words. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness import signatures
from ogaart.likeness.orientations import MIRRORED, in_words
from ogaart.search.query import QueryPicture
from ogaart.search.results import Hit


@dataclass(frozen=True)
class Copy:
    """The picture that a visitor's is a copy of, and what was changed."""

    hit: Hit
    changes: tuple[str, ...]

    @property
    def mirrored(self) -> bool:
        """Whether it is mirrored and not turned, so that it lies over the other if it is mirrored once more."""
        return in_words(MIRRORED)[0] in self.changes and not any(in_words(turns)[0] in self.changes for turns in (1, 2))


def changes(picture: QueryPicture, hit: Hit, signature: NDArray[np.uint8] | None) -> tuple[str, ...]:
    """What was changed.

    Args:
        picture: the visitor's.
        hit: the published one.
        signature: (32, 32, 4) uint8, of the published one; None where it is not known.
    """
    found: list[str] = []
    if signature is not None:
        mirrored, turns = signatures.orientation(picture.signature, signature)
        found += in_words(turns + MIRRORED * mirrored)
    if {picture.width, picture.height} != {hit.width, hit.height}:
        found.append(f"resized from {hit.width} × {hit.height} to {picture.width} × {picture.height}")
    opaque = int(picture.signature[..., 3].min()) == 255
    if opaque and hit.has_alpha:
        found.append("on another background")
    elif not opaque and not hit.has_alpha:
        found.append("background removed")
    return tuple(found)
