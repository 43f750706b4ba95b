"""Parameters of pages' URLs: which are read, which are refused, and which are ignored and named on the page."""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from ogaart.search.filters import FILTERS
from ogaart.search.parameters import nearest, unknown_name
from ogaart.search.query import PAGE_SIZE
from ogaart.search.search_url import NAMES, SearchUrl, not_too_many, read_search_url, unknown_parameter

Pairs = tuple[tuple[str, str], ...]
_FILTER_NAMES = frozenset(name for row in FILTERS for name in row.names)
_TRACKING = re.compile(
    r"utm_\w+|fbclid|gclid|gclsrc|dclid|gbraid|wbraid|msclkid|yclid|twclid|ttclid|li_fat_id|igshid|igsh|mc_[ce]id|"
    r"_ga|_gl|_hs\w+|hsa_\w+|hsctatracking|mkt_tok|vero_id|oly_\w+|ref|ref_src|ref_url|referrer|si",
    re.IGNORECASE,
)
"""Names that other sites add to links, which mean nothing here."""
_NO_FILE = ("picture", "")
"""What a browser without scripts adds to a search by words: the form's picture, of which none is chosen."""
_LONGEST = 80  # characters of a name or value that is passed on only to be named
_NAMED = 24  # of them


@dataclass(frozen=True)
class PageUrl:
    """What a page's URL holds.

    Attributes:
        search: the search that its parameters make.
        known: the parameters that were read.
        ignored: those that were not; tracking ones are in neither.
    """

    search: SearchUrl
    known: Pairs = ()
    ignored: Pairs = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What the page says of the parameters that it ignores."""
        found = ignored_notes(self.ignored)
        if self._unused:
            names = ", ".join(dict.fromkeys(name for name, _ in self._unused))
            found = (*found, f"Without words, a picture or a filter nothing is searched; ignored: {names}.")
        return found

    def leading_to(self, path: str) -> str:
        """A path to redirect to, with what is ignored, so that the page that follows names it."""
        named = [(name[:_LONGEST], value[:_LONGEST]) for name, value in (*self.ignored, *self._unused)[:_NAMED]]
        return f"{path}{'&' if '?' in path else '?'}{urlencode(named)}" if named else path

    def narrowing(self, name: str, value: str) -> str | None:
        """The path of the search that narrows a page which does not filter; None where nothing narrows it.

        Args:
            name: of the parameter that stands for what the page shows.
            value: of the same.
        """
        if self.search.empty:
            return None
        return self.leading_to(read_search_url([*self.known, (name, value)]).path())

    @property
    def _unused(self) -> Pairs:
        """Parameters that alone are no search, such as an order."""
        return tuple((name, value) for name, value in self.known if value.strip()) if self.search.empty else ()


def read_page_url(pairs: Iterable[tuple[str, str]], page_size: int = PAGE_SIZE, own: Sequence[str] = ()) -> PageUrl:
    """Read the parameters of a page.

    Args:
        pairs: names and values.
        page_size: hits on a page where they do not say.
        own: names that the page reads by itself.

    Raises:
        InvalidParameter: a name is nearly that of a parameter, a value is outside its type or limits, or there are too
            many.
    """
    known, ignored = known_parameters(pair for pair in pairs if pair[0] not in own)
    return PageUrl(read_search_url(known, page_size), known, ignored)


def known_parameters(pairs: Iterable[tuple[str, str]]) -> tuple[Pairs, Pairs]:
    """The parameters of a page's URL that are read, and those that are not, tracking ones left out.

    Raises:
        InvalidParameter: a name is nearly that of a parameter: what it should filter must not be dropped; or there are
            too many.
    """
    known: list[tuple[str, str]] = []
    ignored: dict[str, str] = {}
    for name, value in not_too_many(pairs):
        if name in NAMES:
            known.append((name, value))
        elif not _TRACKING.fullmatch(name) and (name, value) != _NO_FILE:
            if is_near_miss(name):
                raise unknown_parameter(name)
            ignored[name] = value
    return tuple(known), tuple(ignored.items())


def other_parameters(pairs: Iterable[tuple[str, str]], own: Sequence[str]) -> Pairs:
    """The parameters that a page does not read which makes no search, tracking ones left out.

    Args:
        pairs: names and values.
        own: names that the page reads.

    Raises:
        InvalidParameter: a name is that of a search's parameter, or nearly that or one of the page's own.
    """
    ignored: dict[str, str] = {}
    for name, value in not_too_many(pair for pair in pairs if pair[0] not in own):
        if _TRACKING.fullmatch(name):
            continue
        near = nearest(name, own)
        if near or name in NAMES or is_near_miss(name):
            raise unknown_name(name, near, own)
        ignored[name] = value
    return tuple(ignored.items())


def ignored_notes(ignored: Pairs) -> tuple[str, ...]:
    """What a page says of parameters that it does not know; nothing where there are none."""
    names = ", ".join(f"“{name[:_LONGEST]}”" for name in dict.fromkeys(name for name, _ in ignored))
    return (f"Unknown in the URL, and ignored: {names}.",) if names else ()


def is_near_miss(name: str) -> bool:
    """Whether a name is nearly that of a parameter, or has that of a filter in it, signs and capitals aside."""
    plain = re.sub(r"[^a-z0-9]+", "_", unicodedata.normalize("NFKC", name).casefold()).strip("_")
    parts = {part for word in plain.split("_") for part in (word, word.removesuffix("s"))}
    return not parts.isdisjoint(_FILTER_NAMES) or bool(difflib.get_close_matches(plain, NAMES, cutoff=0.7))
