"""Phrases are found by positions exactly where the words are in a row, whatever the texts."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from ogaart.words.positions import LAST_PLACE, Positions, read_keys, texts_with

WORDS = ("red", "blue", "ship")
PARTS = st.lists(st.lists(st.sampled_from(WORDS), max_size=5), max_size=3)


def indexed(texts: Sequence[Sequence[Sequence[str]]]) -> Positions:
    positions = Positions()
    for number, parts in enumerate(texts):
        positions.add(number, [" ".join(part) for part in parts])
    return positions


def found(positions: Positions, phrase: Sequence[str]) -> list[int]:
    return [int(number) for number in texts_with([read_keys(*positions.stored(word)) for word in phrase])]


def in_a_row(part: Sequence[str], phrase: Sequence[str]) -> bool:
    return any(list(part[n : n + len(phrase)]) == list(phrase) for n in range(len(part)))


@given(st.lists(PARTS, max_size=6), st.lists(st.sampled_from(WORDS), min_size=1, max_size=4))
def test_a_phrase_is_found_where_its_words_are_in_a_row(texts: list[list[list[str]]], phrase: list[str]) -> None:
    expected = [n for n, parts in enumerate(texts) if any(in_a_row(part, phrase) for part in parts)]

    assert found(indexed(texts), phrase) == expected


def test_a_phrase_never_reaches_from_one_text_into_the_next() -> None:
    texts = [[["blue"] * (LAST_PLACE + 1)], [["red", "ship"]], [["blue"] * (LAST_PLACE + 20), ["red"]]]
    positions = indexed(texts)

    assert found(positions, ["blue", "red"]) == []
    assert found(positions, ["red", "ship"]) == [1]
    assert found(positions, ["blue", "blue"]) == [0, 2]
    assert found(positions, ["red", "nothing"]) == []
