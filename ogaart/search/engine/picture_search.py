"""Searches in which a picture takes part: what is near it in the index, ranked, with its exact parts and a verdict."""

import math
from collections.abc import Mapping, MutableMapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace

import numpy as np

from ogaart.core.cached_property import own_cached_property
from ogaart.likeness.fusion import USUAL
from ogaart.resources.embedding.registry import thresholds_of
from ogaart.resources.index.base import ScoredPoint
from ogaart.resources.index.filters import Ids, IndexFilter, NoneOf
from ogaart.search.engine import index_filters, verdict
from ogaart.search.engine.concurrency import Meanwhile
from ogaart.search.engine.hits import read_hits
from ogaart.search.engine.index_filters import Conditions
from ogaart.search.engine.kinship import frames_with
from ogaart.search.engine.live_generation import OpenGeneration
from ogaart.search.engine.ranking import (
    Ranked,
    ReferenceImage,
    Subjects,
    copies_among,
    rank,
    with_cells,
    with_kin,
    with_parts,
)
from ogaart.search.engine.remembered_answers import NearestPoints, RankedAnswer
from ogaart.search.engine.search import FULL, RERANKED, Detail, Search
from ogaart.search.parts.cell_matches import CellMatches, find_cells
from ogaart.search.parts.found_beside import FoundBeside
from ogaart.search.parts.shared_parts import FoundParts, find_parts
from ogaart.search.query import QueryPicture, SearchQuery, Sort
from ogaart.search.results import HiddenCount, Relation, Results
from ogaart.search.store.image_columns import Mask

FURTHER = 200  # points of each further round
ROUNDS = 6
MOST_NAMED = 4_000  # pictures that are named one by one to the index; more are found by looking further
LOOKED_THROUGH = 1_000  # points of each further round where words leave many, and the index does not know which
_UNWEIGHED = "weights are ignored: of these pictures only the model's vectors are known."
_SUBJECT = "Background removed: searched with the subject of your picture."


class PictureSearch(Search):
    """One query with a picture over one open generation.

    Args:
        opened: the generation.
        query: the search.
        blocked: images that are not shown.
        conditions: of the query's filters, in this generation.
        remembered: earlier answers of the index for visitors' pictures; updated.
        remembered_parts: what was found of their exact parts, by generation; updated.
        detail: how much is read of hits.
        threads: for what is looked for at the same time.
    """

    def __init__(
        self,
        opened: OpenGeneration,
        query: SearchQuery,
        blocked: frozenset[int],
        conditions: Conditions | None = None,
        remembered: MutableMapping[QueryPicture, NearestPoints] | None = None,
        remembered_parts: MutableMapping[QueryPicture, tuple[int, FoundParts]] | None = None,
        detail: Detail = FULL,
        threads: Executor | None = None,
    ) -> None:
        super().__init__(opened, query, blocked, conditions, detail)
        self.remembered = remembered if remembered is not None else {}
        self.remembered_parts = remembered_parts if remembered_parts is not None else {}
        self.patches = opened.patches
        self.cells = opened.cells
        self.answers = opened.answers
        self._threads = threads if query.picture is not None else None
        self._why_of_others: Mapping[int, Mapping[str, float]] = {}

    def results(self) -> Results:
        """Answer the query."""
        _ = self._here, self.passing, self.candidates.fused  # which both threads need
        with (
            Meanwhile(self._find_parts, self._threads) as self._parts,
            Meanwhile(self._find_cells, self._threads) as self._cells,
        ):
            return self._results()

    def _results(self) -> Results:
        query = self.query
        notes: list[str] = [self.matches.note] if self.matches is not None and self.matches.note else []
        if query.sort is not Sort.RELEVANCE:
            notes.append("Sorted by similarity: a picture takes part in this search.")
        if query.weights != USUAL and self.candidates.aimed and not self.candidates.fused:
            notes.append(_UNWEIGHED)
        here, behind = self._here
        exact = self._left(here)
        notes.extend(dict.fromkeys(p.note for p in (*query.own, *query.negative_pictures) if p.note))
        if self._compares and query.own:
            notes.extend(verdict.notes_on(query.own[0]))
        self._take([Ranked(image_id, 1.0, Relation.SAME, behind) for image_id in exact])
        if self.candidates.aimed and not self._blank:
            hidden, looked_at = self._ranked_before() or self._rank_all()
        else:
            self._take(self._with_found_parts(()))
            hidden, looked_at = self._hidden_near(self._own)
        if self.folder.folds and self.ranked[self.folder.folds[0].head].subject and query.own:
            notes.append(_SUBJECT)
        results = self._page(notes=tuple(notes))
        if query.picture is not None and self._compares and query.offset == 0:
            found = self._beside
            results = found.shown_in(results, query.picture, lambda ids: read_hits(self.store, ids, self.blocked))
            results = verdict.with_verdict(results, query.picture, found.parts.covered, hidden=bool(here) and not exact)
        return replace(
            results,
            hidden=hidden,
            looked_at=looked_at,
            unknown=self.conditions.unknown,
            did_you_mean=self.matches.corrected if self.matches is not None else "",
        )

    @property
    def _blank(self) -> bool:
        return self._compares and bool(self.query.own) and self.query.own[0].blank

    @own_cached_property
    def _shows_nothing(self) -> bool:
        """Whether only exact pixels may call a hit anything but unlike the visitor's picture."""
        return self._compares and bool(self.query.own) and verdict.shows_nothing(self.query.own[0])

    @own_cached_property
    def _beside(self) -> FoundBeside:
        cells = self._cells.result  # first: where no thread has begun with them, this one finds them beside the parts
        return FoundBeside(self._parts.result, cells)

    def _find_parts(self) -> FoundParts:
        picture = self.query.picture
        if picture is None or self.patches is None or not self._compares:
            return FoundParts()
        kept = self.remembered_parts.get(picture)
        if kept is None or kept[0] != self.store.info.generation:
            kept = self.store.info.generation, find_parts(picture, self.patches, self.store.same_pixels)
            self.remembered_parts[picture] = kept
        return kept[1].without(self._left)

    def _find_cells(self) -> CellMatches:
        picture = self.query.picture
        if picture is None or self.cells is None or not self._compares:
            return CellMatches()
        share = self.candidates.closeness_share if self._copies_first else 0.0
        return find_cells(
            picture, self.cells, self.query.weights, self.passing, self.store.info, self._similar, share,
            copies_first=self._copies_first,
        )  # fmt: skip

    def _with_found_parts(self, ranked: Sequence[Ranked]) -> list[Ranked]:
        """The nearest points with the sheets whose cells are near, and what exact pixels prove."""
        found = self._beside
        return with_parts(with_cells(ranked, found.cells.by_image), found.parts.scores)

    @property
    def _lasting(self) -> bool:
        """Whether the query is of the catalog's pictures alone: a visitor's are remembered with the picture."""
        return not self.query.own and not self.query.negative_pictures

    def _ranked_before(self) -> tuple[tuple[HiddenCount, ...], int] | None:
        """Take an earlier answer to the same query, if there is one: what the filters hide, and of how many."""
        kept = self.answers.known(self.query, self.blocked, self.wanted) if self._lasting else None
        if kept is None:
            return None
        self.folder.folds = list(kept.folds)
        self.ranked = dict(kept.ranked)
        self.candidates.found = dict(kept.found)
        return kept.hidden, kept.looked_at

    def _rank_all(self) -> tuple[tuple[HiddenCount, ...], int]:
        """Rank what is near, and remember it: what the filters hide, and of how many."""
        sizes, complete = self._nearest(self._narrow(self.conditions, self._own), self._reference)
        found = dict(self.candidates.found)
        hidden, looked_at = self._hidden_near(self._own)
        self.candidates.found = found  # without what only the count of the hidden ones has looked at
        if self._lasting:
            answer = RankedAnswer(self.folder.folds, dict(self.ranked), found, hidden, looked_at, sizes, complete)
            self.answers.keep(self.query, self.blocked, answer)
        return hidden, looked_at

    def _nearest(self, narrowed: IndexFilter, reference: ReferenceImage | None) -> tuple[tuple[int, ...], bool]:
        """Rank round by round; returns the number of hits after each, and whether there are no more."""
        offset, ceiling = 0, 1.0
        sizes: list[int] = []
        further = LOOKED_THROUGH if self._sifted is not None else FURTHER
        for turn in range(ROUNDS):
            step = further if turn else RERANKED
            points = self._points(narrowed, step, offset) if turn else self._first_points(narrowed)
            offset += step
            looked_at, points = len(points), self._sift(points)
            if turn == 0 and (further_frames := self._frames - {point.id for point in points}):
                named = narrowed.where("frames", Ids(further_frames))
                points = [*points, *self._points(named, len(further_frames))]
            ranked = self._rank(points, reference if turn == 0 else None)
            if turn == 0:
                ranked = with_kin(self._with_found_parts(ranked), self._copies, self._frames)
            else:
                # Later rounds are not compared by signature: they stay behind what was.
                ranked = [r._replace(score=min(r.score or 0.0, ceiling)) for r in ranked]
            if ranked:
                ceiling = ranked[-1].score or 0.0
            self._take(ranked)
            sizes.append(len(self.folder.folds))
            if looked_at < step or len(self.folder.folds) >= self.wanted:
                return tuple(sizes), looked_at < step
            if self.query.group:
                # Large entries would fill every further round.
                narrowed = narrowed.without("seen").where("seen", NoneOf("slug", self.folder.entries))
                offset = 0
        return tuple(sizes), True

    def _narrow(self, conditions: Conditions | None, own: frozenset[int]) -> IndexFilter:
        """The index's filter: conditions, the words where they leave few enough, and what is never a hit."""
        within = None
        if self.matches is not None and self._sifted is None:
            within = self.columns.ids[self.matches.found].tolist()
        return index_filters.narrow(
            conditions, without=self.blocked | own, within=within, without_entries=self.query.without_entries
        )

    @own_cached_property
    def _sifted(self) -> Mask | None:
        """The images that have the words, where those are too many to be named to the index; else None."""
        if self.matches is None or np.count_nonzero(self.matches.found) <= MOST_NAMED:
            return None
        return self.matches.found

    def _sift(self, points: list[ScoredPoint]) -> list[ScoredPoint]:
        if self._sifted is None:
            return points
        rows = self.columns.rows([point.id for point in points])
        return [point for point, row in zip(points, rows, strict=True) if row >= 0 and self._sifted[row]]

    def _first_points(self, narrowed: IndexFilter) -> list[ScoredPoint]:
        """The nearest of all, to a single picture as it is and without its ground; fetched once for each picture."""
        picture = self.query.picture
        if picture is None or not self._compares:
            return self._points(narrowed, RERANKED)
        kept = self.remembered.get(picture)
        key = (self.store.info.generation, narrowed, self.query.words, self.query.weights)
        if kept is None or (kept.generation, kept.narrowed, kept.words, kept.weights) != key:
            kept = NearestPoints(*key, self._points(narrowed, RERANKED), dict(self.candidates.found))
            self.remembered[picture] = kept
        self.candidates.found.update(kept.found)
        return kept.points

    def _points(self, narrowed: IndexFilter, limit: int, offset: int = 0) -> list[ScoredPoint]:
        having = self.matches.found if self.matches is not None else None
        return self.candidates.points(narrowed, having, limit, offset)

    def _rank(self, points: Sequence[ScoredPoint], reference: ReferenceImage | None) -> list[Ranked]:
        ids = [point.id for point in points]
        # A picture of the catalog is compared with what is shown alone, where vectors decide about the order.
        later = reference is not None and reference.cropped is False and not self._copies_first
        if later:
            reference = None
        rows, known = self.store.signatures(ids if reference is not None else [])
        briefs = self._known(ids)  # which known copies are found among, whether they are compared or not
        return rank(
            points,
            {image_id: brief.side for image_id, brief in briefs.items()} if reference is not None else {},
            reference,
            rows,
            known,
            self._subjects(ids) if reference is not None else None,
            self.store.palettes,
            self._cosines if reference is not None else None,
            compares=self._compares,
            typical=self._similar,
            share=self.candidates.closeness_share if self._copies_first else 0.0,
            copies_first=self._copies_first,
            unseen=later,
        )

    @property
    def _judges_hits(self) -> bool:
        return self.query.picture is not None

    def _judgement(self, image_id: int) -> tuple[float | None, Relation | None, Mapping[str, float]]:
        score, relation, why = super()._judgement(image_id)
        if score is None or self.query.picture is None or not self._compares:
            return score, relation, why
        of_cell = self._beside.cells.why(image_id, score, self.query.weights)
        return score, relation, of_cell or why or self._why_of_others.get(image_id, {})

    def _look_at(self, ids: Sequence[int]) -> None:
        if self.query.picture is not None and self._compares:
            others = [i for i in ids if i in self.ranked and i not in self.candidates.found]
            self._why_of_others = self.candidates.why_of_others(others)
        unseen = [i for i in ids if i in self.ranked and self.ranked[i].unseen]
        if not unseen or (reference := self._reference) is None:
            return
        sides = {image_id: brief.side for image_id, brief in self._known(unseen).items()}
        copies = copies_among(
            reference, unseen, sides, *self.store.signatures(unseen), self._subjects(unseen), self.store.palettes,
            self._cosines,
        )  # fmt: skip
        for image_id in unseen:
            one = self.ranked[image_id]
            relation = Relation.NEAR if image_id in copies else one.relation
            self.ranked[image_id] = one._replace(relation=relation, unseen=False)

    def _subjects(self, ids: Sequence[int]) -> Subjects:
        return Subjects(*self.store.subjects.find(np.asarray(ids, np.int64)))

    @property
    def _cosines(self) -> dict[int, Mapping[str, float]]:
        return {image_id: hit.cosines for image_id, hit in self.candidates.found.items()}

    @property
    def _similar(self) -> float:
        """The cosine from which a hit is similar: none is to what shows nothing."""
        if self._shows_nothing:
            return math.inf
        info = self.store.info
        return info.unrelated_cosine or info.typical_cosine or thresholds_of(info.model).typical_cosine

    @property
    def _copies_first(self) -> bool:
        """Whether near copies come before all else, and miniatures count.

        They find the source of an edited upload. Of a picture that is here itself, or in other colours, fused vectors
        know better what is nearer.
        """
        edited = bool(self.query.own) and not self._here[0]
        return not self.candidates.fused or (edited and self.query.weights.colours > 0)

    @own_cached_property
    def _here_itself(self) -> list[int]:
        """The images that are the search's only picture, where nothing is weighed otherwise than usual."""
        usual = self._compares and self.query.weights == USUAL
        return [*self.query.positive, *self._here[0]] if usual else []

    @own_cached_property
    def _frames(self) -> frozenset[int]:
        """The other frames of the animation of which the search's picture is one, as names prove it."""
        own = self._here_itself
        others = frames_with(self.store, own) - self._own - frozenset(own) if own else ()
        return frozenset(self._left(sorted(others)))

    @property
    def _copies(self) -> frozenset[int]:
        """Those of what was found that are known copies of the search's picture."""
        own = {brief.copy_id for brief in self._known(self._here_itself).values()} - {None}
        return frozenset(one.image_id for one in self.briefs.values() if one.copy_id in own) - {*self._here_itself}

    @property
    def _compares(self) -> bool:
        """Whether the query is one picture, so that hits have a relation to it."""
        return not self.query.negatives and self.query.positives == 1

    @own_cached_property
    def _reference(self) -> ReferenceImage | None:
        if not self._compares or self._shows_nothing:
            return None
        for picture in self.query.own:
            return ReferenceImage.of(picture)
        [liked] = self.query.positive
        rows, known = self.store.signatures([liked])
        brief = self._known([liked]).get(liked)
        if not known[0] or brief is None:
            return None
        _, subjects, sides = self.store.subjects.find(np.array([liked], np.int64))
        subject = ReferenceImage(subjects[0], int(sides[0])) if len(sides) else None
        palette = self.store.palettes([liked]).get(liked, ())
        return ReferenceImage(rows[0], brief.side, cropped=False, subject=subject, palette=palette)

    @own_cached_property
    def _here(self) -> tuple[list[int], bool]:
        """Images that are exact copies of the visitor's pictures, else of one's subject, and whether they are that."""
        own = [picture.pixel_sha256 for picture in self.query.own]
        subjects = [p.subject.pixel_sha256 for p in self.query.own if p.subject is not None] if self._compares else []
        for pixels in (own, subjects):
            found = [i for one in dict.fromkeys(pixels) for i in self.store.same_pixels(one) if i not in self.blocked]
            if found:
                return found, pixels is subjects
        return [], False

    def _left(self, ids: list[int]) -> list[int]:
        """Those of the ids that words and filters leave."""
        rows = self.columns.rows(ids)
        return [one for one, row in zip(ids, rows, strict=True) if row >= 0 and self.passing[row]]

    def _hidden_near(self, own: frozenset[int]) -> tuple[tuple[HiddenCount, ...], int]:
        query = self.query
        if not query.filters.active() or not self.candidates.aimed:
            return (), 0
        rows = self.columns.rows([point.id for point in self._sift(self._points(self._narrow(None, own), RERANKED))])
        near = self.columns.nothing()
        near[rows[rows >= 0]] = True
        near &= self.having
        return self.hidden(near), int(np.count_nonzero(near))
