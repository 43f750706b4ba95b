"""One page of results: hits, verdict, and what to know about them."""

from dataclasses import replace
from typing import Self

from pydantic import Field
from pydantic_core import to_json

from ogaart.search.filters import BY_FIELD
from ogaart.search.results import Info, Relation, Results
from ogaart.search.web.schemas.base import Record
from ogaart.search.web.schemas.hits import HitRecord, judged_json, write_hits
from ogaart.search.web.schemas.parts import SharedPartRecord


class VerdictRecord(Record):
    """Whether the picture of the search was found."""

    relation: Relation
    text: str


class HiddenCountRecord(Record):
    """How many hits one filter hides: those that appear when it alone is removed."""

    name: str
    count: int = Field(ge=0)


class UnknownValueRecord(Record):
    """A value of a filter that nothing has."""

    name: str = Field(description="The parameter.")
    value: str
    nearest: list[str] = Field(description="Values that something has, the nearest first.")


class TagCountRecord(Record):
    """A tag, and how many pictures have it."""

    tag: str
    count: int = Field(ge=0)


class InfoRecord(Record):
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


class ResultsRecord(Record):
    """One page of an answer."""

    verdict: VerdictRecord | None
    part_of: list[SharedPartRecord] = Field(
        default=[], description="Pictures of which the picture sent is a part: sheets, for example. First page only."
    )
    contains: list[SharedPartRecord] = Field(
        default=[], description="Known pictures that are in the picture sent, each with its licence. First page only."
    )
    similar_cells: list[SharedPartRecord] = Field(
        default=[], description="Sheets of which a part is like the picture sent, but no copy of it. First page only."
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
    def json_of(cls, results: Results, *, following: str | None, upload: str | None, base: str = "") -> bytes:
        """The JSON of the record of results.

        Args:
            results: the answer.
            following: URL of the next page.
            upload: token of the picture sent.
            base: the server's URL, before the paths on it.
        """
        record = cls.of(replace(results, hits=()), following=following, upload=upload, base=base)
        rest = record.model_dump(by_alias=True)
        written = results.written if results.written is not None else [judged_json(hit) for hit in results.hits]
        hits = write_hits(written, to_json(base)[1:-1])
        before = {name: rest.pop(name) for name in tuple(rest)[: tuple(rest).index("hits")]}
        del rest["hits"]
        return b'%b,"hits":[%b],%b' % (to_json(before)[:-1], hits, to_json(rest)[1:])

    @classmethod
    def of(cls, results: Results, *, following: str | None, upload: str | None, base: str = "") -> Self:
        """The record of results; arguments as of ``json_of``."""
        verdict = results.verdict
        return cls(
            verdict=VerdictRecord(relation=verdict.relation, text=verdict.text) if verdict else None,
            part_of=[SharedPartRecord.of(part, base) for part in results.part_of],
            contains=[SharedPartRecord.of(part, base) for part in results.contains],
            similar_cells=[SharedPartRecord.of(part, base) for part in results.similar_cells],
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
