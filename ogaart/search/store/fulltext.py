"""From what people type to the images that have it, and how much: any text is understood, none is an error."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ogaart.words.index import Weights, WordIndex, within_typos
from ogaart.words.synonyms import COLOUR_WORDS, has_synonyms, synonyms, table_words
from ogaart.words.tokens import stem, stems
from ogaart.words.tokens import words as words_of
from ogaart.words.typos import is_likely

# Besides blanks, what people put between words; a hyphen or dot joins them into one name.
_TERM = re.compile(r'(-?)"([^"]*)"|([^\s,;|/+]+)')
MAX_TERMS = 32
_DIGITS = 4
"""Digits of a number that names count with."""
STOPWORDS = frozenset(
    ["a", "an", "and", "are", "as", "at", "by", "for", "from", "in", "is", "it", "of", "on", "or", "the", "to", "with"]
)
"""Words that tell nothing: they are not required beside others, and not suggested."""

SATURATION = 8.0
"""A term that counts so much for an image reaches half of what it can add to the image's score."""
SYNONYM, BEGINNING, COLOUR = 0.35, 0.5, 4.0
"""How much a synonym and a longer word count, of what the word itself would; what a main colour counts."""


@dataclass(frozen=True)
class Wanted:
    """One word that must occur, or several in this order; folded, not stemmed. What was quoted stands for itself."""

    words: tuple[str, ...]
    quoted: bool = False

    @property
    def text(self) -> str:
        """As it was typed, nearly."""
        return f'"{" ".join(self.words)}"' if self.quoted else self.words[0]


@dataclass(frozen=True)
class Terms:
    """What a text wants and what it excludes."""

    wanted: tuple[Wanted, ...]
    unwanted: tuple[Wanted, ...]


@dataclass(frozen=True)
class Matches:
    """The images that have the words.

    Attributes:
        found: (N,) which images.
        scores: (N,) float32 relevance; more is better.
        note: what to say of this reading of the text, as a sentence.
        corrected: the text as it is usually spelled, where it was read so.
        near: words of the catalog near those that it does not have.
        longer: whether longer words that begin so were taken for those that it does not have.
    """

    found: NDArray[np.bool_]
    scores: Weights
    note: str = ""
    corrected: str = ""
    near: tuple[str, ...] = ()
    longer: bool = False


def read_terms(text: str) -> Terms:
    """What a text wants and excludes: words, ``"phrases"``, and after a minus either."""
    wanted: list[Wanted] = []
    unwanted: list[Wanted] = []
    for minus, phrase, word in _TERM.findall(text):
        negative = bool(minus) or (word.startswith("-") and len(word) > 1)
        parts = tuple(words_of(phrase or word))
        if not parts:
            continue
        if negative:
            unwanted.append(Wanted(parts))
        elif phrase:
            wanted.append(Wanted(parts, quoted=True))
        else:
            wanted.extend(Wanted((part,)) for part in parts)
    telling = [one for one in wanted if one.quoted or one.words[0] not in STOPWORDS]
    return Terms(tuple(dict.fromkeys(telling or wanted))[:MAX_TERMS], tuple(dict.fromkeys(unwanted))[:MAX_TERMS])


class WordMatcher:
    """Finds the images that have some words, in one publication.

    Args:
        index: the publication's terms.
        with_colour: the images with a main colour.
    """

    def __init__(self, index: WordIndex, with_colour: Callable[[str], NDArray[np.bool_]]) -> None:
        self._index = index
        self._with_colour = with_colour

    def match(self, text: str) -> Matches:
        """The images that have the words of a text.

        All words, or a synonym of each; then longer words that begin so; then words that differ by a typo; then some
        of the words. A text of excluded words alone is everything but those.
        """
        terms = read_terms(text)
        nothing = np.zeros(self._index.count, bool)
        if not terms.wanted:
            left = ~nothing if terms.unwanted else nothing
            return Matches(left & ~self._excluded(terms), np.zeros(self._index.count, np.float32))
        excluded = self._excluded(terms)
        weights = {one: self._weights(one) for one in terms.wanted}
        if (found := self._all(weights, excluded)) is not None:
            return found
        if (found := self._joined(text, weights, excluded)) is not None:
            return found
        longer = {one: self._longer(one, known) for one, known in weights.items()}
        if (found := self._all(longer, excluded)) is not None:
            unknown = " or ".join(f"“{one.text}”" for one, known in weights.items() if known is None)
            note = f"No picture has {unknown or 'all of these words'}; these have words that begin so."
            return replace(found, note=note, longer=True)
        return self._otherwise(text, longer, excluded)

    def _otherwise(self, text: str, weights: Mapping[Wanted, Weights | None], excluded: NDArray[np.bool_]) -> Matches:
        """Where no image has all words: with typos corrected, else those that have some of the words."""
        # What the table of synonyms has is spelled as it is meant.
        near = {
            one: self._near(one.words[0])
            for one, known in weights.items()
            if known is None and not one.quoted and not has_synonyms(one.words[0])
        }
        corrected = {one: meant for one, words in near.items() if (meant := _meant(one.words[0], words))}
        words = tuple(dict.fromkeys(word for some in near.values() for word in some))
        if corrected:
            changed = {one: self._corrected(corrected[one]) if one in corrected else w for one, w in weights.items()}
            usual = _respelled(text, {one.words[0]: word for one, word in corrected.items()})
            if (found := self._all(changed, excluded)) is not None:
                unknown = " or ".join(f"“{one.text}”" for one in corrected)
                note = f"No picture has {unknown}; these are the results for “{usual}”."
                return Matches(found.found, found.scores, note, usual, words)
            weights = changed
        if len(weights) > 1 and (some := self._some(weights, excluded)) is not None:
            note = "No picture has all of these words; these have some of them."
            return Matches(some.found, some.scores, note, near=words)
        return Matches(np.zeros(self._index.count, bool), np.zeros(self._index.count, np.float32), near=words)

    def _joined(
        self, text: str, weights: Mapping[Wanted, Weights | None], excluded: NDArray[np.bool_]
    ) -> Matches | None:
        """The images that have all words, where some of them are written as one there: tileset, not tile set."""
        folded = read_terms(text.casefold()).wanted
        if folded != tuple(weights) and (found := self._all({o: self._weights(o) for o in folded}, excluded)):
            return found  # capitals within a word tell nothing here
        for first, second in pairwise(weights):
            whole = Wanted((first.words[0] + second.words[0],))
            if first.quoted or second.quoted or (known := self._weights(whole)) is None:
                continue
            rest = {one: other for one, other in weights.items() if one not in (first, second)}
            if (found := self._all({**rest, whole: known}, excluded)) is not None:
                apart = f"{re.escape(first.text)}[\\W_]*{re.escape(second.text)}"
                usual = re.sub(apart, whole.text, text.strip(), flags=re.IGNORECASE)
                note = f"No picture has all of these words; these are the results for “{usual}”."
                return replace(found, note=note, corrected=usual)
        return None

    def _near(self, word: str) -> list[str]:
        """Words that a word may be a misspelling of: the catalog's, else those of the table that it has synonyms of."""
        if found := self._index.near(word):
            return found
        known = within_typos(word, table_words())
        likeliest = sorted(known, key=lambda one: (known[one], one))
        return [one for one in likeliest if self._weights(Wanted((one,))) is not None]

    def _all(self, weights: Mapping[Wanted, Weights | None], excluded: NDArray[np.bool_]) -> Matches | None:
        """The images that have every word; None if there is none."""
        known = [one for one in weights.values() if one is not None]
        if len(known) < len(weights):
            return None
        found = ~excluded
        for one in known:
            found &= one > 0
        return Matches(found, self._scores(known)) if found.any() else None

    def _some(self, weights: Mapping[Wanted, Weights | None], excluded: NDArray[np.bool_]) -> Matches | None:
        """The images that have any word, those with more of them first; None if there is none.

        A number alone tells little: what has a word comes first.
        """
        known = {one: some for one, some in weights.items() if some is not None}
        if not known:
            return None
        worth = [np.float32(25 if one.text.isdigit() else 100) * (some > 0) for one, some in known.items()]
        counts = np.sum(worth, axis=0, dtype=np.float32)
        found = (counts > 0) & ~excluded
        return Matches(found, self._scores(list(known.values())) + counts) if found.any() else None

    def _scores(self, weights: Sequence[Weights]) -> Weights:
        """Relevance: rare words count more, and each word the less the more it is repeated."""
        scores = np.zeros(self._index.count, np.float32)
        for one in weights:
            having = int(np.count_nonzero(one))
            rarity = np.float32(np.log1p((self._index.count - having + 0.5) / (having + 0.5)))
            scores += rarity * one / (one + np.float32(SATURATION))
        return scores

    def _excluded(self, terms: Terms) -> NDArray[np.bool_]:
        excluded = np.zeros(self._index.count, bool)
        for one in terms.unwanted:
            if (weights := self._plain(one)) is not None:
                excluded |= weights > 0
        return excluded

    def _plain(self, wanted: Wanted) -> Weights | None:
        """How much a word or phrase counts, without what else it is called."""
        if len(wanted.words) == 1:
            return self._index.weights(stem(wanted.words[0]))
        return self._index.phrase(stems(wanted.words))

    def _weights(self, wanted: Wanted) -> Weights | None:
        """How much a word counts, or what else it is called; None if no image has any of it."""
        weights = self._plain(wanted)
        if wanted.quoted:
            return weights
        word = wanted.words[0]
        for other in (*synonyms(stem(word)), *_same_number(word)):
            # Several terms are needed together, as "space ship" is.
            parts = [self._index.weights(term) for term in other]
            known = [part for part in parts if part is not None]
            if len(known) == len(parts):
                weights = _plus(weights, SYNONYM * np.minimum.reduce(known))
        if (colour := COLOUR_WORDS.get(word)) is not None and (mask := self._with_colour(colour)).any():
            weights = _plus(weights, COLOUR * mask.astype(np.float32))
        return weights

    def _longer(self, wanted: Wanted, weights: Weights | None) -> Weights | None:
        """The same with longer words that begin so."""
        if wanted.quoted:
            return weights
        for term in self._index.beginning(wanted.words[0]):
            if (longer := self._index.weights(term)) is not None:
                weights = _plus(weights, BEGINNING * longer)
        return weights

    def _corrected(self, words: str) -> Weights | None:
        """How much other words, which are needed together, count."""
        known = [self._weights(Wanted((word,))) for word in words.split()]
        have = [one for one in known if one is not None]
        return np.minimum.reduce(have) if have and len(have) == len(known) else None


def _meant(word: str, near: Sequence[str]) -> str:
    """The first of some near words, or words, that a word is a likely misspelling of; empty if it is of none."""
    return next((one for one in near if is_likely(word, one)), "")


def _same_number(word: str) -> list[tuple[str, ...]]:
    """A number as it is written with more or fewer zeros before it: walk1, walk01."""
    if not (word.isascii() and word.isdigit() and len(word) <= _DIGITS):
        return []
    written = {str(int(word)).zfill(length) for length in range(1, _DIGITS + 1)}
    return [(one,) for one in sorted(written - {word})]


def _plus(some: Weights | None, others: NDArray[np.float32]) -> Weights:
    return np.asarray(others if some is None else some + others, np.float32)


def _respelled(text: str, corrected: Mapping[str, str]) -> str:
    """The text with some of its words in another spelling; the rest stays as it was typed."""

    def usual(match: re.Match[str]) -> str:
        parts = words_of(match[0])
        return corrected.get(parts[0], match[0]) if len(parts) == 1 else match[0]

    return re.sub(r'[^\s,;|/+"]+', usual, text).strip()
