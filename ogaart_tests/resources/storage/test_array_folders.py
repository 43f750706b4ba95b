"""Hashes as arrays: the same sets as of texts, also where hashes were looked for that begin alike."""

import hashlib

import pytest

from ogaart.resources.storage.array_folders import as_hashes, as_keys, contained, distinct

HASHES = [hashlib.sha256(bytes([n])).hexdigest() for n in range(40)]
BEGIN_ALIKE = [f"{'ab' * 8}{n:048x}" for n in (3, 1, 2)]


@pytest.mark.parametrize("hashes", [HASHES, [*HASHES, *BEGIN_ALIKE], BEGIN_ALIKE, HASHES[:1]])
def test_of_equal_hashes_one_is_left_in_the_order_of_the_texts(hashes: list[str]) -> None:
    found = distinct(as_keys([*hashes, *hashes[:10], *hashes]))

    assert as_hashes(found) == sorted(set(hashes))


@pytest.mark.parametrize(
    ("hashes", "wanted"),
    [
        (HASHES, HASHES[10:20]),
        (HASHES[:5], HASHES),
        (HASHES, HASHES[3:4] * 3),
        ([*BEGIN_ALIKE[:2], *HASHES], [BEGIN_ALIKE[1], *HASHES[30:]]),
        (BEGIN_ALIKE[:2], BEGIN_ALIKE[2:]),
        (HASHES, BEGIN_ALIKE),
        (HASHES[:3], []),
        ([], HASHES),
        ([], []),
    ],
)
def test_a_hash_is_contained_where_its_text_is(hashes: list[str], wanted: list[str]) -> None:
    found = contained(as_keys(hashes), as_keys(wanted))

    assert found.tolist() == [one in wanted for one in hashes]
