"""Which pictures of many show the same: copies, other sizes and recolours. Pure, over miniatures.

Candidates are neighbours in the order of a hash of the miniature's gradients, or share the very outline; each pair is
then compared as search compares a query with its hits. The work grows with the pictures, not with their pairs.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness.signatures import COARSE, SIDE, coarse, nearness

NEAR = 0.95
"""Nearness of miniatures from which a pair of one size are copies: variants of one tile come up to 0.94."""

NEAR_IN_SIZE = 0.93
"""The same for pictures of different sizes, which lose more."""

LEAST_SIDE = 24
"""Pixels of the smaller side below which two miniatures alone prove nothing: an icon has too few."""

_RECOLOUR = 0.9  # correlation of edges from which pictures of one outline are recolours of each other
_NEXT = 8  # neighbours in each order that are compared
_CLEAR = 6.0  # of 255: a gradient of noise
_SHARE = 0.05  # squared difference of coarse miniatures, as a share of the stronger, above which no pair is near
_FLAT = 24.0  # of 255: luminances of one ground are no further apart
_BATCH = 2048


class KinKind(StrEnum):
    """How two pictures are the same."""

    PIXELS = "pixels"  # the very pixels
    COPY = "copy"  # resaved, on another ground
    SIZE = "size"  # a copy at another size
    FORMAT = "format"  # the same drawing, under the same name, in another format
    RECOLOUR = "recolour"  # the same drawing in other colours


@dataclass(frozen=True)
class Kin:
    """Two pictures that show the same, by their places in the input, the earlier first.

    Attributes:
        one: the earlier.
        other: the later.
        kind: how they are the same.
        evidence: nearness of the miniatures, or for recolours the correlation of their edges; 1 for equal pixels.
    """

    one: int
    other: int
    kind: KinKind
    evidence: float


def find_kin(
    signatures: NDArray[np.uint8],
    sizes: NDArray[np.int64],
    pixels: Sequence[str],
    names: Sequence[str],
    formats: Sequence[str],
    described: NDArray[np.uint8] | None = None,
) -> list[Kin]:
    """The pairs of pictures that show the same.

    Args:
        signatures: (N, 32, 32, 4) uint8 miniatures; zeros where there is none. May be a file that is mapped.
        sizes: (N, 2) widths and heights.
        pixels: hash of each picture's pixels; empty where no other has them.
        names: what each is called without its format, with its entry; empty: nothing is known.
        formats: of each picture's file, such as png.
        described: what ``describe`` returned for the miniatures, where that was kept. May be a file that is mapped.

    Returns:
        Each pair once, the best kind of it. Of many equals not all pairs are listed, but all are linked.
    """
    found: dict[tuple[int, int], Kin] = {}
    for one, other in _runs_of_equals(pixels):
        found[one, other] = Kin(one, other, KinKind.PIXELS, 1.0)
    if len(pixels) < 2:
        return list(found.values())
    facts = _Facts.of_rows(described if described is not None else describe(signatures))
    named = {pair for pair in _runs_of_equals(names) if formats[pair[0]] != formats[pair[1]]}
    pairs = {*_candidates(facts), *named} - found.keys()
    for kin in _compared(sorted(pairs), signatures, sizes, facts, named):
        found[kin.one, kin.other] = kin
    return [found[pair] for pair in sorted(found)]


def families(count: int, kin: Sequence[Kin]) -> NDArray[np.int64]:
    """(N,) int64: for each picture the first of those that it is linked with; itself where it has none."""
    head = np.arange(count)

    def first(n: int) -> int:
        while head[n] != n:
            head[n] = head[head[n]]
            n = int(head[n])
        return n

    for pair in kin:
        one, other = first(pair.one), first(pair.other)
        head[max(one, other)] = min(one, other)
    for n in {place for pair in kin for place in (pair.one, pair.other)}:
        head[n] = first(n)
    return head


@dataclass(frozen=True)
class _Facts:
    """What the orders are made of: a few numbers a picture."""

    rows: NDArray[np.uint8]  # (N, DESCRIBED), of which the coarse miniatures are read where pairs are compared
    across: NDArray[np.uint64]
    down: NDArray[np.uint64]
    outline: NDArray[np.uint64]  # 0: none to speak of
    flat: NDArray[np.bool_]

    @classmethod
    def of_rows(cls, rows: NDArray[np.uint8]) -> "_Facts":
        hashes, flat = np.empty((3, len(rows)), np.uint64), np.empty(len(rows), np.bool_)
        for start in range(0, len(rows), _BATCH):
            some, here = rows[start : start + _BATCH], slice(start, start + _BATCH)
            hashes[:, here] = np.ascontiguousarray(some[:, _MEANS:-1]).view("<u8").T
            flat[here] = some[:, -1] > 0
        return cls(rows, hashes[0], hashes[1], hashes[2], flat)


_MEANS = COARSE * COARSE * 4
"""Bytes of a coarse miniature."""
DESCRIBED = _MEANS + 3 * 8 + 1
"""Bytes of what is known of a miniature."""


def describe(signatures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What miniatures (N, 32, 32, 4) uint8 are compared by first: (N, ``DESCRIBED``) uint8, worth keeping."""
    parts = [np.zeros((0, DESCRIBED), np.uint8)]
    for start in range(0, len(signatures), _BATCH):
        means, across, down, outline, flat = _describe(np.asarray(signatures[start : start + _BATCH]))
        hashes = (some.astype("<u8").view(np.uint8).reshape(-1, 8) for some in (across, down, outline))
        parts.append(np.concatenate([means, *hashes, flat[:, None]], axis=1, dtype=np.uint8, casting="unsafe"))
    return np.concatenate(parts)


def _describe(batch: NDArray[np.uint8]) -> tuple[NDArray[np.generic], ...]:
    count, means = len(batch), coarse(batch)
    grey = _grey(means)
    across = _bits(grey[:, :, 1:] - grey[:, :, :-1])
    down = _bits(grey[:, 1:] - grey[:, :-1])
    alpha = np.ascontiguousarray(batch[..., 3])
    outline = np.zeros(count, np.uint64)
    edges = np.abs(np.diff(alpha.astype(np.int16), axis=2)).sum(axis=(1, 2))
    for n in np.flatnonzero(edges > 24 * 255).tolist():
        outline[n] = int.from_bytes(hashlib.blake2b(alpha[n].tobytes(), digest_size=8).digest(), "big")
    # Means are never further apart than what they are of: most pictures are known not to be flat by these.
    flat = np.ptp(grey.reshape(count, -1), axis=1) < _FLAT + 1
    flat[flat] = np.ptp(_grey(batch[flat].astype(np.float32)).reshape(-1, SIDE * SIDE), axis=1) < _FLAT
    return means.reshape(count, -1).astype(np.uint8), across, down, outline, flat


def _grey(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """(..., H, W): luminance on mid-grey of premultiplied pixels (..., H, W, 4)."""
    colour = pixels[..., :3] + (255 - pixels[..., 3:]) / 2
    return np.asarray(colour @ np.array([0.3, 0.59, 0.11], np.float32))


def _bits(gradients: NDArray[np.float32]) -> NDArray[np.uint64]:
    flags = (gradients.reshape(len(gradients), -1) > _CLEAR).astype(np.uint64)
    return np.asarray((flags << np.arange(flags.shape[1], dtype=np.uint64)).sum(axis=1, dtype=np.uint64))


def _runs_of_equals(values: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Each place of a value linked with the place of the same value before it."""
    last: dict[str, int] = {}
    for place, value in enumerate(values):
        if value and value in last:
            yield last[value], place
        if value:
            last[value] = place


def _candidates(facts: _Facts) -> Iterator[tuple[int, int]]:
    """Pairs that share half of a hash, or the outline: neighbours in the order of it."""
    half = np.uint64(28)
    low = np.uint64((1 << 28) - 1)
    orders = [
        (facts.across & low, facts.down),
        (facts.across >> half, facts.down),
        (facts.down & low, facts.across),
        (facts.down >> half, facts.across),
        (facts.outline, facts.across),
    ]
    for number, (band, rest) in enumerate(orders):
        counted = ~facts.flat & (facts.outline > 0) if number == len(orders) - 1 else ~facts.flat
        some = _repeated(band, np.flatnonzero(counted))  # what no other shares has no pair, and need not be sorted
        order = some[np.lexsort((rest[some], band[some]))]
        for away in range(1, _NEXT + 1):
            one, other = order[:-away], order[away:]
            same = band[one] == band[other]
            one, other = one[same], other[same]
            if number < len(orders) - 1:
                likely = _coarse_near(facts.rows, one, other)
                one, other = one[likely], other[likely]
            yield from zip(np.minimum(one, other).tolist(), np.maximum(one, other).tolist(), strict=True)


def _repeated(values: NDArray[np.uint64], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of some places whose value another of them has as well."""
    places = places[_may_repeat(values[places])]
    ordered = np.sort(values[places])
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if not len(twice):
        return places[:0]
    at = np.minimum(np.searchsorted(twice, values[places]), len(twice) - 1)
    return np.asarray(places[twice[at] == values[places]])


def _may_repeat(values: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """All that another is equal to, and some more: of equal low bits, which are counted, where sorting takes long."""
    low = (values & np.uint64((1 << (4 * len(values)).bit_length()) - 1)).astype(np.int64)
    return np.asarray(np.bincount(low)[low] > 1)


def _coarse_near(rows: NDArray[np.uint8], one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.bool_]:
    near = np.zeros(len(one), np.bool_)
    for start in range(0, len(one), 1 << 14):
        part = slice(start, start + (1 << 14))
        left, right = (rows[some[part]][:, :_MEANS].astype(np.float32) for some in (one, other))
        stronger = np.maximum((left * left).sum(axis=1), (right * right).sum(axis=1))
        near[part] = ((left - right) ** 2).sum(axis=1) <= _SHARE * stronger
    return near


def _compared(
    pairs: Sequence[tuple[int, int]],
    signatures: NDArray[np.uint8],
    sizes: NDArray[np.int64],
    facts: _Facts,
    named: set[tuple[int, int]],
) -> Iterator[Kin]:
    """The pairs that are the same, by their miniatures at full size."""
    by_first: dict[int, list[int]] = {}
    for one, other in pairs:
        by_first.setdefault(one, []).append(other)
    for one, others in by_first.items():
        query, candidates = np.asarray(signatures[one]), np.asarray(signatures[others])
        for other, near, candidate in zip(others, nearness(query, candidates).tolist(), candidates, strict=True):
            kind = _kind(sizes[one], sizes[other], near, named=(one, other) in named)
            if kind is not None:
                yield Kin(one, other, kind, round(near, 3))
            elif (
                facts.outline[one] and facts.outline[one] == facts.outline[other] and (sizes[one] == sizes[other]).all()
            ):
                alike = _edges_alike(query, candidate)
                if alike >= _RECOLOUR:
                    yield Kin(one, other, KinKind.RECOLOUR, round(alike, 3))


def _kind(one: NDArray[np.int64], other: NDArray[np.int64], near: float, *, named: bool) -> KinKind | None:
    """What a pair is whose miniatures are so near."""
    shapes = one[0] * other[1], one[1] * other[0]
    if max(shapes) > 1.05 * min(shapes):  # a miniature is square whatever the picture's shape
        return None
    if named and near >= 0.8:
        return KinKind.FORMAT
    same = bool((one == other).all())
    if near < (NEAR if same else NEAR_IN_SIZE) or min(one.min(), other.min()) < LEAST_SIDE:
        return None
    return KinKind.COPY if same else KinKind.SIZE


def _edges_alike(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Correlation of where two pictures have edges, whatever their colours."""
    edges = []
    for picture in (one, other):
        pixels = picture.astype(np.float32)
        across = np.abs(np.diff(pixels, axis=1)).max(axis=2)[:-1]
        down = np.abs(np.diff(pixels, axis=0)).max(axis=2)[:, :-1]
        edges.append((across + down).ravel())
    if min(float(edge.std()) for edge in edges) < 1e-3:
        return 0.0
    return float(np.corrcoef(*edges)[0, 1])
