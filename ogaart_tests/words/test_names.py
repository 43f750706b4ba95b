"""A picture's name, read piece by piece, as it is written to the index of terms."""

import random
from pathlib import PurePosixPath

import pytest

from ogaart.words.index_tables import _pieces, _ReadName
from ogaart.words.tokens import read, terms, word_stems

ALPHABET = [
    *"aB2 _-./\\'\u2019", "\u00e9", "e\u0301", "\u0301", "\u0338", "\u1112\u1161", "\u60d1\u661f", "\u2026", "\u2100",
    "\uff21", "\ud83c", "..", "./", "walk", ".png",
]  # fmt: skip
CHANCE = random.Random(7)
PATHS = ["".join(CHANCE.choices(ALPHABET, k=CHANCE.randrange(9))) for _ in range(2_000)]


@pytest.mark.parametrize(
    ("path", "pieces"),
    [
        ("sprites/hero/walk 12.png", ("sprites/hero/", "walk 12", ".png")),
        ("Sprites\\walk.final.png", ("Sprites\\", "walk.final", ".png")),
        ("walk", ("", "walk", "")),
        ("a/.png", ("a/", ".png", "")),
        ("a/walk.", ("a/", "walk.", "")),
        ("a/walk.png/./", ("a/", "walk", ".png/./")),
        (".", ("", "", ".")),
        ("", ("", "", "")),
    ],
)
def test_a_path_has_a_folder_a_name_and_an_ending(path: str, pieces: tuple[str, str, str]) -> None:
    assert _pieces(path) == pieces


def test_pieces_make_the_whole_path_and_the_name_is_that_of_pathlib() -> None:
    for path in PATHS:
        assert "".join(_pieces(path)) == path
        assert _pieces(path)[1] == PurePosixPath(path.replace("\\", "/")).stem


def test_a_name_read_in_pieces_is_the_name_read_whole() -> None:
    for shown, member in zip(PATHS, reversed(PATHS), strict=True):
        found = _ReadName.of(shown, member)

        assert list(found.terms) == terms(f"{shown} {member}")
        assert list(found.stems) == word_stems(f"{shown}/{member}")
        assert found.own == read(PurePosixPath((member or shown).replace("\\", "/")).stem)
