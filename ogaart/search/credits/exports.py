"""Credits as files: text, Markdown, HTML, CSV and JSON. All texts of authors are escaped for their format. Pure."""

import csv
import html
import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass

from ogaart.search.credits.credits import Credits, Work

_MARKDOWN = re.compile(r"([\\`*_\[\]#|<>~&])")
_MARKDOWN_START = re.compile(r"^(\d*)([-+=.)])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # some spreadsheets take the wide ones too


@dataclass(frozen=True)
class Format:
    """One kind of export."""

    name: str
    media_type: str
    file_name: str
    render: Callable[[Credits], str]


def clean(text: str) -> str:
    """Text without control characters, and without those that reverse the direction of what follows."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _line(text: str) -> str:
    return " ".join(clean(text).split())


def licence_line(work: Work) -> str:
    """The licence relied on, and which others there are."""
    if work.relied_on is None:
        return "no licence stated: contact the author"
    others = [licence.name for licence in work.licences if licence != work.relied_on]
    also = f" (also offered: {', '.join(_line(name) for name in others)})" if others else ""
    link = f", {_line(work.relied_on.url)}" if work.relied_on.url else ""
    return f"{_line(work.relied_on.name)}{link}{also}{read_on(work)}"


def read_on(work: Work) -> str:
    """When the entry's page last stated its licences: authors may change them later."""
    return f", when read on {work.read_on}" if work.read_on and work.relied_on is not None else ""


def _names(work: Work) -> str:
    return ", ".join(_line(name) for name in work.authors)


def text(owed: Credits) -> str:
    """Plain text."""
    lines = ["Credits", "======="]
    for author in owed.authors:
        lines += ["", _line(author.name), "-" * min(len(_line(author.name)), 60)]
        for work in author.works:
            lines += ["", *(f"  {line}" for line in clean(work.text).split("\n"))]
            if work.own_notice:
                lines.append(f"    Entry: {_line(work.title)}, {work.page_url}")
            lines.append(f"    Licence relied on: {licence_line(work)}")
            lines.append(f"    Files: {', '.join(_line(name) for name in work.files)}")
    return "\n".join(lines) + "\n"


def _md(value: str) -> str:
    return _MARKDOWN.sub(r"\\\1", _line(value))


def _md_line(value: str) -> str:
    """A line of its own: what would begin a list, a rule or a heading at its start is text as well."""
    return _MARKDOWN_START.sub(r"\1\\\2", _md(value))


def _md_link(label: str, url: str) -> str:
    safe = re.sub(r"[\s<>\\]", lambda found: f"%{ord(found[0]):02X}", clean(url))
    return f"[{_md(label)}](<{safe}>)" if url.startswith(("http://", "https://")) else _md(label)


def markdown(owed: Credits) -> str:
    """Markdown, with every name and notice as the literal text it is."""
    lines = ["# Credits"]
    for author in owed.authors:
        lines += ["", f"## {_md(author.name)}", ""]
        for work in author.works:
            lines.append(f"- **{_md_link(work.title, work.page_url)}** by {_md(_names(work))}")
            if work.own_notice:
                # A backslash keeps the author's lines apart.
                lines += ["  > " + "\\\n  > ".join(_md_line(line) for line in clean(work.text).strip().split("\n")), ""]
            relied = _md_link(work.relied_on.name, work.relied_on.url) if work.relied_on else "none stated"
            others = [_md(one.name) for one in work.licences if one != work.relied_on]
            lines.append(
                f"  - Licence relied on: {relied}"
                + (f" (also offered: {', '.join(others)})" if others else "")
                + read_on(work)
            )
            lines.append(f"  - Files: {', '.join(_md(name) for name in work.files)}")
    return "\n".join(lines) + "\n"


def _h(value: str) -> str:
    return html.escape(_line(value), quote=True)


def _h_link(label: str, url: str) -> str:
    if not url.startswith(("http://", "https://")):
        return _h(label)
    return f'<a href="{html.escape(clean(url), quote=True)}" rel="noopener">{_h(label)}</a>'


def page(owed: Credits) -> str:
    """A complete HTML page."""
    out = ['<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Credits</title>\n<h1>Credits</h1>']
    for author in owed.authors:
        out.append(f"<h2>{_h(author.name)}</h2>\n<ul>")
        for work in author.works:
            relied = _h_link(work.relied_on.name, work.relied_on.url) if work.relied_on else "none stated"
            others = [_h(one.name) for one in work.licences if one != work.relied_on]
            own = ""
            if work.own_notice:
                own = f"<blockquote>{html.escape(clean(work.text)).replace(chr(10), '<br>')}</blockquote>"
            out.append(
                f"<li><cite>{_h_link(work.title, work.page_url)}</cite> by {_h(_names(work))}{own}"
                f"<br>Licence relied on: {relied}{' (also offered: ' + ', '.join(others) + ')' if others else ''}"
                f"{read_on(work)}"
                f"<br>Files: {', '.join(_h(name) for name in work.files)}</li>"
            )
        out.append("</ul>")
    return "\n".join(out) + "\n</html>\n"


def _cell(value: str) -> str:
    # A spreadsheet would run a title that begins like a formula.
    value = clean(value)
    return f"'{value}" if value.startswith(_FORMULA) else value


def table(owed: Credits) -> str:
    """CSV: one row a picture, ids as text."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(
        ["image_id", "author", "title", "page_url", "licence", "licence_url", "licences_offered", "file", "member_path",
         "attribution", "collaborators", "licence_read_on"]
    )  # fmt: skip
    for work in owed.works:
        relied = work.relied_on
        for hit in work.pictures:
            offered = ", ".join(licence.name for licence in work.licences)
            row = [str(hit.image_id), work.author, work.title, work.page_url, relied.name if relied else "",
                   relied.url if relied else "", offered, hit.file, hit.member_path, work.text,
                   "; ".join(work.collaborators), work.read_on]  # fmt: skip
            writer.writerow([_cell(value) for value in row])
    return out.getvalue()


def records(owed: Credits) -> str:
    """JSON: authors with their works and pictures; ids as strings."""
    found = [
        {
            "author": author.name,
            "works": [
                {
                    "slug": work.slug,
                    "title": work.title,
                    "page_url": work.page_url,
                    "attribution": work.text,
                    "collaborators": list(work.collaborators),
                    "own_notice": work.own_notice,
                    "licence": work.relied_on.name if work.relied_on else None,
                    "licence_url": work.relied_on.url if work.relied_on else None,
                    "spdx": work.known.spdx if work.known else None,
                    "licence_read_on": work.read_on or None,
                    "licences_offered": [licence.name for licence in work.licences],
                    "pictures": [
                        {"image_id": str(hit.image_id), "file": hit.file, "member_path": hit.member_path}
                        for hit in work.pictures
                    ],
                }
                for work in author.works
            ],
        }
        for author in owed.authors
    ]
    return json.dumps({"credits": found}, ensure_ascii=False, indent=2) + "\n"


FORMATS: dict[str, Format] = {
    one.name: one
    for one in (
        Format("text", "text/plain; charset=utf-8", "CREDITS.txt", text),
        Format("markdown", "text/markdown; charset=utf-8", "CREDITS.md", markdown),
        Format("html", "text/html; charset=utf-8", "credits.html", page),
        Format("csv", "text/csv; charset=utf-8", "credits.csv", table),
        Format("json", "application/json", "credits.json", records),
    )
}
