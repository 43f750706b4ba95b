"""Features of a picture's pixels: alpha, colours, palette, pixel art, signature."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ogaart.likeness.alpha import INVISIBLE, OPAQUE, alpha_counts, blocks, numbers
from ogaart.likeness.signatures import signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_COLOURS = 65_536
PALETTE = 8
_LARGE_PIXELS = 1 << 20
"""Of a picture with more pixels, a byte for each of 2^24 colours tells which have been seen."""
_COLOUR = np.uint32(0xFFFFFF)
_FACTORS = (np.uint32(2_654_435_761), np.uint32(2_246_822_519), np.uint32(3_266_489_917))
"""Odd numbers, which spread like colours over all slots."""
_SLOT_SHIFT = np.uint32(16)
_FEW = 2048
_BYTE = np.uint32(8)
_SAMPLE_PIXELS = 1 << 13
_SAME_SHADE = 30  # distance of two colours, of 255 a channel


@dataclass(frozen=True)
class Features:
    """The features of one picture; each is a column of table ``images``.

    Attributes:
        has_alpha: whether any pixel is not opaque.
        colours: distinct colours of visible pixels, counted up to 65,536.
        palette: up to 8 main colours as 0xRRGGBB, most frequent first; empty where nothing is visible.
        palette_shares: their shares of the visible pixels, in the same order; they sum to at most 1.
        pixel_art: few colours, hard edges, small: drawn pixel by pixel.
        signature: 4,096 bytes, see ``signatures``.
    """

    has_alpha: bool
    colours: int
    palette: list[int]
    palette_shares: list[float]
    pixel_art: bool
    signature: bytes


def describe(rgba: NDArray[np.uint8], picture: Image.Image | None = None) -> Features:
    """Describe a picture.

    Args:
        rgba: (H, W, 4) uint8 canonical pixels.
        picture: the same, premultiplied, where that has been computed.
    """
    alpha = alpha_counts(rgba)
    colours = _count_colours(rgba)
    palette, shares = _palette(rgba)
    soft = (alpha.visible - alpha.opaque) / max(1, alpha.visible)
    return Features(
        has_alpha=alpha.opaque < alpha.pixels,
        colours=colours,
        palette=list(palette),
        palette_shares=list(shares),
        pixel_art=_is_pixel_art(rgba.shape[1], rgba.shape[0], colours, soft),
        signature=signature(rgba, picture).tobytes(),
    )


def main_colours(rgba: NDArray[np.uint8]) -> tuple[tuple[int, float], ...]:
    """Up to 8 main colours of a picture as 0xRRGGBB with their shares of the visible pixels, most frequent first.

    Args:
        rgba: (H, W, 4) uint8 canonical pixels.
    """
    return tuple(zip(*_palette(rgba), strict=True))


def _is_pixel_art(width: int, height: int, colours: int, soft: float) -> bool:
    """Whether few colours, hardly any half-transparent pixel and a small size suggest pixel art."""
    if not colours or soft > 0.05:
        return False
    return (max(width, height) <= 64 and colours <= 256) or (width * height <= 1024 * 1024 and colours <= 64)


def _count_colours(rgba: NDArray[np.uint8]) -> int:
    """Distinct colours of visible pixels, up to ``MAX_COLOURS``."""
    flat = numbers(rgba)
    if flat.size <= _LARGE_PIXELS:
        return min(MAX_COLOURS, _distinct(_visible_colours(flat)))
    count, seen = 0, np.zeros(1 << 24, dtype=np.bool_)
    for block in blocks(rgba):
        colours = _visible_colours(block)
        colours = colours.compress(~seen.take(colours))
        seen[colours] = True
        count += _distinct(colours)
        if count >= MAX_COLOURS:
            return MAX_COLOURS
    return count


def _visible_colours(flat: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The colours of visible pixels, without those equal to the one before: drawn pictures have long runs of one."""
    wanted = flat > INVISIBLE
    wanted[1:] &= flat[1:] != flat[:-1]
    return np.asarray(flat.compress(wanted) & _COLOUR)  # which is quicker than an index


def _distinct(colours: NDArray[np.uint32]) -> int:
    """How many colours, each below 2^24, are different.

    Each is put into a slot that is computed from it. What a slot holds in the end is one colour, found; left for the
    next round is what is not found in its own slot. Few are sorted, since sorting many takes longer.
    """
    found = 0
    for factor in _FACTORS:
        if len(colours) < _FEW:
            break
        slots = ((colours * factor) >> _SLOT_SHIFT).astype(np.intp)
        marked = colours | OPAQUE  # black is a colour too, and an empty slot is 0
        held = np.zeros(1 << (32 - int(_SLOT_SHIFT)), np.uint32)
        held[slots] = marked
        found += int(np.count_nonzero(held))
        colours = colours.compress(held.take(slots) != marked)
    if not len(colours):
        return found
    colours.sort()
    return found + 1 + int(np.count_nonzero(colours[1:] != colours[:-1]))


def _palette(rgba: NDArray[np.uint8]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Main colours of an even sample of the visible pixels."""
    flat = numbers(rgba)
    # An odd step does not fall into the picture's own columns.
    step = max(1, len(flat) // _SAMPLE_PIXELS) | 1 if len(flat) > _SAMPLE_PIXELS else 1
    sample = flat[::step]
    sample = sample[sample > INVISIBLE]
    if not len(sample):
        return (), ()
    total = len(sample)
    packed = (sample << _BYTE).byteswap()  # 0xRRGGBB
    packed.sort()
    starts = np.flatnonzero(packed[1:] != packed[:-1]) + 1
    if len(starts) >= PALETTE:
        found = _main_colours(sample)
    else:
        edges = [0, *starts.tolist(), total]
        found = {int(packed[start]): end - start for start, end in pairwise(edges)}
    order = sorted(found.items(), key=lambda shade: (-shade[1], shade[0]))[:PALETTE]
    return tuple(colour for colour, _ in order), tuple(count / total for _, count in order)


def _main_colours(sample: NDArray[np.uint32]) -> dict[int, int]:
    """Quantise pixels 0xAABBGGRR, (N,), then fold shades that look alike into the more frequent one.

    Returns:
        Colours 0xRRGGBB with their pixels.
    """
    row = Image.frombuffer("RGBX", (len(sample), 1), sample | OPAQUE, "raw", "RGBX", 0, 1)
    reduced = row.convert("RGB").quantize(3 * PALETTE, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    table, counts = reduced.getpalette("RGB") or [], reduced.histogram()
    shades: dict[int, int] = {}
    kept: list[tuple[int, int, int, int]] = []
    for box in sorted((box for box in range(3 * PALETTE) if counts[box]), key=lambda box: -counts[box]):
        red, green, blue = table[3 * box : 3 * box + 3]
        for r, g, b, colour in kept:
            if (r - red) ** 2 + (g - green) ** 2 + (b - blue) ** 2 < _SAME_SHADE**2:
                shades[colour] += counts[box]
                break
        else:
            colour = red << 16 | green << 8 | blue
            kept.append((red, green, blue, colour))
            shades[colour] = counts[box]
    return shades
