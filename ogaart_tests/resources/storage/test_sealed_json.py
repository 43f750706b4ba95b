"""JSON that holds the hash of its own bytes."""

import json

import pytest

from ogaart.resources.storage.sealed_json import SealBroken, open_json, seal_json

FIELDS = {"url": "https://example.org/ü", "sha256": "0" * 64, "bytes": 7, "gone": None, "sealed at": ["a", {"seal": 1}]}


def is_refused(text: bytes) -> bool:
    try:
        open_json(text)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("fields", [FIELDS, {}, {"lone surrogate": "\ud800"}], ids=["fields", "none", "surrogate"])
def test_what_was_sealed_is_plain_json_and_comes_back(fields: dict[str, object], indent: int | None) -> None:
    text = seal_json(fields, indent=indent)

    assert open_json(text) == fields
    assert json.loads(text)["sealed"] is True


@pytest.mark.parametrize("indent", [None, 1])
def test_every_flipped_bit_is_noticed(indent: int | None) -> None:
    text = seal_json(FIELDS, indent=indent)

    for place in range(len(text)):
        for bit in range(8):
            damaged = text[:place] + bytes([text[place] ^ 1 << bit]) + text[place + 1 :]
            assert is_refused(damaged), damaged


def test_every_length_cut_off_is_noticed() -> None:
    text = seal_json(FIELDS)

    for length in range(len(text)):
        assert is_refused(text[:length])


def test_a_value_that_still_parses_is_named_as_changed() -> None:
    with pytest.raises(SealBroken, match="its hash is wrong"):
        open_json(seal_json(FIELDS).replace(b'"bytes": 7', b'"bytes": 8'))


@pytest.mark.parametrize("text", [b'{"host": "here"}', b"[]", b"3"])
def test_what_was_never_sealed_is_read_as_it_is(text: bytes) -> None:
    assert open_json(text) == json.loads(text)
