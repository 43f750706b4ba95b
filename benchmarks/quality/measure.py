"""Searches for every edit and relative, by each ranking and by the search itself, and counts."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality.corpus import Corpus, Picture
from benchmarks.quality.costs import Cost, costs
from benchmarks.quality.edits import CUT_FROM_SHEET, EDITS, RECOLOURED, Edit, Query, as_it_is, shows_something
from benchmarks.quality.rankings import Miniature, Model, Part, Patches, Ranking, Seen, Squashed, place, share_in
from ogaart.imaging.limits import Limits
from ogaart.imaging.pictures import decode
from ogaart.likeness import parts
from ogaart.likeness.fusion import USUAL
from ogaart.likeness.signatures import signature
from ogaart.resources.catalog.generations import Generations
from ogaart.resources.embedding.embedder import Embedder
from ogaart.resources.moderation.line_log import lines_of
from ogaart.resources.moderation.takedowns import decide
from ogaart.resources.patches.index import PatchRuns
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.vectors import Vectors
from ogaart.search.engine.service import SearchService
from ogaart.search.engine.visitors import LOCAL
from ogaart.search.parameters import PRESETS
from ogaart.search.query import Box, QueryPicture, SearchQuery
from ogaart.search.results import Results
from ogaart.settings import Settings

DEFAULT, OTHER_COLOURS = "search", "search, other-colours"
_PRESET = next(weights for choice, weights in PRESETS if choice.value == "other-colours")
ANY = "any of these"
SAME_THING = ("frames", "sizes", "recolours")
"""Kinds of relatives that show the same thing."""
_CLAIMS = frozenset({"same", "near", "part", "contained"})
TOP = 10
MOST = 100
"""Hits that a search may have."""
T = TypeVar("T")


@dataclass
class Tally:
    """What became of the queries of one kind: a number from 0 to 1 a query, for each ranking."""

    first: dict[str, list[float]] = field(default_factory=dict)
    in_ten: dict[str, list[float]] = field(default_factory=dict)
    right: list[float] = field(default_factory=list)
    false: list[float] = field(default_factory=list)

    def note(self, ranking: str, first: float, in_ten: float) -> None:
        """Add a query."""
        self.first.setdefault(ranking, []).append(first)
        self.in_ten.setdefault(ranking, []).append(in_ten)


@dataclass
class Measured:
    """All tallies of one model."""

    model: str
    pictures: int
    edits: dict[str, Tally]
    relatives: dict[str, Tally]
    absent: Tally
    costs: Sequence[Cost] = ()


class Bench:
    """One publication, its rankings, and the search over it.

    Args:
        settings: of the publication.
        corpus: what was published.
        plain: whether the plain recipe is compared; it embeds everything once more.
    """

    def __init__(self, settings: Settings, corpus: Corpus, *, plain: bool = True) -> None:
        self.settings = settings
        self.corpus = corpus
        self.service = SearchService(settings)
        self._embedder = Embedder(settings)
        published = {p.pixels: p for p in (*corpus.pictures, *(sheet.picture for sheet in corpus.sheets))}
        root = DataRoot.of(settings)
        generation = Generations(root.generations).current()
        assert generation is not None, f"{settings.data}: nothing is published"
        self.generation = generation
        vectors = Vectors(root.vectors, generation.manifest["space"])
        held = vectors.keys()
        self.pictures = [p for pixels, p in published.items() if pixels in held]
        self.hashes = [p.pixels for p in self.pictures]
        self._row = {pixels: row for row, pixels in enumerate(self.hashes)}
        self.rankings: list[Ranking] = [
            Model(vectors.get(self.hashes)),
            Miniature(np.stack([signature(p.rgba) for p in self.pictures])),
        ]
        if plain:
            self.rankings.insert(0, Squashed(self._embedder, [p.rgba for p in self.pictures]))
        self.rankings += [Part(name, [p.rgba for p in self.pictures]) for name in parts.SIZES]
        patches = PatchRuns.open(generation.patches)
        self._leased = self.service.store()
        store, _ = self._leased.__enter__()
        self.ids = {p.pixels: store.same_pixels(p.pixels) for p in self.pictures}
        slugs = {image_id: row["slug"] for image_id, row in store.image_rows([*chain(*self.ids.values())]).items()}
        self.entries = {pixels: frozenset(slugs[one] for one in ids) for pixels, ids in self.ids.items()}
        """By hash, every entry that has the picture: some are in several."""
        if patches is not None:
            self.rankings.append(Patches(patches, store.same_pixels, self.hashes))

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *_: object) -> None:
        self._leased.__exit__(None, None, None)
        self.service.close()
        self._embedder.close()

    def rows(self, hashes: frozenset[str]) -> NDArray[np.bool_]:
        """(N,) bool: which published pictures have one of the hashes."""
        mask = np.zeros(len(self.hashes), np.bool_)
        mask[[self._row[pixels] for pixels in hashes if pixels in self._row]] = True
        return mask

    def read(self, query: Query, *, boxed: bool) -> tuple[QueryPicture, Seen]:
        """The query as the search and as the rankings see it."""
        rgba = decode(query.content, Limits()).rgba
        box = None
        if boxed and query.box is not None:
            box = Box.of(query.box, rgba.shape[1], rgba.shape[0])
            rgba = rgba if box is None else box.cut(rgba)
        picture = self.service.read_image(query.content, box, LOCAL)
        assert picture.vector is not None, picture.note
        return picture, Seen(rgba, picture.vector, picture.signature, picture)

    def search(self, picture: QueryPicture) -> Results:
        """Search as the page does for an upload."""
        return self.service.search(SearchQuery(picture=picture, fold=False, limit=TOP))

    def edited(
        self,
        tally: Tally,
        query: Query,
        wanted: frozenset[str],
        allowed: frozenset[str],
        edit: Edit,
        left_out: frozenset[str] = frozenset(),
    ) -> None:
        """Search for an edit and count.

        Args:
            tally: of its kind.
            query: the edit.
            wanted: hashes of which one has to come first.
            allowed: hashes that a claim may name.
            edit: its kind.
            left_out: hashes that are neither right nor wrong.
        """
        picture, seen = self.read(query, boxed=edit.boxed)
        right, others = self.rows(wanted), self.rows(left_out)
        for ranking in self.rankings:
            at = place(ranking.scores(seen), right, others)
            tally.note(ranking.name, at == 0, at < TOP)
        results = self.search(picture)
        found = [hit.pixel_sha256 for hit in results.hits if hit.pixel_sha256 not in left_out]
        tally.note(DEFAULT, bool(found) and found[0] in wanted, any(pixels in wanted for pixels in found[:TOP]))
        self._judge(tally, results, allowed | left_out, edit.right)

    def _judge(self, tally: Tally, results: Results, allowed: frozenset[str], right: frozenset[str]) -> None:
        verdict = results.verdict
        assert verdict is not None
        claims = verdict.relation.value in _CLAIMS
        pieces = {"part": results.part_of, "contained": results.contains}.get(verdict.relation.value)
        named = [part.hit for part in pieces] if pieces else results.hits[:1]
        named_right = any(hit.pixel_sha256 in allowed for hit in named)
        tally.false.append(claims and not named_right)
        tally.right.append(verdict.relation.value in right and (not claims or named_right))

    def related(
        self, tally: Tally, picture: Picture, group: frozenset[str], left_out: frozenset[str] = frozenset()
    ) -> None:
        """Search for the relatives of a published picture by its id, and count.

        Args:
            tally: of their kind.
            picture: which.
            group: hashes of its relatives and itself.
            left_out: hashes that are neither right nor wrong.
        """
        right, own = self.rows(group), self.rows((left_out - group) | {picture.pixels})
        rgba = picture.rgba
        seen = Seen(rgba, self._vector_of(picture), signature(rgba))
        for ranking in self.rankings:
            if isinstance(ranking, Patches):
                continue  # finds copies and parts, no relatives
            scores = ranking.scores(seen)
            tally.note(ranking.name, place(scores, right & ~own, own) == 0, share_in(scores, right, own, TOP))
        wanted = group - {picture.pixels}
        for name, weights in ((OTHER_COLOURS, _PRESET), (DEFAULT, USUAL)):
            limit = min(TOP + len(left_out), MOST)
            query = SearchQuery(positive=(self.ids[picture.pixels][0],), fold=False, limit=limit, weights=weights)
            hits = self.service.search(query).hits
            found = list(dict.fromkeys(h.pixel_sha256 for h in hits if h.pixel_sha256 not in left_out - group))
            share = sum(pixels in wanted for pixels in found[:TOP]) / min(TOP, len(wanted))
            tally.note(name, bool(found) and found[0] in wanted, share)

    def absent(self, tally: Tally, query: Query, edit: Edit) -> None:
        """Search for a picture that is not there: whatever is claimed is false."""
        picture, _ = self.read(query, boxed=edit.boxed)
        results = self.search(picture)
        assert results.verdict is not None
        relation = results.verdict.relation.value
        tally.false.append(relation in _CLAIMS)
        tally.right.append(relation == "unlike")

    def _vector_of(self, picture: Picture) -> NDArray[np.float32]:
        model = next(ranking for ranking in self.rankings if isinstance(ranking, Model))
        return model.vector(self._row[picture.pixels])


def spread(items: Sequence[T], count: int) -> Sequence[T]:
    """At most so many of the items, evenly from all over."""
    return items if len(items) <= count else [items[n * len(items) // count] for n in range(count)]


def measure(
    settings: Settings,
    corpus: Corpus,
    *,
    pictures: int,
    edits: Sequence[Edit] = EDITS,
    plain: bool = True,
    relatives: bool = True,
) -> Measured:
    """Measure everything.

    Args:
        settings: of the publication.
        corpus: what was published.
        pictures: of each kind, how many are searched for.
        edits: which edits are tried; none: only relatives are measured.
        plain: whether the plain recipe is compared.
        relatives: whether relatives are searched for.
    """
    with Bench(settings, corpus, plain=plain) as bench:
        done = Measured(settings.model, len(bench.pictures), {}, {}, Tally())
        strangers = corpus.strangers or corpus.pictures
        chosen = spread([p for p in corpus.pictures if p.pixels in bench.ids], pictures)
        drawn = _Drawings(corpus)
        for edit in edits:
            tally = done.edits.setdefault(edit.name, Tally())
            for picture in chosen:
                query = edit.query(picture, strangers)
                if shows_something(query.content):
                    allowed, left_out = drawn.allowed(picture, edit), drawn.sheets_of(picture)
                    bench.edited(tally, query, frozenset({picture.pixels}), allowed, edit, left_out)
        if corpus.sheets and edits:
            for edit in CUT_FROM_SHEET:
                _cut_from_sheets(bench, done.edits.setdefault(edit.name, Tally()), edit, pictures, drawn)
        for kind, groups in _with_any(corpus.groups).items() if relatives else ():
            tally = done.relatives.setdefault(kind, Tally())
            members = [(p, g) for g in groups for p in corpus.pictures if p.pixels in g and p.pixels in bench.ids]
            for picture, group in spread(members, 2 * pictures):
                left_out = drawn.same_thing(picture) if kind in SAME_THING else frozenset()
                bench.related(tally, picture, group, left_out)
        if edits:
            _hold_out(bench, done.absent, edits, pictures)
            done.costs = costs([picture.rgba for picture in spread(bench.pictures, pictures)], bench.generation)
        return done


class _Drawings:
    """Which pictures show the same drawing: as frames, at other sizes, in other colours, and in the made sheets.

    The made sheets hold the demo's art in other colours, so that either is a recolour of the other: what is searched
    for with one of them is neither right nor wrong to find the other.
    """

    def __init__(self, corpus: Corpus) -> None:
        kept = [groups for kind, groups in corpus.groups.items() if kind not in ("recolours", "variants")]
        self._same = _related(group for groups in kept for group in groups)
        self._recoloured = _related(corpus.groups.get("recolours", ()))
        kinds = [corpus.groups.get(kind, ()) for kind in SAME_THING]
        self._things = joined(group for groups in kinds for group in groups)
        self._named: dict[str, frozenset[str]] = {}
        for picture in corpus.pictures:
            self._named[picture.name] = self._named.get(picture.name, frozenset()) | {picture.pixels}
        self._sheets: dict[str, frozenset[str]] = {}
        for sheet in corpus.sheets:
            for sprite, _ in sheet.sprites:
                for pixels in self.of_sprite(sprite):
                    self._sheets[pixels] = self._sheets.get(pixels, frozenset()) | {sheet.picture.pixels}

    def allowed(self, picture: Picture, edit: Edit) -> frozenset[str]:
        """What a claim may name: the picture, its frames and sizes; of an edit in other colours, its recolours too."""
        own = frozenset({picture.pixels})
        found = own | self._same.get(picture.pixels, own)
        return found | self._recoloured.get(picture.pixels, own) if edit.right == RECOLOURED else found

    def same_thing(self, picture: Picture) -> frozenset[str]:
        """What shows the same thing: its frames, sizes and recolours, theirs, and so on."""
        return self._things.get(picture.pixels, frozenset())

    def sheets_of(self, picture: Picture) -> frozenset[str]:
        """The made sheets that hold a picture's drawing."""
        return self._sheets.get(picture.pixels, frozenset())

    def of_sprite(self, sprite: Picture) -> frozenset[str]:
        """The pictures that show the drawing of a made sheet's sprite."""
        named = self._named.get(sprite.name, frozenset())
        return named.union(*(self._recoloured.get(pixels, frozenset()) for pixels in named))


def _related(groups: Iterable[frozenset[str]]) -> dict[str, frozenset[str]]:
    """Of each member of a group all members of its groups."""
    found: dict[str, frozenset[str]] = {}
    for group in groups:
        for pixels in sorted(group):  # the order of a set of strings is another one in each process
            found[pixels] = found.get(pixels, frozenset()) | group
    return found


def joined(groups: Iterable[frozenset[str]]) -> dict[str, frozenset[str]]:
    """Of each member of a group all that groups join it with, one after another."""
    found: dict[str, frozenset[str]] = {}
    for group in groups:
        together = group.union(*(found.get(pixels, frozenset()) for pixels in group))
        found.update(dict.fromkeys(together, together))
    return found


def _with_any(groups: Mapping[str, Sequence[frozenset[str]]]) -> dict[str, Sequence[frozenset[str]]]:
    """The groups of relatives, and where there are several kinds, those of any kind of each picture."""
    found = dict(groups)
    if len(groups) > 1:
        found[ANY] = list(dict.fromkeys(_related(g for of_kind in groups.values() for g in of_kind).values()))
    return found


def _cut_from_sheets(bench: Bench, tally: Tally, edit: Edit, pictures: int, drawn: _Drawings) -> None:
    """Sprites that only a sheet holds: which sheet they are from. The same drawing in other colours is left out."""
    sprites = [(sheet, sprite) for sheet in bench.corpus.sheets for sprite, _ in sheet.sprites]
    for sheet, sprite in spread(sprites, pictures):
        own = frozenset({sheet.picture.pixels})
        query = edit.query(sprite, ())
        if shows_something(query.content):
            bench.edited(tally, query, own, own, edit, drawn.of_sprite(sprite))


def _hold_out(bench: Bench, tally: Tally, edits: Sequence[Edit], pictures: int) -> None:
    """Block half of the entries, and search for their pictures as they are and edited: none of them is there."""
    slugs = sorted({p.entry for p in bench.corpus.pictures})
    gone = set(random.Random(1).sample(slugs, len(slugs) // 2))
    strangers = bench.corpus.strangers or [p for p in bench.corpus.pictures if p.entry in gone]
    decisions = lines_of(bench.settings, DataRoot.of(bench.settings).decisions)
    for slug in gone:
        decide(decisions, "entry", slug, "held out to measure claims about pictures that are not there")
    try:
        absent = [p for p in bench.corpus.pictures if p.pixels in bench.ids and bench.entries[p.pixels] <= gone]
        unchanged = Edit("as it is", as_it_is, frozenset())
        for number, picture in enumerate(spread(absent, 2 * pictures)):
            for edit in (unchanged, edits[number % len(edits)]):
                query = edit.query(picture, strangers)
                if shows_something(query.content):
                    bench.absent(tally, query, edit)
    finally:
        for slug in gone:
            decide(decisions, "entry", slug, "", lift=True)
