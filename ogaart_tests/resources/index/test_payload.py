"""The payload: every key that filters need, and a hash that shows when a point is out of date."""

from datetime import UTC, datetime
from typing import cast

from ogaart.reference.tables import tables_markdown
from ogaart.resources.catalog.tables import PUBLIC
from ogaart.resources.index.payload import PAYLOAD_KEYS, payload, payload_hash
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
