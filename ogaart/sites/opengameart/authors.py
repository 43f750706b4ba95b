"""Who made an entry, as its page names them: the author, further authors, and who submitted it."""

import re

from selectolax.lexbor import LexborNode

from ogaart.sites import markup
from ogaart.sites.markup import classes, is_link
from ogaart.sites.opengameart.fields import contents, item_line, items
from ogaart.sites.opengameart.urls import absolute

_BETWEEN_NAMES = re.compile(r"[,;|/•·&]|\band\b|\bwith\b", re.IGNORECASE)
_SUBMITTED = re.compile(r"\( ?Submitted by\b", re.IGNORECASE)


def author_of(field: LexborNode | None, base: str) -> tuple[str | None, str | None, str | None]:
    """Author, the author's link, and submitter.

    Three shapes: a user of the site with a local link; another person, with a link elsewhere or none, followed by
    "(Submitted by <user>)"; plain text.
    """
    whole = item_line(field) or ""
    name = next((node for node in _usernames(field) if markup.line(node)), None)
    author = markup.line(name)
    # What follows the author's name, so that a name with such words in it is not taken for a submitter.
    rest = whole.partition(author)[2] if author else whole
    before, submitter = _submitter(rest)
    if name is None:
        author = before
    link = (name if is_link(name) else markup.first(name, is_link)) if name is not None else None
    href = markup.href(link)
    return author or None, _link(base, href) if href else None, submitter if submitter != author else None


def _usernames(field: LexborNode | None) -> list[LexborNode]:
    """The elements of a field that name users."""
    return [node for node in markup.walk(field) if "username" in classes(node)] if field is not None else []


def further_authors(field: LexborNode | None, author: str | None, submitter: str | None) -> list[str]:
    """Users that the field of the author names beside the author and the submitter."""
    names = (markup.line(node) for node in _usernames(field))
    return [name for name in names if name and name not in (author, submitter)]


def collaborators_of(field: LexborNode | None, author: str | None, others: list[str]) -> tuple[str, ...]:
    """The further authors, in the page's order, each once and without the author; ``others`` come first.

    A name is a link or a line of text; text beside links is taken apart at what separates names in a list.
    """
    names = dict.fromkeys(others)
    for item in list(items(field)) or contents(field):
        links = [name for node in markup.walk(item) if is_link(node) and (name := markup.line(node))]
        texts = _texts_beside_links(item) if links else markup.prose(item).split("\n")
        names.update(dict.fromkeys(links + [name for text in texts if (name := text.strip(" \t()[]"))]))
    return tuple(name for name in names if name != author)


def _texts_beside_links(item: LexborNode) -> list[str]:
    outside = [item, *markup.walk(item, lambda node: not is_link(node))]
    pieces = (
        " ".join((child.text_content or "").split())
        for node in outside
        if not is_link(node) and node.tag not in {"script", "style"}
        for child in node.iter(include_text=True)
        if child.is_text_node
    )
    return [text for piece in pieces for text in _BETWEEN_NAMES.split(piece)]


def _submitter(text: str) -> tuple[str, str | None]:
    """The text before "(Submitted by …)", and the name in it."""
    # The closing parenthesis is not part of the pattern: looking for a missing one takes quadratic time.
    match, end = _SUBMITTED.search(text), text.rfind(")")
    if match is None or end < match.end():
        return text.strip(), None
    return text[: match.start()].strip(), text[match.end() : end].strip() or None


def _link(base: str, href: str) -> str | None:
    """A link that people may follow: mapped onto the site where it leads there, else unchanged where it is http(s)."""
    given = href.strip()
    return absolute(base, given) or (given if given.lower().startswith(("http://", "https://")) else None)
