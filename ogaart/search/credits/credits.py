"""From picked pictures to the credits that their licences require: grouped by author, each entry once. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ogaart.search.results import Hit, LicenceName
from ogaart.sites.licences import LICENCES, UNKNOWN_AUTHOR, Licence, lookup


@dataclass(frozen=True)
class Work:
    """One entry that pictures were picked from.

    Attributes:
        slug: the entry.
        title: its title.
        author: its author.
        collaborators: its co-authors, who are credited with the author.
        page_url: its page.
        licences: all licences the author offers; any one may be chosen.
        relied_on: the one chosen; None where the entry states none.
        text: what credits it: the author's own notice, else the usual line.
        own_notice: whether ``text`` is the author's notice.
        pictures: the pictures picked.
    """

    slug: str
    title: str
    author: str
    collaborators: tuple[str, ...]
    page_url: str
    licences: tuple[LicenceName, ...]
    relied_on: LicenceName | None
    text: str
    own_notice: bool
    pictures: tuple[Hit, ...]

    @property
    def known(self) -> Licence | None:
        """What is known of the licence relied on."""
        return lookup(self.relied_on.name) if self.relied_on else None

    @property
    def authors(self) -> tuple[str, ...]:
        """Author and collaborators."""
        return (self.author, *self.collaborators)

    @property
    def read_on(self) -> str:
        """The day on which its page last stated these licences, as YYYY-MM-DD; empty where that is not known."""
        return max((hit.fetched_at for hit in self.pictures), default="")[:10]

    @property
    def files(self) -> tuple[str, ...]:
        """Files and members of the pictures, each once."""
        named = (f"{hit.file} › {hit.member_path}" if hit.member_path else hit.file for hit in self.pictures)
        return tuple(dict.fromkeys(named))


@dataclass(frozen=True)
class Author:
    """All works of one author."""

    name: str
    works: tuple[Work, ...]


@dataclass(frozen=True)
class Credits:
    """What to credit, by author in alphabetical order."""

    authors: tuple[Author, ...]

    @property
    def works(self) -> tuple[Work, ...]:
        """All works, in that order."""
        return tuple(work for author in self.authors for work in author.works)


def freest(licences: Sequence[LicenceName]) -> LicenceName | None:
    """The licence that permits most; the author's order decides between equals. Unknown ones come last."""
    if not licences:
        return None

    def freedom(licence: LicenceName) -> tuple[int, int]:
        known = lookup(licence.name)
        if known is None:
            return (-1, 0)
        # Among equals the newer version: it says more clearly what it means.
        return (len(known.grants), LICENCES.index(known) if known.name.endswith("4.0") else 0)

    return max(licences, key=freedom)


def make_credits(hits: Sequence[Hit], chosen: Mapping[str, str] | None = None) -> Credits:
    """Make the credits.

    Args:
        hits: the pictures picked.
        chosen: for entries (slug), the licence's name that the user relies on; by default the freest.
    """
    by_slug: dict[str, list[Hit]] = {}
    for hit in hits:
        by_slug.setdefault(hit.slug, []).append(hit)
    by_author: dict[str, list[Work]] = {}
    for slug, picked in by_slug.items():
        first = picked[0]
        wished = (chosen or {}).get(slug)
        relied_on = next((one for one in first.licences if one.name == wished), None) or freest(first.licences)
        work = Work(
            slug=slug,
            title=first.title,
            author=first.author or UNKNOWN_AUTHOR,
            collaborators=tuple(name for name in first.authors if name != first.author),
            page_url=first.page_url,
            licences=first.licences,
            relied_on=relied_on,
            text=first.attribution,
            own_notice=bool(first.notice.strip()),
            pictures=tuple({hit.image_id: hit for hit in picked}.values()),
        )
        by_author.setdefault(work.author, []).append(work)
    ordered = sorted(by_author.items(), key=lambda pair: pair[0].casefold())
    return Credits(
        tuple(Author(name, tuple(sorted(works, key=lambda work: work.title.casefold()))) for name, works in ordered)
    )
