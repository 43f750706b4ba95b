"""What the demo's site consists of: plain records that tests may change while the site is served."""

from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from ogaart.core.stages import Stage
from ogaart.core.states import EntryStatus

OGA = "https://opengameart.org"
FILES = "/sites/default/files/"
LICENCE_URLS = {
    "CC0": "http://creativecommons.org/publicdomain/zero/1.0/",
    "CC-BY 3.0": "http://creativecommons.org/licenses/by/3.0/",
    "CC-BY 4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC-BY-SA 3.0": "http://creativecommons.org/licenses/by-sa/3.0/",
    "CC-BY-SA 4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
    "OGA-BY 3.0": "http://opengameart.org/content/oga-by-30-faq",
    "OGA-BY 4.0": "https://static.opengameart.org/OGA-BY-4.0.txt",
    "GPL 3.0": "http://www.gnu.org/licenses/gpl-3.0.html",
    "GPL 2.0": "http://www.gnu.org/licenses/old-licenses/gpl-2.0.html",
    "LGPL 3.0": "http://www.gnu.org/licenses/lgpl-3.0.html",
    "LGPL 2.1": "http://www.gnu.org/licenses/old-licenses/lgpl-2.1.html",
}


@dataclass(frozen=True)
class DemoPicture:
    """A picture that reading a file must find; ``member_path`` is empty for the file itself."""

    member_path: str
    pixel_sha256: str
    width: int
    height: int


@dataclass(frozen=True)
class Planted:
    """A failure that the site provokes.

    ``required`` is false where the platform may as well record a status only. ``member_path`` is None where the
    whole file is meant.
    """

    stage: Stage
    error: str
    member_path: str | None = None
    http_status: int | None = None
    required: bool = True


@dataclass
class DemoFile:
    """One original file of an entry: what the page says of it, its bytes, and what reading them must yield."""

    fid: int
    stored_name: str
    shown_name: str
    data: bytes
    pictures: list[DemoPicture] = field(default_factory=list)
    planted: list[Planted] = field(default_factory=list)
    missing: bool = False  # linked by the page, 404 when requested
    modified: datetime | None = None  # None: when its entry was posted

    @property
    def path(self) -> str:
        """The path as the page links it, percent-encoded."""
        return FILES + quote(self.stored_name, safe="")


@dataclass
class Preview:
    """A picture shown on the page that is none of the originals."""

    stored_name: str
    data: bytes

    @property
    def path(self) -> str:
        """The path as the page links it, percent-encoded."""
        return FILES + quote(self.stored_name, safe="")


@dataclass
class DemoEntry:
    """One content page. The author is a user of the site, else has a link elsewhere, else is plain text."""

    slug: str
    nid: int
    title: str
    author: str
    posted_at: datetime
    licences: list[str]
    author_url: str | None = None  # root-relative for a user of the site
    submitter: str | None = None
    art_type: str = "2D Art"
    tags: list[str] = field(default_factory=list)
    about: list[str] = field(default_factory=list)  # paragraphs of plain text
    notice: str | None = None
    notice_field: str = "copyright-notice"  # or "attribution"
    favourites: int = 0
    collections: list[str] = field(default_factory=list)
    files: list[DemoFile] = field(default_factory=list)
    previews: list[Preview] = field(default_factory=list)
    comments: bool = False  # with links and attachments that are not files of the entry
    away_links: bool = False  # a paragraph of links to other places
    status: EntryStatus = EntryStatus.OK
    collaborators: list[str] = field(default_factory=list)  # users of the site
    instructions: str | None = None  # how to attribute, beside a copyright notice
    numbered: bool = False  # listings link its number instead of its name
    cut_once: bool = False  # the first answer for its page breaks off in the middle

    @property
    def path(self) -> str:
        """The page's path, percent-encoded."""
        return "/content/" + quote(self.slug, safe="")

    @property
    def listed_path(self) -> str:
        """The path by which listings link it."""
        return f"/node/{self.nid}" if self.numbered else self.path

    @property
    def licence_urls(self) -> list[str]:
        """The licences' links, in the same order."""
        return [LICENCE_URLS[name] for name in self.licences]


@dataclass
class DemoContent:
    """All entries, and bytes that are served but are not a file of any entry: requesting one is a crawler's mistake."""

    entries: list[DemoEntry]
    decoys: dict[str, bytes] = field(default_factory=dict)  # path -> bytes

    def entry(self, slug: str) -> DemoEntry:
        """Return the entry of that slug.

        Raises:
            KeyError: there is none.
        """
        for entry in self.entries:
            if entry.slug == slug:
                return entry
        raise KeyError(f"slug {slug!r}: not among the demo's {len(self.entries)} entries")

    def file(self, fid: int) -> tuple[DemoEntry, DemoFile]:
        """Return a file with the entry that links it.

        Raises:
            KeyError: there is none.
        """
        for entry in self.entries:
            for file in entry.files:
                if file.fid == fid:
                    return entry, file
        raise KeyError(f"fid {fid}: no file of the demo has it")

    def by_age(self) -> list[DemoEntry]:
        """Return the entries in the order of their posting."""
        return sorted(self.entries, key=lambda entry: (entry.posted_at, entry.nid))
