"""Queries of OpenGameArt's advanced search, and their parameters of its URL."""

from pydantic import Field, field_validator

from ogaart.sites.base import SiteQuery
from ogaart.sites.opengameart.urls import MOST_PER_PAGE

ART_TYPES = {
    "2D Art": 9, "3D Art": 10, "Concept Art": 7273, "Texture": 14,
    "Music": 12, "Sound Effect": 13, "Document": 11,
}  # fmt: skip
"""The site's term ids of its art types (its search form)."""

LICENCE_TERMS = {
    "CC0": 4, "CC-BY 3.0": 2, "CC-BY 4.0": 17981, "CC-BY-SA 3.0": 3, "CC-BY-SA 4.0": 17982,
    "OGA-BY 3.0": 10310, "OGA-BY 4.0": 31772, "GPL 3.0": 6, "GPL 2.0": 5, "LGPL 3.0": 8, "LGPL 2.1": 7,
}  # fmt: skip
"""The site's term ids of its licences (its search form)."""


class OpenGameArtQuery(SiteQuery):
    """One query of the site's advanced search, always sorted by date, oldest first."""

    per_page: int = Field(MOST_PER_PAGE, ge=1, le=MOST_PER_PAGE)
    art_types: tuple[str, ...] = ("2D Art",)
    licences: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    tags_op: str = Field("or", pattern="^(or|and|not)$")
    keys: str = ""
    title: str = ""
    user: str = ""

    @field_validator("keys")
    @classmethod
    def _long_enough(cls, value: str) -> str:
        if value and len(value) < 3:
            raise ValueError(f"keys {value!r}: the site refuses words of fewer than 3 characters")
        return value

    @field_validator("art_types", "licences")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = ART_TYPES | LICENCE_TERMS
        for name in value:
            if name not in known:
                raise ValueError(f"{name!r} is not a name of the site: choose from {', '.join(known)}")
        return value

    @property
    def params(self) -> tuple[tuple[str, str], ...]:
        """The query's own parameters of the search URL, in a fixed order."""
        found = [("field_art_type_tid[]", str(ART_TYPES[a])) for a in self.art_types]
        found += [("field_art_licenses_tid[]", str(LICENCE_TERMS[licence])) for licence in self.licences]
        if self.tags:
            found += [("field_art_tags_tid_op", self.tags_op), ("field_art_tags_tid", ",".join(self.tags))]
        found += [(k, v) for k, v in (("keys", self.keys), ("title", self.title), ("name", self.user)) if v]
        return tuple(found)
