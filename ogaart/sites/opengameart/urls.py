"""The site's URL rules: how a query becomes a URL, and which URL a link on a page means.

Pages link the same thing in many ways (canonical https, http, ``www.``, ``//``, root-relative). All of them are
mapped onto the configured base, so that a crawl of a copy on loopback never leaves it. Percent-encoding is requested
as it is on the page; a slug or a stored name is decoded exactly once, and never with ``unquote_plus`` (a ``+`` in a
path is a plus).
"""

import re
from collections.abc import Iterable
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlencode, urlsplit

MOST_PER_PAGE = 144
"""Result rows on one page, at most."""

_CANONICAL_HOSTS = frozenset({"opengameart.org", "www.opengameart.org"})
_SEARCH_PATH = "/art-search-advanced"
ENTRIES_PATH = "/content/"
FILES_PATH = "/sites/default/files/"
# Folders under the files path that hold what the site itself made or ships: thumbnails, player previews, licence
# badges and texts, portraits, medals, style sheets. No upload of an entry is in them.
_SITE_FOLDERS = frozenset(
    {"styles", "audio_preview", "license_images", "pictures", "medals", "medal_images", "archive", "css", "js"}
)
_OWN_PARAMS = frozenset({"sort_by", "sort_order", "items_per_page", "page"})
_REFERENCE = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.\-]*):)?(?://(?P<host>[^/?#\\]*))?(?P<rest>[^#]*)", re.DOTALL
)
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# Every ASCII character that is allowed in a path or query, "%" included: what is encoded stays as it is.
_AS_GIVEN = "%/:?=&;@!$'()*+,~-._[]"
_FILTERS = frozenset(
    {"keys", "title", "name", "field_art_tags_tid", "field_art_type_tid[]", "field_art_licenses_tid[]"}
)
_PAGING = frozenset({"sort_by", "sort_order", "items_per_page"})
_LIST_NUMBER = re.compile(r"\[\d*\]\Z", re.ASCII)
_NODE_PATH = re.compile(r"/node/([1-9]\d{0,17})/?\Z", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTENT_PATH = re.compile(r"/content/([^/]+)/?\Z")
_DEFAULT_PORT = {"http": "80", "https": "443"}


def search_url(base: str, query_params: Iterable[tuple[str, str]], page: int, per_page: int = MOST_PER_PAGE) -> str:
    """The URL of one result page, oldest entries first.

    Ascending by creation date is the one order in which a full page keeps its members while entries are added.

    Args:
        base: the configured site, without a trailing slash.
        query_params: the query's own parameters, in order.
        page: the site's zero-based page.
        per_page: rows on a page, 1 to 144; the site offers 24, 48, 96 and 144.

    Raises:
        ValueError: the page or the rows are out of range, or the query sets a parameter that paging owns.
    """
    params = list(query_params)
    if page < 0:
        raise ValueError(f"page {page}: result pages are counted from 0")
    if not 1 <= per_page <= MOST_PER_PAGE:
        raise ValueError(f"{per_page} rows a page: the site allows 1 to {MOST_PER_PAGE}")
    if owned := sorted(_OWN_PARAMS.intersection(name for name, _ in params)):
        raise ValueError(
            f"a query may not set {', '.join(owned)}: order and paging are fixed; remove it from the query"
        )
    params += [("sort_by", "created"), ("sort_order", "ASC"), ("items_per_page", str(per_page)), ("page", str(page))]
    return f"{base}{_SEARCH_PATH}?{urlencode(params, quote_via=quote, safe='')}"


def slug_of(url: str) -> str | None:
    """The entry's name in a ``/content/<slug>`` URL (absolute or root-relative), percent-decoded exactly once.

    Returns None for any other path, and for a name no entry can have: empty, dots, or with control characters. Nor
    does a name begin with a slash: keys of other sites, and of entries that are linked by their number, begin with one.
    A name whose bytes are not UTF-8 stays percent-encoded, since two such names must not become one.
    """
    path = _path(url)
    match = _CONTENT_PATH.search(path) if path is not None else None
    if match is None:
        return None
    slug = _decoded(match[1])
    if slug in {"", ".", ".."} or slug.startswith("/") or _CONTROL.search(slug):
        return None
    return slug


def key_of(url: str) -> str | None:
    """The key of the entry at a URL: its name, or ``/node/<nid>`` where it is linked by its number; None for others.

    A site that has no name for an entry links ``/node/<nid>``, and answers there for every entry.
    """
    number = number_of(url)
    return f"/node/{number}" if number is not None else slug_of(url)


def number_of(url: str) -> int | None:
    """The node id of a URL whose path ends with ``/node/<nid>``; None for others."""
    match = _NODE_PATH.search(_path(url) or "")
    return int(match[1]) if match else None


def search_params(url: str) -> tuple[tuple[str, str], ...]:
    """The search that a URL states: what it filters by, its order and size of pages; sorted, empty ones left out."""
    found = {(_LIST_NUMBER.sub("[]", name), value) for name, value in parse_qsl(urlsplit(url).query) if value}
    names = {name for name, _ in found}
    known = _FILTERS | _PAGING | ({"field_art_tags_tid_op"} if "field_art_tags_tid" in names else set())
    return tuple(sorted((name, value) for name, value in found if name in known))


def is_search_of(stated: tuple[tuple[str, str], ...], url: str) -> bool:
    """Whether a page that states this search can be the answer to the request of ``url``."""
    names = {name for name, _ in stated}
    return set(stated) == {(n, v) for n, v in search_params(url) if n in names or n not in _PAGING}


def stored_name(url: str) -> str:
    """The name of a file on the server: the last part of its URL's path, percent-decoded exactly once."""
    return _decoded((_path(url) or "").rpartition("/")[2])


def absolute(base: str, href: str) -> str | None:
    """The URL on the configured site that a link means.

    Args:
        base: the configured site, without a trailing slash.
        href: the link, HTML-decoded once (a parser's attribute value).

    Returns:
        The link on ``base`` with its percent-encoding unchanged (only what is not allowed in a request is encoded:
        blanks, non-ASCII, a ``%`` that encodes nothing) and without fragment; None where the link is not on the site,
        is not http(s), is relative to the page, or climbs with dot segments.
    """
    match = _REFERENCE.match(_encodable(href).strip(" \t\r\n\f"))
    if match is None:  # every part is optional: for the type checker only
        return None
    scheme, host, rest = match["scheme"], match["host"], match["rest"]
    if scheme is not None and (scheme.lower() not in _DEFAULT_PORT or host is None):
        return None
    if host is None:
        if not rest.startswith("/"):
            return None
    elif rest[:1] not in {"", "/", "?"} or _netloc(scheme, host) not in _CANONICAL_HOSTS | {_base_netloc(base)}:
        return None
    target = quote(_STRAY_PERCENT.sub("%25", rest), safe=_AS_GIVEN)
    if not target.startswith("/"):
        target = f"/{target}"
    if any(_decoded(part) in {".", ".."} for part in target.partition("?")[0].split("/")):
        return None
    prefix = urlsplit(base).path
    if host is not None and prefix and _netloc(scheme, host) == _base_netloc(base) and target.startswith(f"{prefix}/"):
        return f"{base}{target.removeprefix(prefix)}"
    return f"{base}{target}"


def is_upload(base: str, url: str) -> bool:
    """Whether a URL on the configured site is a file that a visitor uploaded, not one that the site made or ships."""
    path = _path(url)
    root = f"{urlsplit(base).path}{FILES_PATH}"
    if path is None or not url.startswith(f"{base}/") or not path.startswith(root):
        return False
    folder, slash, _ = path.removeprefix(root).partition("/")
    return bool(stored_name(url)) and not (slash and _decoded(folder).lower() in _SITE_FOLDERS)


def allowed_hosts(base: str) -> frozenset[str]:
    """The host names, in lower case and without port, that a redirect may lead to.

    The site's own pair (with and without ``www.``) for the site itself; for any other base that one host alone, so that
    a crawl of a copy never reaches the real site.
    """
    host = (urlsplit(base).hostname or "").lower()
    return _CANONICAL_HOSTS if host in _CANONICAL_HOSTS else frozenset({host})


def redirect_allowed(base: str, url: str) -> bool:
    """Whether a redirect may lead to this absolute URL: http(s), an allowed host, no credentials, the base's own port.

    On the site itself the port is the scheme's default: http may lead to https.
    """
    try:
        parts = urlsplit(url)
        port, base_port = parts.port, urlsplit(base).port
    except ValueError:  # a malformed host or port is nowhere to go
        return False
    if parts.scheme not in _DEFAULT_PORT or parts.username is not None or parts.hostname not in allowed_hosts(base):
        return False
    default = int(_DEFAULT_PORT[parts.scheme])
    return (port or default) == base_port or (port in (None, default) and base_port in (None, 80, 443))


def _path(url: str) -> str | None:
    """The path of an absolute or root-relative http(s) URL, still encoded; None for anything else."""
    match = _REFERENCE.match(_encodable(url))
    if match is None:
        return None
    if match["scheme"] is not None and (match["scheme"].lower() not in _DEFAULT_PORT or match["host"] is None):
        return None
    path = match["rest"].partition("?")[0]
    return path if path.startswith("/") else None


def _decoded(encoded: str) -> str:
    """Percent-decoded exactly once; unchanged where the bytes are not UTF-8."""
    try:
        return unquote_to_bytes(encoded).decode("utf-8")
    except UnicodeDecodeError:
        return encoded


def _encodable(text: str) -> str:
    """The text with lone surrogates replaced, which no URL and no table can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _netloc(scheme: str | None, host: str) -> str:
    """Host and port as compared: lower case, without a default port."""
    name, colon, port = host.lower().rpartition(":")
    defaults = set(_DEFAULT_PORT.values()) if scheme is None else {_DEFAULT_PORT[scheme.lower()]}
    return name if colon and port in defaults else host.lower()


def _base_netloc(base: str) -> str:
    parts = urlsplit(base)
    return _netloc(parts.scheme, parts.netloc)
