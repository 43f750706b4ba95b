"""Aseprite's .ase and .aseprite to pixels: the first frame that shows anything, as Aseprite renders it.

Written from Aseprite's docs/ase-file-specs.md. Pixels are mixed with Aseprite's own integer rounding in normal mode.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from ogaart.imaging.formats import layers
from ogaart.imaging.formats.aseprite_chunks import BACKGROUND, BYTES, GROUP, GROUP_BLENDING, Cel, Layer, Sprite, parse
from ogaart.imaging.formats.errors import Damaged, TooManyPixels, Unsupported
from ogaart.imaging.formats.layers import Blend, Mode

if TYPE_CHECKING:
    from numpy.typing import NDArray

MODES: dict[int, Blend] = {
    1: layers.multiply, 2: layers.screen, 3: layers.overlay, 4: layers.darken, 5: layers.lighten, 6: layers.dodge,
    7: layers.burn, 8: layers.hard_light, 9: layers.soft_light, 10: layers.difference, 11: layers.exclusion,
    12: layers.hue, 13: layers.saturation, 14: layers.colour, 15: layers.luminosity, 16: layers.addition,
    17: layers.subtract, 18: layers.divide,
}  # fmt: skip
"""Blend modes besides normal, by number."""

_DEPTHS = {8: "indexed", 16: "grey", 32: "RGBA"}


def decode(data: bytes | memoryview, max_pixels: int, max_frames: int) -> tuple[NDArray[np.uint8], str, int]:
    """Render the first frame that is not fully transparent; the first of all where none is.

    Args:
        data: the file's bytes.
        max_pixels: of the canvas, and of every cel.
        max_frames: frames searched.

    Returns:
        (H, W, 4) uint8 with straight alpha, the colour mode (indexed, grey or RGBA), and the number of frames.

    Raises:
        FormatError: damaged, a variant that is not read, or too many pixels.
    """
    try:
        sprite, frames = parse(memoryview(data), max_pixels, max_frames)
        renderer = _Renderer(sprite, max_pixels)
        first: NDArray[np.uint8] | None = None
        for number in range(len(sprite.frames)):
            pixels = renderer.frame(number)
            if pixels[..., 3].any():
                return pixels, _DEPTHS[sprite.depth], frames
            first = pixels if first is None else first
    except (struct.error, IndexError) as cause:
        raise Damaged("Aseprite file ends early") from cause
    if first is None:
        raise Damaged("Aseprite file without frames")
    return first, _DEPTHS[sprite.depth], frames


class _Renderer:
    """Renders frames of one sprite within one budget of pixels."""

    def __init__(self, sprite: Sprite, max_pixels: int) -> None:
        self._sprite = sprite
        self._max_pixels = max_pixels
        self._budget = 16 * max_pixels

    def frame(self, number: int) -> NDArray[np.uint8]:
        sprite = self._sprite
        self._spend(sprite.width * sprite.height)
        canvas = np.zeros((sprite.height, sprite.width, 4), np.uint8)
        cels = [cel for cel in sprite.frames[number] if cel.layer < len(sprite.layers)]
        cels.sort(key=lambda cel: (cel.layer + cel.z, cel.z))
        grouped = sprite.flags & GROUP_BLENDING
        if grouped:
            self._place_group(canvas, None, cels, number)
        else:
            for cel in cels:
                self._place_cel(canvas, cel, number)
        canvas[canvas[..., 3] == 0] = 0
        return canvas

    def _place_group(self, canvas: NDArray[np.uint8], group: int | None, cels: list[Cel], frame: int) -> None:
        """Composite a group's layers, each group among them on a canvas of its own first."""
        sprite = self._sprite
        for number, layer in enumerate(sprite.layers):
            if layer.parent != group or not layer.visible:
                continue
            if layer.kind == GROUP:
                self._spend(sprite.width * sprite.height)
                own = np.zeros_like(canvas)
                self._place_group(own, number, cels, frame)
                _mix(canvas, own, 0, 0, layer.opacity, _blend(layer))
            for cel in cels:
                if cel.layer == number:
                    self._place_cel(canvas, cel, frame)

    def _place_cel(self, canvas: NDArray[np.uint8], cel: Cel, frame: int) -> None:
        layer = self._sprite.layers[cel.layer]
        if not layer.visible or layer.kind == GROUP:
            return
        source = self._linked(cel, frame)
        if source is None:
            return
        pixels = self._tiles(source, layer) if source.kind == 3 else self._image(source, layer)
        opacity = int(_multiply(np.array(cel.opacity, np.int32), layer.opacity))
        _mix(canvas, pixels, cel.left, cel.top, opacity, _blend(layer))

    def _linked(self, cel: Cel, frame: int) -> Cel | None:
        """The cel that holds the pixels, over at most as many links as there are frames."""
        frames = self._sprite.frames
        for _ in range(len(frames) + 1):
            if cel.kind != 1:
                if cel.kind not in (0, 2, 3):
                    raise Unsupported(f"Aseprite cel of type {cel.kind}")
                return cel
            (frame,) = struct.unpack_from("<H", cel.body)
            found = [c for c in frames[frame] if c.layer == cel.layer] if frame < len(frames) else []
            if not found:
                return None
            cel = found[0]
        raise Damaged("Aseprite cels that link to each other in a circle")

    def _spend(self, pixels: int) -> None:
        self._budget -= pixels
        if self._budget < 0:
            raise TooManyPixels(f"cels of more than {16 * self._max_pixels:,} pixels together")

    def _image(self, cel: Cel, layer: Layer) -> NDArray[np.uint8]:
        width, height = struct.unpack_from("<HH", cel.body)
        if width * height > self._max_pixels:
            raise TooManyPixels(f"a cel of {width} x {height} = {width * height:,} pixels")
        self._spend(width * height)
        length = width * height * BYTES[self._sprite.depth]
        raw = cel.body[4:] if cel.kind == 0 else _inflate(cel.body[4:], length)
        return self._colours(raw, height, width, layer)

    def _colours(self, raw: bytes | memoryview, height: int, width: int, layer: Layer) -> NDArray[np.uint8]:
        """Stored pixels as RGBA."""
        sprite = self._sprite
        size = BYTES[sprite.depth]
        if len(raw) < width * height * size:
            raise Damaged(f"Aseprite cel of {len(raw):,} bytes instead of {width * height * size:,}")
        samples = np.frombuffer(raw, np.uint8, width * height * size).reshape(height, width, size)
        if size == 4:
            return samples
        if size == 2:
            return samples[..., [0, 0, 0, 1]]
        palette = sprite.palette.copy()
        if not layer.flags & BACKGROUND:
            palette[sprite.transparent] = 0
        return palette[samples[..., 0]]

    def _tiles(self, cel: Cel, layer: Layer) -> NDArray[np.uint8]:
        """A tilemap's pixels."""
        columns, rows, bits, id_mask, flip_x, flip_y, diagonal = struct.unpack_from("<HHHIIII", cel.body)
        tileset = self._sprite.tilesets.get(layer.tileset)
        if tileset is None or tileset.body is None:
            raise Unsupported("Aseprite tilemap whose tiles are in another file")
        if bits != 32:
            raise Unsupported(f"Aseprite tilemap of {bits} bits per tile")
        width, height = tileset.width, tileset.height
        area, stored = columns * width * rows * height, tileset.count * width * height
        if max(area, stored) > self._max_pixels:
            raise TooManyPixels(f"a tilemap of {max(area, stored):,} pixels")
        self._spend(area + stored)
        numbers = np.frombuffer(_inflate(cel.body[32:], 4 * columns * rows), "<u4")
        if len(numbers) < columns * rows:
            raise Damaged("Aseprite tilemap ends early")
        raw = _inflate(tileset.body, stored * BYTES[self._sprite.depth])
        tiles = self._colours(raw, tileset.count * height, width, layer).reshape(-1, height, width, 4)
        pixels = np.zeros((rows * height, columns * width, 4), np.uint8)
        for place, number in enumerate(numbers.tolist()[: columns * rows]):
            index = number & id_mask
            if not 0 < index < len(tiles):  # tile 0 is the empty one
                continue
            tile = tiles[index]
            if number & diagonal and width == height:
                tile = tile.transpose(1, 0, 2)
            tile = tile[:, ::-1] if number & flip_x else tile
            tile = tile[::-1] if number & flip_y else tile
            top, left = place // columns * height, place % columns * width
            pixels[top : top + height, left : left + width] = tile
        return pixels


def _blend(layer: Layer) -> Blend | None:
    if layer.mode == 0:
        return None
    if layer.mode not in MODES:
        raise Unsupported(f"Aseprite layer in blend mode {layer.mode}")
    return MODES[layer.mode]


def _inflate(data: memoryview, length: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, length) if length else b""
    except zlib.error as cause:
        raise Damaged(f"Aseprite pixels: {cause}") from cause


def _multiply(a: NDArray[np.int32], b: NDArray[np.int32] | int) -> NDArray[np.int32]:
    """Product of two numbers that mean 0 to 1 as 0 to 255, rounded as Aseprite does."""
    product = a * np.int32(b) + 128 if isinstance(b, int) else a * b + 128
    return np.asarray(((product >> 8) + product) >> 8, np.int32)


def _mix(
    canvas: NDArray[np.uint8], pixels: NDArray[np.uint8], left: int, top: int, opacity: int, blend: Blend | None
) -> None:
    """Composite pixels onto the canvas, in place."""
    height, width = canvas.shape[:2]
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(width, left + pixels.shape[1]), min(height, top + pixels.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    below = canvas[y0:y1, x0:x1]
    above = pixels[y0 - top : y1 - top, x0 - left : x1 - left]
    for start in range(0, below.shape[0], 256):
        band = slice(start, start + 256)
        if blend is None:
            below[band] = _normal(below[band], above[band], opacity)
        else:
            layer = above[band].astype(np.float32) / np.float32(255)
            mixed = below[band].astype(np.float32) / np.float32(255)
            layers.place(mixed, layer, 0, 0, opacity / 255, Mode(blend))
            below[band] = layers.rounded(mixed)


def _normal(below: NDArray[np.uint8], above: NDArray[np.uint8], opacity: int) -> NDArray[np.uint8]:
    back, source = below.astype(np.int32), above.astype(np.int32)
    alpha = _multiply(source[..., 3:], opacity)
    back_alpha = back[..., 3:]
    result_alpha = alpha + back_alpha - _multiply(back_alpha, alpha)
    product = (source[..., :3] - back[..., :3]) * alpha
    # Division that cuts towards zero, as in C.
    step = np.sign(product) * (np.abs(product) // np.maximum(result_alpha, 1))
    colour = np.where(back_alpha == 0, source[..., :3], back[..., :3] + step)
    mixed = np.concatenate([colour, result_alpha], axis=2)
    return np.where(source[..., 3:] == 0, back, mixed).astype(np.uint8)
