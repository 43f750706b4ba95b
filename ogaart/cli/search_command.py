"""``ogaart search``: one search from a terminal, with the results of the search page, here or from a server."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import requests

from ogaart.core.image_ids import parse_image_id
from ogaart.imaging.names import printable
from ogaart.search.engine.query_resolver import QueryResolver
from ogaart.search.engine.service import SearchService
from ogaart.search.engine.uploads import Uploads
from ogaart.search.engine.visitors import LOCAL
from ogaart.search.errors import InvalidParameter, NothingPublished
from ogaart.search.search_url import NAMES, read_search_url, unknown_parameter
from ogaart.search.web.problems import KNOWN, problem_of
from ogaart.search.web.schemas import ResultsRecord
from ogaart.settings import Settings

Pairs = Sequence[tuple[str, str]]
SECONDS = 60.0


@dataclass(frozen=True)
class Answer:
    """The results, as records for machines and as text for people."""

    results: ResultsRecord

    def records(self) -> list[dict[str, Any]]:
        """One object a hit; ids are strings."""
        return [hit.model_dump(mode="json") for hit in self.results.hits]

    def text(self) -> str:
        """The verdict and notes, then three lines a hit.

        Files and links have lines of their own, so that they can be copied from however narrow a terminal.
        """
        verdict = self.results.verdict
        lines = [*([verdict.text] if verdict else []), *self.results.notes]
        lines += [
            f"{one.name} hides {one.count} of {self.results.looked_at}" for one in self.results.hidden if one.count
        ]
        for hit in self.results.hits:
            score = f"{hit.score:4.0%}" if hit.score is not None else "    "
            file = f"{hit.file}!/{hit.member_path}" if hit.member_path else hit.file
            more = f" (+{hit.folded_count})" if hit.folded_count else ""
            lines.append(f"{score}  {hit.title}, by {hit.author}: {', '.join(hit.licences)}")
            lines += [f"      {file}{more}", f"      {hit.page_url}"]
        return "\n".join(map(printable, lines or ["nothing found"]))


def search(settings: Settings, question: str, limit: int, pairs: Pairs = (), server: str | None = None) -> Answer:
    """Search by a picture's path or URL, an image_id, or words.

    Args:
        settings: where the data are.
        question: the search.
        limit: hits.
        pairs: more parameters of the search, as in its URL, such as ``("use", "sell")``.
        server: URL of a search page to use instead of the data here.

    Raises:
        NothingPublished: there is no publication yet.
        click.UsageError: the search or a parameter is invalid, or the picture cannot be read.
        click.ClickException: the server does not answer.
    """
    if unknown := next((name for name, _ in pairs if name not in NAMES), None):
        raise click.UsageError(str(unknown_parameter(unknown)))
    given = [*pairs, ("limit", str(limit))]
    if server is not None:
        return Answer(_search_server(server.rstrip("/"), question, given))
    try:
        return Answer(_search_here(settings, question, given))
    except NothingPublished:
        raise
    except KNOWN as cause:
        problem = problem_of(cause)
        raise click.UsageError(f"{question}: {problem.detail}. {problem.way_out}") from cause


def _search_here(settings: Settings, question: str, pairs: Pairs) -> ResultsRecord:
    path = _picture(question)
    with SearchService(settings) as service:
        service.info()
        uploads = Uploads(service)
        pairs = [
            (name, uploads.add(file.read_bytes(), LOCAL) if (file := _example(name, value)) is not None else value)
            for name, value in pairs
        ]
        if path is not None:
            meant = ("upload", uploads.add(path.read_bytes(), LOCAL))
        else:
            number = parse_image_id(question)
            meant = ("like" if number is not None and service.hit(number) is not None else "q", question)
        resolver = QueryResolver(service, uploads)
        address = resolver.read_links(read_search_url([meant, *pairs]))
        if address.empty:
            raise InvalidParameter("the search is empty: pass words, a picture or an image_id")
        return ResultsRecord.of(service.search(resolver.resolve(address, LOCAL).query), following=None, upload=None)


def _search_server(server: str, question: str, pairs: Pairs) -> ResultsRecord:
    path = _picture(question)
    try:
        files = [(name, (file.name, file.read_bytes())) for name, value in pairs if (file := _example(name, value))]
        fields = [(name, value) for name, value in pairs if _example(name, value) is None]
        if path is not None:
            files.append(("picture", (path.name, path.read_bytes())))
        else:
            known = parse_image_id(question) is not None
            known = known and requests.get(f"{server}/api/v1/images/{question}", timeout=SECONDS).ok
            fields.insert(0, ("like" if known else "q", question))
        if files:
            answer = requests.post(f"{server}/api/v1/search", data=fields, files=files, timeout=SECONDS)
        else:
            answer = requests.get(f"{server}/api/v1/search", params=fields, timeout=SECONDS)
        found = answer.json()
    except (requests.RequestException, ValueError) as cause:
        raise click.ClickException(
            f"{server} does not answer as a search page does ({type(cause).__name__})"
        ) from cause
    if not answer.ok:
        raise click.UsageError(f"{question}: {found.get('detail')}. {found.get('way_out')}")
    return ResultsRecord.model_validate(found)


def _example(name: str, value: str) -> Path | None:
    """The file that a further picture's value names, if it names one."""
    return _picture(value) if name in ("like", "unlike") else None


def _picture(question: str) -> Path | None:
    path = Path(question)
    try:
        return path if path.is_file() else None
    except OSError:  # longer than a file name may be: words
        return None
