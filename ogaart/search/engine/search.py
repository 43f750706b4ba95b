"""One query over one open generation: what words and filters leave, and from ranked ids to a page of hits.

``picture_search`` has the searches in which a picture takes part, ``word_search`` those with words and filters alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from ogaart.core.cached_property import own_cached_property
from ogaart.resources.index.filters import AnyOf
from ogaart.search.candidates.candidates import Candidates
from ogaart.search.engine.collapsing import CollapsedHits, Collapser
from ogaart.search.engine.hits import judged, read_hits, read_written
from ogaart.search.engine.index_filters import Conditions
from ogaart.search.engine.live_generation import OpenGeneration
from ogaart.search.engine.ranking import Ranked
from ogaart.search.query import SearchQuery
from ogaart.search.results import HiddenCount, Hit, HitJson, HitWriter, JudgedJson, NamedPicture, Relation, Results
from ogaart.search.store.fulltext import Matches
from ogaart.search.store.image_columns import Mask
from ogaart.search.store.serving_store import Brief

RERANKED = 100  # nearest points whose signatures are compared; the design measured 50, folding wants more
FOLDED_SHOWN = 60  # members of a fold that are read and shown
SIBLINGS_SHOWN = 8  # further pictures of an entry that are read and shown, where one represents it


@dataclass(frozen=True)
class Detail:
    """How much is read of the hits of a page.

    Attributes:
        write: writes hits as JSON: then all are in ``Results.written``, and those under a hit nowhere else; nor are
            the hits themselves, where no verdict is on them.
        beside: whether further pictures of an entry are only named, in ``Hit.beside``.
    """

    write: HitWriter | None = None
    beside: bool = False


FULL = Detail()
"""Every hit, and what is under it, as a hit."""
_UNJUDGED: tuple[None, None, Mapping[str, float]] = (None, None, MappingProxyType({}))


class Search:
    """One query over one open generation.

    Args:
        opened: the generation.
        query: the search.
        blocked: images that are not shown.
        conditions: of the query's filters, in this generation.
        detail: how much is read of hits.
    """

    def __init__(
        self,
        opened: OpenGeneration,
        query: SearchQuery,
        blocked: frozenset[int],
        conditions: Conditions | None = None,
        detail: Detail = FULL,
    ) -> None:
        self.detail = detail
        self.conditions = conditions or Conditions({})
        self.columns = opened.store.columns
        self.matches: Matches | None = opened.store.matcher.match(query.words) if query.words.strip() else None
        self.store = opened.store
        self.query = query
        self.blocked = blocked
        self.folder = Collapser(near=query.fold, group=query.group)
        self.ranked: dict[int, Ranked] = {}
        self.briefs: dict[int, Brief] = {}
        self.candidates = Candidates(opened.index, opened.fused, opened.store.columns, opened.store.info, query)
        self.wanted = query.offset + query.limit + 1  # one more tells whether there is a next page

    @own_cached_property
    def passing(self) -> Mask:
        """The images that words and filters leave."""
        return self.having & self.conditions.mask(self.columns)

    @own_cached_property
    def having(self) -> Mask:
        """The images that have the words and are not blocked."""
        shown = ~self.columns.of_ids(self.blocked)
        for slug in self.query.without_entries:
            shown &= ~self.columns.mask(AnyOf("slug", (slug,)))
        return shown if self.matches is None else shown & self.matches.found

    def hidden(self, some: Mask) -> tuple[HiddenCount, ...]:
        """How many of some images each filter hides: those that appear when it alone is removed."""
        left = self.columns.distinct(some & self.passing)
        return tuple(
            HiddenCount(name, self.columns.distinct(some & self.conditions.without(name).mask(self.columns)) - left)
            for name in self.conditions.by_field
        )

    def _known(self, ids: Sequence[int]) -> dict[int, Brief]:
        """What the catalog says of the ids that it holds; each is read once."""
        unread = [i for i in ids if i not in self.briefs]
        if unread:
            self.briefs.update(self.store.briefs(unread))
        return {i: self.briefs[i] for i in ids if i in self.briefs}

    def _take(self, ranked: Sequence[Ranked]) -> None:
        fresh = [r for r in ranked if r.image_id not in self.ranked and r.image_id not in self.blocked]
        briefs = self._known([r.image_id for r in fresh])
        # The index may be ahead of the catalog where it lives on a server: what the catalog lacks is dropped.
        fresh = [r for r in fresh if r.image_id in briefs]
        if not fresh:
            return
        self.ranked.update({r.image_id: r for r in fresh})
        self.folder.add([briefs[r.image_id] for r in fresh], self.store.signatures)

    @own_cached_property
    def _own(self) -> frozenset[int]:
        return self._own_pixels()

    def _own_pixels(self) -> frozenset[int]:
        """The pictures of the search, in all entries: they are not shown as hits of their own search."""
        own = self.store.with_pixels_of([*self.query.positive, *self.query.negative])
        for picture in self.query.negative_pictures:
            own += self.store.same_pixels(picture.pixel_sha256)
        return frozenset(own)

    def _more_of_entry(self, image_id: int, row: int) -> tuple[int, list[int]]:
        """How many further pictures of its entry the search has, and the first of them in the order of their names."""
        if not self.query.group or row < 0:
            return 0, []
        entry = self.columns.entry_of[row]
        start = self.columns.starts[entry]
        end = self.columns.starts[entry + 1] if entry + 1 < len(self.columns.starts) else len(self.columns)
        ids = self.columns.ids[start:end][self.passing[start:end]].tolist()
        own = self._own
        others = [one for one in ids if one != image_id and one not in own]
        return len(others), others[:SIBLINGS_SHOWN]

    def _page(self, *, notes: tuple[str, ...] = (), total: int | None = None) -> Results:
        query = self.query
        folds = self.folder.folds[query.offset : query.offset + query.limit]
        heads = [fold.head for fold in folds]
        rows = self.columns.rows(heads).tolist()
        siblings = {head: self._more_of_entry(head, row) for head, row in zip(heads, rows, strict=True)}
        members = {fold.head: self._members(fold, siblings[fold.head][1]) for fold in folds}
        return replace(
            self._shown(folds, members, {head: count for head, (count, _) in siblings.items()}),
            total=total,
            more=len(self.folder.folds) > query.offset + query.limit,
            notes=notes,
        )

    def _shown(self, folds: Sequence[CollapsedHits], members: dict[int, list[int]], more: dict[int, int]) -> Results:
        """Results with hits as the detail has them: ``members`` are shown under them, ``more`` are of their entries."""
        store, write = self.store, self.detail.write
        under = {} if write is not None else members
        named: dict[int, NamedPicture] = {}
        if self.detail.beside:
            named = store.named([i for head, some in members.items() if more[head] for i in some])
            under = {head: [] if more[head] else some for head, some in members.items()}
        heads = [fold.head for fold in folds]
        judged_ = members if write is not None else under
        self._look_at([*heads, *(i for some in judged_.values() for i in some)])
        hits: tuple[Hit, ...] = ()
        if write is None or self._judges_hits:
            found = read_hits(store, [*heads, *(i for some in under.values() for i in some)], self.blocked)
            shown = [fold for fold in folds if fold.head in found]
            hits = tuple([self._hit(found, fold, under.get(fold.head, ()), more[fold.head]) for fold in shown])
        if named:
            beside = [[named[i] for i in members[hit.image_id] if i in named] for hit in hits]
            hits = tuple([hit.with_values(beside=tuple(some)) for hit, some in zip(hits, beside, strict=True)])
        written = None
        if write is not None:
            every = [i for head, some in members.items() for i in (head, *some)]
            texts = read_written(store, every, write, self.blocked)
            written = tuple([self._written(texts, f, members[f.head], more[f.head]) for f in folds if f.head in texts])
        return Results(info=store.info, hits=hits, written=written)

    @property
    def _judges_hits(self) -> bool:
        """Whether something is said of the hits themselves, so that they are read even where they are only written."""
        return False

    def _look_at(self, ids: Sequence[int]) -> None:
        """Settle what is said of images that are shown, where ranking has left that open."""

    def _members(self, fold: CollapsedHits, siblings: list[int]) -> list[int]:
        """What is shown under a hit: what was collapsed into it, or the first ones of the entry that it represents."""
        return list(dict.fromkeys(siblings)) if self.query.group and siblings else fold.members[:FOLDED_SHOWN]

    def _hit(self, found: dict[int, Hit], fold: CollapsedHits, members: Sequence[int], more: int) -> Hit:
        folded = tuple([judged(found[i], *self._judgement(i)) for i in members if i in found])
        head = found[fold.head]
        return judged(head, *self._judgement(fold.head), folded, max(len(fold.members), more), more)

    def _written(self, texts: dict[int, HitJson], fold: CollapsedHits, members: Sequence[int], more: int) -> JudgedJson:
        folded = tuple([JudgedJson(i, texts[i], *self._judgement(i)) for i in members if i in texts])
        count = max(len(fold.members), more)
        return JudgedJson(fold.head, texts[fold.head], *self._judgement(fold.head), folded, count, more)

    def _judgement(self, image_id: int) -> tuple[float | None, Relation | None, Mapping[str, float]]:
        ranked = self.ranked.get(image_id)
        if ranked is None:  # another picture of a hit's entry
            return _UNJUDGED
        return ranked.score, ranked.relation, self.candidates.why(image_id)
