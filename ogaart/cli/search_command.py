"""``ogaart search``: one search from a terminal, with the results of the search page, here or from a server.

What a search here needs is imported where it runs: a search at a server starts without it.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from ogaart.settings import Settings

Pairs = Sequence[tuple[str, str]]
SECONDS = 60.0
UNAVAILABLE = 503
_COMMON = ("png", "jpg", "jpeg", "jfif", "gif", "webp", "bmp", "dib", "tga", "svg", "ico", "cur", "tif", "tiff", "dds")
_ENDINGS = frozenset([*_COMMON, "psd", "psb", "xcf", "ase", "aseprite", "kra", "ora", "pcx", "xpm"])
"""Endings of picture files: an argument with one of them means a file."""
_MARK = "\0"  # no argument of a process can hold it


class SearchCommand(click.Command):
    """A command whose arguments may begin with a minus, as words to leave out do, and whose help names parameters."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep ``-word`` from being read as an option."""
        help_names = ctx.help_option_names

        def is_word(text: str) -> bool:
            return text.startswith("-") and not text.startswith("--") and text != "-" and text not in help_names

        return super().parse_args(ctx, [f"{_MARK}{one}" if is_word(one) else one for one in args])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """The names that ``--where`` takes."""
        from ogaart.search.search_url import PARAMETERS

        with formatter.section("Parameters of --where"):
            formatter.write_dl([(row.name, row.help.replace("`", "")) for row in PARAMETERS if row.name != "upload"])


def complete_where(
    ctx: click.Context,  # noqa: ARG001 - click's
    param: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[CompletionItem]:
    """Names of parameters, and after the equals sign their values."""
    from ogaart.search.search_url import PARAMETERS

    name, equals, value = incomplete.partition("=")
    if not equals:
        return [CompletionItem(f"{row.name}=", help=row.help) for row in PARAMETERS if row.name.startswith(name)]
    choices = [one.value for row in PARAMETERS if name in row.names for one in row.kind.choices]
    return [CompletionItem(f"{name}={one}") for one in choices if one.startswith(value)]


def plain(text: str) -> str:
    """An argument or option as it was typed."""
    return text.removeprefix(_MARK)


@dataclass(frozen=True)
class Answer:
    """The results, as records for machines and as text for people; ``results`` is as the API's JSON."""

    results: Mapping[str, Any]

    def records(self) -> list[dict[str, Any]]:
        """One object a hit; ids are strings."""
        return list(self.results["hits"])

    def text(self) -> str:
        """The verdict and notes, then three lines a hit.

        Files and links have lines of their own, so that they can be copied from however narrow a terminal.
        """
        from ogaart.imaging.names import printable

        found = self.results
        lines = [found["verdict"]["text"]] if found["verdict"] else []
        lines += found["notes"]
        for one in found["unknown"]:
            near = f"; the nearest are {', '.join(one['nearest'])}" if one["nearest"] else ""
            lines.append(f"{one['name']}: nothing has {one['value']!r}{near}")
        if hiding := [one for one in found["hidden"] if one["count"]]:
            from ogaart.search.filters import FILTERS

            names = {row.field: row.name for row in FILTERS}
            looked_at = found["looked_at"]
            lines += [f"{names.get(one['name'], one['name'])} hides {one['count']} of {looked_at}" for one in hiding]
        proved = found.get("part_of", ())  # a server of before has none
        for part in proved or found.get("similar_cells", ()):
            place = part["place"]
            cell = f", column {part['column']}, row {part['row']}" if part["column"] is not None else ""
            what = "part of" if part.get("exact", True) else "near copy of a part of"
            what = what if proved else "like a part of"
            lines.append(f"{what}  {part['title']}, by {part['author']}: {', '.join(part['licences'])}")
            size = f"{place['width']} x {place['height']} pixels"
            lines.append(f"      x {place['x']}, y {place['y']}, {size}{cell}{_changes(part)}")
            lines += [*_file_of_part(part), f"      {part['page_url']}"]
        for part in found.get("contains", ()):
            lines.append(f"contains  {part['title']}, by {part['author']}: {', '.join(part['licences'])}")
            lines += _file_of_part(part)
            at = f"x {part['place']['x']}, y {part['place']['y']}"
            lines.append(f"      at {at}{_changes(part)}  {part['page_url']}")
        for hit in found["hits"]:
            score = f"{hit['score']:4.0%}" if hit["score"] is not None else "    "
            more = f" (+{hit['folded_count']})" if hit["folded_count"] else ""
            lines.append(f"{score}  {hit['title']}, by {hit['author']}: {', '.join(hit['licences'])}")
            lines += [f"      {_file(hit)}{more}", f"      {hit['page_url']}"]
        if not found["hits"]:
            lines.append("nothing found")
            if found["nearest_words"]:
                lines.append(f"words of the catalog that are near: {', '.join(found['nearest_words'])}")
        return "\n".join(map(printable, lines))


def _file(record: Mapping[str, Any]) -> str:
    """Where a picture is: its file, or the archive and its path there."""
    return f"{record['file']}!/{record['member_path']}" if record["member_path"] else str(record["file"])


def _changes(part: Mapping[str, Any]) -> str:
    """How a part is shown otherwise, behind its place; nothing from a server of before."""
    return "".join(f", {change}" for change in part.get("changes", ()))


def _file_of_part(part: Mapping[str, Any]) -> list[str]:
    """The line that names a part's file; none from a server of before."""
    return [f"      {_file(part)}"] if "file" in part else []


def search(
    settings: Settings | None, questions: tuple[str, ...], limit: int, pairs: Pairs = (), server: str | None = None
) -> Answer:
    """Search by pictures' paths or URLs, an image_id, or words.

    Args:
        settings: where the data are; unused with a server.
        questions: files are pictures, an image_id alone is a picture of the catalog, the rest are words. A tuple, since
            a string by itself would be taken for its letters.
        limit: hits.
        pairs: more parameters of the search, as in its URL, such as ``("use", "sell")``.
        server: URL of a search page to use instead of the data here.

    Raises:
        NothingPublished: there is no publication yet.
        IndexBroken, IndexUnreachable, EmbedderBroken, DecisionsUnreadable: the data here cannot be searched.
        click.UsageError: the search or a parameter is invalid, or a picture cannot be read or does not exist.
        click.ClickException: the server does not answer.
    """
    files = [("picture", path) for one in questions if (path := _picture(one)) is not None]
    files = [*files[:1], *(("like", path) for _, path in files[1:])]
    files += [(name, path) for name, value in pairs if (path := _example(name, value)) is not None]
    given = [(name, value) for name, value in pairs if _example(name, value) is None]
    words = " ".join(one for one in questions if _picture(one) is None)
    fields = [*given, ("limit", str(limit))]
    if server or settings is None:
        return Answer(_search_server((server or "").rstrip("/"), words, files, fields))
    return Answer(_search_here(settings, words, files, fields))


def _search_here(settings: Settings, words: str, files: Sequence[tuple[str, Path]], fields: Pairs) -> dict[str, Any]:
    from ogaart.cli.failures import exit_codes
    from ogaart.core.image_ids import parse_image_id
    from ogaart.search.engine.query_resolver import QueryResolver
    from ogaart.search.engine.service import SearchService
    from ogaart.search.engine.uploads import Uploads
    from ogaart.search.engine.visitors import LOCAL
    from ogaart.search.errors import InvalidParameter
    from ogaart.search.search_url import read_search_url
    from ogaart.search.web.problems import KNOWN, problem_of
    from ogaart.search.web.schemas.results import ResultsRecord

    try:
        read_search_url(fields, strict=True)  # before anything is opened
        with SearchService(settings) as service:
            service.info()
            uploads = Uploads(service)
            role = {"picture": "upload"}
            pairs = [(role.get(name, name), uploads.add(path.read_bytes(), LOCAL)) for name, path in files]
            if words:
                number = parse_image_id(words)
                pairs.append(("like" if number is not None and service.hit(number) is not None else "q", words))
            resolver = QueryResolver(service, uploads)
            address = resolver.read_links(read_search_url([*pairs, *fields], strict=True))
            if address.empty:
                raise InvalidParameter("the search is empty: pass words, a picture or an image_id")
            results = service.search(resolver.resolve(address, LOCAL).query)
            return ResultsRecord.of(results, following=None, upload=None).model_dump(mode="json")
    except KNOWN as cause:
        problem = problem_of(cause)
        if problem.status >= UNAVAILABLE and isinstance(cause, tuple(exit_codes())):
            raise  # what is wrong is not the search: its operator is the one who reads this
        raise _usage_error(words, files, problem.title, problem.detail, problem.way_out) from cause


def _search_server(server: str, words: str, files: Sequence[tuple[str, Path]], fields: Pairs) -> dict[str, Any]:
    import requests

    sent = [(name, (path.name, path.read_bytes())) for name, path in files]
    try:
        if words:
            known = words.isascii() and words.isdigit()
            known = known and requests.get(f"{server}/api/v1/images/{words}", timeout=SECONDS).ok
            fields = [("like" if known else "q", words), *fields]
        if sent:
            answer = requests.post(f"{server}/api/v1/search", data=list(fields), files=sent, timeout=SECONDS)
        else:
            answer = requests.get(f"{server}/api/v1/search", params=fields, timeout=SECONDS)
        found = answer.json()
    except (requests.RequestException, ValueError) as cause:
        raise click.ClickException(
            f"{server} does not answer as a search page does ({type(cause).__name__})"
        ) from cause
    if not answer.ok and isinstance(found, dict):
        said = (str(found.get(name, "")) for name in ("title", "detail", "way_out"))
        raise _usage_error(words, files, *said)
    if not isinstance(found, dict) or "hits" not in found:
        raise click.ClickException(f"{server} does not answer as a search page does (no hits)")
    return found


def _usage_error(
    words: str, files: Sequence[tuple[str, Path]], title: str, detail: str, way_out: str
) -> click.UsageError:
    """A problem of the search as this command tells it: its parameters are in its help, not on a page."""
    if title == "Invalid parameter":
        way_out = "Correct the parameter that is named; `ogaart search --help` lists all."
    return click.UsageError(f"{_shown(words, files)}{_sentence(detail)} {way_out}")


def _shown(words: str, files: Sequence[tuple[str, Path]]) -> str:
    """What was searched for, before a message."""
    text = " ".join([*(str(path) for _, path in files), *([words] if words else [])])
    return f"{text}: " if text else ""


def _sentence(text: str) -> str:
    """A text with a full stop, unless it ends as a sentence does."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def _example(name: str, value: str) -> Path | None:
    """The file that a further picture's value names, if it names one."""
    return _picture(value) if name in ("like", "unlike") else None


def _is_ending(ending: str) -> bool:
    """Whether a name's ending is a picture's, perhaps misspelled, as ``pgn`` and ``jpgg`` are."""
    if ending in _ENDINGS:
        return True
    swapped = any(sorted(ending) == sorted(one) for one in _COMMON)
    return swapped or bool(difflib.get_close_matches(ending, _COMMON, n=1, cutoff=0.8))


def _picture(question: str) -> Path | None:
    """The file that an argument means; None for words, links and ids.

    Raises:
        click.UsageError: it means a file, and there is none of that name.
    """
    path = Path(question)
    try:
        if path.is_file():
            return path
        folder = sorted(one.name for one in path.parent.iterdir()) if path.parent.is_dir() else []
    except OSError:  # longer than a file name may be: words
        return None
    link = question.lower().startswith(("http://", "https://"))
    if link or not _is_ending(path.suffix.removeprefix(".").lower()) or len(question.split()) > 1:
        return None
    near = difflib.get_close_matches(path.name, folder, n=2)
    meant = f" Did you mean {' or '.join(repr(str(path.parent / name)) for name in near)}?" if near else ""
    raise click.UsageError(f"there is no file {question!r}.{meant} To search for these words, use --where q={question}")
