"""Queries and keys: what is refused, and that the message says what to do."""

from pathlib import Path

import pytest

from ogaart.core.partitions import BadPartition, parse_key, partition_key
from ogaart.sites.opengameart.queries import BadQueries, load_queries


def queries(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "queries.toml"
    path.write_text(text)
    return path


def test_the_committed_queries_are_all_2d_art() -> None:
    found = load_queries(Path(__file__).parents[2] / "queries.toml")

    assert found["2d-art"].params == (("field_art_type_tid[]", "9"),)
    assert found["2d-art"].per_page == 144


def test_licences_and_tags_become_the_sites_terms(tmp_path: Path) -> None:
    text = '[[query]]\nname = "x"\nlicences = ["CC0"]\ntags = ["pixel art", "16x16"]\ntags_op = "and"\n'

    assert load_queries(queries(tmp_path, text))["x"].params == (
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
    with pytest.raises(BadQueries, match=message):
        load_queries(queries(tmp_path, text))


def test_a_missing_file_names_the_setting(tmp_path: Path) -> None:
    with pytest.raises(BadQueries, match="OGAART_QUERIES"):
        load_queries(tmp_path / "none.toml")


def test_keys_there_and_back() -> None:
    assert partition_key("2d-art", 7) == "2d-art/0007"
    assert parse_key("2d-art/0007") == ("2d-art", 7)


@pytest.mark.parametrize("key", ["2d-art", "2d-art/7", "2d-art/0007...2d-art/0009", "../0001", "A/0001", ""])
def test_other_texts_are_no_keys(key: str) -> None:
    with pytest.raises(BadPartition, match="expected <query>/<four digits>"):
        parse_key(key)


def test_a_page_has_four_digits() -> None:
    with pytest.raises(BadPartition, match="0 to 9999"):
        partition_key("2d-art", 10_000)
