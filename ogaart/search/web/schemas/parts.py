"""A picture that contains the picture sent, or is contained in it, with the place."""

from typing import Self

from pydantic import Field

from ogaart.likeness.orientations import MIRRORED
from ogaart.search.results import SharedPart
from ogaart.search.web.schemas.base import Record


class PlaceRecord(Record):
    """Where a part is in the picture that contains it, in pixels."""

    x: int
    y: int
    width: int
    height: int


class SharedPartRecord(Record):
    """A picture of which the picture sent is a part, or which is a part of it."""

    image_id: str
    title: str
    author: str
    slug: str
    licences: list[str]
    attribution: str
    page_url: str
    file: str = Field(description="Of the entry.")
    member_path: str = Field(description="Its path in that file; empty: the file itself.")
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
    changes: list[str] = Field(
        description="How the picture sent shows the part otherwise: mirrored, turned, enlarged or reduced, in words."
    )
    share: float = Field(
        description="Share of the part's patches of 6 x 6 pixels that agree; where not exact, closeness of miniatures."
    )
    exact: bool = Field(default=True, description="Proved by exact pixels; else a cell of a sheet looks like it.")

    @classmethod
    def of(cls, part: SharedPart, base: str = "") -> Self:
        """The record of a part; ``base`` is the server's URL, before the paths on it."""
        hit = part.hit
        column, row = part.cell or (None, None)
        return cls(
            image_id=str(hit.image_id), title=hit.title, author=hit.author, slug=hit.slug,
            licences=[licence.name for licence in hit.licences], attribution=hit.attribution, page_url=hit.page_url,
            file=hit.file, member_path=hit.member_path,
            url=f"{base}{hit.url}", thumb_url=f"{base}{hit.thumb_url}", width=hit.width, height=hit.height,
            place=PlaceRecord(**part.place._asdict()), column=column, row=row, scale=part.scale,
            quarter_turns=part.orientation % MIRRORED, mirrored=part.orientation >= MIRRORED,
            changes=list(part.changes), share=round(part.share, 4), exact=part.exact,
        )  # fmt: skip
