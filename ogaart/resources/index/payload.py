"""What the collection holds beside each vector: one pure function, so that steps and catalog agree to the byte."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from ogaart.likeness.colours import colour_names
from ogaart.sites.licences import uses

if TYPE_CHECKING:
    from ogaart.resources.storage.rows import EntryRow, ImageRow

VERSION = "payload-1"
"""Part of every payload's hash: raise it when a key is added or changes meaning."""

Kind = Literal["keyword", "integer", "float", "bool", "text"]

PAYLOAD_KEYS: dict[str, Kind] = {
    "slug": "keyword",
    "licences": "keyword",
    "uses": "keyword",
    "tags": "keyword",
    "author": "keyword",
    "art_type": "keyword",
    "colour_names": "keyword",
    "pixel_sha256": "keyword",
    "width": "integer",
    "height": "integer",
    "pixels": "integer",
    "colours": "integer",
    "fetched_at": "integer",
    "aspect": "float",
    "has_alpha": "bool",
    "pixel_art": "bool",
    "words": "text",
}
"""The payload's keys and how each is indexed; a condition on any other key is refused."""

OF_IMAGE = ("pixel_sha256", "width", "height", "has_alpha", "pixel_art", "colours", "palette", "palette_shares")
"""Columns of an image's row that its payload is made of."""
OF_ENTRY = ("slug", "title", "author", "collaborators", "tags", "licences", "art_type", "description", "fetched_at")
"""Columns of its entry's row."""

_WORDS_LIMIT = 4_000  # characters; an archive of ten thousand tiles must not bring them all into one point
_UNHASHED = frozenset({"fetched_at"})


def payload(image: "ImageRow", entry: "EntryRow", names: Iterable[str | None]) -> dict[str, Any]:
    """The payload of an image's point, with every key that a filter of the search needs.

    Args:
        image: a row of table ``images``, of which ``OF_IMAGE`` are read.
        entry: its row of table ``entries``, of which ``OF_ENTRY`` are read.
        names: shown names and member paths of the image's occurrences, in any order.
    """
    width, height = int(image["width"] or 0), int(image["height"] or 0)
    licences: Sequence[str] = entry["licences"] or []
    tags: Sequence[str] = entry["tags"] or []
    collaborators: Sequence[str] = entry.get("collaborators") or []
    fetched_at: datetime | None = entry["fetched_at"]
    return {
        "slug": entry["slug"],
        "licences": list(licences),
        "uses": list(uses(licences)),
        "tags": list(tags),
        "author": [entry["author"] or "", *collaborators] if collaborators else entry["author"] or "",
        "art_type": entry["art_type"] or "",
        "width": width,
        "height": height,
        "pixels": width * height,
        "aspect": round(width / height, 4) if height else 0.0,
        "has_alpha": bool(image["has_alpha"]),
        "pixel_art": bool(image["pixel_art"]),
        "colours": int(image["colours"] or 0),
        "colour_names": list(colour_names(image["palette"] or [], image["palette_shares"] or [])),
        "pixel_sha256": image["pixel_sha256"],
        "words": words(entry, names),
        "fetched_at": int(_zoned(fetched_at).timestamp()) if fetched_at is not None else 0,
    }


def words(entry: "EntryRow", names: Iterable[str | None]) -> str:
    """All text by which an image is found: title, tags, authors, names, description; cut at 4,000 characters."""
    parts = [entry["title"], *(entry["tags"] or []), entry["author"], *(entry.get("collaborators") or [])]
    parts += [*unique_names(names), entry["description"]]
    return " ".join(part for part in parts if part)[:_WORDS_LIMIT]


def unique_names(names: Iterable[str | None]) -> list[str]:
    """The names without empty ones and repetitions, sorted, so that their order at the source does not matter."""
    return sorted({name for name in names if name})


def payload_hash(content: Mapping[str, Any]) -> str:
    """sha256 (hex) of a payload. The time of fetching is left out: a page read again unchanged changes no point."""
    hashed = {key: value for key, value in content.items() if key not in _UNHASHED}
    text = json.dumps([VERSION, hashed], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _zoned(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
