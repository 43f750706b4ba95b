"""Parts: what a picture looks like in four ways, each a few hundred bytes made from its canonical pixels.

``palette`` forgets where a colour is, ``layout`` where the outlines are, ``shape`` all colours, and ``structure`` which
colours they are, though not how they differ. They are kept raw, so that another projection needs no pixels. Any change
of a definition needs a new ``SPACE``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ogaart.likeness.premultiplied import premultiplied

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPACE = "parts-1"
"""Name and version of the raw parts: the derived space that keeps them."""

SIZES = {"palette": 216, "layout": 768, "shape": 512, "structure": 2016}
"""Bytes of each part, in the order in which they are kept."""
RAW_BYTES = sum(SIZES.values())

GREY = 128
_SHADES = 6
_SAMPLED = 1 << 16  # pixels that the palette looks at
_ENOUGH = 128
_LAYOUT = 16
_CELLS, _ORIENTATIONS, _CELL = 8, 8, 8  # shape: cells a side, directions, pixels a cell's side
_FAINT = 2.0  # of 255: gradients below it are noise
_GRID = 8
_STRUCTURE_SCALE = 80.0  # what a pair of mean distance is stored as


def raw_parts(rgba: NDArray[np.uint8], premultiplied_picture: Image.Image | None = None) -> NDArray[np.uint8]:
    """All parts of one picture.

    Args:
        rgba: (H, W, 4) uint8 canonical pixels.
        premultiplied_picture: the same, premultiplied, where that has been computed.

    Returns:
        (3512,) uint8: ``palette``, ``layout``, ``shape`` and ``structure`` one after the other.
    """
    picture = _reduced(premultiplied_picture or premultiplied(rgba))
    return np.concatenate([palette(rgba), _layout(picture), _shape(picture), _structure(picture)])


def split(raw: NDArray[np.uint8]) -> dict[str, NDArray[np.uint8]]:
    """Raw parts (..., 3512) uint8 by name."""
    ends = np.cumsum(list(SIZES.values()))
    return dict(zip(SIZES, np.split(raw, ends[:-1], axis=-1), strict=True))


def palette(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Which colours a picture has: the square roots of their shares.

    A histogram of 6 x 6 x 6 equal boxes of RGB, each pixel counted by its alpha; of a large picture an even sample of
    about 65,536 pixels. The square root lets small areas count and makes the dot product of two palettes
    Bhattacharyya's coefficient.

    Returns:
        (216,) uint8, 255 where all is one box; all 0 where nothing is visible.
    """
    flat = rgba.reshape(-1, 4)
    step = -(-len(flat) // _SAMPLED)
    sample = flat[:: step | 1 if step > 1 else 1].astype(np.int32)  # an odd step does not fall into the columns
    box = sample[:, :3] * _SHADES >> 8
    index = (box[:, 0] * _SHADES + box[:, 1]) * _SHADES + box[:, 2]
    counts = np.bincount(index, weights=sample[:, 3], minlength=_SHADES**3)
    return _bytes(255 * np.sqrt(counts / max(counts.sum(), 1e-9)))


def layout(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Where a picture has which colour: 16 x 16 RGB on mid-grey, squashed, antialiased; (768,) uint8, row by row."""
    return _layout(_reduced(premultiplied(rgba)))


def shape(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Which outlines a picture has where: a histogram of unsigned oriented gradients (Dalal and Triggs, 2005).

    The picture is squashed to 64 x 64 premultiplied RGBA. Each pixel's gradient is that of the channel, red to alpha,
    in which it is largest; its length is shared between the two nearest of 8 directions of a half turn, and summed in
    8 x 8 cells. A cell's sums are divided by their total and a quarter of the mean cell's, so that flat cells stay
    near 0, and their square roots are kept.

    Returns:
        (512,) uint8: cells row by row, 8 directions each; all 0 for a picture of one colour.
    """
    return _shape(_reduced(premultiplied(rgba)))


def structure(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """How a picture's regions differ, whatever their colours: the distances of all pairs of an 8 x 8 grid.

    The distance of two regions is Euclid's, of their mean premultiplied RGBA; all are divided by their mean, so that
    contrast does not count.

    Returns:
        (2016,) uint8: pairs (0, 1), (0, 2) ... (62, 63); 80 is the mean, 255 cuts off; all 0 for one colour.
    """
    return _structure(_reduced(premultiplied(rgba)))


def _reduced(picture: Image.Image) -> Image.Image:
    """The picture, its sides reduced by whole numbers to 128 to 255 pixels where they are larger."""
    factors = (max(1, picture.width // _ENOUGH), max(1, picture.height // _ENOUGH))
    return picture.reduce(factors) if factors != (1, 1) else picture


def _resized(picture: Image.Image, side: int) -> NDArray[np.float32]:
    """(side, side, 4) float32, 0 to 255, premultiplied."""
    return np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR), np.float32)


def _bytes(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8).reshape(-1)


def _layout(picture: Image.Image) -> NDArray[np.uint8]:
    small = _resized(picture, _LAYOUT)
    return _bytes(small[..., :3] + (255 - small[..., 3:]) * (GREY / 255))


def _shape(picture: Image.Image) -> NDArray[np.uint8]:
    pixels = np.pad(_resized(picture, _CELLS * _CELL), ((1, 1), (1, 1), (0, 0)), mode="edge")
    across = (pixels[1:-1, 2:] - pixels[1:-1, :-2]) / 2
    down = (pixels[2:, 1:-1] - pixels[:-2, 1:-1]) / 2
    squares = across**2 + down**2
    channel = squares.argmax(axis=2)[..., None]
    length = np.sqrt(np.take_along_axis(squares, channel, 2)[..., 0])
    length = np.where(length < _FAINT, 0, length)
    angle = np.arctan2(np.take_along_axis(down, channel, 2)[..., 0], np.take_along_axis(across, channel, 2)[..., 0])
    turn = (angle / np.pi * _ORIENTATIONS) % _ORIENTATIONS
    low = np.floor(turn)
    share = turn - low
    side = _CELLS * _CELL
    cell = (np.arange(side) // _CELL)[:, None] * _CELLS + (np.arange(side) // _CELL)[None]
    sums = np.zeros(_CELLS * _CELLS * _ORIENTATIONS)
    for direction, weight in ((low, length * (1 - share)), (low + 1, length * share)):
        index = cell * _ORIENTATIONS + direction.astype(np.int64) % _ORIENTATIONS
        sums += np.bincount(index.ravel(), weights=weight.ravel(), minlength=len(sums))
    cells = sums.reshape(-1, _ORIENTATIONS)
    totals = cells.sum(axis=1, keepdims=True)
    return _bytes(255 * np.sqrt(cells / np.maximum(totals + totals.mean() / 4, 1e-9)))


def _structure(picture: Image.Image) -> NDArray[np.uint8]:
    regions = _resized(picture, _GRID).reshape(-1, 4)
    one, other = np.triu_indices(len(regions), 1)
    distances = np.sqrt(((regions[one] - regions[other]) ** 2).sum(axis=1))
    return _bytes(_STRUCTURE_SCALE * distances / max(float(distances.mean()), _FAINT))
