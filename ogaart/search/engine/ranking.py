"""Orders the points that the index found: by cosine, by signature, and by the parts that a query fits into. Pure."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness import crop_matching, signatures
from ogaart.likeness.colours import palette_agreement
from ogaart.resources.index.base import ScoredPoint
from ogaart.search.engine import likeness
from ogaart.search.query import QueryPicture
from ogaart.search.results import Relation

WITNESSED_BELOW = 24  # pixels: miniatures of smaller pictures are near by chance
AGREEMENT = 0.6  # of palettes: nine of ten true copies of icons agree so far
Palette = tuple[tuple[int, float], ...]
Palettes = Callable[[Sequence[int]], Mapping[int, Palette]]
Cosines = Mapping[int, Mapping[str, float]]
LEAST_SHAPE, LEAST_LIKE = 0.6, 0.9  # cosine of a copied icon's shape, and that with half of the layout's
FAR, FAR_SHAPE, FAR_PALETTE = 0.75, 0.69, 0.25  # closeness below which shape and palette must be alike, and how much
SAME = 0.97  # closeness that proves a copy of an icon alone
_COPIES, _FRAMES = (0.98, 0.01), (0.9, 0.08)
"""What known copies and frames score at least, and how much more of their likeness; 0.9 is the most without proof."""
FITTED = 20  # nearest points into whose parts the query is fitted: a crop's source is nearly always among them


class Ranked(NamedTuple):
    """A point, its likeness from 0 to 1, and its relation to the query; None in a search without pictures.

    ``subject`` tells whether the query was nearest to it without its ground; ``unseen`` that miniatures, which tell
    only whether it is a copy, were not compared yet.
    """

    image_id: int
    score: float | None
    relation: Relation | None
    subject: bool = False
    unseen: bool = False


@dataclass(frozen=True)
class ReferenceImage:
    """The one picture that hits are compared with.

    Attributes:
        signature: (32, 32, 4) uint8.
        side: the smaller one, in pixels.
        cropped: True for one whose frame a visitor drew, None for any other of a visitor's, False for one of the
            catalog.
        subject: it without its flat ground, if it has one.
        cuts: signatures of it cut to its subject, the ground left in.
        palette: its main colours as 0xRRGGBB with their shares.
    """

    signature: NDArray[np.uint8]
    side: int
    cropped: bool | None = None
    subject: "ReferenceImage | None" = None
    cuts: Sequence[NDArray[np.uint8]] = ()
    palette: Palette = ()

    @classmethod
    def of(cls, picture: QueryPicture) -> "ReferenceImage":
        """A visitor's picture, and its subject, as hits are compared with them."""
        subject = cls.of(picture.subject) if picture.subject is not None else None
        side = min(picture.width, picture.height)
        return cls(picture.signature, side, picture.part or None, subject, picture.cuts, picture.palette)


@dataclass(frozen=True)
class Subjects:
    """Points without their flat ground, where they have one: places among the points, signatures, smaller sides."""

    places: NDArray[np.int64]
    rows: NDArray[np.uint8]
    sides: NDArray[np.int32]


@dataclass(frozen=True)
class Near:
    """How near two pictures are in those of their forms that are nearest.

    Attributes:
        closeness: of their miniatures, 0 to 1.
        side: smallest side of the two forms, in pixels.
        subject: whether the query's form is the one without its ground.
    """

    closeness: float
    side: int
    subject: bool = False

    @property
    def copy(self) -> bool:
        """Whether one is a copy of the other."""
        return self.closeness >= likeness.near_copy(self.side)


def compare(
    reference: ReferenceImage,
    ids: Sequence[int],
    sides: Mapping[int, int],
    rows: NDArray[np.uint8],
    known: NDArray[np.bool_],
    subjects: Subjects | None = None,
    least: float = 0.0,
) -> dict[int, Near]:
    """Compare a picture with others, each as it is and without its ground, by their miniatures.

    Args:
        reference: the picture.
        ids: the others.
        sides: smaller side in pixels of those that the catalog holds.
        rows: (N, 32, 32, 4) uint8 signatures of these, valid where ``known``.
        known: (N,) bool.
        subjects: of these.
        least: closeness below which nothing is returned.

    Returns:
        By id, of those whose signature is known and shows something.
    """
    subject = reference.subject
    cuts = [ReferenceImage(cut, subject.side) for cut in reference.cuts] if subject is not None else []
    forms = [form for form in (reference, subject, *cuts) if form]
    queries = np.stack([form.signature for form in forms])
    telling = np.flatnonzero(~signatures.which_are_flat(queries))
    if not len(telling) or not ids:
        return {}
    forms, queries = [forms[n] for n in telling.tolist()], queries[telling]
    # As they are, then those without their ground: all in one comparison.
    places = np.flatnonzero(known)
    looks, of = rows[places], [sides.get(ids[place], 0) for place in places.tolist()]
    if subjects is not None:
        places = np.concatenate([places, subjects.places])
        looks, of = np.concatenate([looks, subjects.rows]), of + subjects.sides.tolist()
    shown = np.flatnonzero(~signatures.which_are_flat(looks))
    closenesses = signatures.closenesses(queries, looks[shown])
    nearest = closenesses.argmax(axis=1)
    best = np.take_along_axis(closenesses, nearest[:, None], axis=1)[:, 0]
    near = np.flatnonzero(best >= least)
    if not len(near):
        return {}
    # A gradient is near much by chance, and is as close to its copies at any size as a large picture is.
    sizes = [max(form.side, likeness.PICTURE) if signatures.smooth(form.signature) else 0 for form in forms]
    found: dict[int, Near] = {}
    for n, form, closeness in zip(shown[near].tolist(), nearest[near].tolist(), best[near].tolist(), strict=True):
        image_id = ids[places[n]]
        before = found.get(image_id)
        if before is None or closeness > before.closeness:
            size = sizes[form] or min(forms[form].side, of[n])
            found[image_id] = Near(closeness, size, forms[form] is not reference)
    return found


def _unwitnessed(
    reference: ReferenceImage, near: Mapping[int, Near], palettes: Palettes, cosines: Cosines
) -> dict[int, Near]:
    """Those that would be copies of a small picture, but lack a second witness: as near as what is not a copy yet.

    The second witness is the main colours, and where parts are known, these too. Nearly equal miniatures need none: on
    another ground the half-transparent pixels of soft edges and shadows have other colours.
    """
    small = [i for i, one in near.items() if one.copy and one.side < WITNESSED_BELOW and one.closeness < SAME]
    colours = palettes(small) if small else {}
    found: dict[int, Near] = {}
    for image_id in small:
        forms = [form.palette for form in (reference, reference.subject) if form and form.palette]
        theirs = colours.get(image_id, ())
        other_colours = forms and theirs and max(palette_agreement(one, theirs) for one in forms) < AGREEMENT
        one = near[image_id]
        if other_colours or not _alike_in_parts(cosines.get(image_id, {}), one.closeness):
            found[image_id] = replace(one, closeness=likeness.near_copy(one.side) - 0.001)
    return found


def _alike_in_parts(cosines: Mapping[str, float], closeness: float) -> bool:
    """Whether parts, where they are known, may be those of a copy: on another ground the shape alone is the same.

    Parts see neither that a picture is mirrored or turned nor through noise, so from the closeness that large pictures
    need they are not asked: icons of different things are not so near. Far ones need more: round things, such as a
    face and a coin, share most of their shape.
    """
    if "shape" not in cosines or closeness >= likeness.near_copy(likeness.PICTURE):
        return True
    shape, layout = cosines["shape"], cosines.get("layout", 0.0)
    if closeness < FAR and (shape < FAR_SHAPE or cosines.get("palette", 1.0) < FAR_PALETTE):
        return False
    return shape >= LEAST_SHAPE and shape + layout / 2 >= LEAST_LIKE


def copies_among(
    reference: ReferenceImage,
    ids: Sequence[int],
    sides: Mapping[int, int],
    rows: NDArray[np.uint8],
    known: NDArray[np.bool_],
    subjects: Subjects | None,
    palettes: Palettes,
    cosines: Cosines,
) -> set[int]:
    """The images that are near copies of a picture; arguments as of ``compare`` and ``rank``."""
    near = compare(reference, ids, sides, rows, known, subjects, likeness.NEAR_ICON)
    near.update(_unwitnessed(reference, near, palettes, cosines))
    return {image_id for image_id, one in near.items() if one.copy}


def rank(
    points: Sequence[ScoredPoint],
    sides: Mapping[int, int],
    reference: ReferenceImage | None,
    rows: NDArray[np.uint8],
    known: NDArray[np.bool_],
    subjects: Subjects | None = None,
    palettes: Palettes | None = None,
    cosines: Cosines | None = None,
    *,
    compares: bool,
    typical: float,
    share: float,
    fitted: int = FITTED,
    copies_first: bool = True,
    unseen: bool = False,
) -> list[Ranked]:
    """Compute each point's similarity and relation, and order them by similarity.

    Args:
        points: what the index found, nearest first.
        sides: smaller side in pixels of those that the catalog holds.
        reference: what they are compared with; None: the cosine alone counts.
        rows: (N, 32, 32, 4) uint8 signatures of the points, valid where ``known``; unused without a reference.
        known: (N,) bool.
        subjects: the points without their ground.
        palettes: reads the main colours of points: the second witness of copies of small pictures.
        cosines: of the parts of points, by id, where they are known: the third.
        compares: whether points have a relation to the query, since it is one picture.
        typical: cosine that unrelated pictures stay below; see ``likeness.relation``.
        share: weight of the signatures in what is not a copy; see ``likeness.likeness``.
        fitted: into the parts of how many points the query is fitted.
        copies_first: whether near copies come before all else; see ``likeness.likeness``.
        unseen: whether there is a reference, with which those that are shown are compared later.
    """
    ids = [point.id for point in points]
    near = compare(reference, ids, sides, rows, known, subjects) if reference is not None else {}
    if reference is not None and palettes is not None:
        near.update(_unwitnessed(reference, near, palettes, cosines or {}))
    fits: dict[int, float] = {}
    crops = reference is not None and reference.cropped is not False and not signatures.flat(reference.signature)
    if reference is not None and crops and near and not any(one.copy for one in near.values()):
        # No copy of a whole picture, so perhaps of a part: its source is among the nearest few.
        few = crop_matching.fit(reference.signature, rows[:fitted])
        fits = {point.id: float(few[n]) for n, point in enumerate(points[:fitted]) if known[n]}
    ranked: list[Ranked] = []
    for point in points:
        best = near.get(point.id)
        close, side = (best.closeness, best.side) if best else (None, 0)
        score = likeness.likeness(point.score, close, side, share, copies_first=copies_first)
        if reference is not None and point.id in fits:
            known_part = reference.cropped is True
            score = max(score, likeness.likeness_of_part(point.score, fits[point.id], known=known_part))
        # A part is similar to its source as far as it fits into it.
        alike = max(point.score, (point.score + fits[point.id]) / 2 if point.id in fits else -1.0)
        relation = likeness.relation(alike, close, side, typical) if compares else None
        ranked.append(Ranked(point.id, score, relation, best is not None and best.subject, unseen))
    return sorted(ranked, key=lambda r: -(r.score or 0.0))


def with_parts(nearest: Sequence[Ranked], parts: Mapping[int, tuple[float, Relation]]) -> list[Ranked]:
    """The nearest points, with those that exact pixels have found where their proof puts them.

    Args:
        nearest: what was found by likeness.
        parts: likeness and relation of what was found by exact pixels; a copy stays a copy, and what a near copy of a
            cell proves stays a part, where exact pixels tell only of something similar.
    """
    best = {one.image_id: one for one in nearest}
    for image_id, (score, relation) in parts.items():
        known = best.get(image_id)
        if known is None:
            best[image_id] = Ranked(image_id, score, relation)
        elif known.relation is not Relation.NEAR or relation is Relation.NEAR:
            kept = known.relation if relation is Relation.SIMILAR and known.relation is Relation.PART else relation
            best[image_id] = known._replace(score=max(score, known.score or 0.0), relation=kept)
    return sorted(best.values(), key=lambda one: -(one.score or 0.0))


def with_kin(nearest: Sequence[Ranked], copies: Collection[int], frames: Collection[int]) -> list[Ranked]:
    """The nearest points; known copies of the query come first, then the frames of its own animation.

    Args:
        nearest: what was found by likeness.
        copies: images that the publication knows to be copies of the query, at whatever size.
        frames: images that numbered names and near pixels prove to be frames of one animation with the query.
    """
    if not copies and not frames:
        return list(nearest)
    moved: list[Ranked] = []
    for one in nearest:
        least = _COPIES if one.image_id in copies else _FRAMES if one.image_id in frames else None
        score = one.score or 0.0
        moved.append(one if least is None else one._replace(score=max(score, least[0] + least[1] * score)))
    return sorted(moved, key=lambda one: -(one.score or 0.0))


def with_cells(nearest: Sequence[Ranked], cells: Mapping[int, tuple[float, Relation]]) -> list[Ranked]:
    """The nearest points, with sheets where their best cell puts them, if that is before where all of them is.

    Args:
        nearest: what was found by likeness.
        cells: likeness and relation of sheets by their cells.
    """
    best = {one.image_id: one for one in nearest}
    for image_id, (score, relation) in cells.items():
        known = best.get(image_id)
        if known is None or score > (known.score or 0.0):
            kept = known is not None and known.relation is Relation.NEAR
            best[image_id] = Ranked(image_id, score, Relation.NEAR if kept else relation)
        elif relation is Relation.PART and known.relation in (Relation.SIMILAR, Relation.UNLIKE):
            best[image_id] = known._replace(relation=relation)
    return sorted(best.values(), key=lambda one: -(one.score or 0.0))
