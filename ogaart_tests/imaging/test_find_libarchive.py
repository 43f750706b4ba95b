"""Where libarchive is looked for."""

from pathlib import Path

import pytest

from ogaart.imaging.find_libarchive import find_libarchive


def test_a_library_named_by_hand_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = tmp_path / "libarchive.so"
    named.touch()
    monkeypatch.setenv("LIBARCHIVE", str(named))

    assert find_libarchive() == str(named)


def test_a_named_library_that_is_not_there_is_not_replaced_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBARCHIVE", "/nowhere/libarchive.so")

    assert find_libarchive() is None


def test_else_the_loader_finds_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIBARCHIVE", raising=False)

    assert find_libarchive() is not None
