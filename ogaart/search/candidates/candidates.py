"""What a search with pictures finds: by fused vectors where the publication has them, else by the model's alone."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ogaart.core.cached_property import own_cached_property
from ogaart.likeness import fusion
from ogaart.likeness.projections import SUBJECT
from ogaart.resources.embedding.registry import thresholds_of
from ogaart.resources.index.base import EXACT_BELOW, ScoredPoint, VectorIndex
from ogaart.resources.index.filters import Ids, IndexFilter
from ogaart.search.candidates.columns import Columns, Mask
from ogaart.search.candidates.fused_index import FusedHit, FusedIndex
from ogaart.search.candidates.fused_scan import Scores
from ogaart.search.query import QueryPicture, SearchQuery
from ogaart.search.results import Info

FUSED_SHARE = 0.1  # fused vectors know already where things are


class Candidates:
    """The points near the pictures of one query, in one generation.

    A point's score is on the scale of the model's cosine, whatever it was computed from: the median pair of pictures
    has the publication's typical cosine, the nearest unrelated one the unrelated cosine, and equal ones have 1.

    Args:
        index: the generation's collection.
        fused: its fused vectors, if it has any.
        columns: its images.
        info: what is known of it.
        query: the search.
    """

    def __init__(
        self, index: VectorIndex, fused: FusedIndex | None, columns: Columns, info: Info, query: SearchQuery
    ) -> None:
        self._index = index
        self._info = info
        self._columns = columns
        self._fused = fused
        self._query = query
        self._toward = self._seen(query.own)
        self._away = self._seen(query.negative_pictures)
        # Decided here, so that the index need not count its points for each query.
        self._exact = self._info.images <= EXACT_BELOW
        self._scores = Scores()  # further rounds, and the count of what filters hide, have other conditions alone
        self.found: dict[int, FusedHit] = {}
        """What fused vectors have found, by image."""

    @property
    def aimed(self) -> bool:
        """Whether the search has a vector to compare with."""
        return self._toward is not None or self._away is not None or bool(self._query.positive or self._query.negative)

    @property
    def fused(self) -> bool:
        """Whether fused vectors decide what is near; else the model's alone."""
        return len(self._directions) > 0

    @property
    def closeness_share(self) -> float:
        """Weight of the miniatures in the likeness of what is not a copy; none where a visitor weighs it otherwise."""
        if not self.fused:
            return thresholds_of(self._info.model).closeness_share
        return FUSED_SHARE if self._query.weights == fusion.USUAL else 0.0

    def points(self, narrowed: IndexFilter, having: Mask | None, limit: int, offset: int = 0) -> list[ScoredPoint]:
        """The nearest points, best first.

        Args:
            narrowed: what hits must be.
            having: the only images that may be hits, besides; looked at where fused vectors decide.
            limit: most points returned.
            offset: points passed over.
        """
        if self._fused is None or not len(self._directions):
            return self._by_either_form(narrowed, limit) if not offset else self._by_model(narrowed, limit, offset)
        passing = ~self._columns.nothing() if having is None else having.copy()
        for condition in narrowed.parts():
            passing &= self._columns.mask(condition)
        if examples := [*self._query.positive, *self._query.negative]:
            passing &= ~self._columns.of_ids(examples)
        best: dict[int, FusedHit] = {}
        most = limit + offset
        nearest = self._fused.nearest(self._directions, self._query.weights, passing, most, self._scores)
        for direction, hits in zip(self._directions, nearest, strict=True):
            either = hits if self._fused.with_subject else self._beside_model(direction, hits, narrowed, passing, most)
            for hit in either:
                if hit.image_id not in best or best[hit.image_id].score < hit.score:
                    best[hit.image_id] = hit
        found = sorted(best.values(), key=lambda hit: (-hit.score, hit.image_id))[:most]
        self.found.update({hit.image_id: hit for hit in found})
        return [ScoredPoint(hit.image_id, score) for hit, score in zip(found, self._on_scale(found), strict=True)][
            offset:
        ]

    def why(self, image_id: int) -> dict[str, float]:
        """How alike a point that was found is in subject, shape and colours; empty where only the model decides.

        Alike are the pictures that it should be like: to be far from another one is no likeness.
        """
        hit = self.found.get(image_id)
        if hit is not None and self._query.negatives:
            hit = self._beside_liked(image_id)
        return fusion.why(hit.cosines, self._query.weights) if hit is not None else {}

    def why_of_others(self, ids: Sequence[int]) -> dict[int, dict[str, float]]:
        """The same of points that were found in another way, by their exact parts for example; without unknown ones."""
        if self._fused is None or not ids:
            return {}
        weights = self._query.weights
        best: dict[int, FusedHit] = {}
        for one in self._directions:
            for image_id, hit in self._fused.scores(one, weights, ids).items():
                if image_id not in best or hit.score > best[image_id].score:
                    best[image_id] = hit
        return {image_id: fusion.why(hit.cosines, weights) for image_id, hit in best.items()}

    def _beside_liked(self, image_id: int) -> FusedHit | None:
        """A point as it is beside the positive pictures alone; None without any."""
        liked, _ = self._sides
        if self._fused is None or liked is None:
            return None
        return self._fused.scores(liked, self._query.weights, [image_id]).get(image_id)

    # -- by the model -------------------------------------------------------------------------------------------------

    def _by_model(self, narrowed: IndexFilter, limit: int, offset: int = 0) -> list[ScoredPoint]:
        return self._index.query(
            self._toward,
            negative=self._away,
            positive_ids=self._query.positive,
            negative_ids=self._query.negative,
            filter=narrowed,
            limit=limit,
            offset=offset,
            exact=self._exact,
        )

    def _by_either_form(self, narrowed: IndexFilter, limit: int) -> list[ScoredPoint]:
        """The nearest to a single picture as it is and without its ground, each with its higher cosine."""
        points = self._by_model(narrowed, limit)
        subject = self._subject
        vectors = self._seen([subject]) if subject is not None else None
        if vectors is None:
            return points
        best = {point.id: point for point in points}
        for point in self._index.query(vectors, filter=narrowed, limit=limit, exact=self._exact):
            if point.id not in best or best[point.id].score < point.score:
                best[point.id] = point
        return sorted(best.values(), key=lambda point: -point.score)

    @property
    def _subject(self) -> QueryPicture | None:
        """A visitor's only picture without its flat ground."""
        query = self._query
        alone = query.picture is not None and query.positives == 1 and not query.negatives
        return query.picture.subject if query.picture is not None and alone else None

    def _seen(self, pictures: Sequence[QueryPicture]) -> NDArray[np.float32] | None:
        """The vectors (N, D) of visitors' pictures; None where there are none.

        A picture read for another space than this generation's has only its pixels in common with it.
        """
        vectors = [p.vector for p in pictures if p.vector is not None and p.space == self._info.space]
        return np.stack(vectors) if vectors else None

    # -- by fused vectors ---------------------------------------------------------------------------------------------

    @own_cached_property
    def _directions(self) -> NDArray[np.float32]:
        """The direction of the query, and that of its only picture without its ground; (0, 0) without fused vectors."""
        if self._fused is None or (direction := self._direction()) is None:
            return np.zeros((0, 0), np.float32)
        subject = self._subject
        others = self._fused.of_pictures([subject] if subject is not None else [], self._info.space)
        return np.concatenate([direction[None], others])

    def _direction(self) -> NDArray[np.float32] | None:
        """The mean of the positive pictures, moved away from that of the negative ones, as the index does it.

        Its blocks have a length of 1 at most, so that scores are cosines. None where there are no fused vectors, or a
        picture of the query has none.
        """
        if self._fused is None or not self.aimed:
            return None
        positive, negative = self._sides
        if positive is None:
            return None if negative is None else np.asarray(-negative, np.float32)
        if negative is None:
            return positive
        moved = 2 * positive - negative
        longest = max(float(np.linalg.norm(moved[place])) for place in self._fused.projection.places.values())
        return np.asarray(moved / max(longest, 1.0), np.float32)

    @own_cached_property
    def _sides(self) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
        """The means of the positive and of the negative pictures; None of no pictures, both if one is not known."""
        assert self._fused is not None
        query = self._query
        sides: list[NDArray[np.float32] | None] = []
        for pictures, ids in ((query.own, query.positive), (query.negative_pictures, query.negative)):
            rows = np.concatenate([self._fused.of_pictures(pictures, self._info.space), self._fused.of_images(ids)])
            if len(rows) < len(pictures) + len(ids):
                return None, None
            sides.append(np.asarray(rows.mean(axis=0), np.float32) if len(rows) else None)
        positive, negative = sides
        return positive, negative

    def _beside_model(
        self,
        direction: NDArray[np.float32],
        hits_by_parts: Sequence[FusedHit],
        narrowed: IndexFilter,
        passing: Mask,
        limit: int,
    ) -> list[FusedHit]:
        """The nearest by parts and by the model's own cosine, which no projection has made comparable with them."""
        assert self._fused is not None
        weights = self._query.weights
        by_parts = {hit.image_id: hit for hit in hits_by_parts}
        if weights.subject <= 0:
            return list(by_parts.values())
        cosines = {point.id: point.score for point in self._by_model(narrowed, limit)}
        rows = self._columns.rows(list(cosines))
        cosines = {
            one: cosine for (one, cosine), row in zip(cosines.items(), rows, strict=True) if row >= 0 and passing[row]
        }
        if lacking := by_parts.keys() - cosines.keys():
            only = narrowed.where("candidates", Ids(frozenset(lacking)))
            cosines |= {point.id: point.score for point in self._by_model(only, len(lacking))}
        by_parts |= self._fused.scores(direction, weights, [i for i in cosines if i not in by_parts])
        cosines_of = {name: [hit.cosines[name] for hit in by_parts.values()] for name in self._fused.projection.places}
        cosines_of[SUBJECT] = [cosines.get(image_id, 0.0) for image_id in by_parts]
        fused = fusion.fused_score({name: np.array(c, np.float32) for name, c in cosines_of.items()}, weights)
        found = list(by_parts.values())
        order = np.lexsort((np.array(list(by_parts), np.int64), -fused))[:limit]
        hits = [(found[n], float(fused[n]), cosines_of[SUBJECT][n]) for n in order.tolist()]
        return [FusedHit(hit.image_id, score, {**hit.cosines, SUBJECT: cosine}) for hit, score, cosine in hits]

    def _on_scale(self, hits: Sequence[FusedHit]) -> list[float]:
        assert self._fused is not None
        if not self._fused.with_subject:
            return [hit.score for hit in hits]
        usual, unrelated = self._fused.typical(self._query.weights), self._fused.unrelated
        return [on_scale(hit.score, usual, unrelated, self._info) for hit in hits]


def on_scale(score: float, usual: float, unrelated: float | None, info: Info) -> float:
    """A score by other vectors on the scale of the model's cosine.

    Args:
        score: 1 for equal pictures.
        usual: that of the median pair.
        unrelated: that of the nearest unrelated picture; None: it is not known.
        info: what the model's cosines of both are, in the same publication.
    """
    typical = info.typical_cosine or thresholds_of(info.model).typical_cosine
    cosine = info.unrelated_cosine
    if unrelated is None or cosine is None or not usual < unrelated < 1 or not typical < cosine < 1:
        return typical + (1 - typical) * (score - usual) / (1 - usual)
    if score < unrelated:
        return typical + (cosine - typical) * (score - usual) / (unrelated - usual)
    return cosine + (1 - cosine) * (score - unrelated) / (1 - unrelated)
