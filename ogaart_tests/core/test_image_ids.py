"""The one rule by which image ids are read from text."""

import pytest

from ogaart.core.image_ids import LARGEST_IMAGE_ID, parse_image_id


@pytest.mark.parametrize("number", [0, 7, 123456789012345678, LARGEST_IMAGE_ID])
def test_an_id_as_printed_is_read(number: int) -> None:
    assert parse_image_id(str(number)) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "²",
        "٣",
        "+1",
        "-1",
        "1_000",
        " 1",
        "1\n",
        "1.0",
        "0x10",
        "007",
        str(LARGEST_IMAGE_ID + 1),
        "9" * 19,
        "1" * 5000,
    ],
)
def test_any_other_text_is_not_an_id(text: str) -> None:
    assert parse_image_id(text) is None
