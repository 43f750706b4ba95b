"""Publications on disk: each a numbered folder that never changes, and one symlink to the current one.

A generation is built under a temporary name, made durable and read-only, renamed to its number; ``current`` is then
replaced by rename, which is the only switch: readers see catalog, words and index of one generation together.
Building, switching and pruning are for one process at a time, under the caller's lock; reading needs none.
"""

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, cast

from ogaart.core.fault_injection import Fault, fault
from ogaart.core.process_limits import raise_if_lacking
from ogaart.resources.serving.layers import MANIFEST as MANIFEST
from ogaart.resources.serving.layers import WORDS, WORDS_DELTA
from ogaart.resources.storage.atomic_files import (
    TEMPORARY,
    point_link,
    read_json,
    sync_file,
    sync_folder,
    temporary,
    write_json,
)
from ogaart.resources.storage.file_hashes import linked_hashes, missing_files, record_hashes
from ogaart.resources.storage.sealed_json import open_json

CATALOG = "ogaart.duckdb"
INDEX = "index"
PACKS = "packs"
SIGNATURES = "signatures"
PATCHES = "patches"
CELLS = "cells"
KIN = "kin"
"""The folder of what miniatures are compared by."""
NAMED_BY_CONTENT = {PATCHES: "run-*", CELLS: "piece-*"}
"""The folders whose folders of these names are shared by publications, and hold their own hashes."""
PROJECTION = "projection.npz"
AUDITS = "audits.json"
INPUTS = "inputs.json"
HASHES = "hashes.json"
CURRENT = "current"
DECIDED = "decided"
"""The manifest's key of kind and value of the decisions that were in force."""


class AuditRow(TypedDict):
    """What one audit found, as the generation's ``audits.json`` holds it."""

    name: str
    passed: bool
    message: str
    counts: Mapping[str, int]


_AUDIT_KEYS = {"name", "passed", "message"}
_NUMBERED = re.compile(r"\d{6,}")
_READ_ONLY = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH


class GenerationMissing(RuntimeError):
    """The requested generation is missing, or has no readable manifest."""


@dataclass(frozen=True)
class Generation:
    """One publication.

    Attributes:
        number: its number; a later one is larger.
        path: its folder, through no symlink: what was opened stays of one generation.
        manifest: the content of ``manifest.json``.
    """

    number: int
    path: Path
    manifest: Mapping[str, Any]

    @property
    def catalog(self) -> Path:
        """The analysts' DuckDB file."""
        return self.path / CATALOG

    @property
    def words(self) -> Path:
        """The service's SQLite file."""
        return self.path / WORDS

    @property
    def words_delta(self) -> Path:
        """What differs from it, if it is a base that publications share; see ``serving.layers``."""
        return self.path / WORDS_DELTA

    @property
    def index(self) -> Path:
        """The folder of the collection's copy; missing where the collection is on a server."""
        return self.path / INDEX

    @property
    def signatures(self) -> Path:
        """The folder of the miniatures, which ``signature_files`` opens."""
        return self.path / SIGNATURES

    @property
    def patches(self) -> Path:
        """The folder of the sorted patches; missing in publications of before."""
        return self.path / PATCHES

    @property
    def cells(self) -> Path:
        """The folder of the cells of sheets; missing in publications of before."""
        return self.path / CELLS

    @property
    def audits(self) -> list["AuditRow"]:
        """What the audits found; empty before they ran, or where the file is torn: then they run again."""
        found: Any = read_json(self.path / AUDITS)
        found = found.get("audits") if isinstance(found, dict) else found  # a list alone, before files were sealed
        whole = isinstance(found, list) and all(isinstance(row, dict) and row.keys() >= _AUDIT_KEYS for row in found)
        return cast("list[AuditRow]", found) if whole else []

    @property
    def passed(self) -> bool:
        """Whether no audit failed: what may be put (back) in service."""
        return all(audit["passed"] for audit in self.audits)

    def lost_files(self, *, remote: bool) -> dict[Path, str]:
        """Its files that are missing, and files and folders whose size the manifest does not state: what is wrong.

        Args:
            remote: whether packs may be links to objects of a bucket, whose copies come and go.
        """
        hashes = self.path / HASHES
        missing = missing_files(self.path, hashes)
        found = {path: "missing" for path in missing if path.name not in {INPUTS, HASHES}}
        if hashes in missing and self.manifest.get("hashed"):
            found[hashes] = "the list of hashes is " + ("damaged" if hashes.exists() else "missing")
        for name, size in self.manifest.get("files", {}).items():
            path = self.path / name
            if remote and name == PACKS and any(pack.is_symlink() for pack in path.rglob("*.zip")):
                continue
            there = sum(p.stat().st_size for p in ([path] if path.is_file() else path.rglob("*")) if p.is_file())
            if there != size:
                found.setdefault(path, f"{there:,} bytes, the manifest states {size:,}" if path.exists() else "missing")
        return found


class Generations:
    """All publications under one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def current(self) -> Generation | None:
        """The generation in service; None before the first switch. Hold on to the answer: it is resolved once.

        Raises:
            GenerationMissing: the link is none, or leads to no generation that can be read.
            OSError: as ``get``.
        """
        link = self.root / CURRENT
        if not link.is_symlink():
            if link.exists():
                raise GenerationMissing(f"{link} is not a link to a publication: delete it, then run `ogaart publish`")
            return None
        name = link.readlink().name
        if not _NUMBERED.fullmatch(name):
            raise GenerationMissing(f"{link} leads to {name!r}, which is not a publication: run `ogaart publish`")
        return self.get(int(name))

    def get(self, number: int) -> Generation:
        """One generation by number.

        Raises:
            GenerationMissing: it is not there, or damaged.
            OSError: this process may not read it, or may open no more files.
        """
        path = (self.root / f"{number:06d}").absolute()
        try:
            manifest = _whole_manifest(open_json((path / MANIFEST).read_bytes()), number)
        except (OSError, ValueError) as cause:
            raise_if_lacking(cause, path / MANIFEST)
            kept = ", ".join(str(n) for n in self.numbers()) or "none"
            raise GenerationMissing(
                f"generation {number} cannot be read at {path} ({cause}); on disk: {kept}: publish again"
            ) from cause
        return Generation(number, path, manifest)

    def numbers(self) -> list[int]:
        """Numbers of all finished generations, rising."""
        if not self.root.is_dir():
            return []
        return sorted(int(p.name) for p in self.root.iterdir() if _NUMBERED.fullmatch(p.name) and p.is_dir())

    def all(self) -> list[Generation]:
        """All finished generations, oldest first; one whose manifest is torn does not count."""
        found = []
        for number in self.numbers():
            with contextlib.suppress(GenerationMissing):
                found.append(self.get(number))
        return found

    def replaceable(self) -> Generation | None:
        """The generation in service as its successor sees it: None where its manifest is torn, and nothing is lost."""
        with contextlib.suppress(GenerationMissing):
            return self.current()
        return None

    def served(self) -> list[Generation]:
        """The generation in service, then those before it that passed their audits, the newest first.

        Those whose manifest is torn are left out: where it is that of the one in service, all that passed are there.
        """
        current = self.replaceable()
        before = (one for one in reversed(self.all()) if one.audits and one.passed)
        if current is None:
            return list(before)
        return [current, *(one for one in before if one.number < current.number)]

    def replaced_by(self, generation: Generation) -> Generation | None:
        """The generation that ``generation`` would replace, also where its manifest is torn or the link to it is lost.

        Returns:
            None where none was ever in service.
        """
        link = self.root / CURRENT
        name = link.readlink().name if link.is_symlink() else ""
        if _NUMBERED.fullmatch(name) and (self.root / name).is_dir():
            try:
                return self.get(int(name))
            except GenerationMissing:
                return Generation(int(name), (self.root / name).absolute(), {})
        others = [one for one in self.all() if one.number != generation.number and one.audits and one.passed]
        return others[-1] if others else None

    def begin(self, after: int = 0) -> "Building":
        """Start a generation in an empty folder; what a killed build left is removed.

        Args:
            after: a number that the new one must exceed, such as the last one that the history of publications knows.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        for leftover in self.root.glob(f"{TEMPORARY}*"):
            _remove(leftover)
        number = max([after, *self.numbers()]) + 1
        path = temporary(self.root / f"building-{number:06d}")
        path.mkdir()
        return Building(self, number, path)

    def switch(self, number: int) -> Generation:
        """Put a finished generation in service: readers that open from now on see it.

        Raises:
            GenerationMissing: there is no such generation.
        """
        chosen = self.get(number)
        _point(self.root / CURRENT, Path(f"{number:06d}"))
        fault(Fault.CURRENT_SWITCHED)
        catalog = self.root.parent / CATALOG
        target = Path(self.root.name) / CURRENT / CATALOG
        if not catalog.is_symlink() or catalog.readlink() != target:
            _point(catalog, target)
        return chosen

    def record(self, number: int, audits: "list[AuditRow]") -> None:
        """Write what the audits found next to the generation's files."""
        path = self.get(number).path / AUDITS
        if path.is_dir():  # it holds nothing that is read
            _remove(path)
        write_json(path, {"audits": audits}, indent=1)
        path.chmod(_READ_ONLY)
        fault(Fault.AUDITS_RECORDED)

    def old(self, keep: int) -> list[int]:
        """Numbers of the generations that ``prune`` would delete.

        Kept are the current one, the ``keep - 1`` before it, and the newest where it is not (yet) current.
        """
        if keep < 1:
            raise ValueError(f"keep {keep} generations: at least 1, the current one")
        numbers = self.numbers()
        current = self.current()
        if current is None:
            return []
        before = [g.number for g in self.all() if g.number < current.number and g.passed]
        kept = {current.number, numbers[-1], *before[max(0, len(before) - (keep - 1)) :]}
        return [n for n in numbers if n not in kept]

    def prune(self, keep: int) -> list[int]:
        """Delete old generations; readers that hold their files open read on.

        Args:
            keep: generations in service to keep, at least 1.

        Returns:
            The numbers that were deleted.
        """
        gone = self.old(keep)
        for number in gone:
            self.discard(number)
        return gone

    def discard(self, number: int) -> None:
        """Delete a generation, whatever it is; its name goes first, since a half-deleted one must not keep it."""
        doomed = temporary(self.root / f"gone-{number:06d}")
        (self.root / f"{number:06d}").rename(doomed)
        fault(Fault.GENERATION_PRUNED)
        _remove(doomed)


@dataclass(frozen=True)
class Building:
    """A generation under construction: fill ``path``, then ``finish`` or ``abandon``."""

    home: Generations
    number: int
    path: Path

    def finish(self, shares: Generation | None = None) -> Generation:
        """Make all files durable and read-only, and rename the folder to its number. It is not in service yet.

        Args:
            shares: a publication whose files are linked here: their hashes are taken over. None: all are computed.

        Raises:
            GenerationMissing: the build wrote no manifest.
        """
        if not (self.path / MANIFEST).exists():
            raise GenerationMissing(f"{self.path} has no {MANIFEST}: the build did not end")
        # Packs are shared by publications as well, and hold their own hashes.
        shared = {
            f"{folder}/{path.name}"
            for folder, names in NAMED_BY_CONTENT.items()
            for path in (self.path / folder).glob(names)
        }
        known = linked_hashes(shares.path, shares.path / HASHES) if shares is not None else None
        record_hashes(self.path, self.path / HASHES, without={MANIFEST, PACKS} | shared, known=known)
        for folder, _, files in os.walk(self.path):
            for name in files:
                path = Path(folder) / name
                sync_file(path)
                if INDEX not in path.relative_to(self.path).parts:  # the engine opens its files to write, even to read
                    path.chmod(_READ_ONLY)
            sync_folder(Path(folder))
        self.path.rename(self.home.root / f"{self.number:06d}")
        sync_folder(self.home.root)
        fault(Fault.GENERATION_RENAMED)
        return self.home.get(self.number)

    def abandon(self) -> None:
        """Delete what was built so far."""
        _remove(self.path)


def _whole_manifest(manifest: object, number: int) -> dict[str, Any]:
    """A manifest with everything that its readers rely on.

    Raises:
        ValueError: something is missing or of another type: the file is damaged.
    """
    if not isinstance(manifest, dict):
        raise ValueError(f"{MANIFEST} holds a {type(manifest).__name__}")  # noqa: TRY004 - a damaged file
    wanted: dict[str, type | tuple[type, ...]] = {"number": int, "space": str, "model": str, "counts": dict}
    optional: dict[str, type | tuple[type, ...]] = {
        "files": dict,
        "reconciled": (dict, type(None)),
        "dimension": (int, type(None)),
        "typical_cosine": (int, float, type(None)),
        "unrelated_cosine": (int, float, type(None)),
    }
    wrong = [key for key, kind in wanted.items() if not isinstance(manifest.get(key), kind)]
    wrong += [key for key, kind in optional.items() if key in manifest and not isinstance(manifest[key], kind)]
    numbers = [name for name in ("counts", "files") for value in (manifest.get(name) or {}).values()
               if not isinstance(value, int)] if not wrong else []  # fmt: skip
    if wrong or numbers or manifest["number"] != number:
        raise ValueError(f"{MANIFEST} is damaged: {', '.join([*wrong, *numbers]) or 'number'}")
    return manifest


def _point(link: Path, target: Path) -> None:
    point_link(link, target)
    sync_folder(link.parent)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
