"""Reads the index of terms: how much each term counts for every image, phrases, and the vocabulary."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from functools import cached_property
from sqlite3 import Row
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import OSA

from ogaart.words.positions import read_keys, texts_with

Weights = NDArray[np.float32]
Rows = Callable[..., list[Row]]
"""Runs one statement of SQL with its values."""

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
        rows: reads the tables that ``index_tables`` writes.
        entry_of: (N,) the number of each row's entry.
        entries: how many entries there are.
    """

    def __init__(
        self,
        rows: Rows,
        entry_of: NDArray[np.int64],
        entries: int,
    ) -> None:
        self._rows = rows
        self._entry_of = entry_of
        self._entries = entries

    @property
    def count(self) -> int:
        """Images, which are the rows of every array."""
        return len(self._entry_of)

    def weights(self, term: str) -> Weights | None:
        """How much a term counts for each image, (N,) float32, 0 where it does not occur; None if it never does."""
        found = self._rows(
            "SELECT entry_numbers, entry_weights, image_rows, image_weights FROM terms WHERE term = ?", term
        )
        if not found:
            return None
        entry_numbers, entry_weights, image_rows, image_weights = found[0]
        of_entries = np.zeros(self._entries, np.float32)
        of_entries[np.frombuffer(entry_numbers, "<u4")] = np.frombuffer(entry_weights, "<f2")
        weights = of_entries[self._entry_of]
        weights[np.frombuffer(image_rows, "<u4")] += np.frombuffer(image_weights, "<f2").astype(np.float32)
        return weights

    def phrase(self, stemmed: Sequence[str]) -> Weights | None:
        """How much words in this order count for each image; None if they never occur so."""
        marks = ", ".join("?" for _ in stemmed)
        columns = "entry_numbers, entry_places, image_rows, image_places"
        found = {
            row["term"]: (read_keys(row[1], row[2]), read_keys(row[3], row[4]))
            for row in self._rows(f"SELECT term, {columns} FROM positions WHERE term IN ({marks})", *stemmed)  # noqa: S608
        }
        if not all(one in found for one in stemmed):
            return None
        numbers, rows = (texts_with([found[one][n] for one in stemmed]) for n in (0, 1))
        if not len(numbers) and not len(rows):
            return None
        of_entries = np.zeros(self._entries, np.float32)
        of_entries[numbers] = PHRASE_WEIGHT
        weights = of_entries[self._entry_of]
        weights[rows] += PHRASE_WEIGHT
        return weights

    def beginning(self, word: str) -> list[str]:
        """The commonest terms of words that begin so."""
        after = word + "\U0010ffff"
        found = self._rows(
            "SELECT term FROM terms WHERE term >= ?1 AND term < ?2 OR term IN"
            " (SELECT term FROM vocabulary WHERE word >= ?1 AND word < ?2) ORDER BY images DESC LIMIT ?3",
            word,
            after,
            MOST_EXPANDED,
        )
        return [row[0] for row in found]

    @cached_property
    def vocabulary(self) -> dict[str, tuple[str, int]]:
        """The commonest words of titles, tags, authors and names, with their terms and in how many entries each is."""
        rows = self._rows("SELECT word, term, entries FROM vocabulary ORDER BY entries DESC, word LIMIT ?", _MOST_WORDS)
        return {row[0]: (row[1], row[2]) for row in rows}

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


def within_typos(word: str, known: Sequence[str]) -> dict[str, int]:
    """The known words that differ from one by a typo, or by two where it is long, with how many they are."""
    most = 2 if len(word) >= _TWO_TYPOS else 1 if len(word) >= _SHORTEST_CORRECTED else 0
    found: list[tuple[Any, ...]] = process.extract(word, known, scorer=OSA.distance, score_cutoff=most, limit=50)
    return {str(one): int(typos) for one, typos, _ in found if typos < 2 or one[0] == word[0]}
