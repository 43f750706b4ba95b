"""The results of a search: the verdict, the hits, and what the filters hid."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from ogaart.likeness.orientations import in_words

_SAME_SIZE = 0.05
"""Difference of a scale from 1 up to which nothing is said of it: boxes of cells are whole pixels."""


class Relation(StrEnum):
    """The relation of a hit to the picture of the search."""

    SAME = "same"  # an exact copy
    NEAR = "near"  # resized, recompressed, mirrored, on another background
    PART = "part"  # the picture of the search is a part of it: of a sheet, for example
    CONTAINED = "contained"  # it is a part of the picture of the search
    SIMILAR = "similar"
    UNLIKE = "unlike"  # the nearest there is, which is not similar


@dataclass(frozen=True)
class Verdict:
    """The answer to "where is this from?"; ``relation`` is that of the best hit."""

    relation: Relation
    text: str


@dataclass(frozen=True)
class LicenceName:
    """A licence as the entry states it."""

    name: str
    url: str


@dataclass(frozen=True)
class LicenceStatement:
    """What an entry's page has said of its licences, from one read of it to another; times are ISO 8601.

    Attributes:
        licences: their names; any one may be chosen.
        first_read_at: when the page was first read with them.
        last_read_at: when the site last served or confirmed it with them.
        changed_at: when it was first read with other ones; empty where these are current.
    """

    licences: tuple[str, ...]
    first_read_at: str
    last_read_at: str
    changed_at: str


@dataclass(frozen=True)
class Occurrence:
    """One file or archive member that holds the hit's pixels."""

    image_id: int
    slug: str
    title: str
    author: str
    licences: tuple[str, ...]
    page_url: str
    file: str
    file_url: str
    member_path: str
    format: str
    bytes: int
    fid: int | None
    file_sha256: str
    sha256: str


class EntryFields(NamedTuple):
    """What all hits of an entry share: fields of ``Hit``, and served columns of the entry."""

    fields: Mapping[str, Any]
    columns: Mapping[str, Any]


class NamedPicture(NamedTuple):
    """What tells whether a picture is a frame of an animation: its size in pixels, and its file with the path in it."""

    image_id: int
    width: int
    height: int
    name: str


@dataclass(frozen=True)
class Hit:
    """One picture of one entry, with all that is needed to judge, use and credit it.

    ``beside`` names further pictures of its entry, where these are not read as hits into ``folded``.
    ``entry_more`` is how many further pictures of its entry the search has, where it shows one of each entry.
    ``why`` says how alike it is in subject, shape and colours, 0 to 1, where that was compared.
    ``columns`` holds every column that ``schema`` declares as served, by its served name.
    """

    image_id: int
    score: float | None
    relation: Relation | None
    slug: str
    title: str
    author: str
    author_url: str
    collaborators: tuple[str, ...]
    submitter: str
    licences: tuple[LicenceName, ...]
    notice: str
    attribution: str
    page_url: str
    posted_at: str
    fetched_at: str
    art_type: str
    tags: tuple[str, ...]
    description: str
    file: str
    file_url: str
    member_path: str
    width: int
    height: int
    format: str
    frames: int
    has_alpha: bool
    colours: int
    palette: tuple[str, ...]
    palette_shares: tuple[float, ...]
    pixel_art: bool
    pixel_sha256: str
    places: tuple[Occurrence, ...] = ()
    folded: tuple["Hit", ...] = ()
    beside: tuple[NamedPicture, ...] = ()
    folded_count: int = 0
    entry_more: int = 0
    why: Mapping[str, float] = field(default_factory=dict)
    columns: Mapping[str, Any] = field(default_factory=dict)

    def with_values(self, **values: Any) -> "Hit":
        """The same hit with some fields changed, as ``dataclasses.replace`` has it, in a tenth of its time.

        A page has hundreds of hits of forty fields each, and the fields of a frozen instance are set one by one.
        """
        made = object.__new__(Hit)
        vars(made).update(vars(self), **values)
        return made

    @property
    def authors(self) -> tuple[str, ...]:
        """Author and collaborators, each once; all of them are credited."""
        return tuple(dict.fromkeys(name for name in (self.author, *self.collaborators) if name))

    @property
    def thumb_url(self) -> str:
        """Path of its thumbnail on this server."""
        return f"/thumb/{self.image_id}.webp"

    @property
    def original_url(self) -> str:
        """Path of its original bytes on this server."""
        return f"/original/{self.image_id}"

    @property
    def url(self) -> str:
        """Path of its own page; it never changes, as the id is made of entry and pixels."""
        return f"/image/{self.image_id}"

    @property
    def other_entries(self) -> tuple[Occurrence, ...]:
        """One occurrence for each other entry that holds the same pixels."""
        seen: dict[str, Occurrence] = {}
        for place in self.places:
            if place.slug != self.slug:
                seen.setdefault(place.slug, place)
        return tuple(seen.values())


class EntryJson(NamedTuple):
    """What all hits of an entry share, as JSON without braces: see ``web.schemas.hits``, which writes it.

    Attributes:
        fields: the fields of a hit up to when its page was read.
        columns: every other served column of the entry, each after a comma.
    """

    fields: bytes
    columns: bytes


class HitJson(NamedTuple):
    """What no search changes of a hit, as JSON: see ``web.schemas.hits``, which writes it.

    Attributes:
        entry: what it shares with the other hits of its entry.
        fields: its own fields up to its hash, without braces.
        places: the list of its places.
        columns: every other served column of the picture, each after a comma.
        elsewhere: further images of the same pixels, which its places name.
    """

    entry: EntryJson
    fields: bytes
    places: bytes
    columns: bytes
    elsewhere: tuple[int, ...]


class HitWriter(NamedTuple):
    """Writes what no search changes of hits.

    Attributes:
        entry: writes what a hit shares with the others of its entry.
        hit: writes a hit, of which that is written.
    """

    entry: Callable[[Hit], EntryJson]
    hit: Callable[[Hit, EntryJson], HitJson]


class JudgedJson(NamedTuple):
    """A hit as JSON with what a search says of it; see ``Hit``."""

    image_id: int
    json: HitJson
    score: float | None
    relation: Relation | None
    why: Mapping[str, float]
    folded: tuple["JudgedJson", ...] = ()
    folded_count: int = 0
    entry_more: int = 0


class PartBox(NamedTuple):
    """Where a part is in the picture that contains it, in pixels."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class SharedPart:
    """A picture of which the picture of the search is a part, or which is a part of it.

    Attributes:
        hit: that picture.
        place: where the part is: in the hit, or in the picture of the search.
        cell: column and row, from one, where the place is a cell of the hit's grid.
        scale: by how much the picture of the search shows the part larger than the hit does.
        orientation: 0 to 7: quarter turns by which the picture of the search is turned; from 4 on, it is mirrored too.
        share: share of the part's patches that agree; of a cell that is only alike, how close its miniature is.
        exact: whether exact pixels prove it; else a cell of a sheet looks like the picture of the search.
    """

    hit: Hit
    place: PartBox
    cell: tuple[int, int] | None
    scale: float
    orientation: int
    share: float
    exact: bool = True

    @property
    def changes(self) -> tuple[str, ...]:
        """How the picture of the search shows the part otherwise than the hit does, in words; else empty."""
        if abs(self.scale - 1) <= _SAME_SIZE:
            return in_words(self.orientation)
        size = (
            f"enlarged {self.scale:.3g} times" if self.scale > 1 else f"reduced to {self.scale:.0%}".replace("%", " %")
        )
        return (*in_words(self.orientation), size)


@dataclass(frozen=True)
class HiddenCount:
    """How many of the hits one filter hides: those that appear when it alone is removed."""

    name: str
    count: int


@dataclass(frozen=True)
class UnknownValue:
    """A value of a filter that nothing has.

    Attributes:
        field: the filter, as ``Filter.field``.
        value: as it was set.
        nearest: values that something has, the nearest first.
    """

    field: str
    value: str
    nearest: tuple[str, ...]


@dataclass(frozen=True)
class Info:
    """What is searched: the open generation.

    ``typical_cosine`` is what half of all pairs of its pictures stay below, and ``unrelated_cosine`` what nine of ten
    pictures stay below with all of other entries and authors, if they are enough to tell.
    """

    generation: int
    images: int
    entries: int
    model: str
    space: str
    built_at: str
    newest_fetch: str
    typical_cosine: float | None = None
    unrelated_cosine: float | None = None


@dataclass(frozen=True)
class Results:
    """One page of an answer.

    Attributes:
        written: the hits as JSON, where a search was asked to write them: ``hits`` are then without what is under them.
        similar_cells: sheets of which a cell is like the picture of the search, or a part shares some exact pixels with
            it, but which hold no copy of it.
        total: how many different pictures there are in all; known for words and filters only.
        looked_at: how many hits the hidden counts regard.
        did_you_mean: the words as they are usually spelled, where that differs and finds something.
        nearest_words: words of the catalog near those of a search that finds nothing.
        popular_tags: with their numbers of pictures, for a search that finds nothing.
        unknown: values of filters that nothing has.
    """

    info: Info
    hits: tuple[Hit, ...] = ()
    written: tuple[JudgedJson, ...] | None = None
    verdict: Verdict | None = None
    part_of: tuple[SharedPart, ...] = ()
    contains: tuple[SharedPart, ...] = ()
    similar_cells: tuple[SharedPart, ...] = ()
    hidden: tuple[HiddenCount, ...] = ()
    total: int | None = None
    more: bool = False
    looked_at: int = 0
    notes: tuple[str, ...] = field(default=())
    did_you_mean: str = ""
    nearest_words: tuple[str, ...] = ()
    popular_tags: tuple[tuple[str, int], ...] = ()
    unknown: tuple[UnknownValue, ...] = ()
    milliseconds: float = 0.0

    @property
    def credits_path(self) -> str | None:
        """Path of the credits of every picture that the picture of the search contains; None where it contains none."""
        ids = ",".join(str(part.hit.image_id) for part in self.contains)
        return f"/credits?ids={ids}" if ids else None
