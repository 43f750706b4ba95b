"""How texts become terms, and that the table of synonyms in the docs is the one in force."""

from pathlib import Path

import pytest

from ogaart.words.synonyms import GROUPS, synonyms
from ogaart.words.tokens import stem, terms, words

DOCS = Path(__file__).parents[2] / "docs" / "search.md"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cardJoker", ["card", "joker"]),
        ("wormGreen_dead.png", ["worm", "green", "dead", "png"]),
        ("door_openMid-2", ["door", "open", "mid", "2"]),
        ("HUDBar", ["hud", "bar"]),
        ("Forêt d’hiver", ["foret", "dhiver"]),
        ("惑星 地球儀", ["惑星", "地球", "球儀"]),
        ("ＷＩＤＥ", ["wide"]),
        ("", []),
        ("!?#", []),
    ],
)
def test_texts_are_split_where_words_are_joined(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [("robot", "robots"), ("zombie", "zombies"), ("wolf", "wolves"), ("fairy", "fairies"), ("box", "boxes"),
     ("turret", "turrets"), ("mouse", "mice"), ("walk", "walking"), ("animal", "animals")],
)  # fmt: skip
def test_forms_of_a_word_have_one_stem(one: str, other: str) -> None:
    assert stem(one) == stem(other)


@pytest.mark.parametrize(("one", "other"), [("animal", "animated"), ("ring", "rung"), ("king", "kin"), ("boss", "bos")])
def test_different_words_have_different_stems(one: str, other: str) -> None:
    assert stem(one) != stem(other)


def test_names_are_also_found_whole() -> None:
    assert {"top", "down", "topdown"} <= set(terms("top-down"))
    assert {"robot", "2", "robot2"} <= set(terms("robot2"))


def test_synonyms_go_both_ways_and_are_those_of_the_docs() -> None:
    text = DOCS.read_text(encoding="utf-8")

    assert ("spaceship",) in synonyms("ship")
    assert ("space", "ship") in synonyms(stem("spaceship"))
    for group in GROUPS:
        assert f"| {', '.join(group)} |" in text, group
