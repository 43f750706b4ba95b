"""Small files that lie beside pictures in real packs: junk, texts, sounds, sources, and a PNG that is none."""

import struct
import zlib

import numpy as np

README = "Thank you for downloading! Licence and author: see the page of this pack.\r\n".encode("utf-8-sig")
APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(58)
THUMBS_DB = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1528)  # an OLE container, as Windows left them
SVG = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64" '
    b'viewBox="0 0 64 64" shape-rendering="crispEdges"><rect width="64" height="64" fill="#44aa99"/>'
    b'<rect x="12" y="16" width="12" height="12" fill="#112233"/><rect x="40" y="16" width="12" height="12" '
    b'fill="#112233"/><rect x="12" y="44" width="40" height="8" fill="#cc3355"/></svg>\n'
)
_SVG_RECTANGLES = (
    (0, 0, 64, 64, 0x44AA99),
    (12, 16, 12, 12, 0x112233),
    (40, 16, 12, 12, 0x112233),
    (12, 44, 40, 8, 0xCC3355),
)


def svg_pixels() -> np.ndarray:
    """Return what ``SVG`` shows at its own size, (64, 64, 4) uint8: its edges lie on pixels, so any renderer agrees."""
    rgba = np.full((64, 64, 4), 255, np.uint8)
    for x, y, width, height, colour in _SVG_RECTANGLES:
        rgba[y : y + height, x : x + width, :3] = (colour >> 16, colour >> 8 & 255, colour & 255)
    return rgba


def ogg() -> bytes:
    """Return the first page of an Ogg Vorbis stream: enough to be known for a sound."""
    header = b"\x01vorbis" + struct.pack("<IBIiiiBB", 0, 1, 44_100, 0, 112_000, 0, 0xB8, 1)
    return b"OggS\x00\x02" + bytes(8) + struct.pack("<III", 1, 0, 0) + bytes((1, len(header))) + header


def xcf() -> bytes:
    """Return an empty 8 x 8 RGB picture in GIMP's own format."""
    return b"gimp xcf v001\x00" + struct.pack(">IIIIIII", 8, 8, 0, 0, 0, 0, 0)


def drawing_pixels() -> np.ndarray:
    """Return what ``drawing`` shows, (24, 24, 4) uint8: a frame in steps of colour around a transparent middle."""
    rgba = np.zeros((24, 24, 4), np.uint8)
    rows, columns = np.mgrid[0:24, 0:24]
    rgba[..., 0], rgba[..., 1], rgba[..., 2], rgba[..., 3] = rows * 10, columns * 10, 90, 255
    rgba[8:16, 8:16] = 0
    return rgba


def drawing() -> bytes:
    """Return ``drawing_pixels`` in GIMP's own format: one visible layer, uncompressed, in one tile."""

    def prop(number: int, *values: int) -> bytes:
        return struct.pack(f">II{len(values)}I", number, 4 * len(values), *values)

    end = prop(0)
    head = b"gimp xcf v001\x00" + struct.pack(">III", 24, 24, 0) + struct.pack(">IIB", 17, 1, 0) + end
    name = b"face\x00"
    layer_at = len(head) + 12  # behind the pointers: one layer and the end of layers, the end of channels
    layer = struct.pack(">IIII", 24, 24, 1, len(name)) + name
    layer += prop(6, 255) + prop(8, 1) + prop(15, 0, 0) + prop(7, 0) + end
    hierarchy_at = layer_at + len(layer) + 8
    hierarchy = struct.pack(">IIIII", 24, 24, 4, hierarchy_at + 20, 0)
    level_at = hierarchy_at + 20
    level = struct.pack(">IIII", 24, 24, level_at + 16, 0)
    pointers = struct.pack(">III", layer_at, 0, 0)
    return (
        head + pointers + layer + struct.pack(">II", hierarchy_at, 0) + hierarchy + level + drawing_pixels().tobytes()
    )


def zero_png() -> bytes:
    """Return a file that is a PNG by its name and magic bytes, and 0 x 0 by its header."""
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", 0, 0, 8, 6, 0, 0, 0)), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def by_name() -> dict[str, bytes]:
    """Return the stubs that a site plan may name, each under the file name it usually has."""
    return {
        "README.txt": README,
        "Thumbs.db": THUMBS_DB,
        "jingle.ogg": ogg(),
        "source.xcf": xcf(),
        "drawing.xcf": drawing(),
        "logo.svg": SVG,
        "broken_0x0.png": zero_png(),
        ".DS_Store": b"\x00\x00\x00\x01Bud1" + bytes(248),
    }
