"""One picture with all that is known of it: the history of its licences, its cells, its family."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Self

from pydantic import Field

from ogaart.search.engine.kinship import Kinship, Relative
from ogaart.search.results import Hit, LicenceStatement
from ogaart.search.web.schemas.base import Record
from ogaart.search.web.schemas.hits import HitRecord
from ogaart.search.web.schemas.parts import SharedPartRecord


class LicenceStatementRecord(Record):
    """What the entry's page has said of its licences, from one read of it to another."""

    licences: list[str]
    first_read_at: str
    last_read_at: str = Field(description="When the site last served or confirmed the page with these licences.")
    changed_at: str = Field(description="When it was first read with other ones; empty where these are current.")


class CellRecord(Record):
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


class RelativeRecord(Record):
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
