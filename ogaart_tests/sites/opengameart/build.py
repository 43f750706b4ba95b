"""The saved pages, and pages changed from them in one place: every test names only what it changes."""

from pathlib import Path

BASE = "http://127.0.0.1:8000"
PAGES = Path(__file__).parent / "pages"
PLAIN = "content_page"
EVERYTHING = "content_page_with_comments_and_external_links"
FIELDS = (
    "title", "author-submitter", "post-date", "field-art-type", "field-art-tags", "field-art-licenses", "collect",
    "favorites", "field-art-preview", "body", "field-copyright-notice", "field-art-files",
)  # fmt: skip


def saved(name: str) -> str:
    return (PAGES / f"{name}.html").read_text("utf-8")


def replaced(text: str, *changes: tuple[str, str]) -> bytes:
    for old, new in changes:
        assert old in text, f"{old!r} is not on the page"
        text = text.replace(old, new)
    return text.encode()


def without(text: str, field: str) -> str:
    """The page without one field, whose ``div`` and all that is in it go."""
    start = text.index(f'<div class="field field-name-{field} ')
    depth, at = 0, start
    while True:
        opening, closing = text.find("<div", at), text.find("</div>", at)
        if opening != -1 and opening < closing:
            depth, at = depth + 1, opening + 4
        else:
            depth, at = depth - 1, closing + 6
        if depth == 0:
            return text[:start] + text[at:]


def result_page(rows: str, header: str | None = "Displaying 1 - 1 of 1", before: str = "") -> bytes:
    head = f'<div class="view-header">{header}</div>' if header is not None else ""
    return (
        f'<!DOCTYPE html><html><body><div id="maincontent">{before}'
        f'<div class="view view-art view-display-id-search_art_advanced view-dom-id-00ff">{head}'
        f'<div class="view-content">{rows}</div></div></div></body></html>'
    ).encode()


def result_row(href: str, title: str = "A title") -> str:
    return (
        '<div class="views-row art-previews-inline"><div class="node node-art view-mode-art_preview">'
        f'<span class="art-preview-title"><a href="{href}">{title}</a></span></div></div>'
    )
