"""What an XCF file is read by: big-endian numbers by place, the header of a layer, run-length encoded tiles."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ogaart.imaging.formats.errors import Damaged

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass
class XcfLayer:
    """One layer's header: what the compositing needs of it."""

    width: int
    height: int
    kind: int
    pixels: int
    mask: int
    opacity: float = 1.0
    visible: bool = True
    mode: int = 0
    left: int = 0
    top: int = 0
    apply_mask: bool = True
    show_mask: bool = False
    floating: bool = False
    group: bool = False
    path: tuple[int, ...] = ()
    spaces: tuple[int, int, int] = (0, 0, 0)
    members: list[XcfLayer] = field(default_factory=list)


class Reader:
    """Big-endian numbers of an XCF by place."""

    def __init__(self, data: bytes | memoryview) -> None:
        self.data = memoryview(data)
        self.place = 0
        self.wide = False

    def take(self, form: str) -> tuple[int, ...]:
        """Numbers at the place; moves on."""
        layout = struct.Struct(f">{form}")
        if not 0 <= self.place <= len(self.data) - layout.size:
            raise Damaged(f"XCF ends early: {len(self.data):,} bytes, {layout.size} expected at {self.place:,}")
        values = layout.unpack_from(self.data, self.place)
        self.place += layout.size
        return values

    def number(self) -> int:
        """One uint32."""
        return self.take("I")[0]

    def pointer(self) -> int:
        """One place in the file: 64 bits from version 11 on."""
        return self.take("Q" if self.wide else "I")[0]

    def skip_text(self) -> None:
        """Pass over a string."""
        length = self.number()
        self.place += length

    def bytes(self, place: int, most: int) -> memoryview:
        """At most ``most`` bytes from a place."""
        if not 0 < place < len(self.data):
            raise Damaged(f"XCF points to byte {place:,} of {len(self.data):,}")
        return self.data[place : place + most]


def unpack_runs(data: memoryview, count: int, channels: int) -> NDArray[np.uint8]:
    """A tile's run-length encoding: one stream for each channel."""
    planes = np.empty((channels, count), np.uint8)
    place = 0
    try:
        for plane in planes:
            filled = 0
            while filled < count:
                code = data[place]
                place += 1
                length = code + 1 if code < 128 else 256 - code
                if code in (127, 128):
                    length = data[place] << 8 | data[place + 1]
                    place += 2
                if filled + length > count:
                    raise Damaged("XCF tile with a run longer than the tile")
                if code < 128:
                    plane[filled : filled + length] = data[place]
                    place += 1
                else:
                    run = data[place : place + length]
                    if len(run) < length:
                        raise Damaged("XCF tile ends early")
                    plane[filled : filled + length] = np.frombuffer(run, np.uint8)
                    place += length
                filled += length
    except IndexError as cause:
        raise Damaged("XCF tile ends early") from cause
    return planes.T
