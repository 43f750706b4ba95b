"""Every file that a command reads, found by watching what is opened: a flipped bit in any of them is noticed."""

import json
import random
import shutil
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from click.testing import CliRunner

from ogaart.cli.main import main
from ogaart.resources.catalog.generations import Generations
from ogaart_tests.content_digest import content_digest
from ogaart_tests.torture.service import serving
from ogaart_tests.tracing import opened
from ogaart_tests.world import copy_data_root, open_world

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
PREPARE = (("block", "author", "Nobody", "--reason", "test"), ("gc", "--runs", "--keep", "1", "--yes"))
"""Commands that leave a decision, and runs that were deleted from Dagster's history."""
UNREPAIRABLE = (
    "owner.json",
    "deleted_runs.jsonl",
    "dagster.yaml",
    "dagster.yaml.sha256",
)
"""What cannot be made again: verify names the way out."""


def files(data: Path) -> set[Path]:
    """Files with content, but for superseded tables, by their names under the data root."""
    every = [path for path in data.rglob("*") if path.is_file()]
    current = {path.resolve() for path in every if path.is_symlink()}
    superseded = {path for path in every if path.is_relative_to(data / "objects") and path.resolve() not in current}
    found = (path for path in every if not path.is_symlink() and path not in superseded)
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


def one_of_each_kind(paths: set[Path], chance: random.Random) -> list[Path]:
    """A file of each kind that a repair makes again: by folder, suffix and name without its digits."""
    kinds: dict[tuple[str, ...], list[Path]] = {}
    for path in sorted(paths):
        if path.name not in UNREPAIRABLE and path.suffix != ".db":
            place = path.name.partition(".")[2] if path.parts[0] == "objects" else path.suffix
            kinds.setdefault((path.parts[0], place), []).append(path)
    return [chance.choice(found) for found in kinds.values()]


@dataclass
class Rotten:
    """What was found.

    Attributes:
        read: files that commands read, of those that were there before.
        kinds: kinds of files of which one was damaged and repaired.
        problems: what went unnoticed or was not repaired.
    """

    read: int = 0
    kinds: int = 0
    problems: list[str] = field(default_factory=list)


def unnoticed(kept: Path, spoiled: Path, read: set[Path], seed: int) -> list[Path]:
    """Flip a bit in each of the files in a copy of a data root, and return those that verify does not name.

    What tells of other files how they were written is spoiled by itself.
    """
    chance, missed = random.Random(seed), []
    lists = {path for path in read if path.name in LISTS or path.name.endswith(".hashes.json")}
    for flipped in (read - lists, lists):
        shutil.rmtree(spoiled, ignore_errors=True)
        copy_data_root(kept, spoiled)
        for path in sorted(flipped):
            flip(spoiled / path, chance)
        found = named(spoiled)
        covered = {path for path in flipped if found & {path, path.with_suffix(""), path.parent}}
        missed += sorted(flipped - covered)
    return missed


def rot(folder: Path, seed: int, use: Callable[[Path], None]) -> Rotten:
    """Make the demo's platform, watch what its commands read, damage all of it, and repair one file of each kind.

    Args:
        folder: an empty folder.
        seed: of every choice.
        use: makes a data root the one of this process.
    """
    result = Rotten()
    with open_world(folder, OGAART_MIN_FREE_BYTES="1000") as world:
        world.all()
        for words in PREPARE:
            if CliRunner().invoke(main, words).exit_code:
                raise AssertionError(f"{words} failed")
        data, kept, spoiled = world.settings.data, folder / "kept", folder / "spoiled"
        copy_data_root(data, kept)
        before = content_digest(world.generation)
        read = read_by_commands(data)
        result.read = len(read)
        use(spoiled)
        result.problems += [f"a flipped bit in {path} is not noticed" for path in unnoticed(kept, spoiled, read, seed)]
        shutil.rmtree(spoiled)
        copy_data_root(kept, spoiled)
        damaged = one_of_each_kind(files(spoiled), random.Random(seed))
        result.kinds = len(damaged)
        for path in damaged:
            flip(spoiled / path, random.Random(seed))
        repaired = CliRunner().invoke(main, ["verify", "--repair"])
        if repaired.exit_code or CliRunner().invoke(main, ["verify"]).exit_code:
            result.problems.append(f"not repaired: {repaired.output[-500:]}")
        repaired_to = Generations(spoiled / "generations").current()
        if repaired_to is None or content_digest(repaired_to) != before:
            result.problems.append("the repair changed what is published")
        use(data)
    return result
