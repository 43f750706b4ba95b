"""Signatures: a 32 x 32 miniature of a picture, and how near a query is to many of them whatever their background.

The embedding model forgets where things are; the miniature does not, and so finds the picture itself again:
flattened on any colour, saved as JPEG, scaled or mirrored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ogaart.likeness.premultiplied import premultiplied

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Miniature = NDArray[np.uint8] | NDArray[np.float32]

SIDE = 32
MIRRORED, TURNED = 0.998, 0.996
_ORIENTATIONS = np.array([1.0, TURNED, TURNED, TURNED, MIRRORED, TURNED, TURNED, TURNED], np.float32)
"""What each of the eight orientations counts: upright and its quarter turns, mirrored and those of that."""
_FLAT = 6  # of 255: what JPEG makes of one colour
_FAINT, _SPECKS = 3.0, 8.0  # of 255: deviations of a night sky, and of what is left of a texture without its "ground"
_GRAIN = 10.0  # of 255: deviation from a soft gradient, which JPEG and dithering stay below
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


def flat(query: NDArray[np.uint8]) -> bool:
    """Whether a miniature shows next to nothing: it then fits every other such picture, and tells of none."""
    return bool(which_are_flat(query[None])[0])


def which_are_flat(miniatures: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which miniatures (N, S, S, 4) are of one colour but for faint noise, or empty but for a few specks."""
    # Every second pixel of every second row tells as much, in a quarter of the time.
    sample = miniatures[:, ::2, ::2]
    pixels = sample.reshape(len(sample), sample.shape[1] * sample.shape[2], 4)
    ranges = pixels.max(axis=1) - pixels.min(axis=1)
    values = pixels.astype(np.float32)
    variances = np.einsum("npc,npc->nc", values, values) / values.shape[1] - values.mean(axis=1) ** 2
    limits = np.where(ranges[:, 3] <= _FLAT, np.float32(_FAINT), np.float32(_SPECKS))
    return np.asarray((ranges.max(axis=1) <= _FLAT) | (variances.max(axis=1) < limits**2))


def smooth(query: NDArray[np.uint8]) -> bool:
    """Whether a miniature is one soft gradient, straight or round: its copies lose nothing when they are resized.

    Each channel is compared with the quadratic surface that fits it best.
    """
    side = query.shape[0]
    down, across = (axis.ravel() for axis in np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j])
    surfaces = np.stack([np.ones_like(down), down, across, down * across, down**2, across**2], axis=1)
    values = query.reshape(side * side, 4).astype(np.float64)
    basis, _ = np.linalg.qr(surfaces)
    rest = values - basis @ (basis.T @ values)
    return bool(np.sqrt((rest**2).mean(axis=0)).max() < _GRAIN)


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
    near = _nearness(np.stack(turned), _CandidateSums(candidates)).reshape(len(candidates), len(queries), -1)
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
    best = int(np.argmax(_nearness(np.stack(turned), _CandidateSums(candidate[None]))[0] * _ORIENTATIONS))
    return best >= 4, best % 4


def nearness(query: Miniature, candidates: Miniature) -> NDArray[np.float32]:
    """Compare as ``closeness`` does, but upright only, and at any size.

    Args:
        query: (S, S, 4) uint8 or float32 in 0..255, alpha-premultiplied.
        candidates: (N, S, S, 4) uint8 or float32 in 0..255, alpha-premultiplied.

    Returns:
        (N,) float32 in 0..1.
    """
    return np.asarray(_nearness(query[None], _CandidateSums(candidates))[:, 0])


class _CandidateSums:
    """Sums over each candidate's pixels that do not depend on the query.

    With c the premultiplied colour and t = 1 - alpha, a candidate on background b is c + t b.
    """

    def __init__(self, candidates: Miniature) -> None:
        # Differences of large sums: in single precision a picture would be 0.998 near itself. Windows of pictures that
        # were averaged in single precision are compared as they are, since there are thousands.
        precision = np.dtype(np.float64 if candidates.dtype == np.uint8 else np.float32)
        flat = np.divide(candidates.reshape(len(candidates), -1, 4), 255, dtype=precision)
        # (N, 3, P): each channel's pixels in one row, so that sums against the query are matrix products.
        self.colour = np.ascontiguousarray(flat[..., :3].transpose(0, 2, 1))
        self.clear = 1 - flat[..., 3]
        self.opaque = np.max(self.clear, axis=1) < 1 / 64
        # (N, 3, 1) and (N, 1, 1): the last axis is that of the queries.
        self.c = self.colour.sum(axis=2)[..., None]
        self.t = self.clear.sum(axis=1)[:, None, None]
        self.cc = np.einsum("ncp,ncp->nc", self.colour, self.colour)[..., None]
        self.tc = np.einsum("np,ncp->nc", self.clear, self.colour)[..., None]
        self.tt = np.einsum("np,np->n", self.clear, self.clear)[:, None, None]


def _nearness(queries: Miniature, of: _CandidateSums) -> NDArray[np.float32]:
    """Compare Q queries of one size with N candidates: (N, Q) float32 in 0..1."""
    count, pixels = len(queries), queries.shape[1] * queries.shape[2]
    flat = np.divide(queries.reshape(count, pixels, 4), 255, dtype=of.colour.dtype)
    # (3, P, Q) and (P, Q): all sums against the candidates are matrix products.
    colour, clear = np.ascontiguousarray(flat[..., :3].transpose(2, 1, 0)), np.ascontiguousarray(1 - flat[..., 3].T)
    q, s = colour.sum(axis=1), clear.sum(axis=0)
    qq, sq, ss = (colour**2).sum(axis=1), (colour * clear).sum(axis=1), (clear**2).sum(axis=0)
    # (N, 3, Q), and st (N, 1, Q)
    qc = np.stack([of.colour[:, channel] @ colour[channel] for channel in range(3)], axis=1)
    sc = (of.colour.reshape(-1, pixels) @ clear).reshape(-1, 3, count)
    tq = np.stack([of.clear @ colour[channel] for channel in range(3)], axis=1)
    st = (of.clear @ clear)[:, None]

    def on(b: NDArray[np.floating]) -> NDArray[np.float32]:
        """Nearness of q + s b and c + t b, for a background b of shape (N, 3, Q) or (3, 1)."""
        query_sum, query_square = q + s * b, qq + 2 * b * sq + b * b * ss
        other_sum, other_square = of.c + of.t * b, of.cc + 2 * b * of.tc + b * b * of.tt
        product = qc + b * (tq + sc) + b * b * st
        squares = np.maximum(query_square + other_square - 2 * product, 0).sum(axis=1) / (3 * pixels)
        covariance = (product - query_sum * other_sum / pixels).sum(axis=1)
        query_spread = np.maximum((query_square - query_sum**2 / pixels).sum(axis=-2), 0)
        other_spread = np.maximum((other_square - other_sum**2 / pixels).sum(axis=-2), 0)
        # SSIM's term of structure and contrast: a flat picture is near no other, though a background can be fitted to
        # all of it. The floor keeps the noise of two flat pictures from counting as a difference of shape.
        floor = pixels * 3 * 1e-4
        correlation = (2 * covariance + floor) / (query_spread + other_spread + floor)
        near = np.exp(-np.sqrt(squares) / 0.25)
        return np.asarray(0.5 * near + 0.5 * np.clip(correlation, 0, 1), dtype=np.float32)

    # diff = (q - c) - (t - s) b: the b that makes it smallest.
    slope = (tq - of.tc) - (sq - sc)
    curve = of.tt - 2 * st + ss
    fitted = np.clip(slope / np.maximum(curve, 1e-6), 0, 1)
    flattened = on(fitted)
    both_clear = (on(np.zeros((3, 1), flat.dtype)) + on(np.ones((3, 1), flat.dtype))) / 2
    query_opaque = clear.max(axis=0) < 1 / 64
    return np.clip(np.where(of.opaque[:, None] | query_opaque, flattened, both_clear), 0, 1).astype(np.float32)
