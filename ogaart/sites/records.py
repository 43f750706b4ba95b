"""What pages hold, as records: result pages, entries, files. Every site's parser returns these."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

from ogaart.core.states import EntryStatus, FileRole, ListingStatus
from ogaart.sites.errors import ListingUnreadable


@dataclass(frozen=True)
class ListedEntry:
    """One result.

    Attributes:
        position: zero-based place on the page, counted over all its rows.
        slug: the entry's key.
        title: the title shown; empty where the page shows none.
        url: the entry's URL on the configured site, percent-encoded as the page links it.
        by_number: the link has a number where others have a name; the entry's own page may state its name.
    """

    position: int
    slug: str
    title: str
    url: str
    by_number: bool = False


@dataclass(frozen=True)
class OddRow:
    """A result that the site counts and that is not usable, or one that it shows without counting it.

    Attributes:
        place: where it is: its position on the page, else which of those that are not shown.
        error_class: RowWithoutEntry, RowRepeated, RowNotShown or RowNotCounted.
        message: what is odd.
    """

    place: str
    error_class: str
    message: str


@dataclass(frozen=True)
class Listing:
    """One result page. Equal for two answers to the same request, whose bytes always differ.

    Attributes:
        status: OK, or NO_RESULTS for a search that found nothing. PAST_END is decided by :func:`is_past_end`.
        first: number of the page's first result among all results, counted from 1; None without results.
        last: number of its last result.
        total: number of all results of the query.
        rows: the results in the page's order, each entry once.
        skipped: what rows showed that link no entry, in order; such a page has fewer rows than its header says.
        repeated: keys of entries that the page lists again, once for each further row.
        params: the search that the page's links to its other pages state, as sorted pairs of name and value, without
            paging and empty values; empty where it has no such links.
    """

    status: ListingStatus
    first: int | None
    last: int | None
    total: int | None
    rows: tuple[ListedEntry, ...]
    skipped: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()
    params: tuple[tuple[str, str], ...] = ()

    @property
    def announced(self) -> int:
        """How many rows the header announces for this page."""
        return 0 if self.first is None or self.last is None else self.last - self.first + 1

    @property
    def odd_rows(self) -> tuple[OddRow, ...]:
        """Why the page's entries are not as many as announced, row by row."""
        odd = [
            OddRow(f"without-entry-{n}", "RowWithoutEntry", f"a result row that links no entry: {shown[:200]!r}")
            for n, shown in enumerate(self.skipped, 1)
        ]
        odd += [
            OddRow(f"repeated-{n}", "RowRepeated", f"entry {key!r} is listed again on the same page")
            for n, key in enumerate(self.repeated, 1)
        ]
        missing = self.announced - len(self.rows) - len(self.skipped) - len(self.repeated)
        kind, what = (
            ("RowNotShown", "counted and not shown") if missing > 0 else ("RowNotCounted", "shown, not counted")
        )
        message = f"a result that is {what}: the header says {self.first} - {self.last} of {self.total}"
        return (*odd, *(OddRow(f"{kind}-{n}", kind, message) for n in range(1, abs(missing) + 1)))


def tolerated_gap(total: int) -> int:
    """How many of ``total`` results may be odd while the others are still relied on: three, or one in a hundred."""
    return max(3, total // 100)


def is_past_end(listing: Listing, page: int, per_page: int) -> bool:
    """Whether the requested page lies past the end, where the site answers with its last page again.

    Args:
        listing: the answer to the request.
        page: the zero-based page requested.
        per_page: the rows a page requested.

    Raises:
        ListingUnreadable: the header is neither the requested page's nor the last page's, as where the site ignores the
            requested number of rows.
    """
    if listing.first is None:
        return page > 0
    expected = page * per_page + 1
    if listing.first == expected:
        return False
    if listing.last == listing.total and listing.first < expected and expected > (listing.total or 0):
        return True
    raise ListingUnreadable(
        f"page {page} of {per_page} rows starts at {expected}, yet the header says "
        f"{listing.first} - {listing.last} of {listing.total}: the site answered another page"
    )


@dataclass(frozen=True)
class FileLink:
    """A file that an entry links.

    Attributes:
        fid: the site's file id; None for previews.
        slug: the entry's key.
        position: zero-based place among the entry's links of that role.
        role: an original, or a preview.
        url: the URL to request, on the configured site, percent-encoded as on the page.
        stored_name: the name on the server, percent-decoded exactly once.
        shown_name: the name shown to visitors, as it is: hostile text.
        mime: the MIME type stated, which comes from the extension.
        length: the exact length stated, in bytes.
    """

    fid: int | None
    slug: str
    position: int
    role: FileRole
    url: str
    stored_name: str
    shown_name: str
    mime: str | None
    length: int | None


@dataclass(frozen=True)
class EntryPage:
    """An entry's page. Equal for two answers with the same content, whatever else differs in their bytes.

    Attributes:
        slug: the entry's key.
        url: the page's URL as requested.
        status: OK; WITHHELD where the site keeps the files back; NOT_ART for a page that proves to be of another kind,
            of which only the node id is read.
        nid: the site's own number of the entry.
        title: the title.
        author: the author as shown.
        author_url: the author's page, on the site or elsewhere; None for plain text.
        collaborators: further authors, as shown, in the page's order.
        submitter: who submitted it, where that is not the author.
        posted_at: the post date as shown, naive where the site states no zone.
        art_type: such as ``2D Art``.
        tags: in the page's order.
        licences: the licences' names as shown; several mean: any one of them.
        licence_urls: their links as on the page, in the same order; empty text for a licence without one.
        notice: the author's own copyright notice and attribution instructions, each that there is, on lines of its own.
        description: as plain text.
        favourites: 0 where the page shows none.
        collections: the collections that hold the entry.
        files: the originals, in the page's order, each URL once.
        previews: the uploaded previews, in the page's order, without those that are originals too.
        ignored: links in the field of files that are not an upload on the site.
        canonical: the key that the page states as its own; None where it states none.
    """

    slug: str
    url: str
    status: EntryStatus
    nid: int | None = None
    title: str | None = None
    author: str | None = None
    author_url: str | None = None
    collaborators: tuple[str, ...] = ()
    submitter: str | None = None
    posted_at: datetime | None = None
    art_type: str | None = None
    tags: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    licence_urls: tuple[str, ...] = ()
    notice: str | None = None
    description: str | None = None
    favourites: int = 0
    collections: tuple[str, ...] = ()
    files: tuple[FileLink, ...] = ()
    previews: tuple[FileLink, ...] = ()
    ignored: tuple[str, ...] = ()
    canonical: str | None = None


_LATER = ("collaborators",)
"""Fields added since the first hash."""


def content_hash(entry: EntryPage) -> str:
    """The sha256, in hex, of the record without what changes without the entry changing.

    That is: favourites, collections, and the key that the page states.

    A field that was added later counts only where it is not empty, so that the hashes of before hold.
    """
    record: dict[str, Any] = asdict(replace(entry, favourites=0, collections=()))
    del record["canonical"]
    for name in _LATER:
        if not record[name]:
            del record[name]
    text = json.dumps(record, sort_keys=True, ensure_ascii=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()


@dataclass(frozen=True)
class LinkTargets:
    """What a link that a visitor pasted can mean on a site: each is to be looked up, in order.

    Attributes:
        entries: keys of entries.
        files: URLs of files, as an entry's page would link them.
    """

    entries: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
