"""The fields of a content page as Drupal writes them: their items, texts and terms."""

from collections.abc import Iterator

from selectolax.lexbor import LexborNode

from ogaart.sites import markup
from ogaart.sites.markup import classes, has_class


def items(field: LexborNode | None) -> Iterator[LexborNode]:
    """The field's items, without what is nested in them."""
    if field is not None:
        is_item = has_class("field-item")
        yield from (node for node in markup.walk(field, lambda node: not is_item(node)) if is_item(node))


def contents(field: LexborNode | None) -> list[LexborNode]:
    """What a field without items holds beside its label."""
    return [] if field is None else [node for node in field.iter() if "field-label" not in classes(node)]


def item_line(field: LexborNode | None) -> str | None:
    """The first item's text on one line."""
    return markup.line(next(items(field), None))


def item_texts(field: LexborNode | None) -> str | None:
    """The items' text, with its line breaks."""
    return "\n".join(text for item in items(field) if (text := markup.prose(item))) or None


def terms(field: LexborNode | None) -> tuple[str, ...]:
    """The names of a field's terms, each once."""
    links = [node for item in items(field) for node in markup.walk(item) if node.tag == "a"]
    names = (markup.line(node) for node in (links or items(field)))
    return tuple(dict.fromkeys(name for name in names if name))
