"""Reads the index of terms: how much each term counts for every image, phrases, and the vocabulary."""

import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import OSA

from ogaart.words.index_layers import GONE, IndexLayer
from ogaart.words.positions import read_keys, texts_with

Weights = NDArray[np.float32]

PHRASE_WEIGHT = 12.0
MOST_EXPANDED = 64
"""Terms that the beginning of a word is completed to at most."""
_SHORTEST_CORRECTED = 4
_TWO_TYPOS = 6  # letters of a word that may have two wrong ones, of which the first is none
_MOST_WORDS = 60_000
"""Words that typos are compared with: the commonest ones, in a few milliseconds."""


class WordIndex:
    """The terms of one publication.

    Args:
        layers: its files.
        entry_of: (N,) the number of each row's entry.
        entries: how many entries there are.
    """

    def __init__(self, layers: Sequence[IndexLayer], entry_of: NDArray[np.int64], entries: int) -> None:
        self._layers = layers
        self._count = len(entry_of)
        self._entries = entries
        # The last place is that of what is not published any more.
        self._entry_of = np.append(entry_of, entries)

    @property
    def count(self) -> int:
        """Images, which are the rows of every array."""
        return self._count

    def weights(self, term: str) -> Weights | None:
        """How much a term counts for each image, (N,) float32, 0 where it does not occur; None if it never does."""
        of_entries, of_images, there = np.zeros(self._entries + 1, np.float32), [], False
        for layer in self._layers:
            for stored in layer.rows(
                "SELECT entry_numbers, entry_weights, image_rows, image_weights FROM terms WHERE term = ?", term
            ):
                numbers, rows = layer.of_entries(stored[0]), layer.of_images(stored[2])
                there = there or layer.entries is None or _any(numbers) or _any(rows)
                of_entries[numbers] = np.frombuffer(stored[1], "<f2")
                of_images.append((rows, np.frombuffer(stored[3], "<f2").astype(np.float32)))
        if not there:
            return None
        of_entries[GONE] = 0
        weights = of_entries[self._entry_of]
        for rows, more in of_images:
            weights[rows] += more
        return np.asarray(weights[: self._count], np.float32)

    def phrase(self, stemmed: Sequence[str]) -> Weights | None:
        """How much words in this order count for each image; None if they never occur so."""
        found = [self._texts_with(layer, stemmed) for layer in self._layers]
        entries, images = (np.concatenate([one[n] for one in found]) for n in (0, 1))
        if not _any(entries) and not _any(images):
            return None
        of_entries = np.zeros(self._entries + 1, np.float32)
        of_entries[entries] = PHRASE_WEIGHT
        of_entries[GONE] = 0
        weights = of_entries[self._entry_of]
        weights[images] += PHRASE_WEIGHT
        return np.asarray(weights[: self._count], np.float32)

    def _texts_with(self, layer: IndexLayer, stemmed: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The entries and the images whose own text in one file has words in a row."""
        marks = ", ".join("?" for _ in stemmed)
        columns = "entry_numbers, entry_places, image_rows, image_places"
        found = {
            row["term"]: (read_keys(row[1], row[2]), read_keys(row[3], row[4]))
            for row in layer.rows(f"SELECT term, {columns} FROM positions WHERE term IN ({marks})", *stemmed)  # noqa: S608
        }
        if not all(one in found for one in stemmed):
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        numbers, rows = (texts_with([found[one][n] for one in stemmed]) for n in (0, 1))
        return (
            numbers if layer.entries is None else layer.entries[numbers],
            rows if layer.images is None else layer.images[rows],
        )

    def beginning(self, word: str) -> list[str]:
        """The commonest terms of words that begin so; of equally common ones the first."""
        after = word + "\U0010ffff"
        words = self._counted(
            "SELECT word, entries, term FROM vocabulary WHERE word >= ? AND word < ?", self._gone_words, word, after
        )
        meant = {term for term, _ in words.values()}
        counted = self._counted(
            "SELECT term, images, term FROM terms"
            " WHERE term >= ? AND term < ? OR term IN (SELECT value FROM json_each(?))",
            self._gone_terms,
            word,
            after,
            json.dumps([term for term in meant if not word <= term < after]),
        )
        ordered = sorted(counted, key=lambda term: (-counted[term][1], term))
        return ordered[:MOST_EXPANDED]

    def _counted(self, sql: str, gone: Mapping[str, int], *values: str) -> dict[str, tuple[str, int]]:
        """Words or terms, which ``sql`` selects of one file, with their term and in how many entries or images each is.

        Args:
            sql: selects name, count and term.
            gone: how often each name is counted in what is not published any more.
            values: of the statement.
        """
        found: dict[str, tuple[str, int]] = {}
        for layer in self._layers:
            for name, count, term in layer.rows(sql, *values):
                found[name] = (term, count + (found[name][1] if name in found else -gone.get(name, 0)))
        return {name: one for name, one in found.items() if one[1] > 0} if gone else found

    @cached_property
    def _gone_words(self) -> Mapping[str, int]:
        return self._gone("gone_words")

    @cached_property
    def _gone_terms(self) -> Mapping[str, int]:
        return self._gone("gone_terms")

    def _gone(self, table: str) -> dict[str, int]:
        """In how many entries or images of a base that are not published any more each word or term is."""
        rows = self._layers[-1].rows(f"SELECT name, count FROM {table}") if len(self._layers) > 1 else []  # noqa: S608
        return {row[0]: row[1] for row in rows}

    @cached_property
    def vocabulary(self) -> dict[str, tuple[str, int]]:
        """The commonest words of titles, tags, authors and names, with their terms and in how many entries each is."""
        counted = self._counted("SELECT word, entries, term FROM vocabulary", self._gone_words)
        ordered = sorted(counted, key=lambda word: (-counted[word][1], word))
        return {word: counted[word] for word in ordered[:_MOST_WORDS]}

    @cached_property
    def _sorted(self) -> list[str]:
        return sorted(self.vocabulary)

    def completions(self, beginning: str, count: int) -> list[str]:
        """The commonest words that begin so, one of each term."""
        start = bisect_left(self._sorted, beginning)
        end = bisect_left(self._sorted, beginning + "\U0010ffff")
        ordered = sorted(self._sorted[start:end], key=lambda word: (-self.vocabulary[word][1], word))
        by_term: dict[str, str] = {}
        for word in ordered:
            by_term.setdefault(self.vocabulary[word][0], word)
        return list(by_term.values())[:count]

    def near(self, word: str, count: int = 3) -> list[str]:
        """Words of the vocabulary that differ from one by a typo or two, the likeliest first."""
        if len(word) < _SHORTEST_CORRECTED:
            return []
        found = within_typos(word, self._sorted)
        words = sorted(found, key=lambda one: (found[one], one[0] != word[0], -self.vocabulary[one][1], one))
        return list(dict.fromkeys([*words, *self._divided(word)]))[:count]

    def _divided(self, word: str) -> list[str]:
        """Two words of the vocabulary that are written as one."""
        cuts = [
            (word[:n], word[n:])
            for n in range(3, len(word) - 2)
            if word[:n] in self.vocabulary and word[n:] in self.vocabulary
        ]
        cuts.sort(key=lambda cut: -min(self.vocabulary[part][1] for part in cut))
        return [" ".join(cut) for cut in cuts[:1]]


def _any(numbers: NDArray[np.int64]) -> bool:
    """Whether some of these are published."""
    return bool((numbers >= 0).any())


def within_typos(word: str, known: Sequence[str]) -> dict[str, int]:
    """The known words that differ from one by a typo, or by two where it is long, with how many they are."""
    most = 2 if len(word) >= _TWO_TYPOS else 1 if len(word) >= _SHORTEST_CORRECTED else 0
    found: list[tuple[Any, ...]] = process.extract(word, known, scorer=OSA.distance, score_cutoff=most, limit=50)
    return {str(one): int(typos) for one, typos, _ in found if typos < 2 or one[0] == word[0]}
