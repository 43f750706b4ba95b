"""Layers to one picture: blending and compositing of RGBA float arrays, as GIMP and Aseprite define them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.float32]
"""(H, W, 3) colours or (H, W, 4) with straight alpha, float32 from 0 to 1."""
Blend: TypeAlias = Callable[[Pixels, Pixels], Pixels]
"""A separable or whole-colour blend: (backdrop, source) colours to colours."""

_TINY = np.float32(1e-6)


@dataclass(frozen=True)
class Mode:
    """How a layer is laid over what is below it.

    Attributes:
        blend: colours of the blended part; None for normal.
        clipped: the layer adds no alpha outside the backdrop (GIMP's "clip to backdrop").
        linear_blend: colours are blended in linear light.
        linear_composite: colours are mixed by alpha in linear light.
        legacy: alpha counts as in GIMP before 2.10: at most the backdrop's.
    """

    blend: Blend | None = None
    clipped: bool = False
    linear_blend: bool = False
    linear_composite: bool = False
    legacy: bool = False


def to_linear(colour: Pixels) -> Pixels:
    """SRGB's transfer curve, undone."""
    return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4).astype(np.float32)


def to_gamma(colour: Pixels) -> Pixels:
    """SRGB's transfer curve."""
    positive = np.maximum(colour, 0)
    curved = 1.055 * positive ** np.float32(1 / 2.4) - 0.055
    return np.where(positive <= 0.0031308, positive * 12.92, curved).astype(np.float32)


def place(
    canvas: Pixels,
    layer: Pixels | NDArray[np.uint8],
    left: int,
    top: int,
    opacity: float,
    mode: Mode,
    mask: NDArray[np.uint8] | None = None,
) -> None:
    """Composite a layer onto the canvas, in place, cut to the canvas.

    Args:
        canvas: (H, W, 4) straight alpha.
        layer: (h, w, 4) straight alpha; float32, or uint8 to save memory.
        left: the layer's left edge on the canvas, in pixels; may be negative.
        top: its top edge.
        opacity: 0 to 1, of the whole layer.
        mode: how it is blended.
        mask: (h, w) uint8, multiplied with the layer's alpha.
    """
    height, width = canvas.shape[:2]
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(width, left + layer.shape[1]), min(height, top + layer.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    below = canvas[y0:y1, x0:x1]
    window = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
    above = layer[window]
    # In bands: whole float copies of a large layer would need several times its memory.
    for start in range(0, below.shape[0], 256):
        band = slice(start, start + 256)
        source = _as_float(above[band])
        if mask is not None:
            source[..., 3] *= _as_float(mask[window][band])
        below[band] = _over(below[band], source, opacity, mode)


def _as_float(samples: Pixels | NDArray[np.uint8]) -> Pixels:
    """A copy as float32 from 0 to 1."""
    scale = np.float32(255 if samples.dtype == np.uint8 else 1)
    return samples.astype(np.float32) / scale


def _over(below: Pixels, above: Pixels, opacity: float, mode: Mode) -> Pixels:
    back_alpha = below[..., 3:]
    alpha = above[..., 3:] * np.float32(opacity)
    back, source = below[..., :3], above[..., :3]
    blended = source
    if mode.blend is not None:
        if mode.linear_blend:
            blended = to_gamma(np.clip(mode.blend(to_linear(back), to_linear(source)), 0, 1))
        else:
            blended = np.clip(mode.blend(back, source), 0, 1)
    if mode.linear_composite:
        back, source, blended = to_linear(back), to_linear(source), to_linear(blended)
    if mode.legacy:
        alpha = np.minimum(back_alpha, above[..., 3:]) * np.float32(opacity)
        alpha = alpha / np.maximum(back_alpha + (1 - back_alpha) * alpha, _TINY)
    if mode.clipped:
        colour = back * (1 - alpha) + blended * alpha
        result_alpha = back_alpha
    else:
        result_alpha = alpha + back_alpha * (1 - alpha)
        shared = blended * back_alpha + source * (1 - back_alpha)
        colour = (shared * alpha + back * back_alpha * (1 - alpha)) / np.maximum(result_alpha, _TINY)
    if mode.linear_composite:
        colour = to_gamma(colour)
        # The curve there and back is not exact: what a layer covers or leaves whole keeps its own value.
        if mode.blend is None:
            colour = np.where(alpha >= 1, above[..., :3], colour)
        colour = np.where(alpha <= 0, below[..., :3], colour)
    return np.concatenate([colour, result_alpha], axis=2).astype(np.float32)


def rounded(canvas: Pixels) -> NDArray[np.uint8]:
    """The canvas in 8 bits, (H, W, 4) uint8."""
    scaled: Pixels = np.clip(canvas, 0, 1) * np.float32(255) + np.float32(0.5)
    return np.floor(scaled).astype(np.uint8)


def multiply(back: Pixels, source: Pixels) -> Pixels:
    """Product."""
    return back * source


def screen(back: Pixels, source: Pixels) -> Pixels:
    """Inverse product of the inverses."""
    return back + source - back * source


def hard_light(back: Pixels, source: Pixels) -> Pixels:
    """Multiply where the source is dark, screen where it is light."""
    return np.where(source <= 0.5, back * 2 * source, screen(back, 2 * source - 1)).astype(np.float32)


def overlay(back: Pixels, source: Pixels) -> Pixels:
    """Hard light with its operands exchanged."""
    return hard_light(source, back)


def gimp_soft_light(back: Pixels, source: Pixels) -> Pixels:
    """GIMP's soft light, which is also its old "overlay"."""
    mixed: Pixels = (1 - back) * back * source + back * screen(back, source)
    return mixed


def soft_light(back: Pixels, source: Pixels) -> Pixels:
    """The W3C's and Aseprite's soft light."""
    curve = np.where(back <= 0.25, ((16 * back - 12) * back + 4) * back, np.sqrt(np.maximum(back, 0)))
    low = back - (1 - 2 * source) * back * (1 - back)
    return np.where(source <= 0.5, low, back + (2 * source - 1) * (curve - back)).astype(np.float32)


def dodge(back: Pixels, source: Pixels) -> Pixels:
    """Colour dodge."""
    divided = np.minimum(1, back / np.maximum(1 - source, _TINY))
    return np.where(back <= 0, 0, divided).astype(np.float32)


def burn(back: Pixels, source: Pixels) -> Pixels:
    """Colour burn."""
    divided = 1 - np.minimum(1, (1 - back) / np.maximum(source, _TINY))
    return np.where(back >= 1, 1, divided).astype(np.float32)


def divide(back: Pixels, source: Pixels) -> Pixels:
    """Quotient, at most 1."""
    return np.where(source > 0, np.minimum(1, back / np.maximum(source, _TINY)), np.where(back > 0, 1, 0)).astype(
        np.float32
    )


def difference(back: Pixels, source: Pixels) -> Pixels:
    """Absolute difference."""
    distance: Pixels = np.abs(back - source)
    return distance


def exclusion(back: Pixels, source: Pixels) -> Pixels:
    """Like difference, with less contrast."""
    return back + source - 2 * back * source


def addition(back: Pixels, source: Pixels) -> Pixels:
    """Sum."""
    return back + source


def subtract(back: Pixels, source: Pixels) -> Pixels:
    """Backdrop less source."""
    return back - source


def grain_extract(back: Pixels, source: Pixels) -> Pixels:
    """Backdrop less source, around grey."""
    return back - source + np.float32(128 / 255)


def grain_merge(back: Pixels, source: Pixels) -> Pixels:
    """Sum, around grey."""
    return back + source - np.float32(128 / 255)


def darken(back: Pixels, source: Pixels) -> Pixels:
    """The darker of each channel."""
    return np.minimum(back, source)


def lighten(back: Pixels, source: Pixels) -> Pixels:
    """The lighter of each channel."""
    return np.maximum(back, source)


def _luminosity(colour: Pixels) -> Pixels:
    light: Pixels = colour @ np.array([0.3, 0.59, 0.11], np.float32)
    return light[..., None]


def _set_luminosity(colour: Pixels, wanted: Pixels) -> Pixels:
    colour = colour + (wanted - _luminosity(colour))
    light = _luminosity(colour)
    low, high = colour.min(axis=2, keepdims=True), colour.max(axis=2, keepdims=True)
    colour = np.where(low < 0, light + (colour - light) * light / np.maximum(light - low, _TINY), colour)
    scaled = light + (colour - light) * (1 - light) / np.maximum(high - light, _TINY)
    return np.where(high > 1, scaled, colour).astype(np.float32)


def _saturation(colour: Pixels) -> Pixels:
    spread: Pixels = colour.max(axis=2, keepdims=True) - colour.min(axis=2, keepdims=True)
    return spread


def _set_saturation(colour: Pixels, wanted: Pixels) -> Pixels:
    spread = _saturation(colour)
    stretched = (colour - colour.min(axis=2, keepdims=True)) * wanted / np.maximum(spread, _TINY)
    return np.where(spread > 0, stretched, 0).astype(np.float32)


def hue(back: Pixels, source: Pixels) -> Pixels:
    """The source's hue (W3C, Aseprite)."""
    return _set_luminosity(_set_saturation(source, _saturation(back)), _luminosity(back))


def saturation(back: Pixels, source: Pixels) -> Pixels:
    """The source's saturation (W3C, Aseprite)."""
    return _set_luminosity(_set_saturation(back, _saturation(source)), _luminosity(back))


def colour(back: Pixels, source: Pixels) -> Pixels:
    """The source's hue and saturation (W3C, Aseprite)."""
    return _set_luminosity(source, _luminosity(back))


def luminosity(back: Pixels, source: Pixels) -> Pixels:
    """The source's luminosity (W3C, Aseprite)."""
    return _set_luminosity(back, _luminosity(source))
