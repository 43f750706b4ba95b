"""Queries of the site: ``queries.toml`` to typed queries, and their parameters of the search URL."""

import re
import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

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


PAGE_SIZE = 144  # the most the site gives on one result page


_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


class BadQueries(ValueError):
    """queries.toml says something that cannot be asked of the site."""


class Query(BaseModel):
    """One query of the site's advanced search, always sorted by date, oldest first."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    art_types: tuple[str, ...] = ("2D Art",)
    licences: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    tags_op: str = Field("or", pattern="^(or|and|not)$")
    keys: str = ""
    title: str = ""
    user: str = ""
    per_page: int = Field(PAGE_SIZE, ge=1, le=PAGE_SIZE)

    @field_validator("name")
    @classmethod
    def _plain_name(cls, value: str) -> str:
        if not _NAME.fullmatch(value):
            raise ValueError(
                f"query name {value!r}: 1 to 40 of a-z, 0-9, '-' and '_', beginning with a letter or digit"
            )
        return value

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


def load_queries(path: Path) -> dict[str, Query]:
    """Read queries.toml.

    Args:
        path: the file.

    Returns:
        The queries by name.

    Raises:
        BadQueries: the file is missing, is no TOML, or holds a query that cannot be asked.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadQueries(f"no file {path}: set OGAART_QUERIES, or run in the project's folder") from None
    except tomllib.TOMLDecodeError as cause:
        raise BadQueries(f"{path}: {cause}") from cause
    queries: dict[str, Query] = {}
    for number, entry in enumerate(content.get("query", []), start=1):
        try:
            query = Query.model_validate(entry)
        except ValidationError as cause:
            raise BadQueries(f"{path}, query {number}: {cause}") from cause
        if query.name in queries:
            raise BadQueries(f"{path}: two queries are named {query.name!r}")
        queries[query.name] = query
    if not queries:
        raise BadQueries(f"{path} has no [[query]]: add one, such as name = '2d-art', art_types = ['2D Art']")
    return queries
