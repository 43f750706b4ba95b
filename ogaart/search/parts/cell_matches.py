"""Sheets of which a cell is like the picture of a search: near copies of a cell, and cells that are similar."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ogaart.likeness import fusion
from ogaart.likeness.fusion import Weights
from ogaart.search.candidates.candidates import on_scale
from ogaart.search.candidates.cell_index import CellHit, CellIndex
from ogaart.search.candidates.columns import Mask
from ogaart.search.parts.shared_parts import cell_of
from ogaart.search.query import QueryPicture
from ogaart.search.results import Hit, Info, PartBox, Relation, SharedPart

MOST = 24
"""Sheets that are found by their cells."""
SHOWN = 3
"""Sheets of similar cells that are shown with the place."""
_HANDICAP = 0.02
"""By how much a cell stays behind a picture that is as near: it was compared without the model."""
_BEST_SIMILAR, _COPIES = 0.9, 0.05


@dataclass(frozen=True)
class CellMatches:
    """The sheets found, each once: copies first; with likeness and relation by image."""

    hits: tuple[CellHit, ...] = ()
    scores: Mapping[int, tuple[float, Relation]] | None = None

    @property
    def by_image(self) -> Mapping[int, tuple[float, Relation]]:
        """Likeness and relation of each image."""
        return self.scores or {}

    def of(self, relation: Relation) -> list[CellHit]:
        """The hits of a relation."""
        return [hit for hit in self.hits if self.by_image[hit.image_id][1] is relation]

    def why(self, image_id: int, score: float, weights: Weights) -> dict[str, float]:
        """How alike the cell is that gave a sheet its likeness; empty where that has another source."""
        if image_id not in self.by_image or self.by_image[image_id][0] != score:
            return {}
        return next(fusion.why(hit.cosines, weights) for hit in self.hits if hit.image_id == image_id)


def find_cells(
    picture: QueryPicture,
    index: CellIndex,
    weights: Weights,
    passing: Mask,
    info: Info,
    similar: float,
    share: float,
    *,
    copies_first: bool,
) -> CellMatches:
    """Find the sheets with cells like a visitor's picture.

    Args:
        picture: the visitor's.
        index: the publication's cells.
        weights: how much each side counts.
        passing: which images may be hits.
        info: of the publication.
        similar: cosine from which a hit is similar.
        share: weight of the miniatures in the likeness of what is not a copy.
        copies_first: whether near copies come before all that is only similar.
    """
    if picture.noise or picture.blank:
        return CellMatches()
    best: dict[int, CellHit] = {}
    for of_form in index.nearest(picture.trimmed, weights, passing, MOST):
        for hit in of_form:
            before = best.get(hit.image_id)
            if before is None or (hit.copy, hit.score) > (before.copy, before.score):
                best[hit.image_id] = hit
    hits = sorted(best.values(), key=lambda hit: (not hit.copy, -hit.score, hit.image_id))[:MOST]
    scores: dict[int, tuple[float, Relation]] = {}
    for hit in hits:
        cosine = on_scale(hit.score, index.typical, index.unrelated, info) - _HANDICAP
        score = _BEST_SIMILAR * ((1 - share) * min(max(cosine, 0.0), 1.0) + share * hit.closeness)
        relation = Relation.SIMILAR if cosine >= similar else Relation.UNLIKE
        if hit.copy:
            relation = Relation.PART
            if copies_first:
                score = _BEST_SIMILAR + _COPIES * hit.closeness
        scores[hit.image_id] = score, relation
    return CellMatches(tuple(hits), scores)


def shown(found: Sequence[CellHit], hits: Mapping[int, Hit], left_out: Callable[[str], bool]) -> tuple[SharedPart, ...]:
    """Cells with their sheets' hits, each picture once; without those whose pixels' hash is left out."""
    shown_: dict[str, SharedPart] = {}
    for one in found:
        hit = hits.get(one.image_id)
        if hit is None or hit.pixel_sha256 in shown_ or left_out(hit.pixel_sha256):
            continue
        place = PartBox(*one.box)
        cell = cell_of(place, hit.width, hit.height)
        shown_[hit.pixel_sha256] = SharedPart(hit, place, cell, one.scale, 0, one.closeness, exact=False)
    return tuple(shown_.values())
