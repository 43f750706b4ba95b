"""The query service behind page, API and command line."""

import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Self
from weakref import WeakKeyDictionary

import numpy as np

from ogaart.core.user_agent import user_agent
from ogaart.imaging import thumbnails
from ogaart.imaging.errors import Unreadable
from ogaart.resources.catalog.generations import Generation, Generations
from ogaart.resources.embedding.embedder import EmbedderBroken
from ogaart.resources.embedding.registry import model_named
from ogaart.resources.index.factory import open_index
from ogaart.resources.moderation.line_log import lines_of
from ogaart.resources.moderation.takedowns import Decisions
from ogaart.resources.objects.factory import open_objects
from ogaart.resources.patches.index import PatchRuns
from ogaart.resources.publications.following import Following
from ogaart.resources.storage.blobs import Blobs
from ogaart.resources.storage.data_root import DataRoot
from ogaart.search.candidates.cell_index import CellIndex
from ogaart.search.candidates.fused_index import FusedIndex
from ogaart.search.engine.concurrency import ConcurrencyLimit
from ogaart.search.engine.facets import Facets, count_values
from ogaart.search.engine.hits import read_hits
from ogaart.search.engine.index_filters import resolve
from ogaart.search.engine.kinship import Kinship, linked_with, read_kinship
from ogaart.search.engine.link_lookup import LinkTarget, find
from ogaart.search.engine.live_generation import LiveGeneration, OpenGeneration
from ogaart.search.engine.picture_search import PictureSearch
from ogaart.search.engine.query_images import QueryImageReader, WorkerQueryImageReader
from ogaart.search.engine.remembered_answers import NearestPoints
from ogaart.search.engine.remote_images import RemoteImageFetcher
from ogaart.search.engine.search import FULL, Detail, Search
from ogaart.search.engine.suggestions import Suggestion, suggest
from ogaart.search.engine.visitors import Visitor
from ogaart.search.engine.word_search import WordSearch
from ogaart.search.errors import LinkRefused, NothingPublished, TooLarge
from ogaart.search.filters import Filters
from ogaart.search.parts.shared_parts import FoundParts
from ogaart.search.query import Box, QueryPicture, SearchQuery
from ogaart.search.results import Hit, Info, LicenceStatement, Results
from ogaart.search.store.picture_files import FileSlice, Original
from ogaart.search.store.serving_store import ServingStore
from ogaart.search.store.whole_publication import require_whole
from ogaart.settings import Settings
from ogaart.sites.registry import open_site

logger = logging.getLogger(__name__)

# Requests that wait for a child process or another server hold a thread each. There are forty: most must stay
# free for those who only search.
DECODING = 12
FETCHING = 8


class SearchService:
    """Answers queries over the newest published generation.

    Args:
        settings: where the data are, which index, which limits.
        image_reader: decodes and embeds visitors' pictures; by default in two child processes.
        remote: follows visitors' links; by default on the public web only.
    """

    def __init__(
        self, settings: Settings, image_reader: QueryImageReader | None = None, remote: RemoteImageFetcher | None = None
    ) -> None:
        self.settings = settings
        self._site = open_site(settings)
        root = DataRoot.of(settings)
        self._root = root
        objects = open_objects(settings)
        self._objects = open_objects(settings, hasty=True)
        self._following = Following(settings, objects) if objects.remote else None
        followed = self._following
        pull = None if followed is None else followed.mirror.pull
        self._live = LiveGeneration(Generations(root.generations), self._open, pull=pull)
        self.decisions = Decisions(
            lines_of(settings, root.decisions, read_only=True) if followed is None else followed.decisions
        )
        self.image_reader: QueryImageReader = image_reader or WorkerQueryImageReader(settings, root.scratch)
        self._blobs = Blobs(root.blobs, self._objects)
        agent = user_agent(settings.contact, "picture search")
        self._remote = remote or RemoteImageFetcher(settings.max_upload_bytes, agent)
        self._decoding = ConcurrencyLimit(DECODING, "pictures")
        self._fetching = ConcurrencyLimit(FETCHING, "links")
        # The index's answer for a picture, for the next search with it; dropped with the picture.
        self._remembered: WeakKeyDictionary[QueryPicture, NearestPoints] = WeakKeyDictionary()
        self._parts: WeakKeyDictionary[QueryPicture, tuple[int, FoundParts]] = WeakKeyDictionary()
        self._threads = ThreadPoolExecutor(max(1, (os.cpu_count() or 1) - 1), "search")  # beside that of a search
        self._blocked_lock = threading.Lock()
        self._blocked: tuple[tuple[int, int], frozenset[int]] = ((-1, -1), frozenset())
        self.decisions.start()
        self._live.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop following, close what is open, end the child processes."""
        self._threads.shutdown()
        self._live.close()
        self.decisions.close()
        if self._following is not None:
            self._following.close()
        self.image_reader.close()
        self._remote.close()

    def _open(self, generation: Generation) -> OpenGeneration:
        """Open a generation with all that its first reader needs, before a request needs it."""
        require_whole(generation)
        with ExitStack() as stack:
            store = ServingStore(generation.path, generation.number, self._objects)
            stack.callback(store.close)
            index = stack.enter_context(
                open_index(
                    self.settings,
                    generation.index,
                    store.info.space,
                    _dimension(generation),
                    read_only=True,
                    published=True,
                )
            )
            patches = PatchRuns.open(generation.patches)
            fused = FusedIndex.open(generation.path, store.columns, lambda image_id: linked_with(store, image_id))
            if fused is not None and fused.with_subject:
                _ = fused.unrelated  # half a second at 100,000, which no search should wait for
            cells = CellIndex.open(generation.path, fused.projection, store.columns) if fused is not None else None
            if cells is not None:
                _ = cells.unrelated
            opened = OpenGeneration(generation.number, store, index, patches, fused, cells)
            stack.pop_all()
            return opened

    # -- what pages need beside searching -----------------------------------------------------------------------------

    def info(self) -> Info:
        """What is searched.

        Raises:
            NothingPublished: nothing yet.
        """
        with self._live.lease() as opened:
            return opened.store.info

    def read_image(self, content: bytes, box: Box | None, visitor: Visitor) -> QueryPicture:
        """Decode a visitor's picture in the imaging child and embed it in the model's.

        Raises:
            Unreadable: it is not a readable picture.
            NothingPublished: there is no vector space yet.
            TooBusy: too many pictures are being read, in all or for this client.
        """
        space = self.info().space
        with self._decoding.held(visitor.client):
            return self.image_reader.read_image(content, box, space)

    def warm(self) -> None:
        """Start the processes that decode and embed, by reading a picture of one colour; failures are only logged."""
        plain = thumbnails.webp(np.full((8, 8, 4), 128, np.uint8))
        try:
            self.image_reader.read_image(plain, None, self.info().space)
        except (NothingPublished, EmbedderBroken, Unreadable, TooLarge) as cause:
            logger.warning("the model is not warmed: %s", cause)

    def thumbnail(self, content: bytes, box: Box | None, visitor: Visitor) -> bytes:
        """A visitor's picture, or a part of it, as small as a page shows it.

        Raises:
            Unreadable: it is not a readable picture.
            TooBusy: too many pictures are being read, in all or for this client.
        """
        with self._decoding.held(visitor.client):
            return self.image_reader.thumbnail(content, box)

    def fetch(self, url: str, visitor: Visitor) -> bytes:
        """Fetch the picture file behind a visitor's link; see ``Remote``.

        Raises:
            RemoteRefused: the link leads where this server does not go, or it follows none.
            RemoteFailed: no picture came of it.
            TooMuch: it is larger than a picture may be.
            TooBusy: too many links are being followed.
        """
        if not self.settings.url_fetch:
            raise LinkRefused("this server follows no links (OGAART_URL_FETCH is off)")
        with self._fetching.held(visitor.client):
            return self._remote.fetch(url, visitor.client)

    def find_link(self, url: str) -> LinkTarget | None:
        """What a link to the site means in this catalog; None if nothing."""
        with self.store() as (store, blocked):
            found = find(store, self._site, url)
        if found is None or not found.images:
            return found
        left = tuple(image_id for image_id in found.images if image_id not in blocked)
        return LinkTarget(images=left) if left else None

    def original_file(self, image_id: int) -> tuple[Original, FileSlice] | None:
        """Where a picture file's own bytes are, and what it is called; None if it is not published or is blocked."""
        with self.store() as (store, blocked):
            original = None if image_id in blocked else store.original(image_id)
        if original is None:
            return None
        if original.pack is not None:
            return original, FileSlice(original.pack, original.offset, original.length, self._objects)
        size = self._blobs.size(original.blob_sha256)
        return None if size is None else (original, FileSlice(self._blobs.local(original.blob_sha256), 0, size))

    def original(self, image_id: int, at_most: int | None = None) -> tuple[Original, bytes] | None:
        """A picture file's own bytes, and what it is called; None if it is not published or is blocked.

        Args:
            image_id: which.
            at_most: bytes; by default as many as a visitor's picture may have.

        Raises:
            TooMuch: it has more.
        """
        found = self.original_file(image_id)
        if found is None:
            return None
        original, place = found
        limit = self.settings.max_upload_bytes if at_most is None else at_most
        if place.length > limit:
            raise TooLarge(f"{original.name} has {place.length:,} bytes; at most {limit:,} are taken")
        return original, place.read()

    @contextmanager
    def store(self) -> Iterator[tuple[ServingStore, frozenset[int]]]:
        """The serving store and the blocked ids, for as long as the block runs."""
        with self._live.lease() as opened:
            yield opened.store, self._blocked_ids(opened)

    def hit(self, image_id: int) -> Hit | None:
        """One image by id; None if it is not published or is blocked."""
        return next(iter(self.hits([image_id])), None)

    def hits(self, ids: Sequence[int]) -> list[Hit]:
        """Images by id, in that order, without those not published or blocked."""
        with self.store() as (store, blocked):
            found = read_hits(store, ids, blocked)
        return [found[image_id] for image_id in dict.fromkeys(ids) if image_id in found]

    def new_id(self, image_id: int) -> int | None:
        """The present id of an image that had another one before; None if none had this."""
        with self.store() as (store, _):
            return store.new_id(image_id)

    def licence_history(self, hit: Hit) -> tuple[LicenceStatement, ...]:
        """What the page of a hit's entry has said of its licences, the current statement first."""
        with self.store() as (store, _):
            return store.licence_history(hit.slug)

    def kinship(self, hit: Hit) -> Kinship:
        """The cells, the frames and the family of a picture."""
        with self.store() as (store, blocked):
            return read_kinship(store, hit, blocked)

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

    def facets(self, query: SearchQuery) -> Facets:
        """The values that filters can take, with how many pictures of a query each would leave.

        Of a query with pictures: of all that its words and other filters leave, which the pictures only rank.

        Raises:
            InvalidParameter: a licence or an art type does not exist.
        """
        with self._live.lease() as opened:
            conditions = resolve(query.filters, opened.store.columns)
            return count_values(Search(opened, query, self._blocked_ids(opened), conditions), query.filters)

    def vocabulary(self) -> Facets:
        """The values that filters can take in this generation, the most frequent first."""
        return self.facets(SearchQuery())

    def suggestions(self, text: str, count: int, filters: Filters | None = None) -> tuple[Suggestion, ...]:
        """What a visitor may be typing: words, tags, authors and entries, each with a picture and a count.

        Raises:
            InvalidParameter: a licence or an art type of the filters does not exist.
        """
        with self.store() as (store, blocked):
            return suggest(store, blocked, text, count, resolve(filters or Filters(), store.columns))

    def look_alikes(self, hit: Hit, count: int) -> Results:
        """Pictures of other entries that look like one, one of each entry."""
        query = SearchQuery(positive=(hit.image_id,), without_entries=(hit.slug,), group=True, limit=count)
        return self.search(query)

    def _blocked_ids(self, opened: OpenGeneration) -> frozenset[int]:
        decisions = self.decisions.current()
        key = (opened.number, decisions.version)
        with self._blocked_lock:
            if self._blocked[0] != key:
                store = opened.store
                ids = [*store.ids_of_entries(decisions.entries), *store.ids_of_authors(decisions.authors)]
                ids.extend(store.blank_ids())  # they were stored, but show nothing
                for pixels in decisions.pixels:
                    ids.extend(store.same_pixels(pixels))
                self._blocked = (key, frozenset(ids))
            return self._blocked[1]

    # -- searching ----------------------------------------------------------------------------------------------------

    def search(self, query: SearchQuery, detail: Detail = FULL) -> Results:
        """Answer one query.

        Args:
            query: the search.
            detail: how much is read of the hits.

        Raises:
            NothingPublished: nothing to search yet.
            InvalidParameter: a licence or an art type does not exist; the message names the nearest ones.
        """
        began = time.perf_counter()
        with self._live.lease() as opened:
            blocked = self._blocked_ids(opened)
            conditions = resolve(query.filters, opened.store.columns, blocked=blocked)
            if query.visual:
                kept = self._remembered, self._parts
                results = PictureSearch(opened, query, blocked, conditions, *kept, detail, self._threads).results()
            else:
                results = WordSearch(opened, query, blocked, conditions, detail).results()
        return replace(results, milliseconds=(time.perf_counter() - began) * 1000.0)


def _dimension(generation: Generation) -> int:
    """Length of the generation's vectors."""
    stated = generation.manifest.get("dimension")
    return int(stated) if stated else model_named(str(generation.manifest["model"])).dimension
