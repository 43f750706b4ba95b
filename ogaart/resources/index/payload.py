"""What the collection holds beside each vector: one pure function, so that steps and catalog agree to the byte."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from ogaart.likeness.colours import main_colours_of, names_of
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
_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))  # ``dumps`` would make one each
Names = Iterable[str | None]


def payload(image: "ImageRow", entry: "EntryRow", names: Names) -> dict[str, Any]:
    """The payload of an image's point, with every key that a filter of the search needs.

    Args:
        image: a row of table ``images``, of which ``OF_IMAGE`` are read.
        entry: its row of table ``entries``, of which ``OF_ENTRY`` are read.
        names: shown names and member paths of the image's occurrences, in any order.
    """
    [found] = payloads([(image, entry, names)])
    return found


def payloads(rows: Sequence[tuple["ImageRow", "EntryRow", Names]]) -> list[dict[str, Any]]:
    """The payloads of many images: quicker than one by one, most so where images share the row of their entry."""
    of_entries: dict[int, _OfEntry] = {}
    for _, entry, _ in rows:
        if id(entry) not in of_entries:
            of_entries[id(entry)] = _OfEntry.of(entry)
    palettes = [image["palette"] or [] for image, _, _ in rows]
    colours = main_colours_of(palettes, [image["palette_shares"] or [] for image, _, _ in rows]).tolist()
    return [
        of_entries[id(entry)].payload(image, names_of(main), names)
        for (image, entry, names), main in zip(rows, colours, strict=True)
    ]


@dataclass(frozen=True)
class _OfEntry:
    """What the payloads of an entry's images share.

    Attributes:
        first: keys with their values.
        before: the words before an image's names.
        after: the words behind them.
        fetched_at: seconds since 1970; 0 where that is unknown.
    """

    first: Mapping[str, Any]
    before: str
    after: str
    fetched_at: int

    @classmethod
    def of(cls, entry: "EntryRow") -> "_OfEntry":
        licences: Sequence[str] = entry["licences"] or []
        tags: Sequence[str] = entry["tags"] or []
        collaborators: Sequence[str] = entry.get("collaborators") or []
        fetched_at: datetime | None = entry["fetched_at"]
        first = {
            "slug": entry["slug"],
            "licences": list(licences),
            "uses": list(uses(licences)),
            "tags": list(tags),
            "author": [entry["author"] or "", *collaborators] if collaborators else entry["author"] or "",
            "art_type": entry["art_type"] or "",
        }
        before = [entry["title"], *tags, entry["author"], *collaborators]
        seconds = int(_zoned(fetched_at).timestamp()) if fetched_at is not None else 0
        return cls(first, _joined(before), entry["description"] or "", seconds)

    def payload(self, image: "ImageRow", colours: list[str], names: Names) -> dict[str, Any]:
        """The payload of one of its images."""
        width, height = int(image["width"] or 0), int(image["height"] or 0)
        return {
            **self.first,
            "width": width,
            "height": height,
            "pixels": width * height,
            "aspect": round(width / height, 4) if height else 0.0,
            "has_alpha": bool(image["has_alpha"]),
            "pixel_art": bool(image["pixel_art"]),
            "colours": int(image["colours"] or 0),
            "colour_names": colours,
            "pixel_sha256": image["pixel_sha256"],
            "words": self.words(names),
            "fetched_at": self.fetched_at,
        }

    def words(self, names: Names) -> str:
        """All text by which an image is found: title, tags, authors, names, description; cut at 4,000 characters."""
        return _joined([self.before, *unique_names(names), self.after])[:_WORDS_LIMIT]


def _joined(parts: Iterable[str | None]) -> str:
    return " ".join(part for part in parts if part)


def unique_names(names: Names) -> list[str]:
    """The names without empty ones and repetitions, sorted, so that their order at the source does not matter."""
    return sorted({name for name in names if name})


def payload_hash(content: Mapping[str, Any]) -> str:
    """sha256 (hex) of a payload. The time of fetching is left out: a page read again unchanged changes no point."""
    text = _ENCODER.encode([VERSION, _hashed(content)])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def are_same(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether two payloads have the same hash, which is found sooner than the hashes are.

    Args:
        stored: what the collection has.
        wanted: what ``payload`` returned; its lists are of texts, which equal nothing of another type.
    """
    one, other = _hashed(stored), _hashed(wanted)
    return one == other and all(type(one[key]) is type(value) for key, value in other.items())


def _hashed(content: Mapping[str, Any]) -> dict[str, Any]:
    hashed = dict(content)
    for key in _UNHASHED:
        hashed.pop(key, None)
    return hashed


def _zoned(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
