"""Files beside the tables and blobs that commands read: settings and state as JSON, YAML and SQLite.

JSON is compared with its seal, what people may change with the hash that was noted of it, and a database is checked by
SQLite itself. What the program makes again is removed by a repair; what it cannot make again is named with what to do.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from ogaart.core.process_limits import raise_if_lacking
from ogaart.core.stages import Stage
from ogaart.likeness.projections import Projection, ProjectionInvalid
from ogaart.operations.damage import Damage
from ogaart.pipeline.run_records import DELETED
from ogaart.resources.catalog.generations import AUDITS, INPUTS, MANIFEST, GenerationMissing, Generations
from ogaart.resources.catalog.quality import CHECKS
from ogaart.resources.embedding.projections import CURRENT
from ogaart.resources.embedding.registry import model_named
from ogaart.resources.site.fetch_records import JOURNAL
from ogaart.resources.state.sqlite_files import sqlite_problem
from ogaart.resources.storage.atomic_files import read_json
from ogaart.resources.storage.current_objects import JournalDamaged, journals, renames
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.file_hashes import hash_note, is_as_noted
from ogaart.resources.storage.key_index import FILE, KeyIndex
from ogaart.resources.storage.schema import FAILURES
from ogaart.resources.storage.sealed_json import damaged_lines, open_json
from ogaart.resources.storage.tables import Tables
from ogaart.settings import Settings

DamagedFile = tuple[Path, str, bool]
"""A damaged file, the sentence for it, and whether a repair removes it."""

_JOURNAL = re.compile(rf"(?P<stage>{'|'.join(stage.value for stage in Stage)})-(?P<query>.+)-(?P<page>\d+)-(?P<of>\w+)")


def damaged_state(root: DataRoot) -> Iterator[DamagedFile]:
    """Every damaged file of state under a data root."""
    yield from _json(root.root / "owner.json", ("host",), "delete it if no other host uses this data root", False)
    yield from _json(root.identity, ("id",), "restore it from a backup; `ogaart doctor` names the id", False)
    yield from _json(root.vectors / "weights.json", (), "it is made again from the weights", True)
    for path in sorted(root.index.glob("*/identity.json")):
        yield from _json(path, ("identity",), "the collection is written again from the vectors", True)
    for path in sorted(root.index.glob("*/closed.json")):
        yield from _json(path, ("files",), "the next run compares the collection's points instead", True)
    for path in sorted((*root.vectors.glob(f"*/{FILE}"), *root.derived.glob(f"*/{FILE}"))):
        if KeyIndex.is_damaged(path):
            yield path, "not as it was written: the key columns of the segments are read instead", True
    for path in sorted(root.models.glob("*/*.json")):
        yield from _json(path, (), "it is measured again", True)
    for path in sorted(root.site.rglob("*.json")) if root.site.is_dir() else ():
        keys = ("url", "sha256", "checked_at") if "fetches" in path.parts else ()
        yield from _json(path, keys, "it is fetched again", True)
    for path in sorted(root.site.glob("*.jsonl")):
        if path.name != JOURNAL:
            yield from _lines(path, "it is written again", removable=True)
    yield from _projections(root)
    yield from _generations(root)
    yield from _dagster(root.dagster)


def _projections(root: DataRoot) -> Iterator[DamagedFile]:
    """An operator's own projections, each named by its content, and which one is used."""
    way_out = "delete it, and run `ogaart fit-projection` again"
    yield from _json(root.projections / CURRENT, (), way_out, False)
    for path in sorted(root.projections.glob("*.npz")):
        try:
            whole = Projection.from_bytes(path.read_bytes()).name == path.stem
        except ProjectionInvalid:
            whole = False
        if not whole:
            yield path, f"not the projection that its name says: {way_out}", False


def damaged_journals(tables: Tables, root: DataRoot) -> Iterator[Damage]:
    """Journals of versions before, of steps killed during their renames, that cannot be read: their steps run again."""
    for path in journals(root.root):
        try:
            renames(path)
            continue
        except JournalDamaged as cause:
            problem = str(cause)
        found = _JOURNAL.fullmatch(path.stem)
        if found is None or found["of"] == "steps":
            yield Damage("journal", str(path), problem, remove=(path,))
            continue
        stage, partition = found["stage"], f"{found['query']}/{found['page']}"
        failures = tables.path(FAILURES, stage, partition)
        redo = frozenset({(stage, partition)})
        yield Damage("journal", str(path), problem, redo, (path, *tables.stage_files(stage, partition), failures))


def damaged_weights(settings: Settings) -> Iterator[DamagedFile]:
    """The embedding model's weights where their hash is not the one that is known of them; half a GB takes a second."""
    model = model_named(settings.model)
    path = settings.weights or model.published_weights()
    if path is None or not path.is_file():
        return
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    status, remembered = path.stat(), read_json(settings.data / "vectors" / "weights.json")
    entry = remembered.get(str(path)) if isinstance(remembered, dict) else None
    rotten = isinstance(entry, list) and entry[:2] == [status.st_mtime_ns, status.st_size] and entry[2:] != [digest]
    if rotten or (settings.weights is None and not digest.startswith(model.sha256)):
        yield (
            path,
            f"not the weights that they were (sha256 {digest[:8]}…): delete the file, then {model.way_out}",
            False,
        )


def _generations(root: DataRoot) -> Iterator[DamagedFile]:
    """Manifests, digests of inputs, and results of audits and checks of all publications."""
    generations = Generations(root.generations)
    for number in generations.numbers():
        folder = root.generations / f"{number:06d}"
        try:
            generations.get(number)
        except GenerationMissing as cause:
            yield folder / MANIFEST, str(cause), False
        yield from _json(folder / INPUTS, ("inputs",), "it is made again from what is stored", True)
        for name in (AUDITS, CHECKS):
            yield from _parsed(folder / name, _is_json, "they run again", True)


def _dagster(home: Path) -> Iterator[DamagedFile]:
    config = home / "dagster.yaml"
    unreadable = list(_parsed(config, _is_mapping, "the shipped file takes its place", True))
    yield from unreadable
    if config.exists() and not unreadable and not is_as_noted(config):
        note = hash_note(config)
        yield (
            config,
            f"not as it was when {note.name} was written: after a change by hand, delete {note}; otherwise delete "
            "both, and the shipped file takes their place",
            False,
        )
    yield from _json(home / "services.json", (), "`ogaart up` writes it again", True)
    yield from _lines(home / DELETED, "delete it; the table runs lacks that run")
    for path in sorted(home.rglob("*.db")) if home.is_dir() else ():
        if problem := sqlite_problem(path):
            way_out = f"stop `ogaart up`, move {home / 'history'} and {home / 'schedules'} away, then run"
            yield path, f"{problem}: {way_out} `ogaart rebuild catalog`", False


def _lines(path: Path, way_out: str, *, removable: bool = False) -> Iterator[DamagedFile]:
    try:
        damaged = damaged_lines(path.read_bytes())
    except FileNotFoundError:
        return
    except OSError as cause:
        raise_if_lacking(cause, path)
        yield path, f"{(cause.strerror or type(cause).__name__).lower()}: restore the file from a backup", False
        return
    for number in damaged:
        yield path, f"line {number} is not as it was written: {way_out}", removable


def _json(path: Path, keys: tuple[str, ...], way_out: str, removable: bool) -> Iterator[DamagedFile]:
    def check(data: bytes) -> str:
        found = open_json(data)
        if not isinstance(found, dict):
            return "not a JSON object"
        lacking = [key for key in keys if key not in found]
        return f"has no {', '.join(lacking)}" if lacking else ""

    yield from _parsed(path, check, way_out, removable)


def _is_json(data: bytes) -> str:
    open_json(data)
    return ""


def _is_mapping(data: bytes) -> str:
    return "" if isinstance(yaml.safe_load(data.decode("utf-8")), dict) else "not a YAML mapping"


def _parsed(path: Path, check: Callable[[bytes], str], way_out: str, removable: bool) -> Iterator[DamagedFile]:
    try:
        problem = check(path.read_bytes())
    except FileNotFoundError:
        return  # it is written when it is needed, or was just replaced
    except (OSError, ValueError, yaml.YAMLError) as cause:
        raise_if_lacking(cause, path)
        problem = (str(cause).splitlines() or [type(cause).__name__])[0]
    if problem:
        yield path, f"{problem}: {way_out}", removable
