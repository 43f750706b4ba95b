"""Hashes of a folder's files: what differs from them is named, what is not known of them is not made up."""

from pathlib import Path

import pytest

from ogaart.resources.storage.file_hashes import changed_files, keep_hashes, linked_hashes, missing_files, record_hashes
from ogaart_tests.descriptors import files_left


@pytest.fixture
def listed(tmp_path: Path) -> tuple[Path, Path]:
    """A folder of two files, and the list of their hashes."""
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in ("one", "two"):
        (folder / name).write_text(name)
    record_hashes(folder, tmp_path / "hashes.json")
    return folder, tmp_path / "hashes.json"


def test_what_differs_is_named(listed: tuple[Path, Path]) -> None:
    folder, hashes = listed
    assert changed_files(folder, hashes) == []
    (folder / "one").write_text("eno")
    (folder / "two").unlink()

    assert changed_files(folder, hashes) == [
        (folder / "one", "not as it was written (its hash is wrong)"),
        (folder / "two", "No such file or directory"),
    ]
    assert missing_files(folder, hashes) == [folder / "two"]


def test_a_process_that_may_open_no_more_files_says_nothing_of_them(listed: tuple[Path, Path]) -> None:
    folder, hashes = listed

    for look in (changed_files, missing_files, linked_hashes):
        with files_left(0), pytest.raises(OSError, match="Too many open files"):
            look(folder, hashes)
    with files_left(0), pytest.raises(OSError, match="Too many open files"):
        keep_hashes(hashes, {"one"})

    assert changed_files(folder, hashes) == []
