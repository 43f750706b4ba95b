"""Makes the index of terms from that of an earlier publication: only texts that are new or changed are read.

Numbers of entries and rows shift where entries come and go, so all postings are renumbered, as whole arrays. The result
equals an index that is written in full.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ogaart.words.index_layers import SLUGS, merge_columns
from ogaart.words.index_tables import TABLES, VERSION, Analysis, analyse, write_columns, write_vocabulary

Numbers = NDArray[np.int64]
_BITS = 32


@dataclass(frozen=True)
class _Postings:
    """Numbers of texts, and a value of each, one term after the other."""

    terms: Sequence[str]
    counts: Numbers
    numbers: Numbers
    values: NDArray[Any]

    @classmethod
    def of(cls, rows: Sequence[tuple[str, bytes, bytes]], dtype: str) -> "_Postings":
        """Of terms with their numbers and values as the tables store them."""
        numbers = np.frombuffer(b"".join(row[1] for row in rows), "<u4").astype(np.int64)
        values = np.frombuffer(b"".join(row[2] for row in rows), dtype)
        counts = np.array([len(row[1]) // 4 for row in rows], np.int64)
        return cls([row[0] for row in rows], counts, numbers, values)


@dataclass(frozen=True)
class _Merged:
    """Postings of all terms in the order of the terms: ``starts`` (T + 1,) says where each begins."""

    starts: Numbers
    of_term: Numbers
    numbers: Numbers
    values: NDArray[Any]

    def stored(self) -> Iterator[tuple[bytes, bytes]]:
        """Of each term, as the tables store them."""
        numbers = self.numbers.astype("<u4")
        for begin, end in pairwise(self.starts.tolist()):
            yield numbers[begin:end].tobytes(), self.values[begin:end].tobytes()


def update_word_index(
    store: sqlite3.Connection, earlier: sqlite3.Connection, unchanged: Mapping[str, int]
) -> int | None:
    """Write the index of terms of all images into ``store``.

    Args:
        store: words.sqlite with its tables ``entries``, ``images``, ``places`` and ``files``.
        earlier: that of an earlier publication, with its index.
        unchanged: entries whose rows are the same in both, and all of whose images are in both, with how many these
            are; an entry that has lost an image since counts as changed.

    Returns:
        Images indexed; None where the earlier index is of another version, and nothing was written.
    """
    if [row[0] for row in earlier.execute("SELECT version FROM word_index")] != [VERSION]:
        return None
    slugs_before = [slug for (slug,) in earlier.execute(SLUGS)]
    counted = dict(earlier.execute("SELECT slug, count(*) FROM images GROUP BY slug"))
    kept = {slug for slug, count in unchanged.items() if counted.get(slug) == count}
    slugs = [slug for (slug,) in store.execute(SLUGS)]
    number = {slug: n for n, slug in enumerate(slugs)}
    fresh = analyse(store, [slug for slug in slugs if slug not in kept])
    gone = analyse(earlier, [slug for slug in slugs_before if slug not in kept])
    of_entries = (
        np.array([number[slug] if slug in kept else -1 for slug in slugs_before], np.int64),
        np.array([number[slug] for slug in fresh.numbers], np.int64),
    )
    columns, of_rows = _merged_columns(store, earlier, fresh, of_entries, len(slugs))
    store.executescript(TABLES)
    write_columns(store, columns)
    store.executemany(
        "INSERT INTO terms VALUES (?, ?, ?, ?, ?, ?)", _term_rows(earlier, fresh, of_entries, of_rows, columns)
    )
    store.executemany(
        "INSERT INTO positions VALUES (?, ?, ?, ?, ?)", _position_rows(earlier, fresh, of_entries, of_rows)
    )
    known = earlier.execute("SELECT word, term, entries FROM vocabulary").fetchall()
    vocabulary = Counter({word: count for word, _, count in known})
    vocabulary.subtract(gone.vocabulary)
    vocabulary.update(fresh.vocabulary)
    write_vocabulary(store, +vocabulary, {word: term for word, term, _ in known})
    return len(columns["ids"])


def _merged_columns(
    store: sqlite3.Connection,
    earlier: sqlite3.Connection,
    fresh: Analysis,
    of_entries: tuple[Numbers, Numbers],
    entries: int,
) -> tuple[dict[str, NDArray[Any]], tuple[Numbers, Numbers]]:
    """The columns of all rows, and the new row of each earlier and each fresh one; -1 where there is none."""
    added = fresh.columns.arrays()
    known = {
        name: np.frombuffer(data, kind)
        for name, kind, data in earlier.execute("SELECT name, type, data FROM image_columns")
    }
    both = (known, added)
    columns, (of_known, of_added) = merge_columns(both, of_entries, entries)
    digests = dict(store.execute("SELECT image_id, pixel_sha256 FROM images"))
    seen: dict[bytes, int] = {}
    pixels = [seen.setdefault(bytes(digests[image_id]), len(seen)) for image_id in columns["ids"].tolist()]
    columns["pixels"] = np.array(pixels, added["pixels"].dtype)
    return {name: columns[name] for name in added}, (of_known, of_added)


def _term_rows(
    earlier: sqlite3.Connection,
    fresh: Analysis,
    of_entries: tuple[Numbers, Numbers],
    of_rows: tuple[Numbers, Numbers],
    columns: Mapping[str, NDArray[Any]],
) -> Iterator[tuple[str, int, bytes, bytes, bytes, bytes]]:
    both = [
        (_rows(earlier, "terms", f"{kind}, {weights}"), added.weighed())
        for kind, weights, added in (
            ("entry_numbers", "entry_weights", fresh.of_entries.postings),
            ("image_rows", "image_weights", fresh.of_images.postings),
        )
    ]
    terms = sorted({row[0] for pair in both for rows in pair for row in rows})
    entries, images = (
        _merged(terms, [_Postings.of(rows, "<f2") for rows in pair], numbers)
        for pair, numbers in zip(both, (of_entries, of_rows), strict=True)
    )
    entry_of = columns["entries"].astype(np.int64)
    sizes = np.bincount(entry_of, minlength=len(columns["posted"]))
    counts = np.bincount(entries.of_term, sizes[entries.numbers], len(terms)).astype(np.int64)
    # Images count once: those of entries that have the term in their own text are counted there.
    own = entries.of_term << _BITS | entries.numbers
    beside = ~np.isin(images.of_term << _BITS | entry_of[images.numbers], own)
    counts += np.bincount(images.of_term[beside], minlength=len(terms))
    for term, count, of_entry, of_image in zip(terms, counts.tolist(), entries.stored(), images.stored(), strict=True):
        if of_entry[0] or of_image[0]:
            yield term, count, *of_entry, *of_image


def _position_rows(
    earlier: sqlite3.Connection, fresh: Analysis, of_entries: tuple[Numbers, Numbers], of_rows: tuple[Numbers, Numbers]
) -> Iterator[tuple[str, bytes, bytes, bytes, bytes]]:
    both = [
        (_rows(earlier, "positions", f"{kind}, {places}"), [(term, *added.stored(term)) for term in added.numbers])
        for kind, places, added in (
            ("entry_numbers", "entry_places", fresh.of_entries.positions),
            ("image_rows", "image_places", fresh.of_images.positions),
        )
    ]
    terms = sorted({row[0] for pair in both for rows in pair for row in rows})
    entries, images = (
        _merged(terms, [_Postings.of(rows, "<u2") for rows in pair], numbers)
        for pair, numbers in zip(both, (of_entries, of_rows), strict=True)
    )
    for term, of_entry, of_image in zip(terms, entries.stored(), images.stored(), strict=True):
        if of_entry[0] or of_image[0]:
            yield term, *of_entry, *of_image


def _rows(earlier: sqlite3.Connection, table: str, columns: str) -> list[tuple[str, bytes, bytes]]:
    return earlier.execute(f"SELECT term, {columns} FROM {table}").fetchall()  # noqa: S608


def _merged(terms: Sequence[str], parts: Sequence[_Postings], numbers: Sequence[Numbers]) -> _Merged:
    """Both postings under their new numbers, by term and number; equal ones stay in their order."""
    place = {term: n for n, term in enumerate(terms)}
    of_term = np.concatenate(
        [np.repeat(np.array([place[term] for term in part.terms], np.int64), part.counts) for part in parts]
    )
    found = np.concatenate([new[part.numbers] for part, new in zip(parts, numbers, strict=True)])
    values = np.concatenate([part.values for part in parts])
    there = np.flatnonzero(found >= 0)
    order = there[np.argsort(of_term[there] << _BITS | found[there], kind="stable")]
    starts = np.searchsorted(of_term[order], np.arange(len(terms) + 1))
    return _Merged(starts, of_term[order], found[order], values[order])
