"""What a visitor may be typing."""

from typing import Self
from urllib.parse import urlencode

from pydantic import Field

from ogaart.search.engine.suggestions import Suggestion, SuggestionKind
from ogaart.search.page_paths import page_path
from ogaart.search.web.schemas.base import Record


class SuggestionRecord(Record):
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


class SuggestionsRecord(Record):
    """What a visitor may be typing, words first."""

    suggestions: list[SuggestionRecord]
