"""Subjects: pictures without their flat ground, as they are kept beside the pictures that have one.

A copy on white and a sprite keyed with magenta are compared by what is in front. Any change of a definition, of
``grounds``, ``signatures`` or ``parts``, needs a new ``SPACE``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ogaart.likeness import parts
from ogaart.likeness.grounds import without_ground
from ogaart.likeness.signatures import SIDE, SIGNATURE_BYTES, signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPACE = f"subject-1-{parts.SPACE}"
"""Name and version of what is kept of subjects: the derived space that keeps them."""
_SIDES_BYTES = 8
_BYTES = _SIDES_BYTES + SIGNATURE_BYTES + parts.RAW_BYTES


@dataclass(frozen=True, eq=False)
class Subject:
    """A picture without its ground.

    Attributes:
        width: pixels.
        height: pixels.
        signature: (32, 32, 4) uint8, see ``signatures``.
        parts: (3512,) uint8, see ``parts``.
    """

    width: int
    height: int
    signature: NDArray[np.uint8]
    parts: NDArray[np.uint8]

    @property
    def side(self) -> int:
        """The smaller side in pixels."""
        return min(self.width, self.height)

    def to_bytes(self) -> bytes:
        """All of it, to be kept."""
        sides = np.array([self.width, self.height], "<u4")
        return sides.tobytes() + self.signature.tobytes() + self.parts.tobytes()

    @classmethod
    def from_bytes(cls, content: bytes) -> Subject | None:
        """What ``to_bytes`` made; None for the empty string, which says that a picture has no ground.

        Raises:
            ValueError: it is something else.
        """
        if not content:
            return None
        if len(content) != _BYTES:
            raise ValueError(f"{len(content)} bytes of a subject, expected {_BYTES}")
        width, height = np.frombuffer(content, "<u4", 2)
        rest = np.frombuffer(content, np.uint8, offset=_SIDES_BYTES)
        return cls(
            int(width), int(height), rest[:SIGNATURE_BYTES].reshape(SIDE, SIDE, 4).copy(), rest[SIGNATURE_BYTES:].copy()
        )


def describe(rgba: NDArray[np.uint8]) -> bytes:
    """What is kept of a picture's subject; empty where it has no flat ground.

    Args:
        rgba: (H, W, 4) uint8 canonical pixels.
    """
    subject = without_ground(rgba)
    if subject is None:
        return b""
    return Subject(subject.shape[1], subject.shape[0], signature(subject), parts.raw_parts(subject)).to_bytes()
