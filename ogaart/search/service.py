"""The query service: one object that page, API and command line all ask."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ogaart.imaging import signatures
from ogaart.resources.blobs import Blobs
from ogaart.resources.dataroot import DataRoot
from ogaart.resources.decisions import Decisions
from ogaart.resources.generations import Generation, Generations
from ogaart.resources.index import open_index
from ogaart.resources.index_filter import IndexFilter
from ogaart.resources.models import MODELS
from ogaart.search import judging, narrowing
from ogaart.search.folding import Fold, Folder
from ogaart.search.following import Following, Opened
from ogaart.search.fulltext import expressions, positive_words
from ogaart.search.lookups import Found, find
from ogaart.search.problems import RemoteRefused
from ogaart.search.query import Box, Query, QueryPicture
from ogaart.search.remote import Remote
from ogaart.search.results import Hidden, Hit, Info, Relation, Results
from ogaart.search.rows import judged, read_hits
from ogaart.search.seeing import Eyes, Sees
from ogaart.search.store import Original, Store, read_slice
from ogaart.search.vocabulary import Vocabulary, read_vocabulary
from ogaart.settings import Settings

RERANKED = 100  # nearest points whose signatures are compared; the design measured 50, folding wants more
FURTHER = 200  # points a further round asks for
ROUNDS = 6
MATCHES = 5_000  # best full-text matches that filters are applied to
FOLDED_SHOWN = 60  # members of a fold that are read and shown


@dataclass(frozen=True)
class _Ranked:
    image_id: int
    score: float | None
    relation: Relation | None


class SearchService:
    """Answers queries over the newest published generation.

    Args:
        settings: where the data are, which index, which limits.
        eyes: looks at visitors' pictures; by default the two child processes.
        remote: follows visitors' links; by default on the public web only.
    """

    def __init__(self, settings: Settings, eyes: Sees | None = None, remote: Remote | None = None) -> None:
        self.settings = settings
        root = DataRoot.of(settings)
        self._root = root
        self._following = Following(Generations(root.generations), self._open)
        self.decisions = Decisions(root.decisions)
        self.eyes: Sees = eyes or Eyes(settings, root.scratch)
        self._vocabularies: dict[int, Vocabulary] = {}
        self._blobs = Blobs(root.blobs)
        contact = f"; {settings.contact}" if settings.contact else ""
        self._remote = remote or Remote(settings.max_upload_bytes, f"ogaart/0.1 (picture search{contact})")
        self._blocked_lock = threading.Lock()
        self._blocked: tuple[tuple[int, int], frozenset[int]] = ((-1, -1), frozenset())
        self._following.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop following, close what is open, end the child processes."""
        self._following.close()
        self.eyes.close()
        self._remote.close()

    def _open(self, generation: Generation) -> Opened:
        store = Store(generation.path, generation.number)
        index = open_index(self.settings, generation.index, store.info.space, _dimension(generation), read_only=True)
        return Opened(generation.number, store, index)

    # -- what pages need beside searching -----------------------------------------------------------------------------

    def info(self) -> Info:
        """What is searched.

        Raises:
            NothingPublished: nothing yet.
        """
        with self._following.lease() as opened:
            return opened.store.info

    def see(self, content: bytes, box: Box | None = None) -> QueryPicture:
        """Look at a visitor's picture: decoded in the imaging child, embedded in the network's.

        Raises:
            Unreadable: it is no picture that can be read within the limits.
            NothingPublished: there is nothing to look at it for.
        """
        return self.eyes.see(content, box, self.info().space)

    def fetch(self, url: str) -> bytes:
        """Fetch the picture file behind a visitor's link; see ``Remote``.

        Raises:
            RemoteRefused: the link leads where this server does not go, or it follows none.
            RemoteFailed: no picture came of it.
            TooMuch: it is larger than a picture may be.
        """
        if not self.settings.url_fetch:
            raise RemoteRefused("this server follows no links (OGAART_URL_FETCH is off)")
        return self._remote.fetch(url)

    def find_link(self, url: str) -> Found | None:
        """What a link to the site means in this catalog; None if nothing."""
        with self.store() as (store, blocked):
            found = find(store, self.settings.site, url)
        if found is None or not found.images:
            return found
        left = tuple(image_id for image_id in found.images if image_id not in blocked)
        return Found(images=left) if left else None

    def original(self, image_id: int) -> tuple[Original, bytes] | None:
        """A picture file's own bytes, and what it is called; None if it is not published or is blocked."""
        with self.store() as (store, blocked):
            original = None if image_id in blocked else store.original(image_id)
            if original is None:
                return None
            if original.pack is not None:
                return original, read_slice(original.pack, original.offset, original.length)
            return original, self._blobs.read(original.blob_sha256)

    @contextmanager
    def store(self) -> Iterator[tuple[Store, frozenset[int]]]:
        """The serving store and the blocked ids, for as long as the block runs."""
        with self._following.lease() as opened:
            yield opened.store, self._blocked_ids(opened)

    def hit(self, image_id: int) -> Hit | None:
        """One image by id; None if it is not published or is blocked."""
        return next(iter(self.hits([image_id])), None)

    def hits(self, ids: Sequence[int]) -> list[Hit]:
        """Images by id, in that order, without those not published or blocked."""
        with self.store() as (store, blocked):
            found = read_hits(store, ids, blocked)
        return [found[image_id] for image_id in dict.fromkeys(ids) if image_id in found]

    def siblings(self, hit: Hit, count: int) -> list[Hit]:
        """Pictures of the same entry."""
        with self.store() as (store, _):
            ids = store.ids_of_entries([hit.slug])
        return self.hits(ids[:count])

    def sample(self, count: int, seed: int) -> list[Hit]:
        """A few images from all over, the same for the same seed."""
        with self.store() as (store, _):
            ids = store.sample(count * 2, seed)
        return self.hits(ids)[:count]

    def vocabulary(self) -> Vocabulary:
        """The values that filters can take in this generation, the most frequent first; counted once for each."""
        with self._following.lease() as opened:
            known = self._vocabularies.get(opened.number)
            if known is None:
                known = read_vocabulary(opened.index)
                self._vocabularies = {opened.number: known}
            return known

    def _blocked_ids(self, opened: Opened) -> frozenset[int]:
        decisions = self.decisions.current()
        key = (opened.number, decisions.version)
        with self._blocked_lock:
            if self._blocked[0] != key:
                store = opened.store
                ids = [*store.ids_of_entries(decisions.entries), *store.ids_of_authors(decisions.authors)]
                for pixels in decisions.pixels:
                    ids.extend(store.same_pixels(pixels))
                self._blocked = (key, frozenset(ids))
            return self._blocked[1]

    # -- searching ----------------------------------------------------------------------------------------------------

    def search(self, query: Query) -> Results:
        """Answer one query.

        Raises:
            NothingPublished: nothing to search yet.
        """
        began = time.perf_counter()
        with self._following.lease() as opened:
            search = _Search(opened, query, self._blocked_ids(opened))
            results = search.visual() if query.visual else search.textual() if query.words.strip() else search.browse()
        return replace(results, milliseconds=(time.perf_counter() - began) * 1000.0)


def _dimension(generation: Generation) -> int:
    """Length of the generation's vectors."""
    stated = generation.manifest.get("dimension")
    return int(stated) if stated else MODELS[str(generation.manifest["model"])].dimension


class _Search:
    """One query over one open generation."""

    def __init__(self, opened: Opened, query: Query, blocked: frozenset[int]) -> None:
        self.store = opened.store
        self.index = opened.index
        self.query = query
        self.blocked = blocked
        self.folder = Folder(near=query.fold, group=query.group)
        self.ranked: dict[int, _Ranked] = {}
        self.wanted = query.offset + query.limit + 1  # one more tells whether there is a next page

    # A picture, likes, dislikes: ranked by the network and the signature, narrowed by words and filters.

    def visual(self) -> Results:
        query = self.query
        own = self._own_pixels()
        reference = self._reference()
        narrowed = narrowing.narrow(query.filters, words=positive_words(query.words), without=self.blocked | own)
        notes: list[str] = []
        exact = self._exact()
        # A picture seen for another space than this generation's has only its pixels in common with it.
        seen = query.picture if query.picture and query.picture.space == self.store.info.space else None
        vector = seen.vector if seen else None
        if query.picture is not None and query.picture.note:
            notes.append(query.picture.note)
        self._take([_Ranked(image_id, 1.0, Relation.SAME) for image_id in exact])
        if vector is not None or query.likes or query.dislikes:
            self._nearest(vector, narrowed, reference)
        results = self._page(notes=tuple(notes))
        single = query.picture is not None and not query.likes and not query.dislikes
        if single and query.offset == 0:
            results = replace(results, verdict=judging.verdict(results.hits))
        hidden, looked_at = self._hidden_near(vector, own)
        return replace(results, hidden=hidden, looked_at=looked_at)

    def _nearest(
        self, vector: NDArray[np.float32] | None, narrowed: IndexFilter, reference: NDArray[np.uint8] | None
    ) -> None:
        offset, ceiling = 0, 1.0
        for turn in range(ROUNDS):
            step = FURTHER if turn else RERANKED
            points = self.index.query(
                vector, like=self.query.likes, unlike=self.query.dislikes, filter=narrowed, limit=step, offset=offset
            )
            offset += step
            ranked = self._rank([(p.id, p.score) for p in points], reference if turn == 0 else None)
            # Later rounds are not compared by signature: they stay behind what was.
            ranked = [replace(r, score=min(r.score or 0.0, ceiling)) for r in ranked]
            if ranked:
                ceiling = ranked[-1].score or 0.0
            self._take(ranked)
            if len(points) < step or len(self.folder.folds) >= self.wanted:
                return

    def _rank(self, points: list[tuple[int, float]], reference: NDArray[np.uint8] | None) -> list[_Ranked]:
        near: dict[int, float] = {}
        if reference is not None and points:
            rows, known = self.store.signatures([image_id for image_id, _ in points])
            closeness = signatures.closeness(reference, rows)
            near = {image_id: float(closeness[n]) for n, (image_id, _) in enumerate(points) if known[n]}
        ranked = [
            _Ranked(
                image_id,
                judging.likeness(cosine, near.get(image_id)),
                judging.relation(cosine, near.get(image_id)) if self._compares else None,
            )
            for image_id, cosine in points
        ]
        return sorted(ranked, key=lambda r: -(r.score or 0.0))

    @property
    def _compares(self) -> bool:
        """Whether the query is one picture, so that hits stand in a relation to it."""
        query = self.query
        return not query.dislikes and (query.picture is not None) + len(query.likes) == 1

    def _reference(self) -> NDArray[np.uint8] | None:
        if not self._compares:
            return None
        if self.query.picture is not None:
            return self.query.picture.signature
        rows, known = self.store.signatures(self.query.likes)
        return rows[0] if known[0] else None

    def _own_pixels(self) -> frozenset[int]:
        """The pictures asked with, in all entries: nobody needs to be shown what he pointed at."""
        briefs = self.store.briefs([*self.query.likes, *self.query.dislikes]).values()
        return frozenset(i for brief in briefs for i in self.store.same_pixels(brief.pixel_sha256))

    def _exact(self) -> list[int]:
        if self.query.picture is None:
            return []
        ids = [i for i in self.store.same_pixels(self.query.picture.pixel_sha256) if i not in self.blocked]
        if not ids or not (self.query.filters.active() or self.query.words.strip()):
            return ids
        return self._allowed(ids)

    def _allowed(self, ids: Sequence[int], *, words: bool = True) -> list[int]:
        """Those of the ids that filters (and words) leave, in the same order."""
        text = positive_words(self.query.words) if words else ""
        narrowed = narrowing.narrow(self.query.filters, words=text, without=self.blocked, within=ids)
        return narrowing.allowed(self.index, narrowed, ids)

    def _hidden_near(self, vector: NDArray[np.float32] | None, own: frozenset[int]) -> tuple[tuple[Hidden, ...], int]:
        query = self.query
        if not query.filters.active() or (vector is None and not query.likes):
            return (), 0
        bare = narrowing.narrow(None, words=positive_words(query.words), without=self.blocked | own)
        points = self.index.query(vector, like=query.likes, unlike=query.dislikes, filter=bare, limit=RERANKED)
        return self._hidden([point.id for point in points]), len(points)

    def _hidden(self, ids: Sequence[int]) -> tuple[Hidden, ...]:
        filters = self.query.filters
        if not ids:
            return ()
        left = self.index.count(narrowing.narrow(filters, without=self.blocked, within=ids))
        return tuple(
            Hidden(
                name, self.index.count(narrowing.narrow(filters.without(name), without=self.blocked, within=ids)) - left
            )
            for name in filters.active()
        )

    # Words alone, and filters alone.

    def textual(self) -> Results:
        query = self.query
        for expression, note in expressions(query.words):
            total = self.store.match_count(expression)
            if not total:
                continue
            ids = [i for i in self.store.match(expression, MATCHES) if i not in self.blocked]
            allowed = ids
            hidden: tuple[Hidden, ...] = ()
            if query.filters.active():
                allowed = self._allowed(ids, words=False)
                total = len(allowed)
                hidden = self._hidden(ids)
            self._take_some(allowed)
            results = self._page(notes=(note,) if note else (), total=total)
            return replace(results, hidden=hidden, looked_at=len(ids) if hidden else 0)
        return self._page(total=0)

    def browse(self) -> Results:
        narrowed = narrowing.narrow(self.query.filters, without=self.blocked)
        offset = 0
        while len(self.folder.folds) < self.wanted:
            ids = narrowing.passing(self.index, narrowed, FURTHER, offset)
            self._take([_Ranked(image_id, None, None) for image_id in ids])
            offset += FURTHER
            if len(ids) < FURTHER:
                break
        return self._page(total=self.index.count(narrowed))

    def _take_some(self, ids: Sequence[int]) -> None:
        for start in range(0, len(ids), FURTHER):
            self._take([_Ranked(image_id, None, None) for image_id in ids[start : start + FURTHER]])
            if len(self.folder.folds) >= self.wanted:
                return

    # From ranked ids to a page of hits.

    def _take(self, ranked: Sequence[_Ranked]) -> None:
        fresh = [r for r in ranked if r.image_id not in self.ranked and r.image_id not in self.blocked]
        briefs = self.store.briefs([r.image_id for r in fresh])
        # The index may be ahead of the catalog where it lives on a server: what the catalog lacks is dropped.
        fresh = [r for r in fresh if r.image_id in briefs]
        if not fresh:
            return
        self.ranked.update({r.image_id: r for r in fresh})
        rows, known = self.store.signatures([r.image_id for r in fresh])
        self.folder.add([briefs[r.image_id] for r in fresh], rows, known)

    def _page(self, *, notes: tuple[str, ...] = (), total: int | None = None) -> Results:
        query = self.query
        folds = self.folder.folds[query.offset : query.offset + query.limit]
        ids = [i for fold in folds for i in (fold.head, *fold.members[:FOLDED_SHOWN])]
        found = read_hits(self.store, ids, self.blocked)
        return Results(
            info=self.store.info,
            hits=tuple(self._hit(found, fold) for fold in folds if fold.head in found),
            total=total,
            more=len(self.folder.folds) > query.offset + query.limit,
            notes=notes,
        )

    def _hit(self, found: dict[int, Hit], fold: Fold) -> Hit:
        def scored(image_id: int) -> Hit:
            ranked = self.ranked[image_id]
            return judged(found[image_id], ranked.score, ranked.relation)

        members = tuple(scored(i) for i in fold.members[:FOLDED_SHOWN] if i in found)
        return replace(scored(fold.head), folded=members, folded_count=len(fold.members))
