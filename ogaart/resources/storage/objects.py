"""Objects of tables and packs: immutable files of unique names, which tell to which commit they belong.

Layout: ``objects/<stage>/<query>/<page>-<sequence>-<id>.<kind>.parquet``, and ``….packs.zip`` for a pack. The objects
of one commit have its sequence and id in their names, and each table's metadata lists all of them. Therefore the
database that says which object is current can be made again from the objects alone (``newest_commits``).
"""

import json
import math
import os
import re
import stat
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from ogaart.core.process_limits import raise_if_lacking
from ogaart.resources.objects.folder import is_folder
from ogaart.resources.objects.store import ObjectStore, StoredFile
from ogaart.resources.storage.atomic_files import TEMPORARY
from ogaart.resources.storage.checksummed_parquet import stored_seal
from ogaart.resources.storage.packs import stored_pack_seal

OBJECTS = "objects"
PACKS = "packs"
"""The kind of a pack; of a table it is the table's name."""
NOTE = b"ogaart.commit"
"""Key in the metadata of a table's object: JSON with its commit's stage, partition, sequence and objects."""
_NAME = re.compile(r"(?P<page>.+)-(?P<sequence>\d{10})-(?P<id>[0-9a-f]+)\.(?P<kind>\w+)\.(?:parquet|zip)")


class Key(NamedTuple):
    """What has one current object: a table, or the pack, of a stage's partition."""

    kind: str
    stage: str
    partition: str

    @property
    def name(self) -> str:
        """Its fixed name under the data root: a link to the current object, or the file itself of versions before."""
        if self.kind == PACKS:
            return f"{PACKS}/{self.stage}/{self.partition}.zip"
        return f"tables/{self.kind}/{self.stage}/{self.partition}.parquet"


@dataclass(frozen=True)
class Pointer:
    """Which object is current.

    Attributes:
        key: of what.
        object: the object's path under the data root.
        sequence: number of its commit in the stage's partition; a later one is larger.
        bytes: its size.
        sha256: the hash in its own seal; empty where it has none.
    """

    key: Key
    object: str
    sequence: int
    bytes: int
    sha256: str


class PointersUnavailable(RuntimeError):
    """The pointers cannot be read (a full or read-only disk, a damaged database): the fixed names are read instead."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class PointerStore(Protocol):
    """Where pointers are stored; ``PointersUnavailable`` from what reads."""

    def made(self) -> bool:
        """Whether the rows are complete: a new database has none yet."""

    def one(self, key: Key) -> Pointer | None:
        """The pointer of one key."""

    def all(self, kind: str = "", stage: str = "", partition: str = "") -> list[Pointer]:
        """All pointers, of one kind, or of one stage and partition; of one moment."""

    def some(self, partition: str, kinds: Collection[str]) -> list[Pointer]:
        """The pointers of some kinds of a partition, of all its stages; of one moment."""

    def replace(self, pointers: Sequence[Pointer]) -> None:
        """Replace the pointers of these keys, in one transaction."""

    def remake(self, pointers: Sequence[Pointer]) -> None:
        """Replace all pointers by these."""


@dataclass(frozen=True)
class Cut:
    """The current object of every key at one moment; none of these files changes.

    Attributes:
        files: where each lies.
    """

    files: Mapping[Key, Path]

    def of(self, kind: str) -> list[Path]:
        """The objects of a table, or all packs, sorted by what they hold."""
        return [self.files[key] for key in sorted(self.files) if key.kind == kind]


def object_name(key: Key, sequence: int, commit: str) -> str:
    """An object's path under the data root."""
    suffix = "zip" if key.kind == PACKS else "parquet"
    return f"{OBJECTS}/{key.stage}/{key.partition}-{sequence:010d}-{commit}.{key.kind}.{suffix}"


def commit_note(key: Key, sequence: int, names: Iterable[str]) -> bytes:
    """What every table of a commit says of the commit."""
    found = {"stage": key.stage, "partition": key.partition, "sequence": sequence, "objects": sorted(names)}
    return json.dumps(found).encode()


class StoredObject(NamedTuple):
    """An object as its name tells of it, sorted by partition of a stage, then by commit."""

    stage: str
    partition: str
    sequence: int
    commit: str
    kind: str
    path: Path

    @property
    def key(self) -> Key:
        """Of what it is an object."""
        return Key(self.kind, self.stage, self.partition)


def parsed(path: Path) -> StoredObject | None:
    """What an object's name tells; None for another file."""
    found = _NAME.fullmatch(path.name)
    if found is None:
        return None
    stage, query = path.parent.parent.name, path.parent.name
    return StoredObject(stage, f"{query}/{found['page']}", int(found["sequence"]), found["id"], found["kind"], path)


def stored_objects(root: Path, objects: ObjectStore) -> dict[StoredObject, StoredFile]:
    """Every object of a data root, with its file; of a bucket all are fetched."""
    files = list(objects.files(root / OBJECTS))
    objects.fetch(file.path for file in files)
    return {found: file for file in files if (found := parsed(file.path)) is not None}


def pointer_to(root: Path, found: StoredObject) -> Pointer:
    """The pointer to an object."""
    seal = stored_pack_seal(found.path) if found.kind == PACKS else stored_seal(found.path)
    name = found.path.relative_to(root).as_posix()
    return Pointer(found.key, name, found.sequence, found.path.stat().st_size, seal)


def newest_commits(root: Path, objects: ObjectStore) -> list[Pointer]:
    """The pointers, from the objects: of each stage and partition the newest object of a whole commit.

    A commit is whole where each of its objects is there, or has a successor, or where a link leads to one: links are
    made after the transaction. The objects of a step that was killed before its transaction are a whole commit as well
    where all of them were written; the commit of the next run, which has the same sequence, comes before them.
    """
    found: list[Pointer] = []
    files = stored_objects(root, objects)
    for _, of_step in groupby(sorted(files), key=lambda o: (o.stage, o.partition)):
        commits = [_Commit.of(root, files, list(g)) for _, g in groupby(of_step, key=lambda o: (o.sequence, o.commit))]
        newest: dict[Key, StoredObject] = {}
        for commit in sorted(commits, key=lambda c: (c.objects[0].sequence, c.linked, c.written), reverse=True):
            if commit.linked or all(key in newest for key in _lacking(commit.objects)):
                newest = {**{o.key: o for o in commit.objects}, **newest}
        found += [pointer_to(root, o) for o in newest.values()]
    return found


class _Commit(NamedTuple):
    """The objects of a commit that are there, whether a link leads to one, and when they were written."""

    objects: list[StoredObject]
    linked: bool
    written: float

    @classmethod
    def of(cls, root: Path, files: Mapping[StoredObject, StoredFile], objects: list[StoredObject]) -> "_Commit":
        links = ((root / o.key.name, o.path.name) for o in objects)
        linked = any(link.is_symlink() and link.readlink().name == name for link, name in links)
        return cls(objects, linked, max(files[o].written for o in objects))


def _lacking(commit: Sequence[StoredObject]) -> list[Key]:
    """What a commit lists, and is not there."""
    there = {o.path.name for o in commit}
    folder = commit[0].path.parent
    listed = (parsed(folder / Path(name).name) for name in _listed(commit))
    return [other.key for other in listed if other is not None and other.path.name not in there]


def _listed(commit: Sequence[StoredObject]) -> list[str]:
    """The objects of a commit, as the first of its tables that can be read lists them."""
    for found in commit:
        if found.kind != PACKS:
            try:
                metadata = pq.read_schema(found.path).metadata or {}
                return list(json.loads(metadata[NOTE])["objects"])
            except (pa.ArrowInvalid, OSError, KeyError, ValueError, TypeError) as cause:
                raise_if_lacking(cause, found.path)  # else what was not written would count as a whole commit
                continue  # damaged, or of a version before: another one may list them
    return []


def superseded(
    files: Iterable[StoredFile], pointers: Iterable[Pointer], grace: float, *, remote: bool
) -> list[StoredFile]:
    """Objects that have had a successor for more than ``grace`` seconds, sorted.

    In the data root's folder an object is touched when its successor becomes current. In a bucket nothing is touched:
    there it counts from when the earliest successor that is left was written.
    """
    oldest = time.time() - grace
    current = {pointer.key: pointer for pointer in pointers}
    names = {Path(pointer.object).name for pointer in current.values()}
    known = [(found, file) for file in files if (found := parsed(file.path)) is not None]
    since = {found.path: file.written for found, file in known}
    if remote:
        for _, group in groupby(sorted(known, key=lambda k: (k[0].key, -k[0].sequence)), key=lambda k: k[0].key):
            successor = math.inf
            for _, commits in groupby(group, key=lambda k: k[0].sequence):
                same = list(commits)
                last = successor if successor < math.inf else max(file.written for _, file in same)
                since |= {found.path: last for found, _ in same}
                successor = min(file.written for _, file in same)
    return sorted(
        file
        for found, file in known
        if found.path.name not in names
        and (pointer := current.get(found.key)) is not None
        and found.sequence <= pointer.sequence
        and since[found.path] < oldest
    )


def is_file(path: Path) -> bool:
    """Whether there is a file itself, and not the link that takes its place."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def followed(path: Path) -> Path:
    """Where a link of a fixed name leads, or the path itself."""
    return Path(os.path.normpath(path.parent / path.readlink())) if path.is_symlink() else path


def named_paths(root: Path, kind: str = "") -> Iterator[tuple[Key, os.DirEntry[str]]]:
    """Everything at the fixed name of a table, or of a pack, with its key; of one kind, or of all."""
    kinds = [kind] if kind else [PACKS, *_names(root / "tables")]
    for one in kinds:
        home = root / PACKS if one == PACKS else root / "tables" / one
        suffix = ".zip" if one == PACKS else ".parquet"
        for stage in _names(home):
            for query in _names(home / stage):
                with os.scandir(home / stage / query) as found:
                    for entry in found:
                        if entry.name.endswith(suffix) and not entry.name.startswith(TEMPORARY):
                            yield Key(one, stage, f"{query}/{entry.name.removesuffix(suffix)}"), entry


def _names(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as found:
            return sorted(entry.name for entry in found if not entry.name.startswith(".") and is_folder(entry))
    except (FileNotFoundError, NotADirectoryError):
        return []
