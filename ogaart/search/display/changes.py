"""How a visitor's picture differs from the picture that it is a copy of, in words. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness import signatures
from ogaart.search.query import QueryPicture
from ogaart.search.results import Hit

_MIRRORED = "mirrored"
_TURNS = ("", "turned by a quarter", "upside down", "turned by a quarter")


@dataclass(frozen=True)
class Copy:
    """The picture that a visitor's is a copy of, and what was changed."""

    hit: Hit
    changes: tuple[str, ...]

    @property
    def mirrored(self) -> bool:
        """Whether it is mirrored and not turned, so that it lies over the other if it is mirrored once more."""
        return _MIRRORED in self.changes and not any(turn in self.changes for turn in _TURNS if turn)


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
        if mirrored:
            found.append(_MIRRORED)
        if _TURNS[turns]:
            found.append(_TURNS[turns])
    if {picture.width, picture.height} != {hit.width, hit.height}:
        found.append(f"resized from {hit.width} × {hit.height} to {picture.width} × {picture.height}")
    opaque = int(picture.signature[..., 3].min()) == 255
    if opaque and hit.has_alpha:
        found.append("on another background")
    elif not opaque and not hit.has_alpha:
        found.append("background removed")
    return tuple(found)
