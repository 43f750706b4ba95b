"""Which pictures share a part with another, and where: votes of equal patches that agree on one place and one scale.

Candidates are ordered by votes, rare patches counting more. A claim is judged for each piece by itself: most of the
patches that the smaller of the two has there must agree, whatever else is in the larger one.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness.orientations import MIRRORED, ORIENTATIONS, oriented, turned_back
from ogaart.likeness.patch_evidence import LEAST_KINDS, Box, KnownPatches
from ogaart.likeness.patches import SIDE, Hashes, Patches, Places
from ogaart.likeness.query_patches import QueryPatches

COMMON = 200
"""Pictures with a patch from which on it tells of none."""
POSTINGS = 131_072
"""Places that are weighed: of more, a sample and the rarest."""
JUDGED, JUDGED_TURNED = 256, 64
"""Agreements that are judged at one scale, the most votes first: of a query upright, and of it turned or mirrored."""
PROBED = 512
"""Patches of a turned query that are looked up before all of them."""
_LEAST_VOTES = 2
_CLAIMED_WEIGHT = 1.8


class PartRelation(StrEnum):
    """What a picture of the index is to the query."""

    WHOLE = "whole"  # the query is a part of it
    PART = "part"  # it is a part of the query
    OVERLAP = "overlap"  # they share a part


# Pieces of a scene are covered in part; frames of one animation share half of their patches.
_CLAIMED_SHARE = {PartRelation.WHOLE: 0.6, PartRelation.PART: 0.5, PartRelation.OVERLAP: math.inf}


class PictureFacts(NamedTuple):
    """What the index knows of one picture: pixels, by how much it was reduced, and its patches."""

    width: int
    height: int
    enlarged: int
    step: int
    patches: int
    opaque: int


class Postings(NamedTuple):
    """Where patches of a query are in indexed pictures.

    ``query``, ``picture``, ``x`` and ``y`` are (P,) int64; ``counts`` is (Q,) int64: places of each of the query's.
    ``complete`` is the step of whose multiples all were looked at, 1 where no patch was left out for want of room.
    """

    query: NDArray[np.int64]
    picture: NDArray[np.int64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    counts: NDArray[np.int64]
    complete: int = 1


class PatchIndex(Protocol):
    """Finds patches in all pictures."""

    def find(self, hashes: Hashes, common: int, at_most: int) -> Postings:
        """Places of patches, without those in more than ``common`` places, ``at_most`` in all (``looked_at``)."""

    def facts(self, picture: int) -> PictureFacts:
        """What is known of a picture."""


@dataclass(frozen=True)
class Match:
    """A picture that shares patches with the query at one place and scale.

    Attributes:
        picture: its number in the index.
        relation: what it is to the query.
        query_box: x, y, width, height in pixels of the query: where the shared part is.
        picture_box: the same in pixels of the picture.
        scale: by how much the query shows it larger than the picture is.
        orientation: how the query is to be turned to match; see ``orientations.oriented``.
        votes: patches that agree.
        weight: their sum, rare ones counting more.
        share: of the smaller one's patches that could agree.
        claimed: whether this is proof, and not only a candidate.
        agreed: x, y, width, height in pixels of the picture: what the patches that agree cover there.
    """

    picture: int
    relation: PartRelation
    query_box: Box
    picture_box: Box
    scale: float
    orientation: int
    votes: int
    weight: float
    share: float
    claimed: bool
    agreed: Box

    @property
    def strength(self) -> float:
        """How much of the query is explained: the shared area, less where fewer patches agree."""
        return self.query_box[2] * self.query_box[3] * self.share**2


def match(query: QueryPatches, index: PatchIndex) -> list[Match]:
    """Find the pictures that share a part with a query.

    Turned and mirrored it is looked for only where upright nothing is proved, and where some of it agrees so. Beside
    pieces that are as they are, others of a scene may be mirrored, and enlarged as well.

    Returns:
        Claims first, the largest and fullest part first, then candidates, the most votes first; a picture as often as
        it is at several places.
    """
    found: list[Match] = []
    for factor, patches in query.upright:
        found += match_patches(patches, index, factor, colours=query.colours)
    upright = any(one.claimed for one in found)
    if not upright:
        for orientation in range(1, ORIENTATIONS):
            found += _match_turned(query, index, orientation)
    found += _mirrored_pieces(query, index, [one for one in found if one.claimed], least=1 if upright else 2)
    enlarged = [replace(one, query_box=_times(one.query_box, query.enlarged), scale=one.scale * query.enlarged)
                for one in found]  # fmt: skip
    return sorted(enlarged, key=lambda one: (not one.claimed, -one.strength if one.claimed else -one.weight))


def _mirrored_pieces(query: QueryPatches, index: PatchIndex, proved: Sequence[Match], least: int) -> list[Match]:
    """What a scene proves to contain mirrored, where nothing is proved yet; none of what is no scene.

    Args:
        query: the scene.
        index: all pictures.
        proved: what it contains, or is.
        least: the smallest enlargement that is looked for.
    """
    found: list[Match] = []
    for factor, patches in query.upright:
        # A mirrored piece is made of the same blocks: where upright none are enlarged, none are so mirrored.
        if factor < least or len(patches) < LEAST_KINDS:
            continue
        known = [*proved, *found]
        if any(one.relation is not PartRelation.PART for one in known):
            break
        boxes = np.array([one.query_box for one in known], np.int64).reshape(-1, 4)
        found += [
            one
            for one in _match_turned(query, index, MIRRORED, factor)
            if one.claimed and one.relation is PartRelation.PART and not overlaps(boxes, np.array(one.query_box)).any()
        ]
    return found


def _match_turned(query: QueryPatches, index: PatchIndex, orientation: int, factor: int = 1) -> list[Match]:
    """The pictures that share a part with a query that is turned and mirrored; boxes are those of the query itself."""
    turned = query.turned(orientation, factor)
    # A mirrored piece of a scene is little of it, of which no probe would tell.
    if orientation != MIRRORED and not _promising(turned, index):
        return []
    colours = None if query.colours is None else oriented(query.colours, orientation)
    matches = match_patches(turned, index, factor, judged=JUDGED_TURNED, colours=colours)
    return [_turned_back(one, orientation, query) for one in matches]


def match_patches(
    patches: Patches,
    index: PatchIndex,
    factor: int = 1,
    judged: int = JUDGED,
    colours: NDArray[np.uint8] | None = None,
) -> list[Match]:
    """Find the pictures that share a part with patches, of which those of a query are ``factor`` times enlarged.

    Boxes are in the pixels of ``patches``; scales leave out that the whole query was enlarged.

    Args:
        patches: which.
        index: all pictures.
        factor: by how much patches are enlarged.
        judged: agreements that are judged, the most votes first.
        colours: (height, width) uint8, see ``QueryPatches``; None: unknown, so that only many windows prove something.
    """
    postings = index.find(patches.hashes, COMMON, POSTINGS)
    return list(_judged(patches, factor, postings, index, judged, colours))


def _promising(patches: Patches, index: PatchIndex) -> bool:
    """Whether some of a query's patches agree on anything: most pictures are in the index in no orientation.

    The straight edge of a picture on a ground is many equal patches, of which the index has none.
    """
    if len(patches) <= 2 * PROBED:
        return True
    probe = patches.without_repeats().at_most(PROBED)
    return bool(_agreements(probe, 1, index.find(probe.hashes, COMMON, POSTINGS), 1))


def _turned_back(one: Match, orientation: int, query: QueryPatches) -> Match:
    box = turned_back(one.query_box, orientation, query.width, query.height)
    return replace(one, query_box=box, orientation=orientation)


class _Agreement(NamedTuple):
    """Votes of one picture at one place; ``rows`` are those of the postings."""

    picture: int
    x: int
    y: int
    rows: NDArray[np.int64]
    weight: float


_SHIFT, _BITS = 1 << 19, 20


def _agreements(patches: Patches, factor: int, postings: Postings, judged: int) -> list[_Agreement]:
    """The places that patches agree on, the most votes first."""
    if not len(postings.query):
        return []
    x = patches.x[postings.query].astype(np.int64) - factor * postings.x
    y = patches.y[postings.query].astype(np.int64) - factor * postings.y
    keys = (postings.picture << (2 * _BITS)) | ((x + _SHIFT) << _BITS) | (y + _SHIFT)
    order = np.argsort(keys)  # not stable, which takes three times as long: the order of equal votes does not matter
    ranked = keys[order]
    starts = np.flatnonzero(np.concatenate(([True], ranked[1:] != ranked[:-1])))
    weights = (1.0 / np.log2(2.0 + postings.counts))[postings.query[order]]
    sums = np.add.reduceat(weights, starts)
    many = np.diff(np.append(starts, len(ranked)))
    several = np.flatnonzero(many >= _LEAST_VOTES)
    best = several[np.argsort(-sums[several], kind="stable")[:judged]]
    return [
        _Agreement(
            int(postings.picture[order[starts[n]]]), int(x[order[starts[n]]]), int(y[order[starts[n]]]),
            order[starts[n] : starts[n] + many[n]], float(sums[n]),
        )
        for n in best
    ]  # fmt: skip


def _judged(
    patches: Patches,
    factor: int,
    postings: Postings,
    index: PatchIndex,
    judged: int,
    colours: NDArray[np.uint8] | None,
) -> Iterator[Match]:
    taken: dict[int, list[Box]] = {}
    known = KnownPatches(patches, factor, colours)
    for agreement in _agreements(patches, factor, postings, judged):
        facts = index.facts(agreement.picture)
        one = _judge(patches, factor, agreement, facts, postings.query[agreement.rows], known, postings.complete)
        if one is not None and not any(overlap(box, one.query_box) for box in taken.get(one.picture, ())):
            taken.setdefault(one.picture, []).append(one.query_box)
            yield one


def _judge(
    patches: Patches,
    factor: int,
    agreement: _Agreement,
    facts: PictureFacts,
    rows: NDArray[np.int64],
    known: KnownPatches,
    complete: int,
) -> Match | None:
    """What an agreement proves."""
    left, top = agreement.x, agreement.y
    right, bottom = left + factor * facts.width, top + factor * facts.height
    inner = (max(left, 0), max(top, 0), min(right, patches.width), min(bottom, patches.height))
    if inner[0] >= inner[2] or inner[1] >= inner[3]:
        return None
    of_picture = (
        (inner[0] - left) // factor, (inner[1] - top) // factor,
        -(-(inner[2] - inner[0]) // factor), -(-(inner[3] - inner[1]) // factor),
    )  # fmt: skip

    agreed = _covered((patches.x[rows], left), (patches.y[rows], top), factor)

    def found(relation: PartRelation, share: float, *, claimed: bool) -> Match:
        return Match(
            agreement.picture, relation, (inner[0], inner[1], inner[2] - inner[0], inner[3] - inner[1]),
            _times(of_picture, facts.enlarged), factor / facts.enlarged, 0, len(rows), agreement.weight, share, claimed,
            _times(agreed, facts.enlarged),
        )  # fmt: skip

    if agreement.weight < _CLAIMED_WEIGHT:
        # A candidate, and no proof, however much of it agrees.
        return found(PartRelation.OVERLAP, 0.0, claimed=False)
    # Both keep the multiples of the larger step: of those, which could agree?
    step = max(patches.step, facts.step)
    thinned = facts.step / step
    opaque = int(np.count_nonzero(patches.opaque[rows]))
    picture_share = max(
        len(rows) / max(facts.patches * thinned, 1.0),
        opaque / max(facts.opaque * thinned, LEAST_KINDS),  # on another ground only these are left
    )
    if complete > step:
        expected = facts.patches * facts.step / complete
        picture_share = max(picture_share, known.share_of_picture(rows, expected, complete))
    picture_inside = inner == (left, top, right, bottom)
    whole = inner == (0, 0, patches.width, patches.height)
    # Patches of another scale than the query's own do not tell of the rest of it.
    query_inside = whole or (factor == 1 and _inside(known.extent(step), inner))
    query_share = known.share(rows, inner, SIDE * factor, step, complete) if query_inside else 0.0
    relation, share = PartRelation.OVERLAP, min(query_share, picture_share)
    if query_inside and (query_share >= picture_share or not picture_inside):
        relation, share = PartRelation.WHOLE, query_share
    elif picture_inside:
        relation, share = PartRelation.PART, picture_share
    claimed = share >= _CLAIMED_SHARE[
        PartRelation.WHOLE if query_inside and picture_inside else relation
    ] and known.tell_of_one_picture(rows, step)
    return found(relation, min(share, 1.0), claimed=claimed)


def _inside(extent: Box | None, box: Box) -> bool:
    """Whether what extends so far lies in a box of left, top, right and bottom; nothing lies anywhere."""
    return extent is None or (
        extent[0] >= box[0] and extent[1] >= box[1] and extent[2] <= box[2] and extent[3] <= box[3]
    )


def _covered(x: tuple[Places, int], y: tuple[Places, int], factor: int) -> Box:
    """What windows cover in a picture: where they begin in the query, and where the picture does, across and down."""
    (left, right), (top, bottom) = (
        ((int(places.min()) - start) // factor, (int(places.max()) - start) // factor + SIDE)
        for places, start in (x, y)
    )
    return left, top, right - left, bottom - top


def _times(box: Box, factor: int) -> Box:
    x, y, w, h = box
    return x * factor, y * factor, w * factor, h * factor


def overlap(box: Box, other: Box) -> bool:
    """Whether two boxes share more than half of the smaller one."""
    x = min(box[0] + box[2], other[0] + other[2]) - max(box[0], other[0])
    y = min(box[1] + box[3], other[1] + other[3]) - max(box[1], other[1])
    return x > 0 and y > 0 and 2 * x * y > min(box[2] * box[3], other[2] * other[3])


def overlaps(boxes: NDArray[np.int64], box: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each of the (N, 4) boxes shares more than half of the smaller one with a box."""
    sides = np.minimum(boxes[:, :2] + boxes[:, 2:], box[:2] + box[2:]) - np.maximum(boxes[:, :2], box[:2])
    areas = np.minimum(boxes[:, 2] * boxes[:, 3], box[2] * box[3])
    return np.asarray((sides > 0).all(axis=1) & (2 * sides[:, 0] * sides[:, 1] > areas), np.bool_)


def best_of_each(matches: Sequence[Match]) -> list[Match]:
    """The first match of each picture, in their order."""
    first: dict[int, Match] = {}
    for one in matches:
        first.setdefault(one.picture, one)
    return list(first.values())
