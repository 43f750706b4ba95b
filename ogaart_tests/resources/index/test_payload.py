"""The payload: every key that filters need, and a hash that shows when a point is out of date."""

from datetime import UTC, datetime
from typing import cast

import pytest

from ogaart.reference.tables import tables_markdown
from ogaart.resources.catalog.tables import PUBLIC
from ogaart.resources.index.payload import PAYLOAD_KEYS, are_same, payload, payload_hash, payloads
from ogaart.resources.storage.rows import EntryRow, ImageRow
from ogaart.resources.storage.schema import ENTRIES, IMAGES

IMAGE: ImageRow = {
    "pixel_sha256": "ab" * 32, "width": 30, "height": 20, "has_alpha": False, "pixel_art": True, "colours": 2,
    "palette": [0xFF0000], "palette_shares": [1.0],
}  # fmt: skip
ENTRY: EntryRow = {
    "slug": "oak", "title": "Oak", "author": "Ann", "tags": ["tree"], "licences": ["CC0", "Homemade"],
    "art_type": "2D Art", "description": "A tall tree", "fetched_at": datetime(2024, 5, 1, tzinfo=UTC),
}  # fmt: skip


def test_it_has_the_keys_that_the_index_knows() -> None:
    found = payload(IMAGE, ENTRY, ["oak.png"])

    assert found.keys() == PAYLOAD_KEYS.keys()
    assert (found["pixels"], found["aspect"], found["fetched_at"]) == (600, 1.5, 1714521600)
    assert found["colour_names"] == ["red"]
    assert found["words"] == "Oak tree Ann oak.png A tall tree"


def test_it_is_made_of_columns_that_search_has() -> None:
    image, entry = ({column.name: None for column in table.served} for table in (IMAGES, ENTRIES))

    found = payload(cast("ImageRow", image), cast("EntryRow", entry), [])

    assert found.keys() == PAYLOAD_KEYS.keys()


def test_what_a_page_does_not_say_is_empty() -> None:
    bare: EntryRow = {**ENTRY, "author": None, "tags": None, "licences": None, "description": None, "fetched_at": None}

    found = payload(IMAGE, bare, [None, ""])

    assert (found["author"], found["tags"], found["uses"], found["words"]) == ("", [], [], "Oak")


def test_collaborators_are_authors_that_a_filter_and_words_find() -> None:
    found = payload(IMAGE, {**ENTRY, "collaborators": ["Ben", "Eliza Wy"]}, [])
    alone = payload(IMAGE, {**ENTRY, "collaborators": []}, [])

    assert (found["author"], found["words"]) == (["Ann", "Ben", "Eliza Wy"], "Oak tree Ann Ben Eliza Wy A tall tree")
    assert payload_hash(alone) == payload_hash(payload(IMAGE, ENTRY, []))  # no point changes for nothing


def test_the_hash_ignores_order_of_names_and_time_of_reading() -> None:
    one = payload(IMAGE, ENTRY, ["b.png", "a.png", "a.png"])
    again = payload(IMAGE, {**ENTRY, "fetched_at": datetime(2025, 1, 1, tzinfo=UTC)}, ["a.png", "b.png"])
    other = payload(IMAGE, {**ENTRY, "licences": ["CC-BY 3.0"]}, ["a.png", "b.png"])

    assert payload_hash(one) == payload_hash(again)
    assert payload_hash(one) != payload_hash(other)


def test_ten_thousand_names_do_not_all_go_into_one_point() -> None:
    assert len(payload(IMAGE, ENTRY, (f"tile_{n}.png" for n in range(10_000)))["words"]) == 4_000


def test_the_reference_names_every_table_and_column() -> None:
    page = tables_markdown()

    for table in PUBLIC:
        assert f"### {table.name}\n" in page
        for column in table.columns:
            assert f"| {column.name} | " in page
    assert "FROM lineage(of_image)" in page
    assert "| entry_status | ok, withheld, deleted, private, renamed, not_art, failed |" in page


def test_payloads_of_many_images_are_those_of_each_alone() -> None:
    other: EntryRow = {
        **ENTRY,
        "slug": "elm",
        "title": None,
        "collaborators": ["Ben"],
        "tags": None,
        "fetched_at": None,
    }
    grey: ImageRow = {**IMAGE, "palette": None, "palette_shares": None, "width": None, "height": 0, "colours": None}
    rows: list[tuple[ImageRow, EntryRow, list[str | None]]] = [
        (IMAGE, ENTRY, ["b.png", None, "a.png"]),
        (grey, ENTRY, []),
        (grey, other, ["", "äöü \ud83c.png"]),
        (IMAGE, other, ["elm.png"]),
        (IMAGE, {**ENTRY, "description": "of another row"}, []),
    ]

    assert payloads(rows) == [payload(*row) for row in rows]
    assert payloads([]) == []


def test_a_picture_with_too_few_shares_is_refused() -> None:
    rows: list[tuple[ImageRow, EntryRow, list[str | None]]] = [
        ({**IMAGE, "palette_shares": []}, ENTRY, []),
        ({**IMAGE, "palette_shares": [0.5, 0.5]}, ENTRY, []),
    ]
    with pytest.raises(ValueError, match="shares"):
        payloads(rows)


@pytest.mark.parametrize(
    "changed",
    [
        {}, {"fetched_at": 1}, {"width": 30.0}, {"width": 31}, {"has_alpha": 0}, {"has_alpha": True}, {"aspect": 1},
        {"author": ["Ann"]}, {"tags": ["tree", "tree"]}, {"tags": []}, {"uses": None}, {"another": "key"},
    ],
)  # fmt: skip
def test_payloads_are_the_same_where_their_hashes_are(changed: dict[str, object]) -> None:
    wanted = payload(IMAGE, ENTRY, ["oak.png"])
    stored = {**wanted, **changed}

    assert are_same(stored, wanted) == (payload_hash(stored) == payload_hash(wanted))


@pytest.mark.parametrize("key", PAYLOAD_KEYS)
def test_a_payload_that_lacks_a_key_is_another(key: str) -> None:
    wanted = payload(IMAGE, ENTRY, ["oak.png"])
    stored = {name: value for name, value in wanted.items() if name != key}

    assert are_same(stored, wanted) == (payload_hash(stored) == payload_hash(wanted)) == (key == "fetched_at")
