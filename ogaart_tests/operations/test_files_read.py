"""Every file that a command reads is under verify: found by watching what is opened, not by a list."""

import random
from pathlib import Path

import pytest
from click.testing import CliRunner

from ogaart.cli.main import main
from ogaart_tests.content_digest import content_digest
from ogaart_tests.torture.rot import LISTS, PREPARE, files, flip, named, one_of_each_kind, read_by_commands, unnoticed
from ogaart_tests.tracing import AVAILABLE
from ogaart_tests.world import World, copy_data_root

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not AVAILABLE, reason="files opened by native code are only seen with Linux' inotify"),
]


@pytest.fixture
def whole(copied: World) -> World:
    """The demo with a decision and runs that were deleted from Dagster's history."""
    for words in PREPARE:
        assert CliRunner().invoke(main, words).exit_code == 0, words
    return copied


def test_a_flipped_bit_in_any_file_that_a_command_reads_is_noticed(
    whole: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OGAART_MIN_FREE_BYTES", "1000")
    copy_data_root(whole.settings.data, tmp_path / "kept")
    read = read_by_commands(whole.settings.data)
    kinds = {(path.parts[0], path.suffix) for path in read}
    assert kinds >= {("blobs", ""), ("objects", ".parquet"), ("site", ".jsonl"), ("dagster", ".db"), ("index", ".mmap")}

    monkeypatch.setenv("OGAART_DATA", str(spoiled := tmp_path / "spoiled"))
    assert unnoticed(tmp_path / "kept", spoiled, read, seed=7) == []


def test_one_file_of_each_kind_is_repaired(whole: World) -> None:
    data, before = whole.settings.data, content_digest(whole.generation)
    spoiled = one_of_each_kind(files(data), random.Random(11))
    assert len(spoiled) > 20
    for path in spoiled:
        flip(data / path, random.Random(3))

    noticed = named(data) - {Path()}  # of a run of patches, its folder
    assert not [path for path in spoiled if path.name not in LISTS and not noticed & {path, *path.parents}]
    repaired = CliRunner().invoke(main, ["verify", "--repair"])

    assert repaired.exit_code == 0, repaired.stderr[-2000:]
    assert CliRunner().invoke(main, ["verify"]).exit_code == 0
    assert content_digest(whole.generation) == before
