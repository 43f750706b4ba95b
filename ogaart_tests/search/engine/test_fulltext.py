"""What people type never breaks the full-text search, and finds what it says."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ogaart.search.engine.fulltext import expressions, positive_words, unwanted_words


@pytest.fixture(scope="module")
def store() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    connection.execute(
        "CREATE VIRTUAL TABLE words USING"
        " fts5(title, tags, names, content='', tokenize=\"unicode61 remove_diacritics 2\")"
    )
    rows = [
        ("Wooden barrel", "barrel_01.png"),
        ("Barrels and crates", "100% wood #1 + metal.png"),
        ("Forêt", "惑星.png"),
    ]
    connection.executemany(
        "INSERT INTO words(rowid, title, names) VALUES (?, ?, ?)", [(n, *r) for n, r in enumerate(rows)]
    )
    return connection


def found(store: sqlite3.Connection, text: str) -> list[int]:
    for expression in expressions(text):
        sql = "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid"
        rows = store.execute(sql, (expression.all,)).fetchall()
        prominent = store.execute(sql, (expression.prominent,)).fetchall()
        assert set(prominent) <= set(rows)
        if rows:
            return [row[0] for row in rows]
    return []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("barrel", [0]),
        ("BARREL wooden", [0]),
        ("barr", [0, 1]),  # no such word: beginnings of words
        ('"wooden barrel"', [0]),
        ('"barrel wooden"', []),
        ("wood -crates", [0]),  # the whole word stands beside crates only: then its beginnings
        ("foret", [2]),
        ("惑星", [2]),
        ("100% wood #1 + metal.png", [1]),
        ("barrel dragon", [0, 1]),  # no picture has both
        ("-barrel", []),
        ("wooden,barrel", [0]),
        ("wooden/barrel;", [0]),
        ("AND OR NOT", [1]),
        ('"', []),
        ("*", []),
    ],
)
def test_text_finds(store: sqlite3.Connection, text: str, expected: list[int]) -> None:
    assert found(store, text) == expected


@given(st.text(max_size=60))
def test_no_text_is_a_syntax_error(store: sqlite3.Connection, text: str) -> None:
    found(store, text)


def test_words_for_the_index_leave_out_what_is_excluded() -> None:
    assert positive_words('tree -pine "old oak" -"young oak"') == "tree old oak"
    assert unwanted_words('tree -pine "old oak" -"young oak"') == ("pine", "young oak")
