"""Finds the entry or picture of the catalog that a pasted link of the site means."""

import re
from dataclasses import dataclass
from urllib.parse import unquote

from ogaart.core.image_ids import parse_image_id
from ogaart.search.store.serving_store import ServingStore
from ogaart.sites.base import Site

# A picture here, whatever name this server goes by: its page, file or thumbnail; no other site has numbers so long.
_OWN_PICTURE = re.compile(
    r"https?://[^/?#]+/(?:image|original|view|thumb)/([0-9]{12,19})(?:\.webp)?/?(?:[?#].*)?", re.IGNORECASE
)
_OWN_ENTRY = re.compile(r"https?://[^/?#]+/entry/([^/?#]+)/?(?:[?#].*)?", re.IGNORECASE)


@dataclass(frozen=True)
class LinkTarget:
    """An entry, or the images of one file."""

    entry: str = ""
    images: tuple[int, ...] = ()


def find(store: ServingStore, site: Site, url: str) -> LinkTarget | None:
    """What a link to the site or to a page here means; None for links elsewhere, and for what the catalog lacks.

    Args:
        store: the open catalog.
        site: the configured site.
        url: the link, as pasted.
    """
    own = _OWN_PICTURE.fullmatch(url.strip())
    number = parse_image_id(own[1]) if own else None
    if number is not None and store.briefs([number]):
        return LinkTarget(images=(number,))
    own_entry = _OWN_ENTRY.fullmatch(url.strip())
    if own_entry and store.ids_of_entries([slug := store.columns.values["slug"].commonest(unquote(own_entry[1]))]):
        return LinkTarget(entry=slug)
    targets = site.targets(url)
    for key in map(store.new_key, targets.entries):
        if store.ids_of_entries([key]):
            return LinkTarget(entry=key)
    for spelled in targets.files:
        if images := store.ids_of_file(spelled):
            return LinkTarget(images=tuple(images))
    return None
