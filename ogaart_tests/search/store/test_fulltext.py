"""What people type is never an error, and finds what it says."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ogaart.search.store.fulltext import WordMatcher, read_terms
from ogaart.search.store.image_columns import ImageColumns
from ogaart.words.index import WordIndex
from ogaart.words.index_layers import WordLayers
from ogaart.words.index_tables import write_word_index

DDL = """
CREATE TABLE entries(slug TEXT, title TEXT, tags TEXT, author TEXT, collaborators TEXT, description TEXT,
    posted_at TEXT, favourites INTEGER, licences TEXT, art_type TEXT);
CREATE TABLE images(image_id INTEGER PRIMARY KEY, slug TEXT, pixel_sha256 BLOB, width INTEGER, height INTEGER,
    has_alpha INTEGER, pixel_art INTEGER, palette TEXT, palette_shares TEXT);
CREATE TABLE places(image_id INTEGER, shown_name TEXT, member_path TEXT);
"""
RED, BLUE = "[16711680]", "[255]"
# Title, tags, description of an entry, and the names of its pictures with their main colours.
ENTRIES: Sequence[tuple[str, str, str, Sequence[tuple[str, str]]]] = (
    ("Wooden barrel", '["prop"]', "", [("barrel_01.png", RED)]),
    ("Barrels and crates", "[]", "100% wood", [("wood #1 + metal.png", BLUE)]),
    ("Forêt", "[]", "", [("惑星地球.png", BLUE)]),
    ("Playing cards", '["card"]', "", [("cardJoker.png", BLUE), ("cardBack_red2.png", RED), ("cardHearts10.png", RED)]),
    ("Space ships", "[]", "", [("playerShip1_blue.png", BLUE), ("enemyRed3.png", RED)]),
    ("Zombies", '["undead"]', "A horde", [("walk1.png", BLUE), ("walk10.png", BLUE), ("walk2.png", BLUE)]),
    ("Top-down wolf", "[]", "", [("HUDBar.png", BLUE)]),
)


@dataclass(frozen=True)
class Publication:
    matcher: WordMatcher
    columns: ImageColumns
    names: dict[int, str]


@pytest.fixture(scope="module")
def publication() -> Publication:
    store = sqlite3.connect(":memory:", check_same_thread=False)
    store.executescript(DDL)
    for number, (title, tags, description, pictures) in enumerate(ENTRIES):
        store.execute(
            "INSERT INTO entries VALUES (?, ?, ?, 'Ann', '[]', ?, NULL, 0, '[]', '2D Art')",
            (f"entry-{number}", title, tags, description),
        )
        for n, (name, palette) in enumerate(pictures):
            key = 100 * number + n
            store.execute(
                "INSERT INTO images VALUES (?, ?, ?, 8, 8, 0, 0, ?, '[1.0]')",
                (key, f"entry-{number}", key.to_bytes(4, "big"), palette),
            )
            store.execute("INSERT INTO places VALUES (?, 'pack.zip', ?)", (key, f"PNG/{name}"))
    write_word_index(store)
    store.row_factory = sqlite3.Row

    def rows(sql: str, *values: object) -> list[sqlite3.Row]:
        return store.execute(sql, values).fetchall()

    stored = WordLayers.of(rows)
    columns = ImageColumns(stored.columns, rows)
    index = WordIndex(stored.layers, columns.entry_of, len(columns.slugs))
    names = {100 * e + n: Path(name).stem for e, entry in enumerate(ENTRIES) for n, (name, _) in enumerate(entry[3])}
    return Publication(WordMatcher(index, columns.with_colour), columns, names)


def found(publication: Publication, text: str) -> list[str]:
    """The names of the pictures found, best first."""
    matches = publication.matcher.match(text)
    rows = np.flatnonzero(matches.found)
    ordered = rows[np.lexsort((rows, -matches.scores[rows]))]
    return [publication.names[image_id] for image_id in publication.columns.ids[ordered].tolist()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # as before: words, phrases, exclusions, accents, signs
        ("BARREL wooden", ["barrel_01"]),
        ('"wooden barrel"', ["barrel_01"]),
        ('"barrel wooden"', []),
        ('"barrels and crates"', ["wood #1 + metal"]),
        ('"barrels crates"', []),  # another word is between
        ('"prop ann"', []),  # a tag and the author are two texts
        ('"png playership"', []),
        ('"png player ship 1"', ["playerShip1_blue"]),
        ('"ship blue"', []),
        ('"nosuchword barrel"', []),
        ('ship -"enemy red"', ["playerShip1_blue"]),
        ("wood -crates", ["barrel_01"]),  # wooden begins so
        ("foret", ["惑星地球"]),
        ("100% wood #1 + metal.png", ["wood #1 + metal"]),
        ("-barrel -card -ship -zombie -wolf", ["惑星地球"]),
        ("wooden,barrel", ["barrel_01"]),
        ("wooden/barrel;", ["barrel_01"]),
        ('"', []),
        ("*", []),
        # plurals both ways
        ("barrels wood", ["wood #1 + metal"]),
        ("zombie", ["walk1", "walk2", "walk10"]),
        ("wolves", ["HUDBar"]),
        # names are split at capitals, digits and signs; the whole is still a word
        ("joker", ["cardJoker"]),
        ("hearts", ["cardHearts10"]),
        ("cardhearts", ["cardHearts10"]),
        ("cardjoker", ["cardJoker"]),
        ("hud", ["HUDBar"]),
        ("topdown", ["HUDBar"]),
        ("top-down", ["HUDBar"]),
        # the picture's own name weighs more than its entry's text
        ("card red", ["cardBack_red2", "cardHearts10"]),  # the second one is red, and not called so
        # CJK text, from one character on
        ("地球", ["惑星地球"]),
        ("球", ["惑星地球"]),
        ('"星地"', ["惑星地球"]),
        ('"地惑"', []),
        # synonyms, one word or two
        ("spaceship", ["playerShip1_blue", "enemyRed3"]),
        ("undead", ["walk1", "walk2", "walk10"]),
        ("monster ship", ["enemyRed3"]),
        # capitals within a word tell nothing where its parts do not occur
        ("ZomBIE", ["walk1", "walk2", "walk10"]),
        ("HuDbAr", ["HUDBar"]),
        # a number is the same with more or fewer zeros before it
        ("walk01", ["walk1"]),
        ("wooden barrel 1", ["barrel_01"]),
        ("walk 002 undead", ["walk2"]),
        ('"walk 01"', []),
        # a number alone is no reason to come first
        ("zombie 3", ["walk1", "walk2", "walk10", "enemyRed3"]),
        # words that tell nothing are not required where others are
        ("the joker of cards", ["cardJoker"]),
    ],
)
def test_text_finds(publication: Publication, text: str, expected: list[str]) -> None:
    assert found(publication, text) == expected


@pytest.mark.parametrize(
    ("text", "corrected", "first"),
    [
        ("zombei", "zombies", "walk1"),
        ("playing crads -red", "playing cards -red", "cardJoker"),
        ("woodenbarrel", "wooden barrel", "barrel_01"),
        # words that only the table of synonyms has
        ("spacehsip", "spaceship", "playerShip1_blue"),
        ("blue starhsip", "blue starship", "playerShip1_blue"),
        ("udnead", "undead", "walk1"),
        # words that are written as one
        ("un dead horde", "undead horde", "walk1"),
        ("wood en barrel -red2", "wooden barrel -red2", "barrel_01"),
        # a key beside the right one; what sounds alike in a long word
        ("barrwl", "barrel", "barrel_01"),
        ("wooden berrel", "wooden barrel", "barrel_01"),
    ],
)
def test_typing_errors_are_corrected_and_said_so(
    publication: Publication, text: str, corrected: str, first: str
) -> None:
    matches = publication.matcher.match(text)

    assert matches.corrected == corrected
    assert f"“{corrected}”" in matches.note
    assert found(publication, text)[0] == first


@pytest.mark.parametrize("text", ["chest", "elixir", "cardx", "wombeis", "golf", "wood", "wolf"])
def test_other_words_are_not_taken_for_typing_errors(publication: Publication, text: str) -> None:
    """Words of the table of synonyms are meant; of two errors none is the first letter."""
    matches = publication.matcher.match(text)

    assert matches.corrected in ("", "card")


@pytest.mark.parametrize(("text", "near"), [("golf", "wolf"), ("mood", "wood"), ("bards", "cards")])
def test_another_word_is_suggested_and_not_taken_for_a_misspelled_one(
    publication: Publication, text: str, near: str
) -> None:
    matches = publication.matcher.match(text)

    assert not matches.found.any()
    assert not matches.corrected
    assert near in matches.near


def test_longer_words_are_said_to_be_longer(publication: Publication) -> None:
    matches = publication.matcher.match("wolf topd")

    assert matches.note == "No picture has “topd”; these have words that begin so."
    assert publication.matcher.match("wolf").note == ""


def test_some_of_the_words_are_said_to_be_some(publication: Publication) -> None:
    matches = publication.matcher.match("barrel dragonfly")

    assert matches.note == "No picture has all of these words; these have some of them."
    assert found(publication, "barrel dragonfly") == ["barrel_01", "wood #1 + metal"]


@given(st.text(max_size=60))
def test_no_text_is_an_error(publication: Publication, text: str) -> None:
    publication.matcher.match(text)


@given(st.sampled_from([name for entry in ENTRIES for name, _ in entry[3]]))
def test_what_is_excluded_is_never_found(publication: Publication, name: str) -> None:
    with_it = publication.matcher.match(f'"{name}"').found
    without = publication.matcher.match(f'png -"{name}"').found

    assert with_it.any()
    assert not (with_it & without).any()


def test_terms_are_read_with_their_signs() -> None:
    terms = read_terms('tree -pine "old oak" -"young oak" the')

    assert [one.words for one in terms.wanted] == [("tree",), ("old", "oak")]
    assert [one.words for one in terms.unwanted] == [("pine",), ("young", "oak")]
