"""Where each word is in each text, and which texts have words in a row: phrases, as adding arrays finds them. Pure."""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ogaart.words.tokens import word_stems

LAST_PLACE = (1 << 16) - 1
"""Places of a text that are noted; words beyond them are found, but in no phrase."""
_PLACE_BITS = 16

Keys = NDArray[np.int64]
"""Positions of one stem, rising: the number of the text and, in the lowest 16 bits, the place in it."""


@dataclass
class Positions:
    """Positions while an index is written; texts are added in the order of their numbers."""

    numbers: dict[str, "array[int]"] = field(default_factory=lambda: defaultdict(lambda: array("I")))
    places: dict[str, "array[int]"] = field(default_factory=lambda: defaultdict(lambda: array("H")))

    def add(self, number: int, parts: Iterable[str]) -> None:
        """Note the words of a text's parts, such as its title and each tag; no phrase reaches over two parts."""
        self.add_stems(number, map(word_stems, parts))

    def add_stems(self, number: int, parts: Iterable[Sequence[str]]) -> None:
        """The same of the stems of each part's words."""
        place = 0
        for part in parts:
            for one in part:
                if place > LAST_PLACE:
                    return
                self.numbers[one].append(number)
                self.places[one].append(place)
                place += 1
            place += 1

    def stored(self, term: str) -> tuple[bytes, bytes]:
        """Numbers and places of a term as the index stores them: little-endian, 32 and 16 bits each."""
        numbers = np.frombuffer(self.numbers.get(term, array("I")), np.uint32).astype("<u4")
        return numbers.tobytes(), np.frombuffer(self.places.get(term, array("H")), np.uint16).astype("<u2").tobytes()


def position_rows(of_entries: Positions, of_images: Positions) -> Iterator[tuple[str, bytes, bytes, bytes, bytes]]:
    """Rows of the table of positions."""
    for term in sorted({*of_entries.numbers, *of_images.numbers}):
        yield term, *of_entries.stored(term), *of_images.stored(term)


def read_keys(numbers: bytes, places: bytes) -> Keys:
    """The positions that ``Positions.stored`` wrote."""
    keys = np.frombuffer(numbers, "<u4").astype(np.int64) << _PLACE_BITS
    return np.asarray(keys + np.frombuffer(places, "<u2"), np.int64)


def texts_with(stemmed: Sequence[Keys]) -> NDArray[np.int64]:
    """The numbers of the texts that have the stems in a row, each once, rising.

    Args:
        stemmed: the positions of each stem of the phrase, in its order.
    """
    # The rarest stem first: each further one is looked up only where the phrase may still be.
    order = sorted(range(len(stemmed)), key=lambda n: len(stemmed[n]))
    first = order[0]
    begins = stemmed[first] - first
    # A phrase cannot begin before its text does: such keys would lie in the text before.
    begins = begins[(begins >> _PLACE_BITS) == (stemmed[first] >> _PLACE_BITS)]
    for n in order[1:]:
        if not len(begins) or not len(stemmed[n]):
            return np.zeros(0, np.int64)
        wanted = begins + n
        found = np.minimum(np.searchsorted(stemmed[n], wanted), len(stemmed[n]) - 1)
        begins = begins[stemmed[n][found] == wanted]
    numbers = begins >> _PLACE_BITS
    return np.asarray(numbers[np.concatenate(([True], numbers[1:] != numbers[:-1]))] if len(numbers) else numbers)
