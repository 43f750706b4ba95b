"""What an entry holds, and which entries an author or a tag has: lists read from the serving store."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from sqlite3 import Row

from ogaart.search.display.frames import numbered
from ogaart.search.engine.index_filters import nearest_values
from ogaart.search.engine.service import SearchService
from ogaart.search.filters import Filters
from ogaart.search.query import SearchQuery
from ogaart.search.results import Hit

LIKE_IT = 12  # entries that look like another
_EXAMPLES = 3  # pictures that represent an entry there
_OF_ENTRY = """
SELECT i.image_id, i.width, i.height, min(coalesce(shown_name, '') || '/' || coalesce(p.member_path, '')) AS name
FROM images AS i LEFT JOIN places AS p USING (image_id) {with_files} WHERE i.slug = ? GROUP BY i.image_id
"""
OF_KIND = {
    "author": "e.author = ?1 OR EXISTS (SELECT 1 FROM json_each(e.collaborators) WHERE value = ?1)",
    "tag": "EXISTS (SELECT 1 FROM json_each(e.tags) WHERE value = ?1)",
}
LISTED = """
SELECT e.slug, e.licences, e.favourites, e.posted_at, i.image_id
FROM entries AS e JOIN images AS i USING (slug) WHERE {condition}
ORDER BY e.slug,
    min(i.width, i.height) < 16 OR max(i.width, i.height) > 3 * min(i.width, i.height),
    abs(max(i.width, i.height) - 160), i.image_id
"""
"""Pictures of entries that meet a condition of ``OF_KIND``, entry by entry."""
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class EntryPictures:
    """One entry: the number of its pictures, and those of one page, in the order of their names."""

    slug: str
    count: int
    hits: tuple[Hit, ...]
    ids: tuple[int, ...]


@dataclass(frozen=True)
class EntrySummary:
    """One entry of a list: a picture that represents it, and how many it has."""

    hit: Hit
    count: int


@dataclass(frozen=True)
class EntryList:
    """The entries of an author or a tag, the most favoured first.

    Attributes:
        name: as entries spell it.
        entries: those of one page.
        total: how many there are.
        pictures: how many they hold together.
        licences: how many of them offer each licence.
    """

    name: str
    entries: tuple[EntrySummary, ...]
    total: int
    pictures: int
    licences: tuple[tuple[str, int], ...]


def pictures_of(service: SearchService, slug: str, limit: int, offset: int = 0) -> EntryPictures | None:
    """The pictures of an entry, named in any case; None where it has none that is published."""
    with service.store() as (store, blocked):
        slug = store.columns.values["slug"].commonest(slug)
        rows = store.select(_OF_ENTRY.format(with_files=store.with_files), slug)
    named = sorted((_natural(row["name"]), row["image_id"]) for row in rows if row["image_id"] not in blocked)
    ids = tuple(image_id for _, image_id in named)
    return EntryPictures(slug, len(ids), tuple(service.hits(ids[offset : offset + limit])), ids) if ids else None


def frames_of(service: SearchService, hit: Hit) -> tuple[int, ...]:
    """The pictures of a hit's entry that are frames of one animation with it; see ``frames.numbered``."""
    with service.store() as (store, blocked):
        rows = store.select(_OF_ENTRY.format(with_files=store.with_files), hit.slug)
    alike = {
        row["image_id"]: row["name"]
        for row in rows
        if row["image_id"] not in blocked and (row["width"], row["height"]) == (hit.width, hit.height)
    }
    return numbered(alike, hit.image_id)


def entries_of(service: SearchService, kind: str, name: str, limit: int, offset: int = 0) -> EntryList | None:
    """The entries of an author (also of those who worked with others) or of a tag; None where there are none.

    Args:
        service: reads them.
        kind: ``author`` or ``tag``.
        name: which, in any case.
        limit: entries wanted.
        offset: entries to skip.
    """
    field = f"{kind}s"
    with service.store() as (store, blocked):
        spelled = store.spelled(Filters(**{field: (name,)}))[field][0]
        rows = store.select(LISTED.format(condition=OF_KIND[kind]), spelled)
    found: dict[str, list[int]] = {}
    entries: dict[str, Row] = {}
    for row in rows:
        if row["image_id"] not in blocked:
            found.setdefault(row["slug"], []).append(row["image_id"])
            entries[row["slug"]] = row
    if not found:
        return None
    ordered = sorted(found)
    ordered.sort(key=lambda slug: favoured(entries[slug]), reverse=True)
    shown = [found[slug] for slug in ordered[offset : offset + limit]]
    hits = {hit.image_id: hit for hit in service.hits([ids[0] for ids in shown])}
    counted = Counter(licence for slug in ordered for licence in json.loads(entries[slug]["licences"] or "[]"))
    return EntryList(
        spelled,
        tuple(EntrySummary(hits[ids[0]], len(ids)) for ids in shown if ids[0] in hits),
        len(found),
        sum(map(len, found.values())),
        tuple(counted.most_common()),
    )


def favoured(entry: Row) -> tuple[bool, int, str]:
    """A key by which the most favoured entries come last, of equally favoured ones the newest, as SQLite sorts."""
    return entry["favourites"] is not None, entry["favourites"] or 0, entry["posted_at"] or ""


def nearest_names(service: SearchService, kind: str, name: str) -> tuple[str, ...]:
    """The entries, authors or tags that a name which nothing here has may mean, the nearest first.

    Args:
        service: reads them.
        kind: ``entry``, ``author`` or ``tag``.
        name: as a visitor wrote it.
    """
    with service.store() as (store, blocked):
        return nearest_values(kind if kind == "entry" else f"{kind}s", name, store.columns, blocked)


def entries_like(service: SearchService, ids: Sequence[int], slug: str) -> list[Hit]:
    """One picture each of the entries that look most like some pictures of an entry."""
    step = max(1, len(ids) // _EXAMPLES)
    examples = tuple(ids[::step][:_EXAMPLES])
    found = service.search(SearchQuery(positive=examples, group=True, limit=LIKE_IT + 1)).hits
    return [hit for hit in found if hit.slug != slug][:LIKE_IT]


def _natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """A key by which walk2 comes before walk10."""
    parts = _DIGITS.split(name.casefold())
    return tuple((1, int(part[:18]), "") if n % 2 else (0, 0, part) for n, part in enumerate(parts))
