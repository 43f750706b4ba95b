"""Features of a picture's pixels: alpha, colours, palette, pixel art, signature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ogaart.likeness.signatures import signature

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_COLOURS = 65_536
PALETTE = 8
_BAND_PIXELS = 1 << 20
_COLOUR = np.uint32(0xFFFFFF)
_INVISIBLE = np.uint32(0xFFFFFF)
"""A pixel, read as a number with alpha in its highest byte, is visible above this."""
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
    alpha = np.ascontiguousarray(rgba[..., 3])
    opaque, visible = int(np.count_nonzero(alpha == 255)), int(np.count_nonzero(alpha))
    colours = _count_colours(rgba)
    palette, shares = _palette(rgba)
    soft = (visible - opaque) / max(1, visible)
    return Features(
        has_alpha=opaque < alpha.size,
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


def _packed(pixels: NDArray[np.uint8]) -> NDArray[np.uint32]:
    wide = pixels.astype(np.uint32)
    return np.asarray((wide[:, 0] << 16) | (wide[:, 1] << 8) | wide[:, 2], dtype=np.uint32)


def _count_colours(rgba: NDArray[np.uint8]) -> int:
    """Distinct colours of visible pixels, up to ``MAX_COLOURS``, in bands of bounded memory."""
    flat = np.ascontiguousarray(rgba).view("<u4").reshape(-1)
    # One bit of 2^24 for each colour of a large picture: counting costs the same whatever its size.
    seen = np.zeros(1 << 24, dtype=np.bool_) if flat.size > _BAND_PIXELS else None
    for start in range(0, len(flat), _BAND_PIXELS):
        band = _without_repeats(flat[start : start + _BAND_PIXELS])
        band = band[band > _INVISIBLE] & _COLOUR
        if seen is None:
            band.sort()
            return min(MAX_COLOURS, len(_without_repeats(band)))
        seen[band] = True
        if np.count_nonzero(seen) >= MAX_COLOURS:
            return MAX_COLOURS
    return 0 if seen is None else int(np.count_nonzero(seen))


def _without_repeats(values: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """The values without those that equal the one before: drawn pictures have long runs of one colour."""
    if len(values) < 2:
        return values
    first = np.empty(len(values), np.bool_)
    first[0] = True
    np.not_equal(values[1:], values[:-1], out=first[1:])
    return values[first]


def _palette(rgba: NDArray[np.uint8]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Main colours of an even sample of the visible pixels."""
    flat = rgba.reshape(-1, 4)
    # An odd step does not fall into the picture's own columns.
    step = max(1, len(flat) // _SAMPLE_PIXELS) | 1 if len(flat) > _SAMPLE_PIXELS else 1
    sample = flat[::step]
    sample = sample[sample[:, 3] > 0]
    if not len(sample):
        return (), ()
    colours, counts = np.unique(_packed(sample), return_counts=True)
    total = int(counts.sum())
    if len(colours) > PALETTE:
        colours, counts = _main_colours(sample)
    order = np.lexsort((colours, -counts))[:PALETTE]
    return tuple(int(c) for c in colours[order]), tuple(float(n) / total for n in counts[order])


def _main_colours(sample: NDArray[np.uint8]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Quantise (N, 4) pixels, then fold shades that look alike into the more frequent one."""
    image = Image.fromarray(np.ascontiguousarray(sample[None, :, :3]))
    reduced = image.quantize(3 * PALETTE, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    table = np.array(reduced.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
    numbers, counts = np.unique(np.asarray(reduced), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    colours, counts = table[numbers[order]], counts[order]
    apart = colours.astype(np.int32)[:, None] - colours.astype(np.int32)
    alike: list[list[bool]] = ((apart**2).sum(axis=2) < _SAME_SHADE**2).tolist()
    shades: dict[int, int] = {}  # the first of those that look alike, and how many pixels they have
    for place, count in enumerate(counts.tolist()):
        kept = next((one for one in shades if alike[place][one]), place)
        shades[kept] = shades.get(kept, 0) + count
    return _packed(colours[list(shades)]), np.array(list(shades.values()), dtype=np.int64)
