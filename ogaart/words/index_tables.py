"""Writes the index of terms: from the rows of words.sqlite to postings, a vocabulary, and one array a column.

Images are numbered entry by entry, in the order of their names, so that a term of an entry's own text is stored once
and represents all its pictures. A search then adds arrays instead of visiting rows.
"""

import json
import re
import sqlite3
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ogaart.likeness.colours import main_colours_of
from ogaart.words.positions import Positions, position_rows
from ogaart.words.tokens import ReadText, read, stems

VERSION = 3
"""Of the tables below; a publication of another version is indexed again when it is opened."""

# How much a word counts by where it is: a picture's own name says more of it than the title of its entry, and far more
# than a description that mentions things.
TITLE, TAGS, AUTHOR, DESCRIPTION = 8.0, 6.0, 4.0, 1.0
OWN_NAME, PATH = 10.0, 2.0
_USUAL_NAME = 3  # words of a file's name; a longer one says less by each
_DIGITS = re.compile(r"(\d+)")
_BATCH = 5_000

TABLES = """
CREATE TABLE terms(term TEXT PRIMARY KEY, images INTEGER, entry_numbers BLOB, entry_weights BLOB,
    image_rows BLOB, image_weights BLOB);
CREATE TABLE vocabulary(word TEXT PRIMARY KEY, term TEXT, entries INTEGER) WITHOUT ROWID;
CREATE TABLE image_columns(name TEXT PRIMARY KEY, type TEXT, data BLOB);
CREATE TABLE positions(term TEXT PRIMARY KEY, entry_numbers BLOB, entry_places BLOB,
    image_rows BLOB, image_places BLOB);
CREATE TABLE word_index(version INTEGER);
"""
INDEX_TABLES = ("terms", "vocabulary", "image_columns", "positions", "word_index")
"""Their names."""


@dataclass
class TermPostings:
    """Where each term is, and how much it counts there."""

    numbers: dict[str, "array[int]"] = field(default_factory=lambda: defaultdict(lambda: array("I")))
    weights: dict[str, "array[float]"] = field(default_factory=lambda: defaultdict(lambda: array("f")))

    def add(self, number: int, weighed: Mapping[str, float]) -> None:
        """Note how much each term of a text counts."""
        for term, weight in weighed.items():
            self.numbers[term].append(number)
            self.weights[term].append(weight)

    def stored(self, term: str) -> tuple[bytes, bytes]:
        """Numbers and weights of a term as the index stores them: little-endian, 32 bits and float16 each."""
        numbers = np.frombuffer(self.numbers.get(term, array("I")), np.uint32).astype("<u4")
        weights = np.frombuffer(self.weights.get(term, array("f")), np.float32).astype("<f2")
        return numbers.tobytes(), weights.tobytes()

    def weighed(self) -> list[tuple[str, bytes, bytes]]:
        """All terms, as they are stored."""
        return [(term, *self.stored(term)) for term in self.numbers]


@dataclass
class Indexed:
    """What is indexed of one kind of text."""

    postings: TermPostings = field(default_factory=TermPostings)
    positions: Positions = field(default_factory=Positions)


@dataclass
class IndexColumns:
    """What filters and sorting need of each image, by row."""

    ids: "array[int]" = field(default_factory=lambda: array("q"))
    entries: "array[int]" = field(default_factory=lambda: array("I"))
    widths: "array[int]" = field(default_factory=lambda: array("I"))
    heights: "array[int]" = field(default_factory=lambda: array("I"))
    alpha: "array[int]" = field(default_factory=lambda: array("B"))
    pixel_art: "array[int]" = field(default_factory=lambda: array("B"))
    colours: "array[int]" = field(default_factory=lambda: array("H"))
    pixels: "array[int]" = field(default_factory=lambda: array("I"))
    posted: "array[int]" = field(default_factory=lambda: array("q"))
    favourites: "array[int]" = field(default_factory=lambda: array("I"))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of them by name."""
        return {name: np.frombuffer(getattr(self, name), getattr(self, name).typecode) for name in vars(self)}


@dataclass
class Analysis:
    """What the texts of some entries and their images consist of.

    Attributes:
        numbers: the entries' numbers by slug, rising.
        vocabulary: in how many entries each word is, as visitors may type it.
    """

    of_entries: Indexed = field(default_factory=Indexed)
    of_images: Indexed = field(default_factory=Indexed)
    columns: IndexColumns = field(default_factory=IndexColumns)
    vocabulary: Counter[str] = field(default_factory=Counter)
    numbers: dict[str, int] = field(default_factory=dict)


def analyse(store: sqlite3.Connection, slugs: Sequence[str] | None = None) -> Analysis:
    """Read the texts of entries and their images.

    Args:
        store: words.sqlite with its tables ``entries``, ``images``, ``places`` and ``files``.
        slugs: the entries; None: all that have images.
    """
    found = Analysis()
    chosen = None if slugs is None else json.dumps(list(slugs))
    found.numbers = _index_entries(store, found.of_entries, found.columns, found.vocabulary, chosen)
    _index_images(store, found.numbers, found.of_images, found.columns, found.vocabulary, chosen)
    return found


def write_word_index(store: sqlite3.Connection, target: sqlite3.Connection | None = None) -> int:
    """Write the index of terms of all images.

    Args:
        store: words.sqlite with its tables ``entries``, ``images``, ``places`` and ``files``.
        target: where the index's tables are made; by default there.

    Returns:
        Images indexed.
    """
    into = target if target is not None else store
    into.executescript(TABLES)
    found = analyse(store)
    of_entries, of_images, arrays = found.of_entries, found.of_images, found.columns.arrays()
    write_columns(into, arrays)
    sizes = np.bincount(arrays["entries"].astype(np.int64), minlength=len(found.numbers))
    into.executemany(
        "INSERT INTO terms VALUES (?, ?, ?, ?, ?, ?)",
        _term_rows(of_entries.postings, of_images.postings, arrays["entries"], sizes),
    )
    into.executemany(
        "INSERT INTO positions VALUES (?, ?, ?, ?, ?)", position_rows(of_entries.positions, of_images.positions)
    )
    write_vocabulary(into, found.vocabulary)
    return len(arrays["ids"])


def image_counts(found: Analysis) -> dict[str, int]:
    """In how many of the analysed images each term is: in their own names, or in the texts of their entry."""
    entry_of = np.frombuffer(found.columns.entries, np.uint32)
    sizes = np.bincount(entry_of.astype(np.int64), minlength=len(found.numbers))
    rows = _term_rows(found.of_entries.postings, found.of_images.postings, entry_of, sizes)
    return {term: count for term, count, *_ in rows}


def write_columns(into: sqlite3.Connection, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write what filters and sorting need of each image."""
    into.executemany(
        "INSERT INTO image_columns VALUES (?, ?, ?)",
        [(name, values.dtype.newbyteorder("<").str, values.tobytes()) for name, values in arrays.items()],
    )


def write_vocabulary(
    into: sqlite3.Connection, vocabulary: Mapping[str, int], known: Mapping[str, str] | None = None
) -> None:
    """Write the words, and as the last part of an index its version; ``known`` has the terms of some words."""
    terms_of = known or {}
    into.executemany(
        "INSERT INTO vocabulary VALUES (?, ?, ?)",
        ((word, terms_of.get(word) or stems([word])[0], count) for word, count in sorted(vocabulary.items())),
    )
    into.execute("INSERT INTO word_index VALUES (?)", (VERSION,))
    into.commit()


def _index_entries(
    store: sqlite3.Connection, indexed: Indexed, columns: IndexColumns, vocabulary: Counter[str], chosen: str | None
) -> dict[str, int]:
    """Index the entries' own texts; returns their numbers by slug."""
    present = {row[1] for row in store.execute("PRAGMA table_info(entries)")}
    wanted = ("slug", "title", "tags", "author", "collaborators", "description", "posted_at", "favourites")
    selected = ", ".join(name if name in present else f"NULL AS {name}" for name in wanted)
    numbers: dict[str, int] = {}
    rows = store.execute(
        f"SELECT {selected} FROM entries WHERE slug IN (SELECT slug FROM images)"  # noqa: S608
        " AND (?1 IS NULL OR slug IN (SELECT value FROM json_each(?1))) ORDER BY slug",
        (chosen,),
    )
    for slug, title, tags, author, collaborators, description, posted_at, favourites in rows:
        number = numbers[slug] = len(numbers)
        authors = " ".join(filter(None, [author, *json.loads(collaborators or "[]")]))
        each_tag = json.loads(tags or "[]")
        named = " \n ".join(each_tag)
        readings = [read(text) for text in (title or "", named, authors, description or "")]
        weighed: dict[str, float] = {}
        for reading, weight in zip(readings, (TITLE, TAGS, AUTHOR, DESCRIPTION), strict=True):
            for term, count in Counter(reading.terms).items():
                weighed[term] = weighed.get(term, 0.0) + weight * (1.0 + 0.2 * min(count - 1, 3))
        indexed.postings.add(number, weighed)
        of_title, of_tags, of_authors, of_description = readings
        stemmed = (of_title.stems, *(read(tag).stems for tag in each_tag), of_authors.stems, of_description.stems)
        indexed.positions.add_stems(number, stemmed)
        vocabulary.update({*of_title.spelled, *of_tags.spelled, *of_authors.spelled})
        columns.posted.append(_seconds(posted_at))
        columns.favourites.append(max(0, int(favourites or 0)))
    return numbers


def _index_images(
    store: sqlite3.Connection,
    numbers: Mapping[str, int],
    indexed: Indexed,
    columns: IndexColumns,
    vocabulary: Counter[str],
    chosen: str | None,
) -> None:
    """Index the images' names, entry by entry in the order of the names."""
    pixels: dict[bytes, int] = {}
    # Publications of earlier versions have the name of its file in each place.
    apart = "file" in {row[1] for row in store.execute("PRAGMA table_info(places)")}
    rows = store.execute(
        f"""
        SELECT i.slug, i.image_id, i.pixel_sha256, i.width, i.height, i.has_alpha, i.pixel_art, i.palette,
            i.palette_shares, json_group_array(json_array(shown_name, p.member_path))
        FROM images AS i LEFT JOIN places AS p USING (image_id) {"LEFT JOIN files USING (file)" if apart else ""}
        WHERE ?1 IS NULL OR i.slug IN (SELECT value FROM json_each(?1)) GROUP BY i.image_id ORDER BY i.slug
        """,  # noqa: S608
        (chosen,),
    )
    colours = _ColourBits(columns.colours)
    for slug, some in groupby(rows, key=lambda row: row[0]):
        if slug not in numbers:
            continue
        seen: set[str] = set()
        of_entry = list(some)
        listed = zip(_json_of(row[9] for row in of_entry), of_entry, strict=True)
        named = sorted(((_names(pairs), row) for pairs, row in listed), key=lambda one: (_natural(one[0]), one[1][1]))
        for names, row in named:
            _, image_id, digest, width, height, alpha, art, palette, shares, _ = row
            number = len(columns.ids)
            columns.ids.append(image_id)
            columns.entries.append(numbers[slug])
            columns.widths.append(width)
            columns.heights.append(height)
            columns.alpha.append(bool(alpha))
            columns.pixel_art.append(bool(art))
            columns.pixels.append(pixels.setdefault(bytes(digest), len(pixels)))
            colours.add(palette, shares)
            read = [_ReadName.of(*pair) for pair in names]
            indexed.postings.add(number, _weigh_names(read))
            indexed.positions.add_stems(number, [one.stems for one in read])
            for one in read:
                seen.update(one.own.spelled)
        vocabulary.update(seen)
    colours.finish()


class _ReadName(NamedTuple):
    """What a picture's name consists of: of its file or archive and, in an archive, its path there.

    Attributes:
        own: of the picture file's own name, without folders and ending.
        terms: of all of it.
        stems: of all of it, in order.
    """

    own: ReadText
    terms: Sequence[str]
    stems: Sequence[str]

    @classmethod
    def of(cls, shown: str, member: str) -> "_ReadName":
        # Piece by piece, as a picture shares all but its own name with others; no word reaches over two pieces.
        folder, own, ending = map(read, _pieces(member or shown))
        pieces = (read(shown), folder, own, ending) if member else (folder, own, ending)
        return cls(
            own, [one for piece in pieces for one in piece.terms], [one for piece in pieces for one in piece.stems]
        )


def _weigh_names(names: Iterable[_ReadName]) -> dict[str, float]:
    weighed: dict[str, float] = {}
    for name in names:
        own = name.own.terms
        weight = OWN_NAME / (0.7 + 0.3 * max(len(own), 1) / _USUAL_NAME)
        for term in own:
            weighed[term] = max(weighed.get(term, 0.0), weight)
        for term in name.terms:
            weighed.setdefault(term, PATH)
    return weighed


def _pieces(path: str) -> tuple[str, str, str]:
    """A path divided into folder, the file's own name and its ending, as ``PurePosixPath.stem`` has it."""
    whole = path.replace("\\", "/")
    while whole.endswith(("/", "/.")):
        whole = whole[:-1]
    start = whole.rfind("/") + 1
    name = whole[start:]
    dot = name.rfind(".")
    end = start + (dot if 0 < dot < len(name) - 1 else len(name) if name != "." else 0)
    return path[:start], path[start:end], path[end:]


def _names(pairs: Iterable[tuple[str | None, str | None]]) -> list[tuple[str, str]]:
    """Shown name and member path of each place, each pair once."""
    return sorted({(shown or "", member or "") for shown, member in pairs})


def _json_of(texts: Iterable[str | None]) -> list[Any]:
    """What several texts of JSON hold, read at once; an empty list for each that is missing."""
    found: list[Any] = json.loads(f"[{','.join(text or '[]' for text in texts)}]")
    return found


def _natural(names: Iterable[tuple[str, str]]) -> tuple[tuple[int, int, str], ...]:
    """A key that sorts ``walk2`` before ``walk10``."""
    shown, member = next(iter(names), ("", ""))
    parts = _DIGITS.split(f"{shown}/{member}".casefold())
    return tuple((1, int(part[:18]), "") if part.isascii() and part.isdigit() else (0, 0, part) for part in parts)


class _ColourBits:
    """Which colours are the main ones of each image, a bit each; computed for many images at once.

    Args:
        bits: where they are added, in the images' order.
    """

    def __init__(self, bits: "array[int]") -> None:
        self._bits = bits
        self._palettes: list[str | None] = []
        self._shares: list[str | None] = []

    def add(self, palette: str | None, shares: str | None) -> None:
        """Note the palette of the next image, as words.sqlite has it."""
        self._palettes.append(palette)
        self._shares.append(shares)
        if len(self._palettes) == _BATCH:
            self.finish()

    def finish(self) -> None:
        """Add the bits of all images that were noted."""
        palettes, shares = _json_of(self._palettes), _json_of(self._shares)
        found = main_colours_of(palettes, shares)
        bits = np.where(found >= 0, 1 << np.maximum(found, 0), 0).sum(axis=1)
        self._bits.extend(bits.tolist())
        self._palettes.clear()
        self._shares.clear()


def _seconds(stamp: Any) -> int:
    """Seconds since 1970 of an ISO time; 0 where it is unknown."""
    try:
        moment = datetime.fromisoformat(str(stamp))
    except ValueError:
        return 0
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _term_rows(
    of_entries: TermPostings, of_images: TermPostings, entry_of: NDArray[Any], sizes: NDArray[np.int64]
) -> Iterator[tuple[str, int, bytes, bytes, bytes, bytes]]:
    for term in sorted({*of_entries.numbers, *of_images.numbers}):
        entries = np.frombuffer(of_entries.numbers.get(term, array("I")), np.uint32)
        rows = np.frombuffer(of_images.numbers.get(term, array("I")), np.uint32)
        beside = ~np.isin(entry_of[rows], entries) if len(entries) and len(rows) else np.ones(len(rows), bool)
        yield (
            term,
            int(sizes[entries].sum() + beside.sum()),
            *of_entries.stored(term),
            *of_images.stored(term),
        )
