"""Paths of the pages of entries, authors and tags."""

from urllib.parse import quote, urlencode


def entry_path(slug: str) -> str:
    """The page of an entry."""
    return page_path("entry", slug)


def author_path(name: str) -> str:
    """The page of an author."""
    return page_path("author", name)


def tag_path(name: str) -> str:
    """The page of a tag."""
    return page_path("tag", name)


def page_path(kind: str, name: str) -> str:
    """The page of an entry, an author or a tag."""
    # Browsers resolve dots as steps in a path, even where they are encoded.
    return f"/search?{urlencode({kind: name})}" if name.strip(".") == "" else f"/{kind}/{quote(name, safe='')}"
