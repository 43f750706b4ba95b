"""Answers as JSON: the types that API, command line and exports share, and from which OpenAPI is made.

An image_id is a string everywhere: JavaScript rounds such numbers.
"""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Self
from urllib.parse import urlencode

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from ogaart.likeness.orientations import MIRRORED
from ogaart.resources.storage.schema import ENTRIES, IMAGES
from ogaart.search.engine.kinship import Kinship, Relative
from ogaart.search.engine.suggestions import Suggestion, SuggestionKind
from ogaart.search.filters import BY_FIELD
from ogaart.search.results import Hit, Info, LicenceStatement, Occurrence, Relation, Results, SharedPart
from ogaart.search.web.template_filters import page_path


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class OccurrenceRecord(_Record):
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
        fields = {name: getattr(place, name) for name in cls.model_fields if name not in ("image_id", "licences")}
        return cls(image_id=str(place.image_id), licences=list(place.licences), **fields)


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


class LicenceStatementRecord(_Record):
    """What the entry's page has said of its licences, from one read of it to another."""

    licences: list[str]
    first_read_at: str
    last_read_at: str = Field(description="When the site last served or confirmed the page with these licences.")
    changed_at: str = Field(description="When it was first read with other ones; empty where these are current.")


class HitRecord(_Record):
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
        made = {
            "url": f"{base}{hit.url}",
            "thumb_url": f"{base}{hit.thumb_url}",
            "original_url": f"{base}{hit.original_url}",
            "image_id": str(hit.image_id),
            "score": None if hit.score is None else round(hit.score, 4),
            "licences": [licence.name for licence in hit.licences],
            "licence_urls": [licence.url for licence in hit.licences],
            "collaborators": list(hit.collaborators),
            "tags": list(hit.tags),
            "palette": list(hit.palette),
            "places": [OccurrenceRecord.of(place) for place in hit.places],
            "why": {side: round(value, 3) for side, value in hit.why.items()},
            "folded": [HitRecord.of(other, base) for other in hit.folded],
        }
        made |= {name: value for name, value in hit.columns.items() if name not in cls.model_fields}
        return cls(**{name: getattr(hit, name) for name in cls.model_fields if name not in made}, **made)


class CellRecord(_Record):
    """A part of a sprite sheet or tile set."""

    number: int = Field(description="Zero-based place among the sheet's cells.")
    x: int = Field(description="Left edge, in pixels of the picture.")
    y: int = Field(description="Upper edge.")
    width: int
    height: int
    kind: str = Field(description="What it was found by: named (an atlas), grid, strip or loose.")
    name: str = Field(description="Its name in the atlas; empty where it has none.")
    confidence: float = Field(description="0 to 1; 1 where an atlas names it.")
    source: str = Field(description="The atlas; empty where the cell was recognised in the picture.")


class RelativeRecord(_Record):
    """Another picture that shows the same, in this entry or another."""

    image_id: str
    kind: str = Field(description="How it is the same: pixels, copy, size, format (same name) or recolour.")
    evidence: float = Field(description="0 to 1; 1 for equal pixels.")
    slug: str
    title: str
    author: str
    licences: list[str] = Field(description="Any one of them may be chosen.")
    page_url: str = Field(description="The entry on its site.")
    width: int
    height: int
    format: str
    url: str = Field(description="Its page here.")
    thumb_url: str

    @classmethod
    def of(cls, relative: Relative, base: str = "") -> Self:
        """The record of a relative; ``base`` is the server's URL, before the paths on it."""
        hit = relative.hit
        same = ("slug", "title", "author", "page_url", "width", "height", "format")
        return cls(
            image_id=str(hit.image_id),
            kind=relative.kind,
            evidence=round(relative.evidence, 3),
            licences=[licence.name for licence in hit.licences],
            url=f"{base}{hit.url}",
            thumb_url=f"{base}{hit.thumb_url}",
            **{name: getattr(hit, name) for name in same},
        )


class PlaceRecord(_Record):
    """Where a part is in the picture that contains it, in pixels."""

    x: int
    y: int
    width: int
    height: int


class SharedPartRecord(_Record):
    """A picture of which the picture sent is a part, or which is a part of it; proved by exact pixels."""

    image_id: str
    title: str
    author: str
    slug: str
    licences: list[str]
    attribution: str
    page_url: str
    url: str = Field(description="Its page here.")
    thumb_url: str
    width: int = Field(description="Of that picture.")
    height: int
    place: PlaceRecord = Field(description="In `part_of` in that picture, in `contains` in the picture sent.")
    column: int | None = Field(description="From 1, where the place is a cell of that picture's grid.")
    row: int | None
    scale: float = Field(description="By how much the picture sent shows the part larger than that picture does.")
    quarter_turns: int = Field(description="By which the picture sent is turned, against the clock, to match.")
    mirrored: bool
    share: float = Field(description="Share of the part's patches of 6 x 6 pixels that agree.")

    @classmethod
    def of(cls, part: SharedPart, base: str = "") -> Self:
        """The record of a part; ``base`` is the server's URL, before the paths on it."""
        hit = part.hit
        column, row = part.cell or (None, None)
        return cls(
            image_id=str(hit.image_id), title=hit.title, author=hit.author, slug=hit.slug,
            licences=[licence.name for licence in hit.licences], attribution=hit.attribution, page_url=hit.page_url,
            url=f"{base}{hit.url}", thumb_url=f"{base}{hit.thumb_url}", width=hit.width, height=hit.height,
            place=PlaceRecord(**part.place._asdict()), column=column, row=row, scale=part.scale,
            quarter_turns=part.orientation % MIRRORED, mirrored=part.orientation >= MIRRORED,
            share=round(part.share, 4),
        )  # fmt: skip


class ImageRecord(HitRecord):
    """One picture of one entry, with the history of its licences and what belongs to it."""

    licence_history: list[LicenceStatementRecord] = Field(description="The current statement first.")
    cells: list[CellRecord] = Field(description="The parts of a sheet, row by row; empty for another picture.")
    animation: list[str] = Field(description="Ids of the frames of its animation, in order; empty where it is in none.")
    family: list[RelativeRecord] = Field(description="Other pictures that show the same; of other entries first.")
    part_of: list[SharedPartRecord] = Field(description="Pictures that contain it, by exact pixels.")
    contains: list[SharedPartRecord] = Field(description="Pictures that it contains, by exact pixels.")

    @classmethod
    def with_history(cls, hit: Hit, history: Sequence[LicenceStatement], kinship: Kinship, base: str = "") -> Self:
        """The record of a hit, its entry's licence history, and what belongs to it."""
        return cls(
            **HitRecord.of(hit, base).model_dump(),
            licence_history=[{**asdict(one), "licences": list(one.licences)} for one in history],
            cells=[asdict(cell) for cell in kinship.cells],
            animation=[str(frame) for frame in kinship.frames],
            family=[RelativeRecord.of(relative, base) for relative in kinship.family],
            part_of=[SharedPartRecord.of(part, base) for part in kinship.part_of],
            contains=[SharedPartRecord.of(part, base) for part in kinship.contains],
        )


class VerdictRecord(_Record):
    """Whether the picture of the search was found."""

    relation: Relation
    text: str


class HiddenCountRecord(_Record):
    """How many hits one filter hides: those that appear when it alone is removed."""

    name: str
    count: int = Field(ge=0)


class UnknownValueRecord(_Record):
    """A value of a filter that nothing has."""

    name: str = Field(description="The parameter.")
    value: str
    nearest: list[str] = Field(description="Values that something has, the nearest first.")


class TagCountRecord(_Record):
    """A tag, and how many pictures have it."""

    tag: str
    count: int = Field(ge=0)


class SuggestionRecord(_Record):
    """One thing to search for."""

    kind: SuggestionKind
    text: str = Field(description="As it is shown.")
    value: str = Field(description="What to search for: as `q` for a word, else as the filter of that kind.")
    count: int = Field(ge=0, description="Pictures that it finds.")
    url: str = Field(description="The search.")
    page_url: str = Field(description="The page of that entry, author or tag; of a word the search.")
    thumb_url: str = Field(description="One of the pictures.")

    @classmethod
    def of(cls, one: Suggestion, base: str) -> Self:
        """The record of a suggestion."""
        url = f"{base}/search?{urlencode([('q' if one.kind == 'word' else str(one.kind), one.value)])}"
        return cls(
            kind=one.kind,
            text=one.text,
            value=one.value,
            count=one.count,
            url=url,
            page_url=url if one.kind == "word" else f"{base}{page_path(one.kind, one.value)}",
            thumb_url=f"{base}{one.thumb_url}",
        )


class SuggestionsRecord(_Record):
    """What a visitor may be typing, words first."""

    suggestions: list[SuggestionRecord]


class InfoRecord(_Record):
    """What is searched."""

    generation: int = Field(description="Number of the publication.")
    images: int = Field(ge=0)
    entries: int = Field(ge=0)
    model: str
    space: str = Field(description="Model, weights and preparation: scores of different spaces do not compare.")
    built_at: str
    newest_fetch: str = Field(description="When the newest of its pages was read from the site.")

    @classmethod
    def of(cls, info: Info) -> Self:
        """The record of a generation."""
        return cls(**{name: getattr(info, name) for name in cls.model_fields})


class ResultsRecord(_Record):
    """One page of an answer."""

    verdict: VerdictRecord | None
    part_of: list[SharedPartRecord] = Field(
        default=[], description="Pictures of which the picture sent is a part: sheets, for example. First page only."
    )
    contains: list[SharedPartRecord] = Field(
        default=[], description="Known pictures that are in the picture sent, each with its licence. First page only."
    )
    credits: str | None = Field(default=None, description="The credits of all pictures that it contains.")
    hits: list[HitRecord]
    total: int | None = Field(
        ge=0, description="Different pictures in all, as `fold=no` lists them; known for words and filters only."
    )
    more: bool = Field(description="Whether there is a next page.")
    next: str | None = Field(description="URL of the next page.")
    hidden: list[HiddenCountRecord]
    looked_at: int = Field(ge=0, description="Number of hits that the hidden counts refer to.")
    did_you_mean: str = Field(description="The words as they are usually spelled, where that differs.")
    nearest_words: list[str] = Field(description="Words of the catalog near those of a search that finds nothing.")
    popular_tags: list[TagCountRecord] = Field(description="For a search that finds nothing.")
    unknown: list[UnknownValueRecord] = Field(description="Values of filters that nothing has.")
    notes: list[str] = Field(description="What to know about this answer, as sentences.")
    upload: str | None = Field(description="Token of the picture sent: pass it as `upload` within one hour.")
    info: InfoRecord
    milliseconds: float

    @classmethod
    def of(cls, results: Results, *, following: str | None, upload: str | None, base: str = "") -> Self:
        """The record of results; ``base`` is the server's URL, before the paths on it."""
        verdict = results.verdict
        return cls(
            verdict=VerdictRecord(relation=verdict.relation, text=verdict.text) if verdict else None,
            part_of=[SharedPartRecord.of(part, base) for part in results.part_of],
            contains=[SharedPartRecord.of(part, base) for part in results.contains],
            credits=f"{base}{results.credits_path}" if results.credits_path else None,
            hits=[HitRecord.of(hit, base) for hit in results.hits],
            total=results.total,
            more=results.more,
            next=following if results.more else None,
            hidden=[HiddenCountRecord(name=one.name, count=one.count) for one in results.hidden],
            looked_at=results.looked_at,
            did_you_mean=results.did_you_mean,
            nearest_words=list(results.nearest_words),
            popular_tags=[TagCountRecord(tag=tag, count=count) for tag, count in results.popular_tags],
            unknown=[
                UnknownValueRecord(name=BY_FIELD[one.field].name, value=one.value, nearest=list(one.nearest))
                for one in results.unknown
            ],
            notes=list(results.notes),
            upload=upload,
            info=InfoRecord.of(results.info),
            milliseconds=round(results.milliseconds, 2),
        )


class ProblemRecord(_Record):
    """What went wrong (RFC 9457), and what to do."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    way_out: str = Field(description="What to do next.")
