"""GIMP's XCF to pixels: the visible layers, composited as GIMP shows them.

Written from GIMP's devel-docs/xcf.txt and the defaults of its layer modes. Versions 0 to 99, 8 bits with gamma;
other precisions and rare layer modes are refused by name.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from ogaart.imaging.formats import layers
from ogaart.imaging.formats.errors import Damaged, TooManyPixels, Unsupported
from ogaart.imaging.formats.layers import Mode, Pixels
from ogaart.imaging.formats.xcf_modes import PASS_THROUGH, mode_of
from ogaart.imaging.formats.xcf_reader import Reader, XcfLayer, unpack_runs

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_LAYERS = 4096
TILE = 64
_COMPRESSIONS = {0: "none", 1: "RLE", 2: "zlib"}
_BASE_TYPES = {0: "RGB", 1: "grey", 2: "indexed"}
_EIGHT_BIT_GAMMA = {4: (0,), 5: (150,), 6: (150,)}


def decode(data: bytes | memoryview, max_pixels: int) -> tuple[NDArray[np.uint8], str]:
    """Composite an XCF's visible layers.

    Args:
        data: the file's bytes.
        max_pixels: of the canvas, and of every layer.

    Returns:
        (H, W, 4) uint8 with straight alpha, and the image's mode: RGB, grey or indexed.

    Raises:
        FormatError: damaged, a variant that is not read, or too many pixels.
    """
    return _Image(data, max_pixels).composited()


class _Image:
    """One XCF file."""

    def __init__(self, data: bytes | memoryview, max_pixels: int) -> None:
        self._reader = reader = Reader(data)
        self._max_pixels = max_pixels
        self._budget = 16 * max_pixels
        version = bytes(reader.data[9:13])
        if version == b"file":
            self.version = 0
        elif version[:1] == b"v" and version[1:].isdigit():
            self.version = int(version[1:])
        else:
            raise Damaged(f"XCF of version {version!r}")
        if self.version >= 100:
            raise Unsupported(f"XCF of version {self.version}: written by CinePaint")
        reader.wide = self.version >= 11
        reader.place = 14
        self.width, self.height, self.base = reader.take("III")
        self._check_size(self.width, self.height)
        if self.base not in _BASE_TYPES:
            raise Damaged(f"XCF of colour mode {self.base}")
        if self.version >= 4:
            precision = reader.number()
            if precision not in _EIGHT_BIT_GAMMA.get(self.version, (150,)):
                raise Unsupported(f"XCF of precision {precision}: only 8 bits with gamma (150) are read")
        self.compression = 0
        self.palette: NDArray[np.uint8] = np.zeros((256, 3), np.uint8)
        self._read_properties()
        self._layers = self._read_layers()

    def composited(self) -> tuple[NDArray[np.uint8], str]:
        canvas = np.zeros((self.height, self.width, 4), np.float32)
        self._place_all(canvas, self._layers, bottom=True)
        return layers.rounded(canvas), _BASE_TYPES[self.base]

    def _check_size(self, width: int, height: int) -> None:
        if not width or not height:
            raise Damaged(f"XCF of {width} x {height} pixels")
        if width * height > self._max_pixels:
            raise TooManyPixels(f"{width} x {height} = {width * height:,} pixels")

    def _spend(self, pixels: int) -> None:
        """Bound the work of one file: many large layers are as costly as one canvas too large."""
        self._budget -= pixels
        if self._budget < 0:
            raise TooManyPixels(f"layers of more than {16 * self._max_pixels:,} pixels together")

    def _read_properties(self) -> None:
        reader = self._reader
        while True:
            kind, length = reader.take("II")
            start = reader.place
            if kind == 0:
                return
            if kind == 1:  # the length of a colour map is wrong in some files
                count = reader.number()
                if count > 256:
                    raise Damaged(f"XCF with a palette of {count} colours")
                colours = np.frombuffer(reader.data[reader.place : reader.place + 3 * count], np.uint8)
                if len(colours) < 3 * count:
                    raise Damaged("XCF ends inside its palette")
                self.palette[:count] = colours.reshape(count, 3)
                reader.place += 3 * count
                continue
            if kind == 17:
                self.compression = reader.take("B")[0]
                if self.compression not in _COMPRESSIONS:
                    raise Unsupported(f"XCF of compression {self.compression}")
            reader.place = start + length

    def _read_layers(self) -> list[XcfLayer]:
        """The tree of layers, topmost first."""
        reader = self._reader
        places: list[int] = []
        while place := reader.pointer():
            places.append(place)
            if len(places) > MAX_LAYERS:
                raise Unsupported(f"XCF of more than {MAX_LAYERS:,} layers")
        tree: list[XcfLayer] = []
        by_path: dict[tuple[int, ...], XcfLayer] = {}
        for place in places:
            layer = self._read_layer(place)
            if layer.floating and layer.visible:
                raise Unsupported("XCF with a floating selection")
            if layer.floating:
                continue
            parent = by_path.get(layer.path[:-1]) if len(layer.path) > 1 else None
            (parent.members if parent else tree).append(layer)
            by_path[layer.path or (len(tree) - 1,)] = layer
        return tree

    def _read_layer(self, place: int) -> XcfLayer:
        reader = self._reader
        reader.place = place
        width, height, kind = reader.take("III")
        reader.skip_text()
        found = XcfLayer(width, height, kind, 0, 0)
        while True:
            prop, length = reader.take("II")
            start = reader.place
            if prop == 0:
                break
            self._read_layer_property(found, prop, length)
            reader.place = start + length
        found.pixels, found.mask = reader.pointer(), reader.pointer()
        return found

    def _read_layer_property(self, layer: XcfLayer, prop: int, length: int) -> None:
        reader = self._reader
        if prop == 5:
            layer.floating = True
        elif prop == 6:
            layer.opacity = min(255, reader.number()) / 255
        elif prop == 7:
            layer.mode = reader.number()
        elif prop == 8:
            layer.visible = bool(reader.number())
        elif prop == 11:
            layer.apply_mask = bool(reader.number())
        elif prop == 13:
            layer.show_mask = bool(reader.number())
        elif prop == 15:
            layer.left, layer.top = reader.take("ii")
        elif prop == 29:
            layer.group = True
        elif prop == 30:
            layer.path = reader.take(f"{min(length // 4, 64)}I")
        elif prop == 33:
            (layer.opacity,) = struct.unpack(">f", struct.pack(">I", reader.number()))
            layer.opacity = min(1.0, max(0.0, layer.opacity)) if layer.opacity == layer.opacity else 1.0
        elif prop in (35, 36, 37):
            (value,) = reader.take("i")
            mode, composite, blend = layer.spaces
            layer.spaces = (value, composite, blend) if prop == 35 else (
                (mode, value, blend) if prop == 36 else (mode, composite, value)
            )  # fmt: skip

    def _place_all(self, canvas: Pixels, found: list[XcfLayer], *, bottom: bool) -> None:
        """Composite layers, bottom to top.

        Args:
            canvas: of the whole image; changed in place.
            found: layers of one stack, topmost first.
            bottom: whether nothing is below this stack: GIMP shows the lowest visible layer in normal mode.
        """
        shown = [layer for layer in reversed(found) if layer.visible and layer.opacity > 0]
        for number, layer in enumerate(shown):
            lowest = bottom and number == 0
            partial = layer.opacity < 1 or bool(layer.mask)
            mode = mode_of(layer.mode, layer.spaces, lowest=lowest, group=layer.group, partial=partial)
            if layer.group and layer.mode == PASS_THROUGH:
                self._place_all(canvas, layer.members, bottom=lowest)
            elif layer.group:
                self._spend(canvas.shape[0] * canvas.shape[1])
                pixels: Pixels = np.zeros_like(canvas)
                self._place_all(pixels, layer.members, bottom=True)
                if (mask := self._mask(layer)) is not None:
                    whole = np.zeros((*canvas.shape[:2], 4), np.float32)
                    opaque = np.full((*mask.shape, 4), 255, np.uint8)
                    layers.place(whole, opaque, layer.left, layer.top, 1.0, Mode(), mask)
                    pixels[..., 3] *= whole[..., 3]
                layers.place(canvas, pixels, 0, 0, layer.opacity, mode)
            else:
                layers.place(canvas, self._pixels(layer), layer.left, layer.top, layer.opacity, mode, self._mask(layer))

    def _mask(self, layer: XcfLayer) -> NDArray[np.uint8] | None:
        """A layer's mask, (h, w) uint8, where it has one that is applied."""
        if not layer.mask or not (layer.apply_mask or layer.show_mask):
            return None
        if layer.show_mask:
            raise Unsupported("XCF that shows a layer mask instead of its layer")
        reader = self._reader
        reader.place = layer.mask
        width, height = reader.take("II")
        if (width, height) != (layer.width, layer.height):
            raise Damaged("XCF mask of another size than its layer")
        self._check_size(width, height)
        reader.skip_text()
        while True:
            prop, length = reader.take("II")
            if prop == 0:
                break
            reader.place += length
        return self._tiles(reader.pointer(), width, height, 1)[..., 0]

    def _pixels(self, layer: XcfLayer) -> NDArray[np.uint8]:
        """A layer's own pixels as RGBA, (h, w, 4) uint8."""
        self._check_size(layer.width, layer.height)
        if layer.kind >> 1 != self.base or layer.kind > 5:
            raise Damaged(f"XCF layer of type {layer.kind} in an image of type {self.base}")
        colours, alpha = (3 if self.base == 0 else 1), layer.kind & 1
        samples = self._tiles(layer.pixels, layer.width, layer.height, colours + alpha)
        opaque = np.full((layer.height, layer.width, 1), 255, np.uint8)
        transparency = samples[..., colours:] if alpha else opaque
        if self.base == 2 and self.version > 0:
            colour = self.palette[samples[..., 0]]
        elif self.base:
            colour = np.repeat(samples[..., :1], 3, axis=2)
        else:
            colour = samples[..., :3]
        return np.concatenate([colour, transparency], axis=2)

    def _tiles(self, place: int, width: int, height: int, channels: int) -> NDArray[np.uint8]:
        """The pixels of a hierarchy, (H, W, channels)."""
        self._spend(width * height)
        reader = self._reader
        reader.place = place
        wide, high, depth = reader.take("III")
        if (wide, high, depth) != (width, height, channels):
            raise Damaged(f"XCF pixels of {wide} x {high} x {depth} in a layer of {width} x {height} x {channels}")
        reader.place = reader.pointer()
        if reader.take("II") != (width, height):
            raise Damaged("XCF level of another size than its layer")
        columns, rows = -(-width // TILE), -(-height // TILE)
        table = reader.take(f"{columns * rows}{'Q' if reader.wide else 'I'}")
        pixels = np.zeros((height, width, channels), np.uint8)
        for number, at in enumerate(table):
            top, left = TILE * (number // columns), TILE * (number % columns)
            tile = pixels[top : top + TILE, left : left + TILE]
            tile[:] = self._tile(at, tile.shape[0] * tile.shape[1], channels).reshape(tile.shape)
        return pixels

    def _tile(self, place: int, count: int, channels: int) -> NDArray[np.uint8]:
        length = count * channels
        if self.compression == 0:
            raw = self._reader.bytes(place, length)
        elif self.compression == 2:
            try:
                raw = memoryview(zlib.decompressobj().decompress(self._reader.bytes(place, 2 * length + 1024), length))
            except zlib.error as cause:
                raise Damaged(f"XCF tile: {cause}") from cause
        else:
            return unpack_runs(self._reader.bytes(place, 4 * length + 1024), count, channels)
        if len(raw) < length:
            raise Damaged(f"XCF tile of {len(raw):,} bytes instead of {length:,}")
        return np.frombuffer(raw, np.uint8, length)
