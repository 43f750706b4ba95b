"""A content page as a record: the entry's fields, its own files and its previews.

Every field may be missing. A field counts only where the site puts it: in the entry itself, not in a comment, and not
inside another field, so that what people write in descriptions and comments never passes for data.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ogaart.core.states import EntryStatus
from ogaart.sites import licences, markup
from ogaart.sites.errors import PageForeign, PageUnreadable
from ogaart.sites.markup import attribute, classes, has_class, is_link
from ogaart.sites.opengameart.authors import author_of, collaborators_of, further_authors
from ogaart.sites.opengameart.fields import item_line, item_texts, terms
from ogaart.sites.opengameart.links import file_links, preview_links
from ogaart.sites.opengameart.urls import absolute, key_of, slug_of
from ogaart.sites.records import EntryPage

CONTENT_VERSION = "4"
"""Rises when the same page would yield another record, its links apart."""

_FIELD = "field-name-"
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATE = re.compile(r"([A-Za-z]{3})[a-z]{0,6} (\d{1,2}), (\d{4}) - (\d{1,2}):(\d{2})", re.ASCII)
_NODE_LINK = re.compile(
    r"[^?]*/user/(?:login|register)\b.*[?&]destination=node(?:/|%2F)(\d{1,18})\b", re.ASCII | re.IGNORECASE
)
_LONGEST_LINK = 500
_NODE_CLASS = re.compile(r"page-node-(\d{1,18})", re.ASCII)
_NODE_PATH = re.compile(r"/node/(\d{1,18})/?\Z", re.ASCII)
_NODE_TYPE = "node-type-"
# Classes that Drupal's themes put beside a node's type; they describe how it is shown.
_NO_TYPES = frozenset({"promoted", "sticky", "unpublished", "preview", "teaser"})
# Any field may be missing; what has none of these, nor a number or a name, is an empty frame.
_ESSENTIAL = frozenset({"title", "author-submitter", "field-art-licenses", "field-art-files"})
_DIGITS = re.compile(r"\d{1,18}", re.ASCII)
# The site spells it "unavalable"; a corrected spelling must not turn a withheld entry into one without files.
_WITHHELD = re.compile(r"File\(s\)\s+currently\s+unava", re.IGNORECASE)


@dataclass(frozen=True)
class _Parts:
    """The entry's element, taken apart once.

    Attributes:
        fields: the fields by the name in their class, the first of each name.
        loose: elements outside fields and comments.
    """

    fields: dict[str, LexborNode]
    loose: tuple[LexborNode, ...]


def parse_entry(html: bytes, url: str, base: str) -> EntryPage:
    """Read a content page that the site answered with 200.

    Args:
        html: the page's bytes.
        url: the page's URL as requested; for ``/node/<nid>`` the page's canonical link names the entry.
        base: the configured site, onto which links are mapped.

    Raises:
        PageForeign: a whole page, and neither an entry nor provably a page of another kind: a log-in form, "Access
            denied", maintenance, a proxy's own page.
        PageUnreadable: the bytes are not a page of the site, are cut off, or over a limit; or no key can be told.
    """
    page = markup.parse(html)
    canonical = _canonical_slug(page, base)
    slug = slug_of(url) or canonical or key_of(url)
    if slug is None:
        raise PageUnreadable(f"{url!r} names no entry and its page has no canonical link to /content/")
    art = page.css_first("div.node-art.view-mode-full")
    if art is None:
        _require_other_node(page, url)
        return EntryPage(slug, url, EntryStatus.NOT_ART, nid=_nid(page, ()), canonical=canonical)
    parts = _take_apart(art)
    nid = _nid(page, parts.loose)
    if nid is None and canonical is None and not parts.fields.keys() & _ESSENTIAL:
        raise PageForeign(f"{url!r}: an entry without number, title, author, licences and files; fetch it again")
    names, urls = _licences(parts.fields.get("field-art-licenses"), base)
    author, author_url, submitter = author_of(parts.fields.get("author-submitter"), base)
    files, ignored = file_links(parts.fields.get("field-art-files"), slug, base)
    return EntryPage(
        slug=slug,
        url=url,
        status=EntryStatus.WITHHELD if not files and _withheld(parts) else EntryStatus.OK,
        nid=nid,
        title=_title(parts.fields.get("title")),
        author=author,
        author_url=author_url,
        collaborators=collaborators_of(
            parts.fields.get("field-collaborators"),
            author,
            further_authors(parts.fields.get("author-submitter"), author, submitter),
        ),
        submitter=submitter,
        posted_at=_date(item_line(parts.fields.get("post-date"))),
        art_type=next(iter(terms(parts.fields.get("field-art-type"))), None),
        tags=terms(parts.fields.get("field-art-tags")),
        licences=names,
        licence_urls=urls,
        notice=_notice(parts.fields),
        description=_description(parts.fields.get("body")),
        favourites=_number(item_line(parts.fields.get("favorites"))) or 0,
        collections=_collections(parts.fields.get("collect")),
        files=files,
        previews=preview_links(parts.fields.get("field-art-preview"), slug, base, {file.url for file in files}),
        ignored=ignored,
        canonical=canonical,
    )


def _require_other_node(page: LexborHTMLParser, url: str) -> None:
    """Refuse a page without an art entry unless it proves to be a node of another type, such as a collection or topic.

    Raises:
        PageForeign: it does not.
    """
    body = classes(page.body) if page.body is not None else frozenset()
    types = {name.removeprefix(_NODE_TYPE) for name in body if name.startswith(_NODE_TYPE)} - {""}
    for node in page.css("div.node.view-mode-full"):
        types |= {name.removeprefix("node-") for name in classes(node) if name.startswith("node-")}
    if types - _NO_TYPES:
        if "art" not in types:
            return
        raise PageForeign(f"{url!r}: the page of an art entry without the entry itself; fetch it again")
    title = markup.line(page.css_first("title")) or "without a title"
    raise PageForeign(f"{url!r}: not an entry's page, nor one of another kind: {title[:80]!r}; fetch it again")


def _take_apart(art: LexborNode) -> _Parts:
    fields: dict[str, LexborNode] = {}
    loose: list[LexborNode] = []

    def inside(node: LexborNode) -> bool:
        return not _field_name(node) and not _is_comment(node) and "node" not in classes(node)

    for node in markup.walk(art, inside):
        if name := _field_name(node):
            fields.setdefault(name, node)
        elif not _is_comment(node):
            loose.append(node)
    return _Parts(fields, tuple(loose))


def _field_name(node: LexborNode) -> str | None:
    names = sorted(name for name in classes(node) if name.startswith(_FIELD))
    return names[0].removeprefix(_FIELD) if names else None


def _is_comment(node: LexborNode) -> bool:
    return attribute(node, "id") == "comments" or bool(classes(node) & {"comment", "comment-wrapper"})


def _title(field: LexborNode | None) -> str | None:
    heading = markup.first(field, lambda node: node.tag in {"h1", "h2", "h3"})
    return markup.line(heading) or item_line(field)


def _notice(fields: dict[str, LexborNode]) -> str | None:
    """The copyright notice and the attribution instructions: what the author wrote in either field, each text once."""
    found = (item_texts(fields.get(name)) for name in ("field-copyright-notice", "field-art-attribution"))
    return "\n".join(dict.fromkeys(text for text in found if text)) or None


def _date(text: str | None) -> datetime | None:
    """The date in the site's one format, ``Tuesday, March 5, 2024 - 14:07``, whatever the locale here is."""
    match = _DATE.search(text or "")
    if match is None or match[1].lower() not in _MONTHS:
        return None
    day, year, hour, minute = (int(number) for number in match.groups()[1:])
    try:
        return datetime(year, _MONTHS.index(match[1].lower()) + 1, day, hour, minute)  # noqa: DTZ001 - none is stated
    except ValueError:  # such as February 30
        return None


def _licences(field: LexborNode | None, base: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and links of the licences, in the page's order; an icon without name is named by its link, if known.

    Where a known licence is linked to another one, neither is believed: the name tells both, and so it is unknown.
    """
    found: dict[str, str] = {}
    for icon in markup.walk(field, lambda node: "license-icon" not in classes(node)) if field is not None else ():
        if "license-icon" not in classes(icon):
            continue
        href = (markup.href(markup.first(icon, is_link)) or "").strip()
        url = f"https:{href}" if href.startswith("//") else href
        if not url.lower().startswith(("http://", "https://")):
            url = absolute(base, url) or ""
        known = licences.by_url(url)
        name = markup.line(markup.first(icon, has_class("license-name"))) or (known.name if known else None)
        if name:
            name += _contradiction(name, url, icon)
            found.setdefault(name, url)
    return tuple(found), tuple(found.values())


def _contradiction(name: str, url: str, icon: LexborNode) -> str:
    """What a licence's link or its icon's text says against its name, in brackets; empty where they agree."""
    linked = licences.contradicting_link(name, url)
    if linked:
        return f" (linked to {linked})"
    image, named = markup.first(icon, lambda node: node.tag == "img"), licences.lookup(name)
    texts = [attribute(image, key) or "" for key in ("alt", "title")] if image is not None and named else []
    shown = next((one.name for text in texts if (one := licences.lookup(text)) and one is not named), None)
    return f" (shown as {shown})" if shown else ""


def _description(field: LexborNode | None) -> str | None:
    body = markup.first(field, lambda node: attribute(node, "property") == "content:encoded")
    return (markup.prose(body) or None) if body is not None else item_texts(field)


def _collections(field: LexborNode | None) -> tuple[str, ...]:
    container = markup.first(field, has_class("collect-container"))
    links = [node for node in markup.walk(container) if is_link(node)] if container is not None else []
    return tuple(dict.fromkeys(name for node in links if (name := markup.line(node))))


def _withheld(parts: _Parts) -> bool:
    """Whether the site itself, not a description or a comment, prints in place of the files that it withholds them."""
    field = parts.fields.get("field-art-files")
    if field is not None and _WITHHELD.search(markup.prose(field)):
        return True
    own_text = (
        "".join(c.text_content or "" for c in node.iter(include_text=True) if c.is_text_node) for node in parts.loose
    )
    return any(_WITHHELD.match(text.strip()) for text in own_text)


def _number(text: str | None) -> int | None:
    """The number that the text is, with or without separators of thousands."""
    digits = re.sub(r"[\s,.]", "", (text or "")[:32])
    return int(digits) if _DIGITS.fullmatch(digits) else None


def _nid(page: LexborHTMLParser, loose: tuple[LexborNode, ...]) -> int | None:
    """The node id: of the log-in link, which every entry shows, else of the body's classes, else of the short link."""
    found = [_NODE_LINK.match((markup.href(node) or "")[:_LONGEST_LINK]) for node in loose]
    body = page.body
    found += [_NODE_CLASS.fullmatch(name) for name in sorted(classes(body))] if body is not None else []
    short = page.css_first('link[rel="shortlink"]')
    found.append(_NODE_PATH.search(attribute(short, "href") or "") if short is not None else None)
    return next((int(match[1]) for match in found if match), None)


def _canonical_slug(page: LexborHTMLParser, base: str) -> str | None:
    link = page.css_first('link[rel="canonical"]')
    url = absolute(base, attribute(link, "href") or "") if link is not None else None
    return slug_of(url) if url is not None else None
