"""From texts to terms: names are split where people join words, and English words are reduced to their stems. Pure."""

import re
import threading
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import snowballstemmer

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af\U00020000-\U0002fa1f"
_RUN = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_SEGMENT = re.compile(f"[{_CJK}]+|[^{_CJK}]+")
# camelCase, capitals before a word (HUDBar), and digits; of ASCII, as other scripts join no words by capitals.
_ASCII_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_OTHER_PART = re.compile(r"\d+|[^\W\d_]+")
_IS_CJK = re.compile(f"[{_CJK}]")
_APOSTROPHE = re.compile(r"(?<=\w)['\u2019](?=\w)")
_SHORTEST_STEMMED = 3
_NAME = 200  # characters of texts whose words are remembered
LONGEST = 40
"""Characters of a term; longer ones, such as hashes in file names, are cut."""

_IRREGULAR = {
    "wolves": "wolf", "knives": "knife", "leaves": "leaf", "shelves": "shelf", "thieves": "thief", "elves": "elf",
    "dwarves": "dwarf", "dwarfs": "dwarf", "loaves": "loaf", "halves": "half", "hooves": "hoof", "scarves": "scarf",
    "men": "man", "women": "woman", "children": "child", "people": "person", "mice": "mouse", "geese": "goose",
    "feet": "foot", "teeth": "tooth", "oxen": "ox", "cacti": "cactus", "fungi": "fungus", "dice": "die",
    "staves": "staff", "swordsmen": "swordsman", "snowmen": "snowman",
}  # fmt: skip
"""Plurals that no ending shows."""

# Words that the stemmer would make one of, and that mean different things to who looks for art.
_KEPT = frozenset({
    "animal", "general", "university", "organ", "arm", "army", "arms", "being", "wing", "king", "ring", "spring",
    "string", "something", "evening", "morning", "ceiling", "building", "painting", "drawing", "lighting",
    "lightning", "clothing", "news", "bus", "gas", "boss", "glass", "grass", "moss", "cross", "dress",
})  # fmt: skip
_KEPT_PLURALS = {
    f"{word}s": word
    for word in ("animal", "general", "organ", "being", "wing", "king", "ring", "spring", "string", "ceiling",
                 "building", "painting", "drawing")
} | {"armies": "army"}  # fmt: skip

_stemmers = threading.local()  # a stemmer holds the word that it is working on


@lru_cache(maxsize=1 << 17)
def stem(word: str) -> str:
    """The stem of a folded word; words of other scripts and with digits stay as they are."""
    word = word[:LONGEST]
    if len(word) < _SHORTEST_STEMMED or not (word.isascii() and word.isalpha()):
        return word
    if word in _KEPT:
        return word
    word = _IRREGULAR.get(word, word)
    if word in _KEPT_PLURALS:
        return _KEPT_PLURALS[word]
    stemmer = getattr(_stemmers, "english", None)
    if stemmer is None:
        stemmer = _stemmers.english = snowballstemmer.stemmer("english")
    return str(stemmer.stemWord(word))


class ReadText(NamedTuple):
    """What a text consists of, in order.

    Attributes:
        words: its words, folded: what a phrase is compared with; CJK text as pairs of characters.
        stems: their stems.
        terms: all terms by which it is found: the stems, joined forms, and single CJK characters.
        spelled: the words as a visitor would type them, folded: letters only, three at least.
    """

    words: Sequence[str]
    stems: Sequence[str]
    terms: Sequence[str]
    spelled: Sequence[str]


def read(text: str) -> ReadText:
    """What a text consists of; names are remembered, as they come again."""
    return _read_name(text) if len(text) <= _NAME else _read(text)


def words(text: str) -> list[str]:
    """The words of a text, folded and in order: what a phrase is compared with; CJK text as pairs of characters."""
    return list(read(text).words)


def word_stems(text: str) -> list[str]:
    """The stems of the words of a text, in order."""
    return list(read(text).stems)


def terms(text: str) -> list[str]:
    """All terms by which a text is found: stems of its words, joined forms, and single CJK characters."""
    return list(read(text).terms)


def stems(some: Iterable[str]) -> list[str]:
    """The stems of words, in order."""
    return [stem(word) for word in some]


def _bare(text: str) -> str:
    """The text without accents, wide forms as usual ones; capitals stay."""
    if text.isascii():
        return text
    decomposed = unicodedata.normalize("NFKD", text)
    return unicodedata.normalize("NFKC", "".join(one for one in decomposed if not unicodedata.combining(one)))


class _Run(NamedTuple):
    """A run of letters and digits.

    Attributes:
        words: its words.
        stems: their stems.
        joined: stems of further forms.
        spelled: the words that a visitor would type.
    """

    words: tuple[str, ...]
    stems: tuple[str, ...]
    joined: tuple[str, ...]
    spelled: tuple[str, ...]


def _read(text: str) -> ReadText:
    found = _RUN.findall(_bare(_APOSTROPHE.sub("", text)))
    runs = [_known_run(run) if len(run) <= LONGEST else _run(run) for run in found]
    if len(runs) == 1:
        [(words, stems, joined, spelled)] = runs
        return ReadText(words, stems, stems + joined, spelled)
    return ReadText(
        [word for run in runs for word in run.words],
        [one for run in runs for one in run.stems],
        [term for run in runs for some in (run.stems, run.joined) for term in some],
        [word for run in runs for word in run.spelled],
    )


_read_name = lru_cache(maxsize=1 << 12)(_read)


def _run(text: str) -> _Run:
    pieces = text.split("-")
    parts: list[str] = []
    joined: list[str] = []
    for piece in pieces:
        for segment in _SEGMENT.findall(piece):
            if _IS_CJK.match(segment):
                parts.extend(segment[n : n + 2] for n in range(max(1, len(segment) - 1)))
                joined.extend(segment if len(segment) > 1 else ())
                continue
            split = (_ASCII_PART if segment.isascii() else _OTHER_PART).findall(segment)
            folded = [part.casefold()[:LONGEST] for part in split]
            parts.extend(folded)
            if len(folded) > 1:
                joined.append("".join(folded)[:LONGEST])
    if len(pieces) == 2 and all(piece.isalpha() and piece.isascii() for piece in pieces):
        joined.append("".join(pieces).casefold()[:LONGEST])
    spelled = (word for word in parts if _SHORTEST_STEMMED <= len(word) <= LONGEST and word.isalpha())
    return _Run(tuple(parts), tuple(map(stem, parts)), tuple(map(stem, joined)), tuple(spelled))


_known_run = lru_cache(maxsize=1 << 15)(_run)  # few words are most of all texts
