"""What a pasted link of the site can mean, however often its name was percent-encoded on the way."""

from urllib.parse import quote, unquote

from ogaart.sites.opengameart.urls import ENTRIES_PATH, FILES_PATH, absolute, number_of
from ogaart.sites.records import LinkTargets

_DECODED_AT_MOST = 3
# How browsers, mail programs and people write the same path.
_STYLES = ("/", "/!$&'()*+,;=:@~", "/~()!*'")


def targets_of(base: str, link: str) -> LinkTargets:
    """The entries and files that a link can mean.

    Args:
        base: the configured site.
        link: the link as pasted.

    Returns:
        Nothing for a link elsewhere.
    """
    if absolute(base, link.strip().split("#", 1)[0]) is None:
        return LinkTargets()
    paths = _readings(link)
    entries = [path.removeprefix(ENTRIES_PATH).rstrip("/") for path in paths if path.startswith(ENTRIES_PATH)]
    entries += [f"/node/{number}" for path in paths if (number := number_of(path)) is not None]
    files = [url for path in paths if path.startswith(FILES_PATH) for url in _spellings(base, path)]
    return LinkTargets(tuple(dict.fromkeys(entries)), tuple(dict.fromkeys(files)))


def _readings(link: str) -> list[str]:
    """The link's path as if it were decoded already, then decoded once, twice, and so on while that changes anything.

    A name may hold ``%``, ``#`` and ``?`` of its own; so each reading is tried as a whole, and without what a browser
    would take for query and fragment.
    """
    path = "/" + link.strip().split("/", 3)[-1]
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
    name = path.removeprefix(FILES_PATH)
    spelled = [f"{base}{FILES_PATH}{quote(name, safe=style)}" for style in _STYLES]
    return list(dict.fromkeys([f"{base}{path}", *spelled]))
