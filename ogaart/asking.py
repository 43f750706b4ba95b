"""``ogaart search``: one question from a terminal, answered by the same service as the page's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from rich.table import Table as Grid

from ogaart.search.query import Query
from ogaart.search.records import hit_record
from ogaart.search.results import Results
from ogaart.search.service import SearchService
from ogaart.settings import Settings


@dataclass(frozen=True)
class Answer:
    """An answer, as records for machines and as a grid for people."""

    results: Results

    def records(self) -> list[dict[str, Any]]:
        """One object a hit; ids are strings."""
        return [hit_record(hit) for hit in self.results.hits]

    def grid(self) -> Grid:
        """A table of the hits."""
        verdict = self.results.verdict
        grid = Grid(box=None, pad_edge=False, title=verdict.text if verdict else None, title_justify="left")
        for name in ("likeness", "title", "author", "licences", "file", "entry"):
            grid.add_column(name, overflow="fold")
        for hit in self.results.hits:
            score = f"{hit.score:.0%}" if hit.score is not None else ""
            file = f"{hit.file}!/{hit.member_path}" if hit.member_path else hit.file
            licences = ", ".join(licence.name for licence in hit.licences)
            grid.add_row(score, hit.title, hit.author, licences, file, hit.page_url)
        return grid


def search(settings: Settings, question: str, limit: int) -> Answer:
    """Answer a picture's path or URL, an image_id, or words.

    Raises:
        NothingPublished: there is no publication yet.
        click.UsageError: the URL or file is no picture that can be read.
    """
    from ogaart.imaging.errors import Unreadable

    with SearchService(settings) as service:
        service.info()
        try:
            query = _query(service, question, limit)
        except Unreadable as cause:
            raise click.UsageError(f"{question}: {cause}") from cause
        return Answer(service.search(query))


def _query(service: SearchService, question: str, limit: int) -> Query:
    path = Path(question)
    if path.is_file():
        return Query(picture=service.see(path.read_bytes()), limit=limit)
    if question.startswith(("http://", "https://")):
        return Query(picture=service.see(service.fetch(question)), limit=limit)
    if question.isdigit() and service.hit(int(question)) is not None:
        return Query(likes=(int(question),), limit=limit)
    return Query(words=question, limit=limit)
