"""The site's pages as HTML: search results, entries, and what is served where neither is."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode

import jinja2

from ogaart.demo.model import FILES, OGA, DemoContent, DemoEntry

ART_TYPES = {
    "2D Art": 9, "3D Art": 10, "Concept Art": 7273, "Texture": 14, "Music": 12, "Sound Effect": 13, "Document": 11,
}  # fmt: skip
LICENCES = {
    "CC0": 4, "CC-BY 3.0": 2, "CC-BY 4.0": 17981, "CC-BY-SA 3.0": 3, "CC-BY-SA 4.0": 17982, "OGA-BY 3.0": 10310,
    "OGA-BY 4.0": 31772, "GPL 3.0": 6, "GPL 2.0": 5, "LGPL 3.0": 8, "LGPL 2.1": 7,
}  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
# The site takes the type from the extension, never from the content.
_MIMES = {
    "png": "image/png", "gif": "image/gif", "jpg": "image/jpeg", "bmp": "image/x-ms-bmp", "svg": "image/svg+xml",
    "tga": "image/x-targa", "webp": "image/webp", "zip": "application/zip", "rar": "application/rar",
    "7z": "application/x-7z-compressed", "gz": "application/x-gzip", "bz2": "application/x-bzip", "ogg": "audio/ogg",
}  # fmt: skip
MIN_KEYS = 3
_COMMON = "html not-front not-logged-in no-sidebars page-"


@dataclass(frozen=True)
class DemoSearch:
    """A request for search results, from the parameters that the site knows."""

    params: tuple[tuple[str, str], ...]

    @classmethod
    def of_query(cls, query: str) -> "DemoSearch":
        """Read the query part of a URL."""
        return cls(tuple(parse_qsl(query, keep_blank_values=True)))

    def one(self, name: str, default: str = "") -> str:
        """Return the last value of a parameter."""
        return dict(self.params).get(name, default)

    def many(self, name: str) -> set[str]:
        """Return the values of a parameter written as ``name[]`` or ``name[0]``, blank ones left out."""
        return {value for key, value in self.params if key.partition("[")[0] == name and value}

    def number(self, name: str, default: int) -> int:
        """Return a parameter as a number; the default where it is none."""
        value = self.one(name)
        return int(value) if value.isascii() and value.isdigit() else default

    @property
    def refused(self) -> bool:
        """Whether the site answers with a message instead of results."""
        return 0 < len(self.one("keys").strip()) < MIN_KEYS

    def results(self, site: DemoContent) -> list[DemoEntry]:
        """Return all results in order; none where the keyword is refused."""
        found = [] if self.refused else [entry for entry in site.by_age() if self._matches(entry)]
        if self.one("sort_by", "created") == "count":
            found.sort(key=lambda entry: entry.favourites)
        return found if self.one("sort_order", "DESC") == "ASC" else found[::-1]

    def _matches(self, entry: DemoEntry) -> bool:
        types, licences = self.many("field_art_type_tid"), self.many("field_art_licenses_tid")
        text = " ".join((entry.title, entry.author, *entry.tags, *entry.about)).casefold()
        return (
            (not types or str(ART_TYPES[entry.art_type]) in types)
            and (not licences or any(str(LICENCES[name]) in licences for name in entry.licences))
            and self.one("title").casefold() in entry.title.casefold()
            and self.one("name").casefold() in (entry.submitter or entry.author).casefold()
            and all(word in text for word in self.one("keys").casefold().split())
            and self._tags_match({tag.casefold() for tag in entry.tags})
        )

    def _tags_match(self, tags: set[str]) -> bool:
        wanted = {tag.strip().casefold() for tag in self.one("field_art_tags_tid").split(",") if tag.strip()}
        match self.one("field_art_tags_tid_op", "or"):
            case "and":
                return wanted <= tags
            case "not":
                return not wanted & tags
        return not wanted or bool(wanted & tags)


class Pages:
    """Renders the site's pages; ``base`` is printed wherever the site prints its own absolute address.

    Args:
        base: the address without a slash at its end.
        per_page: the most results on one page, whatever is requested.
    """

    def __init__(self, base: str = OGA, per_page: int = 24) -> None:
        self.base = base
        self.per_page = per_page
        templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            keep_trailing_newline=True,
        )
        templates.filters.update(
            posted=posted, mime=mime, icon=_icon, size=_size, dashed=_dashed,
            derivative=_derivative, quoted=_quoted, licence_icon=_licence_icon,
        )  # fmt: skip
        self._templates = templates

    def entry(self, entry: DemoEntry) -> bytes:
        """Return the page of an entry, whatever its status."""
        return self._render(
            "content.html",
            title=entry.title,
            body_class=f"{_COMMON}node page-node- page-node-{entry.nid} node-type-art",
            entry=entry,
            licences=list(zip(entry.licences, entry.licence_urls, strict=True)),
            art_tid=ART_TYPES[entry.art_type],
        )

    def search(self, site: DemoContent, search: DemoSearch, dom_id: str | None = None) -> bytes:
        """Return a result page; one past the end is the last one again.

        Args:
            site: the site to search.
            search: the request.
            dom_id: 32 hex digits; without it, new ones on every response, as the site does.
        """
        found = search.results(site)
        per_page = min(max(search.number("items_per_page", 24), 1), self.per_page)
        pages = -(-len(found) // per_page)
        page = min(search.number("page", 0), max(pages - 1, 0))
        rows = found[page * per_page : (page + 1) * per_page]
        return self._render(
            "search.html",
            title="Search Art",
            body_class=_COMMON + "art-search-advanced",
            keys=search.one("keys"),
            refused=search.refused,
            dom_id=dom_id or secrets.token_hex(16),
            popular=sorted(site.entries, key=lambda entry: (-entry.favourites, entry.nid))[:5],
            rows=rows,
            first=page * per_page + 1,
            last=page * per_page + len(rows),
            total=len(found),
            page=page,
            pages=pages,
            page_url=lambda number: _page_url(search, number),
        )

    def plain(self, title: str, about: Sequence[str]) -> bytes:
        """Return a page under /content/ that is not an entry."""
        return self._render("plain.html", title=title, body_class=_COMMON + "node node-type-page", about=about)

    def not_found(self, path: str) -> bytes:
        """Return the page that comes with 404."""
        return self._render("not_found.html", title="Page not found", body_class=_COMMON + "content", path=path)

    def forbidden(self, entry: DemoEntry) -> bytes:
        """Return the page that comes with 403."""
        return self._render(
            "forbidden.html", title="Access denied", body_class=_COMMON + "node", path=entry.path, nid=entry.nid
        )

    def _render(self, template: str, **values: object) -> bytes:
        html = self._templates.get_template(template).render(base=self.base, **values)
        # The site escapes quotes in PHP's way.
        return html.replace("&#34;", "&quot;").replace("&#39;", "&#039;").encode()


def posted(when: datetime) -> str:
    """Return a date as the site prints it, in English under every locale."""
    return f"{_DAYS[when.weekday()]}, {_MONTHS[when.month - 1]} {when.day}, {when.year} - {when:%H:%M}"


def mime(name: str) -> str:
    """Return the MIME type that the site states for a file of that name."""
    return _MIMES.get(name.rpartition(".")[2].lower(), "application/octet-stream")


def _icon(name: str) -> str:
    kind = mime(name)
    if kind.startswith("image/"):
        return "image-x-generic"
    return "package-x-generic" if kind in {"application/zip", "application/rar"} else "application-octet-stream"


def _size(length: int) -> str:
    for unit, name in ((1_000_000, "Mb"), (1_000, "Kb")):
        if length >= unit:
            return f"{round(length / unit, 1):g} {name}"
    return f"{length} b"


def _dashed(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _derivative(path: str, style: str) -> str:
    return path.replace(FILES, f"{FILES}styles/{style}/public/", 1)


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _licence_icon(name: str) -> str:
    return re.sub(r" [\d.]+$", "", name).lower()


def _page_url(search: DemoSearch, number: int) -> str:
    params = [(name, value) for name, value in search.params if name != "page"]
    if number:
        params.append(("page", str(number)))
    return "/art-search-advanced?" + urlencode(params)
