"""Packs of small pictures: the hash of all bytes in the zip's comment."""

import zipfile
from pathlib import Path

import pytest

from ogaart.resources.storage.packs import PackWriter, pack_is_as_written, read_at


def pack(path: Path) -> Path:
    with PackWriter(path) as writer:
        writer.add("pictures/a", b"first picture")
        writer.add("pictures/b", b"second picture")
    return path


def test_a_pack_is_an_ordinary_zip_with_its_hash(tmp_path: Path) -> None:
    with PackWriter(tmp_path / "a.zip") as writer:
        place = writer.add("pictures/a", b"first picture")

    assert read_at(tmp_path / "a.zip", *place) == b"first picture"
    assert pack_is_as_written(tmp_path / "a.zip") is True
    with zipfile.ZipFile(tmp_path / "a.zip") as opened:
        assert opened.testzip() is None
        assert opened.read("pictures/a") == b"first picture"


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip")
    whole = path.read_bytes()

    for place in range(len(whole)):
        for bit in (0x01, 0x10, 0x80):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
            assert pack_is_as_written(path) is False, place


@pytest.mark.parametrize("members", [{}, {"pictures/a": b"x" * 1000}])
def test_of_a_pack_from_before_nothing_is_known(members: dict[str, bytes], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "old.zip", "w") as old:
        for name, data in members.items():
            old.writestr(name, data)

    assert pack_is_as_written(tmp_path / "old.zip") is None
