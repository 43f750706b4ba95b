"""A picture of an entry, with every occurrence of it, and the columns that the tables declare as served."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Self

import pyarrow as pa
from pydantic import ConfigDict, Field
from pydantic_core import to_json

from ogaart.resources.storage.schema import ENTRIES, IMAGES
from ogaart.search.results import EntryJson, Hit, HitJson, HitWriter, JudgedJson, Occurrence, Relation
from ogaart.search.web.schemas.base import Record


class OccurrenceRecord(Record):
    """One file or archive member that holds the same pixels."""

    image_id: str = Field(description="The picture as part of that entry.")
    slug: str = Field(description="The entry's name in its URL.")
    title: str
    author: str
    licences: list[str] = Field(description="Any one of them may be chosen.")
    page_url: str
    file: str = Field(description="The file's name as its entry shows it.")
    file_url: str
    member_path: str = Field(description="Path inside the file, where that is an archive.")
    format: str
    bytes: int = Field(ge=0)
    fid: int | None = Field(description="The site's file id; negative where it states none.")
    file_sha256: str
    sha256: str = Field(description="Hash of the picture file's own bytes.")

    @classmethod
    def of(cls, place: Occurrence) -> Self:
        """The record of a place."""
        return cls(**occurrence_fields(place))


def occurrence_fields(place: Occurrence) -> dict[str, Any]:
    """The fields of a place's record, in its order: those of the place itself, its id as a string."""
    return {**vars(place), "image_id": str(place.image_id)}


def _describe_served(described: dict[str, Any]) -> None:
    """Add every served column to the JSON schema of a hit: what it means is declared once, in ``storage.schema``."""
    for column in (*IMAGES.served, *ENTRIES.served):
        # A publication may lack a value, or, from before, a whole column.
        one: dict[str, Any] = {"type": [_json_type(column.type), "null"], "description": column.comment}
        if isinstance(column.type, pa.ListType):
            one["items"] = {"type": _json_type(column.type.value_type)}
        described["properties"].setdefault(column.served_name, one)


def _json_type(arrow: pa.DataType) -> str:
    for known, name in (
        (pa.types.is_list, "array"),
        (pa.types.is_boolean, "boolean"),
        (pa.types.is_integer, "integer"),
    ):
        if known(arrow):
            return name
    return "number" if pa.types.is_floating(arrow) else "string"


class HitRecord(Record):
    """One picture of one entry: the fields below, and every other column that the tables declare as served."""

    model_config = ConfigDict(frozen=True, extra="allow", json_schema_extra=_describe_served)

    image_id: str = Field(description="Made of entry and pixels: never changes.")
    score: float | None = Field(ge=0, le=1.001, description="Similarity, 0 to 1; null in a search without pictures.")
    relation: Relation | None = Field(description="How it relates to the picture, where the search is one picture.")
    slug: str
    title: str
    author: str
    author_url: str
    collaborators: list[str] = Field(description="Co-authors; each is credited as the author is.")
    licences: list[str] = Field(description="Any one of them may be chosen.")
    licence_urls: list[str]
    notice: str = Field(description="The author's own wording of the credit; it takes precedence.")
    attribution: str = Field(description="The credit line: the notice, else the usual wording.")
    page_url: str = Field(description="The entry on its site.")
    art_type: str
    tags: list[str]
    posted_at: str
    fetched_at: str
    file: str
    file_url: str
    member_path: str
    width: int = Field(ge=0)
    height: int = Field(ge=0)
    format: str
    frames: int = Field(ge=0)
    has_alpha: bool
    pixel_art: bool
    colours: int = Field(ge=0)
    palette: list[str]
    pixel_sha256: str
    url: str = Field(description="Its page here.")
    thumb_url: str
    original_url: str
    places: list[OccurrenceRecord] = Field(description="Every occurrence of the same pixels, in all entries.")
    folded_count: int = Field(ge=0, description="Hits under this one: near-identical ones, or of the same entry.")
    folded: list["HitRecord"]
    why: dict[str, float] = Field(
        description="How alike it is in subject, shape and colours, 0 to 1, where a search with pictures compared that."
    )
    entry_more: int = Field(
        ge=0, description="Further pictures of its entry that the search has, where it shows one: list them by `entry`."
    )

    @classmethod
    def of(cls, hit: Hit, base: str = "") -> Self:
        """The record of a hit; ``base`` is the server's URL, before the paths on it."""
        return cls(**hit_fields(hit, base))


_FIELDS = frozenset(HitRecord.model_fields)
_ENTRY_COLUMNS = frozenset(column.served_name for column in ENTRIES.served)


def hit_fields(hit: Hit, base: str = "") -> dict[str, Any]:
    """The fields of a hit's record, in its order; ``write_hits`` writes the same as JSON.

    Args:
        hit: the picture.
        base: the server's URL, before the paths on it.
    """
    return {
        "image_id": str(hit.image_id),
        "score": None if hit.score is None else round(hit.score, 4),
        "relation": hit.relation,
        **_entry_fields(hit),
        **_picture_fields(hit),
        "url": f"{base}{hit.url}",
        "thumb_url": f"{base}{hit.thumb_url}",
        "original_url": f"{base}{hit.original_url}",
        "places": [occurrence_fields(place) for place in hit.places],
        "folded_count": hit.folded_count,
        "folded": [hit_fields(other, base) for other in hit.folded],
        "why": _rounded(hit.why),
        "entry_more": hit.entry_more,
        **_columns(hit, of_entry=False),
        **_columns(hit, of_entry=True),
    }


def _entry_fields(hit: Hit) -> dict[str, Any]:
    """What all hits of an entry share."""
    return {
        "slug": hit.slug,
        "title": hit.title,
        "author": hit.author,
        "author_url": hit.author_url,
        "collaborators": hit.collaborators,
        "licences": [licence.name for licence in hit.licences],
        "licence_urls": [licence.url for licence in hit.licences],
        "notice": hit.notice,
        "attribution": hit.attribution,
        "page_url": hit.page_url,
        "art_type": hit.art_type,
        "tags": hit.tags,
        "posted_at": hit.posted_at,
        "fetched_at": hit.fetched_at,
    }


def _picture_fields(hit: Hit) -> dict[str, Any]:
    return {
        "file": hit.file,
        "file_url": hit.file_url,
        "member_path": hit.member_path,
        "width": hit.width,
        "height": hit.height,
        "format": hit.format,
        "frames": hit.frames,
        "has_alpha": hit.has_alpha,
        "pixel_art": hit.pixel_art,
        "colours": hit.colours,
        "palette": hit.palette,
        "pixel_sha256": hit.pixel_sha256,
    }


def _columns(hit: Hit, *, of_entry: bool) -> dict[str, Any]:
    """The served columns that are no field of the record: those of the entry, or those of the picture."""
    columns = hit.columns
    return {name: columns[name] for name in _further_names(tuple(columns), of_entry)}


@lru_cache(maxsize=16)  # all hits of a publication have the same columns
def _further_names(columns: tuple[str, ...], of_entry: bool) -> tuple[str, ...]:
    return tuple(name for name in columns if name not in _FIELDS and (name in _ENTRY_COLUMNS) is of_entry)


def _rounded(why: Mapping[str, float]) -> dict[str, float]:
    return {side: round(value, 3) for side, value in why.items()}


def entry_json(hit: Hit) -> EntryJson:
    """Write what a hit shares with the others of its entry."""
    return EntryJson(to_json(_entry_fields(hit))[1:-1], _further(_columns(hit, of_entry=True)))


def hit_json(hit: Hit, entry: EntryJson) -> HitJson:
    """Write what no search changes of a hit, where that which it shares with others is written."""
    return HitJson(
        entry,
        to_json(_picture_fields(hit))[1:-1],
        to_json([occurrence_fields(place) for place in hit.places]),
        _further(_columns(hit, of_entry=False)),
        tuple([place.image_id for place in hit.places if place.image_id != hit.image_id]),
    )


def _further(columns: dict[str, Any]) -> bytes:
    """Columns that follow others: each after a comma."""
    return b",%b" % to_json(columns)[1:-1] if columns else b""


HIT_WRITER = HitWriter(entry_json, hit_json)
"""Writes hits as ``write_hits`` takes them."""


def judged_json(hit: Hit) -> JudgedJson:
    """A hit with what is under it, as ``write_hits`` takes it."""
    return JudgedJson(
        hit.image_id, hit_json(hit, entry_json(hit)), hit.score, hit.relation, hit.why,
        tuple([judged_json(other) for other in hit.folded]), hit.folded_count, hit.entry_more,
    )  # fmt: skip


def write_hits(hits: Iterable[JudgedJson], base: bytes = b"") -> bytes:
    """Write hits as JSON, with commas between them: the fields of their records in their order.

    An answer has hundreds of hits: to make a record of each, or only its fields, would take longer than the search.

    Args:
        hits: the pictures.
        base: the server's URL, before the paths on it, as a string of JSON without quotes.
    """
    pieces: list[bytes] = []
    urls = tuple([b % base for b in _URLS])
    _write(hits, urls, pieces)
    return b"".join(pieces)


_URLS = (b',"url":"%b/image/', b'","thumb_url":"%b/thumb/', b'.webp","original_url":"%b/original/')


def _write(hits: Iterable[JudgedJson], urls: tuple[bytes, ...], pieces: list[bytes]) -> None:
    """Add the pieces of some hits, which are put together once: to fill in a text for each takes twice as long."""
    page, thumb, original = urls
    before = b'{"image_id":"'
    for image_id, own, score, relation, why, folded, count, more in hits:
        number, entry = b"%d" % image_id, own.entry
        if score is None and relation is None:
            judgement = b'","score":null,"relation":null,'
        else:
            judgement = b'","score":%b,"relation":%b,' % (
                b"null" if score is None else to_json(round(score, 4)),
                b"null" if relation is None else b'"%b"' % relation.encode(),
            )
        pieces += (
            before, number, judgement, entry.fields, b",", own.fields, page, number, thumb, number, original, number,
            b'","places":', own.places,
        )  # fmt: skip
        if folded:
            pieces.append(b',"folded_count":%d,"folded":[' % count)
            _write(folded, urls, pieces)
            pieces.append(b"]")
        else:
            pieces.append(b',"folded_count":%d,"folded":[]' % count)
        reasons = to_json(_rounded(why)) if why else b"{}"
        pieces += (b',"why":%b,"entry_more":%d' % (reasons, more), own.columns, entry.columns, b"}")
        before = b',{"image_id":"'
