"""Finds what a pasted link of the site stands for, however often its name was percent-encoded on the way."""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from ogaart.core.image_ids import parse_image_id
from ogaart.search.engine.serving_store import ServingStore
from ogaart.sites.opengameart.urls import absolute

_DECODED_AT_MOST = 3
# How browsers, mail programs and people write the same path.
_STYLES = ("/", "/!$&'()*+,;=:@~", "/~()!*'")
_ENTRY = "/content/"
# The page of a picture here, whatever name this server goes by; no other site has numbers so long.
_OWN_PAGE = re.compile(r"https?://[^/?#]+/image/([0-9]{12,19})/?(?:[?#].*)?", re.IGNORECASE)
_FILES = "/sites/default/files/"


@dataclass(frozen=True)
class LinkTarget:
    """An entry, or the images of one file."""

    entry: str = ""
    images: tuple[int, ...] = ()


def find(store: ServingStore, base: str, url: str) -> LinkTarget | None:
    """What a link to the site or to a page here means; None for links elsewhere, and for what the catalog lacks.

    Args:
        store: the open catalog.
        base: the configured site.
        url: the link, as given.
    """
    own = _OWN_PAGE.fullmatch(url.strip())
    number = parse_image_id(own[1]) if own else None
    if number is not None and store.briefs([number]):
        return LinkTarget(images=(number,))
    if absolute(base, url.strip().split("#", 1)[0]) is None:
        return None
    for path in _readings(url):
        if path.startswith(_ENTRY) and store.ids_of_entries([slug := path.removeprefix(_ENTRY).rstrip("/")]):
            return LinkTarget(entry=slug)
        if path.startswith(_FILES):
            for spelled in _spellings(base, path):
                if images := store.ids_of_file(spelled):
                    return LinkTarget(images=tuple(images))
    return None


def _readings(url: str) -> list[str]:
    """The link's path as if it were decoded already, then decoded once, twice, and so on while that changes anything.

    A name may hold ``%``, ``#`` and ``?`` of its own; so each reading is tried as a whole, and without what a browser
    would take for query and fragment.
    """
    path = "/" + url.strip().split("/", 3)[-1]
    readings: list[str] = []
    for _ in range(_DECODED_AT_MOST + 1):
        readings += [path, path.partition("#")[0], path.partition("#")[0].partition("?")[0]]
        try:
            decoded = unquote(path, errors="strict")
        except UnicodeDecodeError:
            break
        if decoded == path:
            break
        path = decoded
    return list(dict.fromkeys(readings))


def _spellings(base: str, path: str) -> list[str]:
    """One file's URL with its name encoded in each of the ways that sites and people use."""
    name = path.removeprefix(_FILES)
    spelled = [f"{base}{_FILES}{quote(name, safe=style)}" for style in _STYLES]
    return list(dict.fromkeys([f"{base}{path}", *spelled]))
