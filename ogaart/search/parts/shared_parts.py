"""Pictures that the picture of a search is a part of, and known pictures that it contains, by their exact pixels."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ogaart.likeness import patch_matching
from ogaart.likeness.patch_evidence import Box
from ogaart.likeness.patch_matching import Match, best_of_each, match
from ogaart.likeness.query_patches import QueryPatches
from ogaart.resources.patches.index import PatchRuns
from ogaart.search.query import QueryPicture
from ogaart.search.results import Hit, PartBox, Relation, SharedPart

MOST_WHOLES, MOST_PARTS, MOST_SHARING = 24, 200, 12
"""Pictures that are named as containing the picture of the search, as contained in it, and as sharing some of it."""
_NEARLY_ALL = 0.9
"""Share of both pictures from which on they are copies of each other, and not a part and a whole."""
AS_GOOD = 0.85
"""Share of the best match's share of agreeing patches, below which another match is of a similar picture only."""
_LEAST_SCORE, _PARTS_SCORE, _COPIES_SCORE = 0.9, 0.09, 0.095
"""Likeness of what is proved: copies by exact pixels come before those by the miniature, which has 0.99 at most."""
SHARING_WEIGHT = 1.8
"""Weight of votes from which on a match that proves nothing is shown: of three patches that nothing else has."""
_SHARING_SCORE, _MORE_OF_WEIGHT, _BEST_SHARING_SCORE = 0.54, 0.09, 0.765
"""Likeness of such a match, by how much it rises with weight, and at most: very similar pictures come before it."""
_MOST_SHARED, _HALF_OF_MOST = 0.01, 100.0
"""By how much those that share more stay before others that share much, and the weight that has half of it."""
_LITTLE = 8
"""How many times as large as what agrees the place of a query is, from which on the query is not called like all of it:
it is a scene with a piece of the picture, or has a ground around it."""

SameImages = Callable[[str], Sequence[int]]


@dataclass(frozen=True)
class FoundParts:
    """What exact pixels tell: matches with the images that they are of; the most of the picture first.

    Attributes:
        part_of: what the picture is a part of.
        contains: what is a part of the picture.
        copies: what is all of it.
        covered: share of the picture's patches that are in what it contains.
        sharing: what shares too little to prove anything, and more than chance does; the most votes first.
    """

    part_of: tuple[tuple[int, Match], ...] = ()
    contains: tuple[tuple[int, Match], ...] = ()
    copies: tuple[tuple[int, Match], ...] = ()
    covered: float = 0.0
    sharing: tuple[tuple[int, Match], ...] = ()

    @property
    def proves(self) -> bool:
        """Whether any of it is proof."""
        return bool(self.part_of or self.contains or self.copies)

    @property
    def most(self) -> float:
        """The largest share that agrees of what is proved; 0 where nothing is."""
        return max((one.share for _, one in (*self.part_of, *self.contains, *self.copies)), default=0.0)

    def without(self, left: Callable[[list[int]], list[int]]) -> "FoundParts":
        """The same with those images only that words, filters and decisions leave."""
        every = (self.part_of, self.contains, self.copies, self.sharing)
        ids = [image_id for pairs in every for image_id, _ in pairs]
        kept = set(left(ids)) if ids else set()
        part_of, contains, copies, sharing = (tuple(pair for pair in pairs if pair[0] in kept) for pairs in every)
        return FoundParts(part_of, contains, copies, self.covered, sharing)

    @property
    def scores(self) -> dict[int, tuple[float, Relation]]:
        """Likeness and relation by image: copies and wholes before anything that is only similar, then pieces."""
        found: dict[int, tuple[float, Relation]] = {}
        for relation, pairs in (
            (Relation.NEAR, self.copies),
            (Relation.PART, self.part_of),
            (Relation.CONTAINED, self.contains),
        ):
            for image_id, one in pairs:
                if relation is Relation.CONTAINED:
                    score = _LEAST_SCORE * one.share
                else:
                    score = _LEAST_SCORE + (_COPIES_SCORE if relation is Relation.NEAR else _PARTS_SCORE) * one.share
                found.setdefault(image_id, (score, relation))
        for image_id, one in self.sharing:
            more = _MORE_OF_WEIGHT * (one.weight - SHARING_WEIGHT)
            order = _MOST_SHARED * one.weight / (one.weight + _HALF_OF_MOST)
            found.setdefault(image_id, (min(_SHARING_SCORE + more, _BEST_SHARING_SCORE) + order, Relation.SIMILAR))
        return found


def find_parts(picture: QueryPicture, index: PatchRuns, same_images: SameImages) -> FoundParts:
    """Find what shares exact pixels with a visitor's picture, or else with its subject without the ground.

    Args:
        picture: the visitor's; one without patches shares nothing.
        index: the publication's patches.
        same_images: the images of a picture, by the hash of its pixels, that search may show; the first is named.
    """
    found = _matched(picture, index, same_images)
    # Enough of a tile on a ground may agree for a proof, though the ground is no part of the sheet.
    if picture.subject is None or found.copies or found.contains or found.most >= AS_GOOD:
        return found
    of_subject = _matched(picture.subject, index, same_images)
    return of_subject if of_subject.most > found.most or not (found.proves or found.sharing) else found


def _matched(picture: QueryPicture, index: PatchRuns, same_images: SameImages) -> FoundParts:
    if picture.patches is None:
        return FoundParts()
    part_of: list[tuple[int, Match]] = []
    contains: list[tuple[int, Match]] = []
    copies: list[tuple[int, Match]] = []
    every = best_of_each(_without_weaker(match(picture.patches, index), (picture.width, picture.height)))
    for one in every:
        if not one.claimed:
            break
        key = index.key(one.picture)
        if key == picture.pixel_sha256:
            continue
        facts = index.facts(one.picture)
        whole = (facts.width * facts.enlarged, facts.height * facts.enlarged)
        is_part = one.relation is patch_matching.PartRelation.WHOLE
        if covers(one.picture_box, whole) and (is_part or covers(one.query_box, (picture.width, picture.height))):
            into = copies  # all of it, alone on whatever ground
        else:
            into = part_of if is_part else contains
        into.extend((image_id, one) for image_id in same_images(key))
    best = max((one.share for _, one in part_of), default=0.0)
    part_of = [pair for pair in part_of if pair[1].share >= AS_GOOD * best]
    contains = contains[:MOST_PARTS]
    sharing = [(image_id, one) for one in _sharing(every) for image_id in same_images(index.key(one.picture))]
    return FoundParts(
        tuple(part_of[:MOST_WHOLES]), tuple(contains), tuple(copies), _covered(picture.patches, contains),
        tuple(sharing[:MOST_SHARING]),
    )  # fmt: skip


def _sharing(matches: Sequence[Match]) -> list[Match]:
    """Those that prove nothing, but share something that nothing which is proved explains."""
    proved = [one for one in matches if one.claimed]
    return [
        one
        for one in matches
        if not one.claimed
        and one.weight >= SHARING_WEIGHT
        and not any(patch_matching.overlap(one.query_box, other.query_box) for other in proved)
    ]


def _without_weaker(matches: Sequence[Match], size: tuple[int, int]) -> list[Match]:
    """The matches without pieces of which another one explains the same place better: tiles of a set share much.

    Before the best place of each picture is chosen: of a tile that is repeated, each place is another tile's best.

    Args:
        matches: at all places.
        size: width and height of the query; what covers all of it is no piece.
    """
    pieces = [
        one
        for one in matches
        if one.claimed and one.relation is patch_matching.PartRelation.PART and not covers(one.query_box, size)
    ]
    boxes = np.array([one.query_box for one in pieces], np.int64).reshape(-1, 4)
    shares = np.array([one.share for one in pieces])
    kept = np.zeros(len(pieces), np.bool_)
    for n in np.argsort(-shares, kind="stable"):
        better = kept & (shares[n] < AS_GOOD * shares)
        kept[n] = not better.any() or not patch_matching.overlaps(boxes[better], boxes[n]).any()
    weaker = {id(one) for one, stays in zip(pieces, kept, strict=True) if not stays}
    return [one for one in matches if id(one) not in weaker]


def _narrowed(one: Match) -> Box:
    """The place of what is not proved: where all of the query would lie, but for one that agrees in little of it."""
    width, height = one.agreed[2:]
    little = _LITTLE * width * height < one.picture_box[2] * one.picture_box[3]
    return one.agreed if little or one.relation is patch_matching.PartRelation.OVERLAP else one.picture_box


def shown(pairs: Iterable[tuple[int, Match]], hits: Mapping[int, Hit], *, of_query: bool) -> tuple[SharedPart, ...]:
    """The matches with their hits, each picture once.

    Args:
        pairs: images and matches.
        hits: their hits; what is missing is left out.
        of_query: whether the place is in the picture of the search (which contains the hit), or in the hit.
    """
    found: dict[str, SharedPart] = {}
    for image_id, one in pairs:
        hit = hits.get(image_id)
        if hit is not None and hit.pixel_sha256 not in found:
            place = PartBox(*(one.query_box if of_query else one.picture_box if one.claimed else _narrowed(one)))
            cell = None if of_query else cell_of(place, hit.width, hit.height)
            found[hit.pixel_sha256] = SharedPart(hit, place, cell, one.scale, one.orientation, one.share)
    return tuple(found.values())


def cell_of(place: PartBox, width: int, height: int) -> tuple[int, int] | None:
    """Column and row, from one, where the place is a cell of a grid of its own size."""
    columns, rows = width // max(place.width, 1), height // max(place.height, 1)
    fits = place.x % place.width == 0 and place.y % place.height == 0 and columns * rows > 1
    if not fits or width % place.width or height % place.height:
        return None
    return place.x // place.width + 1, place.y // place.height + 1


def covers(box: Box, size: tuple[int, int]) -> bool:
    """Whether a box is nearly all of a picture of a size."""
    return box[2] * box[3] >= _NEARLY_ALL * size[0] * size[1]


def _covered(query: QueryPatches, contains: Sequence[tuple[int, Match]]) -> float:
    """Share of a query's patches that lie in the places of what it contains."""
    if not contains or not query.upright:
        return 0.0
    _, patches = query.upright[0]
    x, y = (side.astype(np.int64) * query.enlarged for side in (patches.x, patches.y))
    inside = np.zeros(len(patches), np.bool_)
    for left, top, width, height in {one.query_box for _, one in contains}:
        inside |= (x >= left) & (x < left + width) & (y >= top) & (y < top + height)
    return float(inside.mean()) if len(inside) else 0.0
