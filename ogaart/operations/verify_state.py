"""Files beside the tables and blobs that commands read: settings and state as JSON, YAML and SQLite.

Each is parsed, and a database checked by SQLite itself. What the program makes again is removed by a repair; what it
cannot make again is named with what to do.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import yaml

from ogaart.resources.catalog.generations import GenerationMissing, Generations
from ogaart.resources.catalog.publishing import INPUTS
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.takedowns import DecisionsUnreadable, read_decisions

Damage = tuple[Path, str, bool]
"""A damaged file, the sentence for it, and whether a repair removes it."""

_AGAIN = "it is made again from what is stored"


def damaged_state(root: DataRoot) -> Iterator[Damage]:
    """Every damaged file of state under a data root."""
    yield from _json(root.root / "owner.json", ("host",), "delete it if no other host uses this data root", False)
    yield from _json(root.vectors / "weights.json", (), "it is made again from the weights", True)
    for path in sorted(root.site.rglob("*.json")) if root.site.is_dir() else ():
        keys = ("url", "sha256", "checked_at") if "fetches" in path.parts else ()
        yield from _json(path, keys, "it is fetched again", True)
    yield from _generations(root)
    try:
        read_decisions(root.decisions)
    except (DecisionsUnreadable, UnicodeDecodeError) as cause:
        yield root.decisions, f"{cause}: correct or delete the line, or restore the file from a backup", False
    yield from _yaml(root.dagster / "dagster.yaml")
    for path in sorted(root.dagster.rglob("*.db")) if root.dagster.is_dir() else ():
        if problem := _database_problem(path):
            way_out = (
                f"stop `ogaart up`, move {root.dagster / 'history'} and {root.dagster / 'schedules'} away, then run"
            )
            yield path, f"{problem}: {way_out} `ogaart rebuild catalog`", False


def _generations(root: DataRoot) -> Iterator[Damage]:
    generations = Generations(root.generations)
    for number in generations.numbers():
        try:
            generation = generations.get(number)
        except GenerationMissing as cause:
            yield root.generations / f"{number:06d}" / "manifest.json", str(cause), False
            continue
        yield from _json(generation.path / INPUTS, ("inputs",), _AGAIN, True)


def _json(path: Path, keys: tuple[str, ...], way_out: str, removable: bool) -> Iterator[Damage]:
    def check(text: str) -> str:
        found = json.loads(text)
        if not isinstance(found, dict):
            return "not a JSON object"
        lacking = [key for key in keys if key not in found]
        return f"has no {', '.join(lacking)}" if lacking else ""

    yield from _parsed(path, check, way_out, removable)


def _yaml(path: Path) -> Iterator[Damage]:
    def check(text: str) -> str:
        return "" if isinstance(yaml.safe_load(text), dict) else "not a YAML mapping"

    yield from _parsed(path, check, "the shipped file takes its place", True)


def _parsed(path: Path, check: Callable[[str], str], way_out: str, removable: bool) -> Iterator[Damage]:
    try:
        problem = check(path.read_bytes().decode("utf-8"))
    except FileNotFoundError:
        return  # it is written when it is needed, or was just replaced
    except (OSError, ValueError, yaml.YAMLError) as cause:
        problem = (str(cause).splitlines() or [type(cause).__name__])[0]
    if problem:
        yield path, f"{problem}: {way_out}", removable


def _database_problem(path: Path) -> str:
    """What SQLite finds wrong with a database that others may be writing; empty where it is intact."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=10)) as database:
            [(result,)] = database.execute("PRAGMA quick_check(1)").fetchall()
    except sqlite3.OperationalError:
        return ""  # held by a writer, or on a read-only disk with a journal to replay: nothing is known of it
    except sqlite3.DatabaseError as cause:
        return str(cause)
    return "" if result == "ok" else str(result).replace("\n", " ")
