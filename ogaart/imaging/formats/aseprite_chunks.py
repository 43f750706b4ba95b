"""Aseprite's .ase and .aseprite taken apart: header, layers, cels (still packed), tilesets and palette.

Written from Aseprite's docs/ase-file-specs.md.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ogaart.imaging.formats.errors import Damaged, TooManyPixels, Unsupported

if TYPE_CHECKING:
    from numpy.typing import NDArray

BYTES = {8: 1, 16: 2, 32: 4}
"""Bits of a pixel to its bytes."""

GROUP_BLENDING = 2
"""Flag of a file whose groups are composited each by itself."""

BACKGROUND = 8
"""Flag of a layer that is opaque and below all others."""

GROUP, TILEMAP = 1, 2
"""Kinds of layers besides the ordinary."""

MAX_LAYERS = 4096
_VISIBLE, _REFERENCE = 1, 64
_LAYER_OPACITY = 1


@dataclass
class Layer:
    """A layer's header."""

    flags: int
    kind: int
    level: int
    mode: int
    opacity: int
    tileset: int = 0
    parent: int | None = None
    visible: bool = True


@dataclass
class Cel:
    """A layer's picture in one frame, still packed."""

    layer: int
    left: int
    top: int
    opacity: int
    kind: int
    z: int
    body: memoryview


@dataclass
class Tileset:
    """The tiles of tilemap layers, still packed."""

    count: int
    width: int
    height: int
    body: memoryview | None


@dataclass
class Sprite:
    """A parsed file, its cels not yet unpacked."""

    width: int
    height: int
    depth: int
    flags: int
    transparent: int
    frames: list[list[Cel]] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    tilesets: dict[int, Tileset] = field(default_factory=dict)
    palette: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((256, 4), np.uint8))
    new_palette: bool = False


def parse(data: memoryview, max_pixels: int, max_frames: int) -> tuple[Sprite, int]:
    """Take a file apart.

    Args:
        data: the file's bytes.
        max_pixels: of the canvas.
        max_frames: frames that are read.

    Returns:
        The sprite with at most that many frames, and the number of frames that the file states.

    Raises:
        FormatError: damaged, a variant that is not read, or too many pixels.
        struct.error, IndexError: the file ends early.
    """
    magic, frames, width, height, depth, flags = struct.unpack_from("<4xHHHHHI", data)
    if magic != 0xA5E0:
        raise Damaged("not an Aseprite file")
    if depth not in BYTES:
        raise Unsupported(f"Aseprite file of {depth} bits per pixel")
    if not width or not height:
        raise Damaged(f"Aseprite file of {width} x {height} pixels")
    if width * height > max_pixels:
        raise TooManyPixels(f"{width} x {height} = {width * height:,} pixels")
    sprite = Sprite(width, height, depth, flags, data[28])
    place = 128
    for _ in range(min(frames, max_frames)):
        if place >= len(data) and sprite.frames:
            break  # cut off between two frames: those before are whole
        length, frame_magic, few = struct.unpack_from("<IHH", data, place)
        (many,) = struct.unpack_from("<I", data, place + 12)
        if frame_magic != 0xF1FA or length < 16:
            raise Damaged(f"Aseprite frame {len(sprite.frames)} has no header")
        cels: list[Cel] = []
        at, end = place + 16, min(place + length, len(data))
        for _ in range(many or few):
            if at >= end:
                break
            size, kind = struct.unpack_from("<IH", data, at)
            if size < 6 or at + size > len(data):
                raise Damaged("Aseprite chunk longer than the file")
            _read_chunk(sprite, cels, kind, data[at + 6 : at + size])
            at += size
        sprite.frames.append(cels)
        place += length
    _find_parents(sprite)
    return sprite, frames


def _read_chunk(sprite: Sprite, cels: list[Cel], kind: int, body: memoryview) -> None:
    if kind == 0x2004:
        flags, layer_kind, level, mode, opacity = struct.unpack_from("<HHH4xHB", body)
        layer = Layer(flags, layer_kind, level, mode, opacity if sprite.flags & _LAYER_OPACITY else 255)
        if layer_kind == TILEMAP:
            (name,) = struct.unpack_from("<H", body, 16)
            (layer.tileset,) = struct.unpack_from("<I", body, 18 + name)
        sprite.layers.append(layer)
        if len(sprite.layers) > MAX_LAYERS:
            raise Unsupported(f"Aseprite file of more than {MAX_LAYERS:,} layers")
    elif kind == 0x2005:
        layer_index, left, top, opacity, cel_kind, z = struct.unpack_from("<HhhBHh", body)
        cels.append(Cel(layer_index, left, top, opacity, cel_kind, z, body[16:]))
    elif kind == 0x2019:
        _read_palette(sprite, body)
    elif kind in (0x0004, 0x0011) and not sprite.new_palette:
        _read_old_palette(sprite, body, 255 / 63 if kind == 0x0011 else 1.0)
    elif kind == 0x2023:
        number, flags, count, width, height = struct.unpack_from("<IIIHH", body)
        (name,) = struct.unpack_from("<H", body, 32)
        at = 34 + name + (8 if flags & 1 else 0)
        sprite.tilesets[number] = Tileset(count, width, height, body[at + 4 :] if flags & 2 else None)


def _read_palette(sprite: Sprite, body: memoryview) -> None:
    _, first, last = struct.unpack_from("<III", body)
    sprite.new_palette = True
    at = 20
    for index in range(first, min(last, 255) + 1):
        flags, *colour = struct.unpack_from("<HBBBB", body, at)
        sprite.palette[index] = colour
        at += 6
        if flags & 1:
            at += 2 + struct.unpack_from("<H", body, at)[0]


def _read_old_palette(sprite: Sprite, body: memoryview, scale: float) -> None:
    (packets,) = struct.unpack_from("<H", body)
    at, index = 2, 0
    for _ in range(packets):
        skip, count = struct.unpack_from("<BB", body, at)
        at += 2
        index += skip
        for _ in range(count or 256):
            red, green, blue = struct.unpack_from("<BBB", body, at)
            at += 3
            if index < 256:
                sprite.palette[index] = (*(min(255, int(c * scale + 0.5)) for c in (red, green, blue)), 255)
            index += 1


def _find_parents(sprite: Sprite) -> None:
    """Set each layer's group and whether all groups around it are visible."""
    stack: list[int] = []
    for number, layer in enumerate(sprite.layers):
        del stack[layer.level :]
        layer.parent = stack[-1] if stack else None
        outer = layer.parent is None or sprite.layers[layer.parent].visible
        layer.visible = outer and bool(layer.flags & _VISIBLE) and not layer.flags & _REFERENCE
        stack.append(number)
