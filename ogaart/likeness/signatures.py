"""Signatures: a 32 x 32 miniature of a picture, and how near a query is to many of them whatever their background.

The embedding model forgets where things are; the miniature does not, and so finds the picture itself again:
flattened on any colour, saved as JPEG, scaled or mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, reduce
from typing import TYPE_CHECKING, cast

import numkong
import numpy as np
from PIL import Image

from ogaart.likeness.premultiplied import premultiplied

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Miniature = NDArray[np.uint8] | NDArray[np.float32]

SIDE = 32
COARSE = 8
"""Squares a side of which ``coarse`` returns the means."""
MIRRORED, TURNED = 0.998, 0.996
_ORIENTATIONS = np.array([1.0, TURNED, TURNED, TURNED, MIRRORED, TURNED, TURNED, TURNED], np.float32)
"""What each of the eight orientations counts: upright and its quarter turns, mirrored and those of that."""
_FLAT = 6  # of 255: what JPEG makes of one colour
_FAINT, _SPECKS = 3.0, 8.0  # of 255: deviations of a night sky, and of what is left of a texture without its "ground"
_GRAIN = 10.0  # of 255: deviation from a soft gradient, which JPEG and dithering stay below
_OPAQUE = 1 / 64  # the most that is clear anywhere in an opaque miniature
SIGNATURE_BYTES = SIDE * SIDE * 4


def signature(rgba: NDArray[np.uint8], picture: Image.Image | None = None) -> NDArray[np.uint8]:
    """Make the miniature.

    Args:
        rgba: (H, W, 4) uint8 canonical pixels.
        picture: the same, premultiplied, where that has been computed.

    Returns:
        (32, 32, 4) uint8, alpha-premultiplied; antialiased where the picture is larger
        and interpolated where it is smaller, so that copies of a small picture at other sizes look alike.
    """
    picture = picture or premultiplied(rgba)
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR)).copy()


def coarse(miniatures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Miniatures (N, 32, 32, 4) as the means of their squares of 4 x 4 pixels: (N, 8, 8, 4) float32."""
    step = SIDE // COARSE
    rows = miniatures.reshape(-1, COARSE, step, SIDE * 4).sum(axis=2, dtype=np.uint16)
    squares = rows.reshape(-1, COARSE, COARSE, step, 4)
    # Added slice by slice, since a sum over a short axis is slow; whole numbers have the same sum in any order.
    total = reduce(np.add, [squares[:, :, :, n] for n in range(step)])
    return np.asarray(total.astype(np.float32) / np.float32(step * step))


def flat(query: NDArray[np.uint8]) -> bool:
    """Whether a miniature shows next to nothing: it then fits every other such picture, and tells of none."""
    return bool(which_are_flat(query[None])[0])


def which_are_flat(miniatures: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which miniatures (N, S, S, 4) are of one colour but for faint noise, or empty but for a few specks."""
    if not len(miniatures):
        return np.zeros(0, np.bool_)
    # Every second pixel of every second row tells as much, in a quarter of the time.
    sample = miniatures[:, ::2, ::2]
    channels = np.ascontiguousarray(sample.reshape(len(sample), -1, 4).transpose(0, 2, 1))
    ranges = channels.max(axis=2) - channels.min(axis=2)
    sums, squares = (values.astype(np.float32) for values in _sums(channels))  # below 2^24, and so exact
    pixels = np.float32(channels.shape[2])
    variances = squares / pixels - (sums / pixels) ** 2
    limits = np.where(ranges[:, 3] <= _FLAT, np.float32(_FAINT), np.float32(_SPECKS))
    return np.asarray((ranges.max(axis=1) <= _FLAT) | (variances.max(axis=1) < limits**2))


def smooth(query: NDArray[np.uint8]) -> bool:
    """Whether a miniature is one soft gradient, straight or round: its copies lose nothing when they are resized.

    Each channel is compared with the quadratic surface that fits it best.
    """
    side = query.shape[0]
    values = query.reshape(side * side, 4).astype(np.float64)
    basis = _quadratic(side)
    rest = values - basis @ (basis.T @ values)
    return bool(np.sqrt((rest**2).mean(axis=0)).max() < _GRAIN)


@cache
def _quadratic(side: int) -> NDArray[np.float64]:
    """(side², 6): an orthonormal basis of the quadratic surfaces over a square."""
    down, across = (axis.ravel() for axis in np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j])
    surfaces = np.stack([np.ones_like(down), down, across, down * across, down**2, across**2], axis=1)
    basis, _ = np.linalg.qr(surfaces)
    return np.asarray(basis, np.float64)


def closeness(query: NDArray[np.uint8], candidates: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Compare a query with candidates.

    Where one of two is opaque and the other is not, the opaque one may be the other flattened on an unknown
    background: the colour that fits best is computed (least squares, each channel) and the pair compared on it. Where
    both have alpha, they are compared on black and on white. The query is also tried mirrored and in quarter turns.

    Args:
        query: (32, 32, 4) uint8 signature.
        candidates: (N, 32, 32, 4) uint8 signatures.

    Returns:
        (N,) float32 in 0..1; 1 for equal pictures, higher = nearer.
    """
    return closenesses(query[None], candidates)[:, 0]


def closenesses(queries: NDArray[np.uint8], candidates: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Compare several queries with candidates, each pair as ``closeness`` does.

    Args:
        queries: (Q, 32, 32, 4) uint8 signatures.
        candidates: (N, 32, 32, 4) uint8 signatures.

    Returns:
        (N, Q) float32 in 0..1.
    """
    if not len(candidates) or not len(queries):
        return np.zeros((len(candidates), len(queries)), np.float32)
    turned = [np.rot90(side, turns) for query in queries for side in (query, query[:, ::-1]) for turns in range(4)]
    near = _nearness(np.stack(turned), candidates).reshape(len(candidates), len(queries), -1)
    # Changed ones count a little less, so that of a picture and its mirror image, both in the collection, the right one
    # is first.
    return np.asarray((near * _ORIENTATIONS).max(axis=2), dtype=np.float32)


def orientation(query: NDArray[np.uint8], candidate: NDArray[np.uint8]) -> tuple[bool, int]:
    """How a query has to be changed to be nearest to one candidate.

    Args:
        query: (32, 32, 4) uint8 signature.
        candidate: (32, 32, 4) uint8 signature.

    Returns:
        Whether it is mirrored, and the number of its quarter turns.
    """
    turned = [np.rot90(side, turns) for side in (query, query[:, ::-1]) for turns in range(4)]
    best = int(np.argmax(_nearness(np.stack(turned), candidate[None])[0] * _ORIENTATIONS))
    return best >= 4, best % 4


def nearness(query: Miniature, candidates: Miniature) -> NDArray[np.float32]:
    """Compare as ``closeness`` does, but upright only, and at any size.

    Args:
        query: (S, S, 4) uint8 or float32 in 0..255, alpha-premultiplied.
        candidates: (N, S, S, 4) uint8 or float32 in 0..255, alpha-premultiplied.

    Returns:
        (N,) float32 in 0..1.
    """
    return np.asarray(_nearness(query[None], candidates)[:, 0])


@dataclass(frozen=True)
class _Sums:
    """Sums over the pixels of some miniatures, in shares of 1, each (N, 3) or (N, 1).

    With c the premultiplied colour and t = 1 - alpha, a miniature on background b is c + t b.
    """

    c: NDArray[np.floating]
    t: NDArray[np.floating]
    cc: NDArray[np.floating]
    tc: NDArray[np.floating]
    tt: NDArray[np.floating]
    opaque: NDArray[np.bool_]
    """(N,)."""


@dataclass(frozen=True)
class _Products:
    """Sums over the pixels of all pairs of N miniatures with Q queries: qc, sc and tq (N, 3, Q), and st (N, 1, Q)."""

    qc: NDArray[np.floating]
    sc: NDArray[np.floating]
    tq: NDArray[np.floating]
    st: NDArray[np.floating]


def _sums(channels: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The exact sums of values and of squares of (N, C, P) uint8 over the pixels: (N, C) each."""
    rows = channels.reshape(-1, channels.shape[2])
    ones = np.ones((1, channels.shape[2]), np.uint8)
    sums, squares = numkong.dots_packed(rows, numkong.dots_pack(ones)), numkong.dot(rows, rows)
    return np.asarray(sums).reshape(channels.shape[:2]), np.asarray(squares).reshape(channels.shape[:2])


def _of_bytes(miniatures: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], _Sums]:
    """Miniatures as (N, 4, P) uint8, red, green, blue and what is clear, with their sums: whole numbers, so exact."""
    channels = miniatures.reshape(len(miniatures), -1, 4).transpose(0, 2, 1).copy()
    np.subtract(255, channels[:, 3], out=channels[:, 3])
    sums, squares = _sums(channels)
    clear = channels[:, 3]
    # Rows by rows, and a copy of each channel: NumKong takes rows that lie side by side.
    colours_clear = [numkong.dot(channels[:, n].copy(), clear.copy()) for n in range(3)]
    c, t = sums[:, :3] / 255, sums[:, 3:] / 255
    cc, tt = squares[:, :3] / 255**2, squares[:, 3:] / 255**2
    tc = np.stack([np.asarray(one) for one in colours_clear], axis=1) / 255**2
    return channels, _Sums(c, t, cc, tc, tt, clear.max(axis=1) / 255 < _OPAQUE)


def _products_of_bytes(channels: NDArray[np.uint8], queries: NDArray[np.uint8]) -> _Products:
    pixels = channels.shape[2]
    found = numkong.dots_packed(channels.reshape(-1, pixels), numkong.dots_pack(queries.reshape(-1, pixels)))
    products = np.asarray(found).reshape(len(channels), 4, len(queries), 4) / 255**2
    qc = np.stack([products[:, n, :, n] for n in range(3)], axis=1)
    return _Products(qc, products[:, :3, :, 3], products[:, 3, :, :3].transpose(0, 2, 1), products[:, 3:, :, 3])


def _of_shares(miniatures: Miniature) -> tuple[NDArray[np.float32], NDArray[np.float32], _Sums]:
    """Colour (N, 3, P) and what is clear (N, P) in single precision, with their sums.

    For windows of pictures that were averaged in it, of which there are thousands.
    """
    flat = np.divide(miniatures.reshape(len(miniatures), -1, 4), 255, dtype=np.float32)
    # Each channel's pixels in one row, so that sums against the queries are matrix products.
    colour, clear = np.ascontiguousarray(flat[..., :3].transpose(0, 2, 1)), 1 - flat[..., 3]
    sums = _Sums(
        colour.sum(axis=2),
        clear.sum(axis=1)[:, None],
        np.einsum("ncp,ncp->nc", colour, colour),
        np.einsum("np,ncp->nc", clear, colour),
        np.einsum("np,np->n", clear, clear)[:, None],
        np.max(clear, axis=1) < _OPAQUE,
    )
    return colour, clear, sums


def _products_of_shares(
    colour: NDArray[np.float32], clear: NDArray[np.float32], queries: Miniature
) -> tuple[_Products, _Sums]:
    """The products with Q queries, and the sums of these."""
    count, pixels = len(queries), clear.shape[1]
    flat = np.divide(queries.reshape(count, pixels, 4), 255, dtype=np.float32)
    # (3, P, Q) and (P, Q)
    columns = np.ascontiguousarray(flat[..., :3].transpose(2, 1, 0))
    clear_columns = np.ascontiguousarray(1 - flat[..., 3].T)
    products = _Products(
        np.stack([colour[:, channel] @ columns[channel] for channel in range(3)], axis=1),
        (colour.reshape(-1, pixels) @ clear_columns).reshape(-1, 3, count),
        np.stack([clear @ columns[channel] for channel in range(3)], axis=1),
        (clear @ clear_columns)[:, None],
    )
    sums = _Sums(
        columns.sum(axis=1).T,
        clear_columns.sum(axis=0)[:, None],
        (columns**2).sum(axis=1).T,
        (columns * clear_columns).sum(axis=1).T,
        (clear_columns**2).sum(axis=0)[:, None],
        clear_columns.max(axis=0) < _OPAQUE,
    )
    return products, sums


def _nearness(queries: Miniature, candidates: Miniature) -> NDArray[np.float32]:
    """Compare Q queries of one size with N candidates: (N, Q) float32 in 0..1."""
    pixels = queries.shape[1] * queries.shape[2]
    # Differences of large sums: of bytes these are exact; in single precision a picture would be 0.998 near itself.
    if queries.dtype == np.uint8 and candidates.dtype == np.uint8:
        channels, of = _of_bytes(cast("NDArray[np.uint8]", candidates))
        query_channels, query = _of_bytes(cast("NDArray[np.uint8]", queries))
        products = _products_of_bytes(channels, query_channels)
    else:
        colour, clear, of = _of_shares(candidates)
        products, query = _products_of_shares(colour, clear, queries)
    return _compared(of, query, products, pixels)


def _compared(of: _Sums, query: _Sums, products: _Products, pixels: int) -> NDArray[np.float32]:
    """The nearness (N, Q) of miniatures with queries, from their sums."""
    # (N, 3, 1) and (N, 1, 1): the last axis is that of the queries; and theirs, (3, Q) and (1, Q).
    c, t, cc, tc, tt = (one[..., None] for one in (of.c, of.t, of.cc, of.tc, of.tt))
    q, s, qq, sq, ss = (one.T for one in (query.c, query.t, query.cc, query.tc, query.tt))
    qc, sc, tq, st = products.qc, products.sc, products.tq, products.st

    def near(
        query_sum: NDArray[np.floating],
        query_square: NDArray[np.floating],
        other_sum: NDArray[np.floating],
        other_square: NDArray[np.floating],
        product: NDArray[np.floating],
    ) -> NDArray[np.float32]:
        """Nearness of miniatures, from the sums of their values, squares and products."""
        squares = np.maximum(query_square + other_square - 2 * product, 0).sum(axis=1) / (3 * pixels)
        covariance = (product - query_sum * other_sum / pixels).sum(axis=1)
        query_spread = np.maximum((query_square - query_sum**2 / pixels).sum(axis=-2), 0)
        other_spread = np.maximum((other_square - other_sum**2 / pixels).sum(axis=-2), 0)
        # SSIM's term of structure and contrast: a flat picture is near no other, though a background can be fitted to
        # all of it. The floor keeps the noise of two flat pictures from counting as a difference of shape.
        floor = pixels * 3 * 1e-4
        correlation = (2 * covariance + floor) / (query_spread + other_spread + floor)
        alike = np.exp(-np.sqrt(squares) / 0.25)
        return np.asarray(0.5 * alike + 0.5 * np.clip(correlation, 0, 1), dtype=np.float32)

    def flattened() -> NDArray[np.float32]:
        """Nearness of q + s b and c + t b on the background b that fits each pair best."""
        # diff = (q - c) - (t - s) b: the b that makes it smallest.
        slope = (tq - tc) - (sq - sc)
        curve = tt - 2 * st + ss
        b = np.clip(slope / np.maximum(curve, 1e-6), 0, 1)
        query_square, other_square = qq + 2 * b * sq + b * b * ss, cc + 2 * b * tc + b * b * tt
        return near(q + s * b, query_square, c + t * b, other_square, qc + b * (tq + sc) + b * b * st)

    def both_clear() -> NDArray[np.float32]:
        """The mean nearness on black, where b is 0, and on white, where it is 1."""
        on_white = near(q + s, qq + 2 * sq + ss, c + t, cc + 2 * tc + tt, qc + (tq + sc) + st)
        return np.asarray((near(q, qq, c, cc, qc) + on_white) / 2, np.float32)

    opaque = of.opaque[:, None] | query.opaque
    if opaque.all():
        found = flattened()
    else:
        found = np.where(opaque, flattened(), both_clear()) if opaque.any() else both_clear()
    return np.clip(found, 0, 1).astype(np.float32)
