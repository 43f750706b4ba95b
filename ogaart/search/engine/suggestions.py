"""What a visitor may be typing: words, tags, authors and entries of the catalog, each with a picture and a count."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ogaart.resources.index.filters import AnyOf
from ogaart.search.engine.index_filters import NO_CONDITIONS, Conditions
from ogaart.search.store.fulltext import STOPWORDS
from ogaart.search.store.image_columns import Mask
from ogaart.search.store.serving_store import ServingStore
from ogaart.words.tokens import stem, words

SuggestionKind = Literal["word", "tag", "author", "entry"]
_KEYS: dict[SuggestionKind, str] = {"tag": "tags", "author": "author", "entry": "slug"}
MOST = 12


@dataclass(frozen=True)
class Suggestion:
    """One thing to search for.

    Attributes:
        kind: what it is.
        text: as it is shown: the whole text with its last word completed, a tag, an author's name, an entry's title.
        value: what to search for: as ``q`` for a word, else as the filter ``kind``.
        count: pictures that it finds.
        image_id: one of them.
    """

    kind: SuggestionKind
    text: str
    value: str
    count: int
    image_id: int

    @property
    def thumb_url(self) -> str:
        """Path of that picture's thumbnail on this server."""
        return f"/thumb/{self.image_id}.webp"


def suggest(
    store: ServingStore, blocked: Collection[int], text: str, count: int, conditions: Conditions = NO_CONDITIONS
) -> tuple[Suggestion, ...]:
    """Suggestions for a text that is being typed, words first; none for a text without a letter.

    Args:
        store: the open publication.
        blocked: images that are not shown.
        text: what is typed so far.
        count: how many at most.
        conditions: of the filters that are set; what they leave nothing of is not suggested.
    """
    typed = words(text)
    if not typed:
        return ()
    shown = conditions.mask(store.columns) & ~store.columns.of_ids(blocked)
    before = (
        text.rstrip()[: len(text.rstrip()) - len(typed[-1])] if text.rstrip().casefold().endswith(typed[-1]) else ""
    )
    telling = [word for word in store.words.completions(typed[-1], count + len(STOPWORDS)) if word not in STOPWORDS]
    found = [one for word in telling[:count] if (one := _word(store, shown, f"{before}{word}", word)) is not None]
    wanted = " ".join(text.split()).casefold()
    said = {(one.text, one.count) for one in found}  # a tag that finds what its word finds says nothing new
    others: list[Suggestion] = []
    for kind, key in _KEYS.items():
        names = _beginning(store, kind, wanted)[: max(2, count // 4)]
        values = [one for name in names if (one := _value(store, shown, kind, key, name)) is not None]
        others += [one for one in values if (one.text, one.count) not in said]
    kept = max(count - len(others), count // 2)
    return tuple([*sorted(found, key=lambda one: -one.count)[:kept], *others][:count])


def _word(store: ServingStore, shown: Mask, text: str, word: str) -> Suggestion | None:
    """The whole text with its last word completed; only where the completed text finds something."""
    weights = store.words.weights(stem(word))
    if weights is None:
        return None
    matches = store.matcher.match(text) if text != word else None
    mask = shown & (weights > 0 if matches is None else matches.found)
    if not mask.any() or (matches is not None and matches.note and not matches.longer):
        return None
    scores = weights if matches is None else matches.scores
    best = int(np.argmax(np.where(mask, scores, -1.0)))
    return Suggestion("word", text, text, store.columns.distinct(mask), int(store.columns.ids[best]))


def _beginning(store: ServingStore, kind: SuggestionKind, wanted: str) -> list[str]:
    """Names that begin so, or one of whose words does, the shortest first; of entries by their titles."""
    if kind == "entry":
        return store.slugs_by_title(wanted, MOST)
    names = [
        names[0]
        for folded, names in store.columns.values[_KEYS[kind]].by_case.items()
        if folded.startswith(wanted) or f" {wanted}" in folded
    ]
    return sorted(names, key=lambda name: (not name.casefold().startswith(wanted), len(name), name))


def _value(store: ServingStore, shown: Mask, kind: SuggestionKind, key: str, name: str) -> Suggestion | None:
    columns = store.columns
    spelled = columns.values[key].spelled(name)
    mask = shown & columns.mask(AnyOf(key, spelled))
    if not mask.any():
        return None
    rows = np.flatnonzero(mask)
    best = rows[np.argmax(columns.favourites[columns.entry_of[rows]])]
    title = store.entry_rows([name])[name]["title"] if kind == "entry" else ""
    usual = columns.values[key].commonest(name)
    return Suggestion(kind, title or usual, usual, columns.distinct(mask), int(columns.ids[best]))
