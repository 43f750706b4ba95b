"""From catalog rows to hits: the one place where columns become what pages, API and exports show."""

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from ogaart.resources.storage.schema import ENTRIES, IMAGES
from ogaart.resources.storage.table_types import Column, Table
from ogaart.search.results import Hit, HitJson, LicenceName, Occurrence, Relation
from ogaart.search.store.serving_store import ServingStore
from ogaart.sites.licences import attribution

_Read = Callable[[Any], Any]
WriteHit = Callable[[Hit], HitJson]
"""Writes of a hit what no search changes."""


def _parsed(text: str) -> tuple[Any, ...]:
    return tuple(json.loads(text))


def _hex_colour(value: int) -> str:
    return f"#{value & 0xFFFFFF:06x}"


def _hit_of(fields: dict[str, Any]) -> Hit:
    """A hit of its fields; the constructor sets those of a frozen instance one by one, in ten times the time."""
    made = object.__new__(Hit)
    vars(made).update(_UNJUDGED)
    vars(made).update(fields)
    return made


_UNJUDGED: dict[str, Any] = {
    "score": None, "relation": None, "folded": (), "beside": (), "folded_count": 0, "entry_more": 0,
    "why": MappingProxyType({}),
}  # fmt: skip
"""What a search says of a hit, as hits are read."""


class _HitReader:
    """Reads the rows of one query; what the hits of an entry share is made once.

    Args:
        entries: the rows of the entries, by slug; publications of before lack some columns.
    """

    def __init__(self, entries: Mapping[str, sqlite3.Row]) -> None:
        self._rows = entries
        self._parse = cache(_parsed)
        self._entries: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}
        self._served_of: dict[str, list[tuple[str, int, _Read | None]]] = {}

    def _read_of(self, column: Column) -> _Read | None:
        """How a served column is read: words.sqlite holds lists as JSON and truth values as numbers."""
        if pa.types.is_list(column.type):
            return self._parse
        return bool if pa.types.is_boolean(column.type) else None

    def _texts(self, value: str | None) -> tuple[str, ...]:
        return self._parse(value) if value else ()

    def place(self, row: sqlite3.Row) -> Occurrence:
        """A file or member that holds a picture."""
        made = object.__new__(Occurrence)
        vars(made).update(
            image_id=row["image_id"],
            slug=row["slug"],
            title=row["title"] or row["slug"],
            author=row["author"] or "",
            licences=self._texts(row["licences"]),
            page_url=row["page_url"] or "",
            file=row["shown_name"] or "",
            file_url=row["file_url"] or "",
            member_path=row["member_path"] or "",
            format=row["format"] or "",
            bytes=row["bytes"] or 0,
            fid=row["fid"],
            file_sha256=row["file_sha256"] or "",
            sha256=row["sha256"] or "",
        )
        return made

    def _served(self, table: Table, row: sqlite3.Row) -> list[tuple[str, int, _Read | None]]:
        """The served columns that rows of a table have here, where they are in them, and how each is read."""
        if table.name in self._served_of:
            return self._served_of[table.name]
        present = {name: place for place, name in enumerate(row.keys())}
        self._served_of[table.name] = [
            (column.served_name, present[column.served_name], self._read_of(column))
            for column in table.served
            # Bytes here; a field of Hit.
            if column.served_name in present and column.served_name != "pixel_sha256"
        ]
        return self._served_of[table.name]

    def _columns(self, row: sqlite3.Row, served: Sequence[tuple[str, int, _Read | None]]) -> dict[str, Any]:
        """The served columns of a row, by name."""
        values = tuple(row)
        return {
            name: values[place] if read is None or values[place] is None else read(values[place])
            for name, place, read in served
        }

    def _of_entry(self, slug: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """The fields that all hits of an entry share, and its served columns."""
        if slug in self._entries:
            return self._entries[slug]
        row = self._rows[slug]
        columns = self._columns(row, self._served(ENTRIES, row))
        names = self._texts(row["licences"])
        urls = self._texts(row["licence_urls"])
        title, author, page_url = row["title"] or slug, row["author"] or "", row["page_url"] or ""
        collaborators = self._texts(row["collaborators"]) if "collaborators" in columns else ()
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
            "tags": self._texts(row["tags"]),
            "description": row["description"] or "",
        }
        self._entries[slug] = fields, columns
        return fields, columns

    def hit(self, row: sqlite3.Row, places: Sequence[Occurrence]) -> Hit:
        """A picture with its places."""
        image_id = row["image_id"]
        shown = next((place for place in places if place.image_id == image_id), None)
        fields, columns = self._of_entry(row["slug"])
        return _hit_of(
            {
                "image_id": image_id,
                **fields,
                "file": shown.file if shown else "",
                "file_url": shown.file_url if shown else "",
                "member_path": shown.member_path if shown else "",
                "width": row["width"],
                "height": row["height"],
                "format": row["format"] or "",
                "frames": row["frames"] or 1,
                "has_alpha": bool(row["has_alpha"]),
                "colours": row["colours"] or 0,
                "palette": tuple([_hex_colour(int(colour)) for colour in self._texts(row["palette"])]),
                "palette_shares": tuple([float(share) for share in self._texts(row["palette_shares"])]),
                "pixel_art": bool(row["pixel_art"]),
                "pixel_sha256": row["pixels"],
                "places": tuple(places),
                "columns": {**self._columns(row, self._served(IMAGES, row)), **columns},
            }
        )


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
    store: ServingStore, ids: Sequence[int], write: WriteHit, blocked: frozenset[int] = frozenset()
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
        written = {image_id: write(hit) for image_id, hit in hits.items()}
        store.written.keep(written)
        found |= written
    if blocked:
        changed = [i for i, one in found.items() if one.elsewhere and not blocked.isdisjoint(one.elsewhere)]
        found |= {i: write(hit) for i, hit in read_hits(store, changed, blocked).items()}
    return {image_id: found[image_id] for image_id in wanted if image_id in found}


def _read(store: ServingStore, ids: Sequence[int]) -> dict[int, Hit]:
    """Read hits from the store, with every place of their pixels."""
    rows = store.image_rows(ids)
    entries = store.entry_rows(list({row["slug"] for row in rows.values()}))
    read = _HitReader(entries)
    places: dict[str, list[Occurrence]] = {}
    for row in store.place_rows(ids):
        places.setdefault(row["pixels"], []).append(read.place(row))
    return {
        image_id: read.hit(row, places.get(row["pixels"], ()))
        for image_id, row in rows.items()
        if row["slug"] in entries
    }


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
