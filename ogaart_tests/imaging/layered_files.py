"""Small XCF, Aseprite and PSD files for the tests, written from the formats' specifications."""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.uint8]


def solid(colour: Sequence[int], height: int = 4, width: int = 4) -> Array:
    """(H, W, C) of one colour."""
    return np.full((height, width, len(colour)), colour, np.uint8)


@dataclass
class XcfLayer:
    """A layer of an XCF, topmost first in its file."""

    pixels: Array
    left: int = 0
    top: int = 0
    opacity: int = 255
    visible: bool = True
    mode: int = 0
    mask: Array | None = None
    path: tuple[int, ...] = ()
    group: bool = False
    extra: list[tuple[int, bytes]] = field(default_factory=list)


def _prop(kind: int, data: bytes) -> bytes:
    return struct.pack(">II", kind, len(data)) + data


def runs(plane: bytes) -> bytes:
    """XCF's run-length encoding of one plane: runs, and literals between them."""
    out, place = b"", 0
    while place < len(plane):
        length = 1
        while place + length < len(plane) and length < 127 and plane[place + length] == plane[place]:
            length += 1
        if length > 1:
            out += bytes([length - 1, plane[place]])
        else:
            out += bytes([255, plane[place]])
        place += length
    return out


def xcf(
    layers: Sequence[XcfLayer],
    size: tuple[int, int] = (4, 4),
    *,
    base: int = 0,
    version: int = 3,
    compression: int = 1,
    palette: Sequence[Sequence[int]] = (),
    precision: int = 150,
) -> bytes:
    """An XCF file; ``size`` is (width, height)."""
    pointer = ">Q" if version >= 11 else ">I"
    name = b"file" if version == 0 else b"v%03d" % version
    head = b"gimp xcf " + name + b"\0" + struct.pack(">III", *size, base)
    head += struct.pack(">I", precision) if version >= 4 else b""
    head += _prop(17, bytes([compression]))
    if palette:
        head += _prop(1, struct.pack(">I", len(palette)) + bytes(c for colour in palette for c in colour))
    head += _prop(0, b"")
    size_of = struct.calcsize(pointer)
    body = bytearray(head + bytes(size_of * (len(layers) + 2)))

    def hierarchy(pixels: Array) -> int:
        height, width, channels = pixels.shape
        tiles = []
        for top in range(0, height, 64):
            for left in range(0, width, 64):
                tile = pixels[top : top + 64, left : left + 64]
                tiles.append(len(body))
                if compression == 1:
                    body.extend(b"".join(runs(tile[..., c].tobytes()) for c in range(channels)))
                else:
                    body.extend(zlib.compress(tile.tobytes()) if compression == 2 else tile.tobytes())
        level = len(body)
        body.extend(struct.pack(">II", width, height) + b"".join(struct.pack(pointer, t) for t in [*tiles, 0]))
        place = len(body)
        body.extend(struct.pack(">III", width, height, channels) + struct.pack(pointer, level) + bytes(size_of))
        return place

    for number, layer in enumerate(layers):
        height, width, channels = layer.pixels.shape
        pixels = hierarchy(layer.pixels)
        mask = 0
        if layer.mask is not None:
            samples = hierarchy(layer.mask[..., None])
            mask = len(body)
            body += struct.pack(">III", width, height, 2) + b"m\0" + _prop(0, b"") + struct.pack(pointer, samples)
        struct.pack_into(pointer, body, len(head) + size_of * number, len(body))
        kind = 2 * base + (channels in (2, 4))
        body += struct.pack(">IIII", width, height, kind, 2) + b"l\0"
        body += _prop(6, struct.pack(">I", layer.opacity)) + _prop(7, struct.pack(">I", layer.mode))
        body += _prop(8, struct.pack(">I", layer.visible)) + _prop(15, struct.pack(">ii", layer.left, layer.top))
        body += _prop(30, struct.pack(f">{len(layer.path)}I", *layer.path)) if layer.path else b""
        body += _prop(29, b"") if layer.group else b""
        body += b"".join(_prop(kind, data) for kind, data in layer.extra)
        body += _prop(0, b"") + struct.pack(pointer, pixels) + struct.pack(pointer, mask)
    return bytes(body)


def chunk(kind: int, body: bytes) -> bytes:
    """A chunk of an Aseprite frame."""
    return struct.pack("<IH", len(body) + 6, kind) + body


def ase_layer(
    *, flags: int = 1, kind: int = 0, level: int = 0, mode: int = 0, opacity: int = 255, tileset: int = 0
) -> bytes:
    """A layer chunk."""
    body = struct.pack("<HHHHHHB3x", flags, kind, level, 0, 0, mode, opacity) + struct.pack("<H", 1) + b"l"
    return chunk(0x2004, body + (struct.pack("<I", tileset) if kind == 2 else b""))


def ase_cel(
    layer: int, pixels: Array, *, left: int = 0, top: int = 0, opacity: int = 255, z: int = 0, raw: bool = False
) -> bytes:
    """A cel chunk with pixels, (H, W, bytes per pixel)."""
    head = struct.pack("<HhhBHh5x", layer, left, top, opacity, 0 if raw else 2, z)
    data = pixels.tobytes()
    size = struct.pack("<HH", pixels.shape[1], pixels.shape[0])
    return chunk(0x2005, head + size + (data if raw else zlib.compress(data)))


def ase_link(layer: int, frame: int) -> bytes:
    """A cel chunk that shows the cel of another frame."""
    return chunk(0x2005, struct.pack("<HhhBHh5x", layer, 0, 0, 255, 1, 0) + struct.pack("<H", frame))


def ase_palette(colours: Sequence[Sequence[int]]) -> bytes:
    """A palette chunk of RGBA colours."""
    entries = b"".join(struct.pack("<HBBBB", 0, *colour) for colour in colours)
    return chunk(0x2019, struct.pack("<III8x", len(colours), 0, len(colours) - 1) + entries)


def aseprite(
    frames: Sequence[Sequence[bytes]],
    size: tuple[int, int] = (4, 4),
    *,
    depth: int = 32,
    flags: int = 1,
    transparent: int = 0,
) -> bytes:
    """An Aseprite file; ``size`` is (width, height)."""
    body = b""
    for chunks in frames:
        data = b"".join(chunks)
        body += struct.pack("<IHHH2xI", 16 + len(data), 0xF1FA, len(chunks), 100, len(chunks)) + data
    head = struct.pack(
        "<IHHHHHIH8xB3xH", 128 + len(body), 0xA5E0, len(frames), *size, depth, flags, 100, transparent, 256
    )
    return head + bytes(128 - len(head)) + body


def psd(
    planes: Sequence[Array],
    *,
    mode: int = 3,
    depth: int = 8,
    version: int = 1,
    has_merged: bool = True,
    layer_info: bytes = b"",
) -> bytes:
    """A PSD or PSB whose merged picture is these planes, each (H, W) uint8, uncompressed."""
    height, width = planes[0].shape
    resources = b"8BIM" + struct.pack(">HHI", 0x0421, 0, 17) + struct.pack(">IBIII", 1, has_merged, 0, 0, 1) + b"\0"
    head = b"8BPS" + struct.pack(">H6xHIIHH", version, len(planes), height, width, depth, mode)
    head += struct.pack(">I", 0) + struct.pack(">I", len(resources)) + resources
    head += struct.pack(">Q" if version == 2 else ">I", len(layer_info)) + layer_info
    widen = {8: lambda p: p.tobytes(), 16: lambda p: (p.astype(">u2") * 257).astype(">u2").tobytes(),
             32: lambda p: (p.astype(">f4") / 255).astype(">f4").tobytes()}  # fmt: skip
    return head + struct.pack(">H", 0) + b"".join(widen[depth](plane) for plane in planes)
