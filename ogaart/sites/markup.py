"""A page's bytes as a tree, within limits, and the few ways in which the parsers read that tree.

Pages are hostile until parsed: any bytes yield either a tree or :class:`PageUnreadable`, in bounded time. Nothing here
descends by recursion, and nothing matches descendants by selector: both are quadratic or worse on a deep page.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

from ogaart.settings import MOST_PAGE_BYTES
from ogaart.sites.errors import PageOverLimit, PageUnreadable

MAX_TAGS = 60_000
"""A page of more tags is refused; a result page has about 3,000."""
MAX_NESTING = 2_000
"""A page nested deeper is refused: the parser's time grows with the square of the depth."""
MAX_TAG_BYTES = 64 << 10
"""A page with a longer tag is refused: the parser's time grows with the square of a tag's attributes."""

_TAG = re.compile(rb"<!--(?:-?>|.*?(?:--!?>|\Z))|<(/?)([A-Za-z][A-Za-z0-9]*)", re.DOTALL)
_PAGE_TAG = re.compile(
    rb"<!--(?:-?>|.*?(?:--!?>|\Z))|<script\b.*?(?:</script\b|\Z)|<(/?)html\b", re.DOTALL | re.IGNORECASE
)
_OPENED = re.compile(rb"<[A-Za-z]")
_VOID = frozenset(b"area base br col embed hr img input link meta param source track wbr".split())
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "dd", "div", "dl", "dt", "fieldset", "figure", "footer", "form",
     "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "ol", "p", "pre", "section", "table", "tbody", "td",
     "th", "thead", "tr", "ul"}
)  # fmt: skip
_UNSPOKEN = frozenset({"script", "style", "template", "noscript", "iframe", "object", "textarea", "select"})
_BLANKS = re.compile(r"[ \t\r\f\v\u00a0]*\n[\s\u00a0]*|[^\S\n]+")


def parse(html: bytes) -> LexborHTMLParser:
    """Parse a page's bytes, as UTF-8 with replacement of what is not.

    Raises:
        PageUnreadable: the page is empty, ends without ``</html>``, or a second page begins in it.
        PageOverLimit: the page is larger, longer or nested deeper than is parsed.
    """
    if len(html) > MOST_PAGE_BYTES:
        raise PageOverLimit(f"page of {len(html):,} bytes: more than {MOST_PAGE_BYTES:,} are not parsed")
    if not html.strip():
        raise PageUnreadable("empty page: the site answered without content; fetch it again")
    _check_shape(html)
    _check_whole(html)
    return LexborHTMLParser(html.decode("utf-8-sig", "replace"))


def _check_shape(html: bytes) -> None:
    """Refuse, in one linear pass, what would take the parser long."""
    for piece in html.split(b">"):
        if len(piece) > MAX_TAG_BYTES and (start := _OPENED.search(piece)):
            length = len(piece) - start.start()
            if length > MAX_TAG_BYTES:
                raise PageOverLimit(f"a tag of {length:,} bytes: more than {MAX_TAG_BYTES:,} are not parsed")
    # What looks like a comment to a pattern may be text or an attribute to a parser: what is in it counts here.
    if sum(1 for _ in _OPENED.finditer(html)) > MAX_TAGS:
        raise PageOverLimit(f"more than {MAX_TAGS:,} tags: the page is not parsed")
    opened: Counter[bytes] = Counter()
    depth = 0
    for tags, match in enumerate(_TAG.finditer(html)):
        name = (match[2] or b"").lower()
        if tags >= MAX_TAGS:
            raise PageOverLimit(f"more than {MAX_TAGS:,} tags: the page is not parsed")
        if not name or name in _VOID:
            continue
        if not match[1]:
            opened[name] += 1
            depth += 1
        elif opened[name]:  # a closing tag that closes nothing must not hide nesting
            opened[name] -= 1
            depth -= 1
        if depth > MAX_NESTING:
            raise PageOverLimit(f"nested deeper than {MAX_NESTING:,} elements: the page is not parsed")


def _check_whole(html: bytes) -> None:
    """Refuse a page that was cut off: it parses, with the last of its rows or files missing.

    A server that fails in the middle of a page may send its page of an error behind the first half.
    """
    ends = pages = 0
    for match in _PAGE_TAG.finditer(html):
        if match[1] is not None:
            ends += bool(match[1])
            pages += not match[1]
    if not ends:
        raise PageUnreadable(f"page of {len(html):,} bytes ends without </html>: cut off, or no HTML; fetch it again")
    if pages > 1:
        raise PageUnreadable(f"page of {len(html):,} bytes: another page begins in it; fetch it again")


def walk(top: LexborNode, enter: Callable[[LexborNode], bool] | None = None) -> Iterator[LexborNode]:
    """Every element below ``top`` in document order; the inside of one only where ``enter`` allows it."""
    stack = [iter(list(top.iter()))]
    while stack:
        node = next(stack[-1], None)
        if node is None:
            stack.pop()
            continue
        yield node
        if enter is None or enter(node):
            stack.append(iter(list(node.iter())))


def first(top: LexborNode | None, matches: Callable[[LexborNode], bool]) -> LexborNode | None:
    """The first element below ``top`` that matches, in document order."""
    return None if top is None else next((node for node in walk(top) if matches(node)), None)


def classes(node: LexborNode) -> frozenset[str]:
    """The element's classes."""
    return frozenset((node.attributes.get("class") or "").split())


def attribute(node: LexborNode, name: str) -> str | None:
    """The attribute's value, HTML-decoded once by the parser; None where absent or without a value."""
    return node.attributes.get(name)


def href(node: LexborNode | None) -> str | None:
    """The link of an ``a`` element; None where there is none."""
    return None if node is None or node.tag != "a" else (attribute(node, "href") or None)


def has_class(name: str) -> Callable[[LexborNode], bool]:
    """A matcher for one class."""
    return lambda node: name in classes(node)


def is_link(node: LexborNode) -> bool:
    """Whether the element is an ``a`` with a link."""
    return href(node) is not None


def line(node: LexborNode | None) -> str | None:
    """The element's text on one line, blanks collapsed; None where nothing is left."""
    return None if node is None else (" ".join(prose(node).split()) or None)


def prose(node: LexborNode) -> str:
    """The element's text as a reader sees it: blocks and line breaks end lines, scripts and forms are left out."""
    parts: list[str] = []
    # A stack of (node, leaving): leaving a block ends its line too.
    stack: list[tuple[LexborNode, bool]] = [(node, False)]
    while stack:
        current, leaving = stack.pop()
        if current.is_text_node:
            # Line ends inside a text are blanks in HTML.
            parts.append((current.text_content or "").replace("\n", " "))
            continue
        if not current.is_element_node or (current.tag in _UNSPOKEN and current is not node):
            continue
        if current.tag == "br" or current.tag in _BLOCKS:
            parts.append("\n")
        if leaving:
            continue
        if current.tag in _BLOCKS:
            stack.append((current, True))
        stack.extend((child, False) for child in reversed(list(current.iter(include_text=True))))
    return _BLANKS.sub(lambda m: "\n" if "\n" in m[0] else " ", "".join(parts)).strip()
