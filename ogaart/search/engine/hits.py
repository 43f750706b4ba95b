"""From catalog rows to hits: the one place where columns become what pages, API and exports show."""

import json
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from ogaart.resources.storage.schema import ENTRIES, IMAGES
from ogaart.resources.storage.table_types import Column
from ogaart.search.results import Hit, LicenceName, Occurrence, Relation
from ogaart.search.store.serving_store import ServingStore
from ogaart.sites.licences import attribution


def _texts(value: str | None) -> tuple[str, ...]:
    return tuple(str(item) for item in json.loads(value)) if value else ()


def _hex_colour(value: int) -> str:
    return f"#{value & 0xFFFFFF:06x}"


def _place(row: sqlite3.Row) -> Occurrence:
    return Occurrence(
        image_id=row["image_id"],
        slug=row["slug"],
        title=row["title"] or row["slug"],
        author=row["author"] or "",
        licences=_texts(row["licences"]),
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


def _columns(row: sqlite3.Row) -> dict[str, Any]:
    """The served columns of an image and its entry, by name; a publication of before may lack some of them."""
    present = frozenset(row.keys())
    return {
        column.served_name: _value(column, row[column.served_name])
        for column in (*IMAGES.served, *ENTRIES.served)
        if column.served_name in present and column.served_name != "pixel_sha256"  # bytes here; a field of Hit
    }


def _value(column: Column, value: Any) -> Any:
    """A served column's value as its Arrow type says: words.sqlite holds lists as JSON and truth values as numbers."""
    if value is None:
        return None
    if pa.types.is_list(column.type):
        return tuple(json.loads(value))
    return bool(value) if pa.types.is_boolean(column.type) else value


def _hit(row: sqlite3.Row, places: Sequence[Occurrence]) -> Hit:
    shown = next((place for place in places if place.image_id == row["image_id"]), None)
    names = _texts(row["licences"])
    urls = _texts(row["licence_urls"])
    title, author, page_url = row["title"] or row["slug"], row["author"] or "", row["page_url"] or ""
    # Publications of before have no such column.
    collaborators = _texts(row["collaborators"]) if "collaborators" in row.keys() else ()  # noqa: SIM118 - a Row
    return Hit(
        image_id=row["image_id"],
        score=None,
        relation=None,
        slug=row["slug"],
        title=title,
        author=author,
        author_url=row["author_url"] or "",
        collaborators=collaborators,
        submitter=row["submitter"] or "",
        licences=tuple(LicenceName(name, urls[n] if n < len(urls) else "") for n, name in enumerate(names)),
        notice=row["notice"] or "",
        attribution=attribution(title, author, names, page_url, row["notice"] or None, collaborators),
        page_url=page_url,
        posted_at=str(row["posted_at"] or ""),
        fetched_at=str(row["fetched_at"] or ""),
        art_type=row["art_type"] or "",
        tags=_texts(row["tags"]),
        description=row["description"] or "",
        file=shown.file if shown else "",
        file_url=shown.file_url if shown else "",
        member_path=shown.member_path if shown else "",
        width=row["width"],
        height=row["height"],
        format=row["format"] or "",
        frames=row["frames"] or 1,
        has_alpha=bool(row["has_alpha"]),
        colours=row["colours"] or 0,
        palette=tuple(_hex_colour(int(colour)) for colour in json.loads(row["palette"] or "[]")),
        palette_shares=tuple(float(share) for share in json.loads(row["palette_shares"] or "[]")),
        pixel_art=bool(row["pixel_art"]),
        pixel_sha256=row["pixels"],
        places=tuple(places),
        columns=_columns(row),
    )


def read_hits(store: ServingStore, ids: Sequence[int], blocked: Collection[int] = frozenset()) -> dict[int, Hit]:
    """Read hits by id, each with all places of its pixels but the blocked ones; unknown ids are left out."""
    wanted = [image_id for image_id in ids if image_id not in blocked]
    rows = store.image_rows(wanted)
    places: dict[str, list[Occurrence]] = {}
    for row in store.place_rows(wanted):
        if row["image_id"] not in blocked:
            places.setdefault(row["pixels"], []).append(_place(row))
    return {image_id: _hit(row, places.get(row["pixels"], ())) for image_id, row in rows.items()}


def judged(
    hit: Hit, score: float | None, relation: Relation | None, folded: tuple[Hit, ...] = (), count: int = 0
) -> Hit:
    """Return the hit with its similarity, what is collapsed under it, and how much that is in all."""
    return replace(hit, score=score, relation=relation, folded=folded, folded_count=count)
