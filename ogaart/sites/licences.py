"""The site's licences: what each lets a game do, why, and how the art is credited.

The truth table is of the licences as written, version by version. Each answer is the cautious one: where a licence's
text leaves a doubt for art in a game, the use is not granted. It is a filter for searching, no legal advice.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

UNKNOWN_AUTHOR = "unknown author"
UNTITLED = "untitled"
_LONGEST_URL = 200
_VERSION = re.compile(r"-\d+(\.\d+)*$")
_LICENCE_LINK = re.compile(
    r"(?:[\w.-]+\.)?creativecommons\.org/(?:licen[sc]es/([a-z+-]+)(?:/(\d\.\d))?|publicdomain/(\w+))"
    r"|(?:[\w.-]+\.)?gnu\.org/(?:[\w.-]+/)*?((?:a|l)?gpl|fdl)(?:-(\d(?:\.\d)?))?(?=[./]|$)"
    r"|[^/]+/(?:content/)?oga-(by)-(\d\.?\d)"
)
"""A link to a licence, without scheme, in lower case: code and version of Creative Commons', GNU's, the site's own."""


@dataclass(frozen=True)
class Licence:
    """One licence that the site offers.

    Attributes:
        name: as the site writes it.
        url: where the site links it.
        spdx: its SPDX identifier, ``LicenseRef-…`` where SPDX has none.
        legal_text: URL of its text, which the reasons cite.
        may_sell: whether a game with the art in it may be sold.
        credit_needed: whether authors must be named or their notices kept.
        share_alike: whether changed art must be passed on under the same licence.
        drm_allowed: whether the art may go to stores that lock what they deliver.
        why_sell: the reason for ``may_sell``, with its place in the text; so for the other three.
        why_credit: see above.
        why_share_alike: see above.
        why_drm: see above.
    """

    name: str
    url: str
    spdx: str
    legal_text: str
    may_sell: bool
    credit_needed: bool
    share_alike: bool
    drm_allowed: bool
    why_sell: str
    why_credit: str
    why_share_alike: str
    why_drm: str

    @property
    def grants(self) -> frozenset[str]:
        """The uses it grants, of ``sell``, ``no-credit``, ``no-share-alike`` and ``drm``."""
        granted = {
            "sell": self.may_sell,
            "no-credit": not self.credit_needed,
            "no-share-alike": not self.share_alike,
            "drm": self.drm_allowed,
        }
        return frozenset(use for use, given in granted.items() if given)


USES = {
    "sell": "may sell",
    "no-credit": "no credit needed",
    "no-share-alike": "no share-alike",
    "drm": "DRM stores allowed",
}
"""The uses that a search can filter by, with their labels."""

# Sources of the answers: the legal texts linked in each row (sections cited), and for OGA-BY the site's own FAQ pages,
# which say what was changed against CC-BY: the clause on technological measures was taken out, nothing else.
LICENCES: tuple[Licence, ...] = (
    Licence(
        "CC0", "http://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0",
        "https://creativecommons.org/publicdomain/zero/1.0/legalcode",
        may_sell=True, credit_needed=False, share_alike=False, drm_allowed=True,
        why_sell="all rights waived, commercial purposes named (2, 3)",
        why_credit="attribution is not required; rights waived (2)",
        why_share_alike="no condition on changed works (2, 3)",
        why_drm="no condition on technological measures (2, 3)",
    ),
    Licence(
        "CC-BY 3.0", "http://creativecommons.org/licenses/by/3.0/", "CC-BY-3.0",
        "https://creativecommons.org/licenses/by/3.0/legalcode",
        may_sell=True, credit_needed=True, share_alike=False, drm_allowed=False,
        why_sell="grant without a non-commercial term (3)",
        why_credit="keep notices, name author and title, link (4b)",
        why_share_alike="adaptations under terms of one's choice (3b, 4b)",
        why_drm="no effective technological measures on the work (4a)",
    ),
    Licence(
        "CC-BY 4.0", "http://creativecommons.org/licenses/by/4.0/", "CC-BY-4.0",
        "https://creativecommons.org/licenses/by/4.0/legalcode",
        may_sell=True, credit_needed=True, share_alike=False, drm_allowed=False,
        why_sell="grant without a non-commercial term (2a1)",
        why_credit="name the creator, notice, licence, link, changes (3a)",
        why_share_alike="adapter's licence of one's choice (3a4)",
        why_drm="no effective technological measures on the material (2a5B)",
    ),
    Licence(
        "CC-BY-SA 3.0", "http://creativecommons.org/licenses/by-sa/3.0/", "CC-BY-SA-3.0",
        "https://creativecommons.org/licenses/by-sa/3.0/legalcode",
        may_sell=True, credit_needed=True, share_alike=True, drm_allowed=False,
        why_sell="grant without a non-commercial term (3)",
        why_credit="keep notices, name author and title, link (4c)",
        why_share_alike="adaptations under this, a later or a compatible licence (4b)",
        why_drm="no effective technological measures on the work or adaptations (4a, 4b)",
    ),
    Licence(
        "CC-BY-SA 4.0", "http://creativecommons.org/licenses/by-sa/4.0/", "CC-BY-SA-4.0",
        "https://creativecommons.org/licenses/by-sa/4.0/legalcode",
        may_sell=True, credit_needed=True, share_alike=True, drm_allowed=False,
        why_sell="grant without a non-commercial term (2a1)",
        why_credit="name the creator, notice, licence, link, changes (3a)",
        why_share_alike="adapted material under this, a later or a compatible licence (3b)",
        why_drm="no effective technological measures on the material or adaptations (2a5C, 3b3)",
    ),
    Licence(
        "OGA-BY 3.0", "http://opengameart.org/content/oga-by-30-faq", "LicenseRef-OGA-BY-3.0",
        "http://static.opengameart.org/OGA-BY-3.0.txt",
        may_sell=True, credit_needed=True, share_alike=False, drm_allowed=True,
        why_sell="as CC-BY 3.0: grant without a non-commercial term (3)",
        why_credit="as CC-BY 3.0: keep notices, name author and title (4b)",
        why_share_alike="as CC-BY 3.0: adaptations under terms of one's choice",
        why_drm="CC-BY 3.0's clause on technological measures taken out of 4a (the site's FAQ)",
    ),
    Licence(
        "OGA-BY 4.0", "http://opengameart.org/content/oga-by-40-faq", "LicenseRef-OGA-BY-4.0",
        "http://opengameart.org/content/oga-by-40-faq",
        may_sell=True, credit_needed=True, share_alike=False, drm_allowed=True,
        why_sell="as CC-BY 4.0: grant without a non-commercial term",
        why_credit="as CC-BY 4.0: name the creator, notice, licence, link",
        why_share_alike="as CC-BY 4.0: adapter's licence of one's choice",
        why_drm="CC-BY 4.0's clause on technological measures taken out (the site's FAQ)",
    ),
    # The site names a version and never "or later": -only is what can be relied on.
    Licence(
        "GPL 2.0", "http://www.gnu.org/licenses/old-licenses/gpl-2.0.html", "GPL-2.0-only",
        "https://www.gnu.org/licenses/old-licenses/gpl-2.0.txt",
        may_sell=True, credit_needed=True, share_alike=True, drm_allowed=False,
        why_sell="a fee may be charged (1)",
        why_credit="copyright notices are kept on every copy (1)",
        why_share_alike="works based on it under this licence, with source (2b, 3)",
        why_drm="no further restrictions on recipients (6), which store locks are",
    ),
    Licence(
        "GPL 3.0", "http://www.gnu.org/licenses/gpl-3.0.html", "GPL-3.0-only",
        "https://www.gnu.org/licenses/gpl-3.0.txt",
        may_sell=True, credit_needed=True, share_alike=True, drm_allowed=False,
        why_sell="any price may be charged (4)",
        why_credit="copyright notices are kept on every copy (4, 5)",
        why_share_alike="works based on it under this licence, with source (5c, 6)",
        why_drm="no further restrictions (10); no power to forbid circumvention (3)",
    ),
    Licence(
        "LGPL 2.1", "http://www.gnu.org/licenses/old-licenses/lgpl-2.1.html", "LGPL-2.1-only",
        "https://www.gnu.org/licenses/old-licenses/lgpl-2.1.txt",
        may_sell=True, credit_needed=True, share_alike=True, drm_allowed=False,
        why_sell="a fee may be charged (1)",
        why_credit="copyright notices are kept (1); works that use it say so (6)",
        why_share_alike="the art changed stays under this licence (2c); the game need not",
        why_drm="no further restrictions on recipients (10), which store locks are",
    ),
    Licence(
        "LGPL 3.0", "http://www.gnu.org/licenses/lgpl-3.0.html", "LGPL-3.0-only",
        "https://www.gnu.org/licenses/lgpl-3.0.txt",
        may_sell=True, credit_needed=True, share_alike=True, drm_allowed=False,
        why_sell="any price may be charged (GPL 3.0, 4, which it takes in)",
        why_credit="copyright notices are kept; combined works say so (4a, 4c)",
        why_share_alike="the art changed stays under this licence (2); the game need not (4)",
        why_drm="the GPL's bar on further restrictions (GPL 3.0, 10) holds but for its section 3",
    ),
)  # fmt: skip
"""All licences that the site offers, in the order of their families."""


@lru_cache(maxsize=1 << 10)
def lookup(name: str) -> Licence | None:
    """The licence of that name or SPDX identifier, letter case and kind of separator aside.

    The version must be there, as it decides: ``CC-BY`` alone is unknown.
    """
    wanted = _folded(name)
    return next((one for one in LICENCES if wanted in {_folded(one.name), _folded(one.spdx)}), None)


def versions_of(name: str, known: Iterable[str]) -> list[str]:
    """The licences that a name means: one where it has a version, else all versions of it and no other licence.

    ``CC-BY`` is CC-BY 3.0 and 4.0, and never CC-BY-SA. Letter case, kind of separator and a final ``.0`` are no matter.

    Args:
        name: as people write it; SPDX identifiers too.
        known: names of licences to choose from.
    """
    spdx = lookup(name)
    wanted = _plain_version(_folded(spdx.name if spdx else name))
    folded = {one: _plain_version(_folded(one)) for one in known}
    return [one for one, text in folded.items() if wanted in (text, _VERSION.sub("", text))]


def by_url(url: str) -> Licence | None:
    """The licence that a page means by this link, scheme, ``www.`` and trailing parts such as ``deed.en`` aside."""
    wanted = _folded_url(url)
    return next((one for one in LICENCES if wanted and _folded_url(one.url) == wanted), None)


def contradicting_link(name: str, url: str) -> str | None:
    """What a licence's link stands for, where that is another licence than its name says; else None.

    A link without a version contradicts another family alone, and a link that names no licence nothing.

    Args:
        name: as the page writes it.
        url: the link that the page gives with it.
    """
    named, linked = lookup(name), _linked(url)
    if named is None or linked is None:
        return None
    own = _folded(named.name)
    return None if linked in (own, _VERSION.sub("", own)) else linked.upper()


def _linked(url: str) -> str | None:
    """The licence that a link stands for, as ``cc-by-4.0`` or, without a version, ``gpl``; None: it names none."""
    known = by_url(url)
    if known is not None:
        return _folded(known.name)
    match = _LICENCE_LINK.match(_folded_url(url))
    if match is None:
        return None
    cc, cc_version, domain, gnu, gnu_version, oga, oga_version = match.groups()
    if domain:
        return "cc0" if domain == "zero" else f"publicdomain-{domain}"
    family, version = (f"cc-{cc}", cc_version) if cc else (gnu, gnu_version) if gnu else (f"oga-{oga}", oga_version)
    if version is None:
        return family
    return f"{family}-{version if '.' in version else '.'.join(version.ljust(2, '0'))}"


def uses(names: Sequence[str]) -> list[str]:
    """The uses that art under these licences, any one of which may be chosen, can be put to.

    Uses that are wanted together must be granted by one licence together, so this lists every such combination: a
    search for "may sell, and no credit" is then a plain match of ``no-credit+sell``.

    Args:
        names: the names of an entry's licences.

    Returns:
        Every non-empty subset of ``drm``, ``no-credit``, ``no-share-alike``, ``sell`` that one of the licences grants,
        as its words in order joined by ``+``; sorted. An unknown licence grants nothing.
    """
    return list(_uses(tuple(names)))


@lru_cache(maxsize=1 << 10)
def _uses(names: tuple[str, ...]) -> Sequence[str]:
    granted: set[str] = set()
    for name in names:
        if licence := lookup(name):
            words = sorted(licence.grants)
            granted.update("+".join(some) for size in range(1, len(words) + 1) for some in combinations(words, size))
    return sorted(granted)


def use_key(wanted: Iterable[str]) -> str:
    """The text in :func:`uses` that represents these uses together.

    Raises:
        ValueError: one of them is not a known use, or there is none.
    """
    words = sorted(set(wanted))
    if not words or (unknown := [word for word in words if word not in USES]):
        raise ValueError(f"invalid uses {unknown if words else words}: choose one or more of {', '.join(USES)}")
    return "+".join(words)


def attribution(
    title: str | None,
    author: str | None,
    licences: Sequence[str],
    url: str,
    notice: str | None = None,
    collaborators: Sequence[str] = (),
) -> str:
    """The text that credits an entry.

    The author's own notice wins, unchanged but for blanks around it and for a line that names those collaborators whom
    it does not. Else ``"[name]" by [author], [collaborators] licensed [licences]: [url]`` on one line; without licences
    the page is still named. All of it is other people's text: escape it where it is shown.
    """
    others = [name for one in collaborators if (name := _one_line(one))]
    if notice and notice.strip():
        unnamed = [name for name in others if name.casefold() not in _one_line(notice).casefold()]
        return notice.strip() + (f"\nWith {', '.join(unnamed)}" if unnamed else "")
    named = ", ".join(text for name in licences if (text := _one_line(name)))
    licensed = f" licensed {named}" if named else ""
    authors = ", ".join([_one_line(author) or UNKNOWN_AUTHOR, *others])
    return f'"{_one_line(title) or UNTITLED}" by {authors}{licensed}: {url}'


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]+", "-", name.strip()).casefold()


def _plain_version(folded: str) -> str:
    return folded.removesuffix(".0")


def _folded_url(url: str) -> str:
    if len(url) > _LONGEST_URL:  # no licence's, and slow to match
        return ""
    match = re.fullmatch(
        r"(?:https?:)?//(?:www\.)?([^?#]*?)(?:(?:deed|legalcode)[\w.-]*)?/?(?:[?#].*)?", url.strip().lower()
    )
    return match[1].rstrip("/") if match else ""


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
