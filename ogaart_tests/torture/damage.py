"""Files of a data root that are missing, empty, nonsense, something else, or valid and not what they should hold."""

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ogaart_tests.changing_site import ChangingSite
from ogaart_tests.torture.small_site import records
from ogaart_tests.world import copy_world, open_world

Damage = Callable[[Path], object]

FILES: dict[str, str] = {
    "takedown": "decisions/+0000000001-7a4ed0.json",
    "takedowns of a version before": "decisions.jsonl",
    "visitors' reports": "reports/+0000000001-4e9047.json",
    "owner": "owner.json",
    "Dagster's settings": "dagster/dagster.yaml",
    "their hash": "dagster/dagster.yaml.sha256",
    "deleted runs": "dagster/deleted_runs.jsonl",
    "who runs the services": "dagster/services.json",
    "runs": "dagster/history/runs.db",
    "events": "dagster/history/runs/index.db",
    "schedules": "dagster/schedules/schedules.db",
    "the link to the catalog": "ogaart.duckdb",
    "the link to the publication": "generations/current",
    "manifest": "generations/*/manifest.json",
    "audits": "generations/*/audits.json",
    "checks": "generations/*/checks.json",
    "inputs": "generations/*/inputs.json",
    "hashes": "generations/*/hashes.json",
    "catalog": "generations/*/ogaart.duckdb",
    "words": "generations/*/words.sqlite",
    "signatures": "generations/*/signatures/part-*/values",
    "ids of signatures": "generations/*/signatures/ids.npy",
    "places of signatures": "generations/*/signatures/places.npy",
    "fused vectors": "generations/*/fused/part-*/values",
    "projection": "generations/*/projection.npz",
    "subjects": "generations/*/subjects/part-*/values",
    "what kinship is found by": "generations/*/kin/part-*/values",
    "patches": "generations/*/patches/*/heads.npy",
    "links of patches": "generations/*/patches/links.parquet",
    "published index": "generations/*/index/*/edge_config.json",
    "published segment": "generations/*/index/*/segments/*/segment.json",
    "published pack": "generations/*/packs/*/*/*.zip",
    "history of publications": "history/publications.parquet",
    "changes": "history/changes.parquet",
    "journal of fetch records": "site/fetches.jsonl",
    "database of state": "state.db",
    "page": "blobs/*/*/*",
    "entries": "objects/*/*/*.entries.parquet",
    "images": "objects/*/*/*.images.parquet",
    "failures": "objects/*/*/*.failures.parquet",
    "steps": "objects/raw_files/*/*.steps.parquet",
    "pack": "objects/*/*/*.zip",
    "link of a table": "tables/images/*/*/*.parquet",
    "vectors": "vectors/*/*.parquet",
    "weights": "vectors/weights.json",
    "parts": "derived/parts*/*.parquet",
    "identity of the index": "index/*/identity.json",
    "index": "index/*/shard/*/edge_config.json",
    "lock": "locks/swap.lock",
}
"""One file of each kind that commands read, by where it is."""

ANY: dict[str, Damage] = {
    "missing": lambda _: None,
    "empty": lambda path: path.write_bytes(b""),
    "nonsense": lambda path: path.write_bytes(b"\xff\x00nonsense\n" * 30),
    "a folder": lambda path: path.mkdir(),
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
}


def _text(text: str) -> Damage:
    return lambda path: path.write_text(text + "\n")


JSON: dict[str, Damage] = {
    f"the JSON {text}": _text(text) for text in ("[]", "{}", "null", "7", '"x"', '{"a": {"b": [1, null]}}', '{"a": ')
}
YAML: dict[str, Damage] = {
    f"the YAML {text!r}": _text(text)
    for text in (
        "nonsense: true",
        "- a",
        "hello",
        "a: [",
        "run_monitoring: 7",
        "run_launcher:\n  module: no_such\n  class: X",
        "storage:\n  sqlite:\n    base_dir: [1]",
        "concurrency:\n  pools: many",
    )
}


def damages(path: Path) -> dict[str, Damage]:
    """What can be wrong with a file, by its name."""
    more = JSON if path.suffix in {".json", ".jsonl"} else YAML if path.suffix == ".yaml" else {}
    return ANY | more


def file_of(data: Path, kind: str) -> Path:
    """The file of a kind below a data root: there already, or where it would be.

    Raises:
        LookupError: this data root has none.
    """
    found = sorted(path for path in data.glob(FILES[kind]) if path.is_file() or path.is_symlink())
    if not found and "*" in FILES[kind]:
        raise LookupError(f"no {FILES[kind]} under {data}")
    return found[0] if found else data / FILES[kind]


def spoiled(path: Path) -> Iterator[str]:
    """Damage a file in each way, one after the other, and put it back at the end."""
    kept = path.with_name(f".kept-{path.name}")
    was = path.exists() or path.is_symlink()
    if was:
        path.rename(kept)
    try:
        for name, damage in damages(path).items():
            path.parent.mkdir(parents=True, exist_ok=True)
            damage(path)
            yield name
            remove(path)
    finally:
        remove(path)
        if was:
            kept.rename(path)


def remove(path: Path) -> None:
    """Delete a file, a link or a folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@dataclass
class Damaged:
    """What was tried, and how commands ended that should not end so."""

    tried: int = 0
    problems: list[str] = field(default_factory=list)


def try_damages(folder: Path, seed: int, number: int) -> Damaged:
    """Run commands, each on a fresh copy of a small platform with one damaged file, all three chosen at random."""
    from ogaart_tests.cli.test_failures import READING, SITE, WRITING, faults, typed

    chance, result = random.Random(seed), Damaged()
    commands = (*READING, *SITE, *WRITING)
    with (
        open_world(folder, ChangingSite(per_page=24, site=records()), OGAART_ATTEMPTS="1") as world,
        pytest.MonkeyPatch.context() as patch,
    ):
        world.all()
        patch.setenv("OGAART_MIN_FREE_BYTES", "1000")
        patch.setenv("OGAART_LOCK_SECONDS", "0.1")
        (folder / "work").mkdir()
        patch.chdir(folder / "work")
        for _ in range(number):
            copied = copy_world(world, folder / "work" / "data", patch.setenv)
            path = file_of(copied.settings.data, kind := chance.choice(list(FILES)))
            name = chance.choice(list(damages(path)))
            remove(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            damages(path)[name](path)
            words = chance.choice(commands)
            result.tried += 1
            result.problems += [f"{kind} is {name}: {' '.join(words)}: {fault}" for fault in faults(typed(*words))]
            shutil.rmtree(folder / "work" / "data")
            shutil.rmtree(folder / "work" / "backup", ignore_errors=True)
    return result
