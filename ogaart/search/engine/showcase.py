"""The pictures of the first page: favourites, the newest, and a picture for each of six doors."""

import json
import threading
from collections.abc import Collection
from dataclasses import dataclass

from ogaart.search.engine.listings import favoured
from ogaart.search.engine.service import SearchService
from ogaart.search.query import SearchQuery
from ogaart.search.results import Hit
from ogaart.search.search_url import SearchUrl
from ogaart.search.store.serving_store import ServingStore

# Rows of ten, six and four, and a page of 150 KB with all its pictures.
FAVOURITES = 20
NEWEST = 10
DOORS = (
    ("Characters", "character"),
    ("Tilesets", "tileset"),
    ("UI", "ui"),
    ("Backgrounds", "background"),
    ("Effects", "effect"),
    ("Icons", "icon"),
)
"""Labels and the words that they search for."""
# One picture of each entry: no fragment (thin, or a few pixels) where another is there, and one that fills a tile.
# Those that are heavy to send come last.
_CHOSEN = "SELECT slug, favourites, posted_at FROM entries ORDER BY {order}, slug LIMIT ?"
_ONE_EACH = """
WITH pictures AS (
    SELECT i.image_id, c.key AS nth, coalesce(i.thumb_length, 0) > 7000 AS heavy, row_number() OVER (
        PARTITION BY i.slug ORDER BY
            min(i.width, i.height) < 16 OR max(i.width, i.height) > 3 * min(i.width, i.height),
            coalesce(i.thumb_length, 0) > 5000,
            abs(max(i.width, i.height) - 160), i.image_id) AS choice
    FROM json_each(?) AS c JOIN images AS i ON i.slug = c.value)
SELECT image_id, heavy, nth FROM pictures WHERE choice = 1
"""
_TELLING, _FLAT = 6, 0.7  # fewest colours of a door's picture, largest share of one
_ORDERS = {"favourites": "favourites DESC, posted_at DESC", "newest": "posted_at DESC"}


@dataclass(frozen=True)
class Door:
    """A way into the catalog: what it is called, where it leads, how much is behind it, and one picture of it."""

    label: str
    path: str
    count: int
    hit: Hit


@dataclass(frozen=True)
class HomePictures:
    """All that the first page shows."""

    favourites: tuple[Hit, ...] = ()
    newest: tuple[Hit, ...] = ()
    doors: tuple[Door, ...] = ()


class Showcase:
    """The pictures of the first page, chosen once for each publication and set of takedowns.

    Args:
        service: finds and reads them.
    """

    def __init__(self, service: SearchService) -> None:
        self._service = service
        self._lock = threading.Lock()
        self._chosen: tuple[tuple[int, int], HomePictures] | None = None

    def pictures(self) -> HomePictures:
        """The pictures.

        Raises:
            NothingPublished: nothing yet.
        """
        key = (self._service.info().generation, self._service.decisions.current().version)
        with self._lock:
            if self._chosen is None or self._chosen[0] != key:
                self._chosen = key, self._choose()
            return self._chosen[1]

    def _choose(self) -> HomePictures:
        with self._service.store() as (store, _):
            favourites, newest = (
                one_each(store, "favourites", FAVOURITES),
                one_each(store, "newest", FAVOURITES + NEWEST),
            )
        shown = set(favourites)
        doors: list[Door] = []
        for label, words in DOORS:
            if (door := self._door(label, words, {one.hit.slug for one in doors})) is not None:
                doors.append(door)
        return HomePictures(
            tuple(self._service.hits(favourites)),
            tuple(self._service.hits([i for i in newest if i not in shown]))[:NEWEST],
            tuple(doors),
        )

    def _door(self, label: str, words: str, taken: Collection[str]) -> Door | None:
        found = self._service.search(SearchQuery(words=words, limit=24, group=True))

        def rank(hit: Hit) -> tuple[bool, bool, bool, bool, int]:
            # The most favoured of the best matches, in a small thumbnail: of an entry that no other door shows, no
            # fragment, and not of nearly one colour, which tells nothing.
            short, long = sorted((hit.width, hit.height))
            telling = hit.colours >= _TELLING and max(hit.palette_shares, default=1.0) < _FLAT
            return (
                hit.slug not in taken,
                short >= 16 and long <= 3 * short,
                telling,
                long <= 256,
                hit.columns.get("favourites") or 0,
            )

        best = max(found.hits, key=rank, default=None)
        return None if best is None else Door(label, SearchUrl(words=words).path(), found.total or 0, best)


def one_each(store: ServingStore, order: str, count: int) -> list[int]:
    """One image of each of ``count`` entries, in an order of ``favourites`` or ``newest``."""
    entries = store.select(_CHOSEN.format(order=_ORDERS[order]), 2 * count)
    entries.sort(key=lambda row: str(row["slug"]))
    newest = order == "newest"
    entries.sort(key=lambda row: favoured(row)[2] if newest else favoured(row), reverse=True)
    chosen = json.dumps([row["slug"] for row in entries[: 2 * count]])
    rows = sorted(store.select(_ONE_EACH, chosen), key=lambda row: (row["heavy"], row["nth"]))
    return [int(row["image_id"]) for row in rows[:count]]
