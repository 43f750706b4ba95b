"""Every file that a command reads is under verify: found by watching what is opened, not by a list."""

import json
import random
import shutil
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from ogaart.cli.main import main
from ogaart_tests.content_digest import content_digest
from ogaart_tests.torture.service import serving
from ogaart_tests.tracing import AVAILABLE, opened
from ogaart_tests.world import World, copy_data_root

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not AVAILABLE, reason="files opened by native code are only seen with Linux' inotify"),
]
LISTS = ("manifest.json", "hashes.json")
"""What tells of other files how they were written: spoiled by itself."""
COMMANDS = (
    ("sql", "SELECT count(*) FROM images"),
    ("search", "map"),
    ("doctor",),
    ("verify",),
    ("block",),
    ("retry", "--where", "true", "--dry-run"),
    ("gc",),
    ("plan",),
    ("discover", "--refresh"),
    ("materialize", "2d-art/0001"),
    ("publish",),
    ("backup", "backup"),
    ("block", "entry", "map-pin", "--reason", "test"),
    ("rebuild", "index"),
    ("refresh", "map-pin"),
    ("gc", "--runs", "--yes"),
    ("gc", "--yes"),
)


@pytest.fixture
def whole(copied: World) -> World:
    """The demo with a decision and runs that were deleted from Dagster's history."""
    for words in (("block", "author", "Nobody", "--reason", "test"), ("gc", "--runs", "--keep", "1", "--yes")):
        assert CliRunner().invoke(main, words).exit_code == 0, words
    return copied


def files(data: Path) -> set[Path]:
    """Files with content, by their names under the data root."""
    found = (path for path in data.rglob("*") if path.is_file() and not path.is_symlink())
    # The file beside a database by which its readers share memory holds nothing.
    return {path.relative_to(data) for path in found if path.stat().st_size and not path.name.endswith("-shm")}


def served(data: Path) -> None:
    """The search page, and some of what it answers."""
    with serving(data) as (port, _, _):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/search?q=map", timeout=60) as answer:
            number = json.load(answer)["hits"][0]["image_id"]
        for path in (f"/thumb/{number}.webp", f"/image/{number}", f"/api/v1/search?like={number}", "/about"):
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60).read()


def read_by_commands(data: Path) -> set[Path]:
    """What the commands open of the files that are there before the first of them."""
    there = files(data)
    with opened(data) as found:
        served(data)
        for words in COMMANDS:
            assert CliRunner().invoke(main, list(words)).exit_code in {0, 3}, words
    return {path.relative_to(data) for path in found} & there


def flip(path: Path, chance: random.Random) -> None:
    """Flip one bit of a file: anywhere, but in the first page of a database, which holds what the rest hangs on."""
    content = bytearray(path.read_bytes())
    place = 100 if path.suffix == ".db" else chance.randrange(len(content))
    content[place] ^= 1 << chance.randrange(7)
    path.unlink()  # hard links and read-only modes
    path.write_bytes(content)


def named(data: Path) -> set[Path]:
    """The files that verify names, by their names under the data root."""
    result = CliRunner().invoke(main, ["verify", "--json"])
    assert result.exit_code == 8, result.output
    places = (Path(row["where"]) for row in json.loads(result.stdout)["rows"])
    return {path.relative_to(data) for path in places if path.is_relative_to(data)}


def test_a_flipped_bit_in_any_file_that_a_command_reads_is_noticed(
    whole: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OGAART_MIN_FREE_BYTES", "1000")
    copy_data_root(whole.settings.data, tmp_path / "kept")
    read = read_by_commands(whole.settings.data)
    kinds = {(path.parts[0], path.suffix) for path in read}
    assert kinds >= {("blobs", ""), ("tables", ".parquet"), ("site", ".json"), ("dagster", ".db"), ("index", ".mmap")}

    chance = random.Random(7)
    lists = {path for path in read if path.name in LISTS or path.name.endswith(".hashes.json")}
    monkeypatch.setenv("OGAART_DATA", str(spoiled := tmp_path / "spoiled"))
    for flipped in (read - lists, lists):
        shutil.rmtree(spoiled, ignore_errors=True)
        copy_data_root(tmp_path / "kept", spoiled)
        for path in sorted(flipped):
            flip(spoiled / path, chance)

        found = named(spoiled)
        covered = {path for path in flipped if found & {path, path.with_suffix(""), path.parent}}
        assert sorted(flipped - covered) == []


UNREPAIRABLE = (
    "owner.json",
    "decisions.jsonl",
    "reports.jsonl",
    "deleted_runs.jsonl",
    "dagster.yaml",
    "dagster.yaml.sha256",
)
"""What cannot be made again: verify names the way out."""


def one_of_each_kind(paths: set[Path], chance: random.Random) -> list[Path]:
    """A file of each kind that a repair makes again: by folder, suffix and name without its digits."""
    kinds: dict[tuple[str, ...], list[Path]] = {}
    for path in sorted(paths):
        if path.name not in UNREPAIRABLE and path.suffix != ".db":
            kinds.setdefault((*path.parts[:2][: 1 + (path.parts[0] == "tables")], path.suffix), []).append(path)
    return [chance.choice(found) for found in kinds.values()]


def test_one_file_of_each_kind_is_repaired(whole: World) -> None:
    data, before = whole.settings.data, content_digest(whole.generation)
    spoiled = one_of_each_kind(files(data), random.Random(11))
    assert len(spoiled) > 20
    for path in spoiled:
        flip(data / path, random.Random(3))

    assert {path for path in spoiled if path.name not in LISTS} - named(data) <= {Path()}
    repaired = CliRunner().invoke(main, ["verify", "--repair"])

    assert repaired.exit_code == 0, repaired.output
    assert CliRunner().invoke(main, ["verify"]).exit_code == 0
    assert content_digest(whole.generation) == before
