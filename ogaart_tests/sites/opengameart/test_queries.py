"""Queries of the site: what is refused, and that the message says what to do."""

from pathlib import Path

import pytest

from ogaart.sites.base import load_queries
from ogaart.sites.errors import InvalidQueries
from ogaart.sites.opengameart.queries import OpenGameArtQuery


def load_queries_of(path: Path) -> dict[str, OpenGameArtQuery]:
    return load_queries(path, OpenGameArtQuery)


def queries(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "queries.toml"
    path.write_text(text)
    return path


def test_the_committed_queries_are_all_2d_art() -> None:
    found = load_queries_of(Path(__file__).parents[3] / "queries.toml")

    assert found["2d-art"].params == (("field_art_type_tid[]", "9"),)
    assert found["2d-art"].per_page == 144


def test_licences_and_tags_become_the_sites_terms(tmp_path: Path) -> None:
    text = '[[query]]\nname = "x"\nlicences = ["CC0"]\ntags = ["pixel art", "16x16"]\ntags_op = "and"\n'

    assert load_queries_of(queries(tmp_path, text))["x"].params == (
        ("field_art_type_tid[]", "9"),
        ("field_art_licenses_tid[]", "4"),
        ("field_art_tags_tid_op", "and"),
        ("field_art_tags_tid", "pixel art,16x16"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no .*query"),
        ("[[query]]\n", "name"),
        ('[[query]]\nname = "Two Words"\n', "1 to 40 of a-z"),
        ('[[query]]\nname = "a"\nlicences = ["CC-BY 9"]\n', "'CC-BY 9' is not a name of the site"),
        ('[[query]]\nname = "a"\nkeys = "ab"\n', "fewer than 3 characters"),
        ('[[query]]\nname = "a"\n[[query]]\nname = "a"\n', "two queries are named 'a'"),
        ('[[query]]\nname = "a"\nper_page = 500\n', "144"),
        ("[[query", "queries.toml"),
    ],
)
def test_a_bad_file_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidQueries, match=message):
        load_queries_of(queries(tmp_path, text))


def test_a_missing_file_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(InvalidQueries, match="OGAART_QUERIES"):
        load_queries_of(tmp_path / "none.toml")
