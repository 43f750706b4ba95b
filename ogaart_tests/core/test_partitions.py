"""Partition keys: there and back, and what is refused."""

import pytest

from ogaart.core.partitions import BadPartition, parse_key, partition_key


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
