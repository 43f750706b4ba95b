"""From catalog rows to hits: the one place where columns become what pages, API and exports show."""

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from itertools import islice
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from ogaart.resources.storage.schema import ENTRIES, IMAGES
from ogaart.resources.storage.table_types import Table
from ogaart.search.results import EntryFields, Hit, HitJson, HitWriter, LicenceName, Occurrence, Relation
from ogaart.search.store.serving_store import PlaceRow, ServingStore
from ogaart.sites.licences import attribution

_Read = Callable[[Any], Any]


def _parsed(text: str) -> tuple[Any, ...]:
    return tuple(json.loads(text))


def _hex_colour(value: int) -> str:
    return f"#{value & 0xFFFFFF:06x}"


def _hit_of(fields: dict[str, Any]) -> Hit:
    """A hit of its fields; the constructor sets those of a frozen instance one by one, in ten times the time."""
    made = object.__new__(Hit)
    object.__setattr__(made, "__dict__", {**_UNJUDGED, **fields})
    return made


_UNJUDGED: dict[str, Any] = {
    "score": None, "relation": None, "folded": (), "beside": (), "folded_count": 0, "entry_more": 0,
    "why": MappingProxyType({}),
}  # fmt: skip
"""What a search says of a hit, as hits are read."""


class _EntryReader:
    """Reads the rows of entries.

    Args:
        rows: of the entries; publications of before lack some columns.
    """

    def __init__(self, rows: Collection[sqlite3.Row]) -> None:
        self._parse = cache(_parsed)
        self._rows = rows
        self._served = _served(ENTRIES, rows, self._parse)

    def entries(self) -> dict[str, EntryFields]:
        """What all hits of each entry share, by slug."""
        return {row["slug"]: self._entry(row) for row in self._rows}

    def _entry(self, row: sqlite3.Row) -> EntryFields:
        slug, columns = row["slug"], _columns(row, self._served)
        names, urls = columns["licences"] or (), columns["licence_urls"] or ()
        title, author, page_url = row["title"] or slug, row["author"] or "", row["page_url"] or ""
        collaborators = columns.get("collaborators") or ()
        fields = {
            "slug": slug,
            "title": title,
            "author": author,
            "author_url": row["author_url"] or "",
            "collaborators": collaborators,
            "submitter": row["submitter"] or "",
            "licences": tuple(LicenceName(name, urls[n] if n < len(urls) else "") for n, name in enumerate(names)),
            "notice": row["notice"] or "",
            "attribution": attribution(title, author, names, page_url, row["notice"] or None, collaborators),
            "page_url": page_url,
            "posted_at": str(row["posted_at"] or ""),
            "fetched_at": str(row["fetched_at"] or ""),
            "art_type": row["art_type"] or "",
            "tags": columns["tags"] or (),
            "description": row["description"] or "",
        }
        return EntryFields(fields, columns)


class _HitReader:
    """Reads the rows of images.

    Args:
        rows: of the images; publications of before lack some columns.
        entries: what the hits of each entry share, by slug.
    """

    def __init__(self, rows: Collection[sqlite3.Row], entries: Mapping[str, EntryFields]) -> None:
        self._entries = entries
        self._served = _served(IMAGES, rows, cache(_parsed))

    def place(self, row: PlaceRow) -> Occurrence:
        """A file or member that holds a picture."""
        of_entry, columns = self._entries[row.slug]
        made = object.__new__(Occurrence)
        fields = {
            "image_id": row.image_id,
            "slug": row.slug,
            "title": of_entry["title"],
            "author": of_entry["author"],
            "licences": columns["licences"] or (),
            "page_url": of_entry["page_url"],
            "file": row.file or "",
            "file_url": row.file_url or "",
            "member_path": row.member_path or "",
            "format": row.format or "",
            "bytes": row.bytes or 0,
            "fid": row.fid,
            "file_sha256": row.file_sha256 or "",
            "sha256": row.sha256 or "",
        }
        object.__setattr__(made, "__dict__", fields)
        return made

    def hit(self, row: sqlite3.Row, places: Sequence[Occurrence]) -> Hit:
        """A picture with its places."""
        image_id, columns = row["image_id"], _columns(row, self._served)
        shown = next((place for place in places if place.image_id == image_id), None)
        fields, of_entry = self._entries[row["slug"]]
        return _hit_of(
            {
                "image_id": image_id,
                **fields,
                "file": shown.file if shown else "",
                "file_url": shown.file_url if shown else "",
                "member_path": shown.member_path if shown else "",
                "width": columns["width"],
                "height": columns["height"],
                "format": columns["format"] or "",
                "frames": columns["frames"] or 1,
                "has_alpha": bool(columns["has_alpha"]),
                "colours": columns["colours"] or 0,
                "palette": tuple([_hex_colour(int(colour)) for colour in columns["palette"] or ()]),
                "palette_shares": tuple([float(share) for share in columns["palette_shares"] or ()]),
                "pixel_art": bool(columns["pixel_art"]),
                "pixel_sha256": row["pixels"],
                "places": tuple(places),
                "columns": {**columns, **of_entry},
            }
        )


def _served(table: Table, rows: Collection[sqlite3.Row], parse: _Read) -> list[tuple[str, int, _Read | None]]:
    """The served columns that rows of a table have, where they are in them, and how each is read.

    words.sqlite holds lists as JSON and truth values as numbers.
    """
    present = {name: place for row in islice(rows, 1) for place, name in enumerate(row.keys())}
    kinds = {column.served_name: column.type for column in table.served}
    # The hash of pixels is bytes here, and a field of Hit.
    return [
        (name, present[name], parse if pa.types.is_list(kind) else bool if pa.types.is_boolean(kind) else None)
        for name, kind in kinds.items()
        if name in present and name != "pixel_sha256"
    ]


def _columns(row: sqlite3.Row, served: Sequence[tuple[str, int, _Read | None]]) -> dict[str, Any]:
    """The served columns of a row, by name."""
    values = tuple(row)
    return {
        name: values[place] if read is None or values[place] is None else read(values[place])
        for name, place, read in served
    }


def read_hits(store: ServingStore, ids: Sequence[int], blocked: Collection[int] = frozenset()) -> dict[int, Hit]:
    """Read hits by id, each with all places of its pixels but the blocked ones; unknown ids are left out."""
    wanted = [image_id for image_id in dict.fromkeys(ids) if image_id not in blocked]
    found = store.hits.known(wanted)
    if unread := [image_id for image_id in wanted if image_id not in found]:
        read = _read(store, unread)
        store.hits.keep(read)
        found |= read
    return {i: _without(found[i], blocked) if blocked else found[i] for i in wanted if i in found}


def read_written(
    store: ServingStore, ids: Sequence[int], write: HitWriter, blocked: frozenset[int] = frozenset()
) -> dict[int, HitJson]:
    """Read hits as ``read_hits`` does, as JSON: each is written once.

    Args:
        store: what is published.
        ids: the images.
        write: what writes them; the same for all calls with one store.
        blocked: images that are not shown.
    """
    wanted = [image_id for image_id in dict.fromkeys(ids) if image_id not in blocked]
    found = store.written.known(wanted)
    if unwritten := [image_id for image_id in wanted if image_id not in found]:
        hits = store.hits.known(unwritten)
        if unread := [image_id for image_id in unwritten if image_id not in hits]:
            hits |= _read(store, unread)
        written = _written(store, hits, write)
        store.written.keep(written)
        found |= written
    if blocked:
        changed = [i for i, one in found.items() if one.elsewhere and not blocked.isdisjoint(one.elsewhere)]
        found |= _written(store, read_hits(store, changed, blocked), write)
    return {image_id: found[image_id] for image_id in wanted if image_id in found}


def _written(store: ServingStore, hits: Mapping[int, Hit], write: HitWriter) -> dict[int, HitJson]:
    """Write hits; what the hits of an entry share is written once."""
    entries = store.written_entries.known({hit.slug for hit in hits.values()})
    unwritten = {hit.slug: hit for hit in hits.values() if hit.slug not in entries}
    written = {slug: write.entry(hit) for slug, hit in unwritten.items()}
    store.written_entries.keep(written)
    entries |= written
    return {image_id: write.hit(hit, entries[hit.slug]) for image_id, hit in hits.items()}


def _read(store: ServingStore, ids: Sequence[int]) -> dict[int, Hit]:
    """Read hits from the store, with every place of their pixels."""
    rows, of_places = store.image_rows(ids), store.place_rows(ids)
    entries = _read_entries(store, {row["slug"] for row in rows.values()} | {row.slug for row in of_places})
    read = _HitReader(rows.values(), entries)
    places: dict[str, list[Occurrence]] = {}
    for row in of_places:
        if row.slug in entries:
            places.setdefault(row.pixels, []).append(read.place(row))
    return {
        image_id: read.hit(row, places.get(row["pixels"], ()))
        for image_id, row in rows.items()
        if row["slug"] in entries
    }


def _read_entries(store: ServingStore, slugs: Collection[str]) -> dict[str, EntryFields]:
    """Read what the hits of entries share; each is read once."""
    entries = store.entries.known(slugs)
    if unread := [slug for slug in slugs if slug not in entries]:
        read = _EntryReader(store.entry_rows(unread).values()).entries()
        store.entries.keep(read)
        entries |= read
    return entries


def _without(hit: Hit, blocked: Collection[int]) -> Hit:
    """The hit without its places in blocked images."""
    shown = tuple([place for place in hit.places if place.image_id not in blocked])
    return hit if len(shown) == len(hit.places) else hit.with_values(places=shown)


def judged(
    hit: Hit,
    score: float | None,
    relation: Relation | None,
    why: Mapping[str, float],
    folded: tuple[Hit, ...] = (),
    count: int = 0,
    entry_more: int = 0,
) -> Hit:
    """Return the hit with its similarity, what is collapsed under it, and how much that is in all."""
    return hit.with_values(
        score=score, relation=relation, why=why, folded=folded, folded_count=count, entry_more=entry_more
    )
