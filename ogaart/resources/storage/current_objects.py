"""Which object is current for each table and pack: by the pointers, or by the fixed names where these cannot be read.

The fixed names ``tables/<table>/<stage>/<query>/<page>.parquet`` and ``packs/<stage>/<query>/<page>.zip`` are links to
the current objects, for readers without this program. A file itself at such a name, of a version before or put back
from a backup, is current, and is made an object when it is next replaced or cut.
"""

import hashlib
import os
import stat
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from ogaart.core.durable_names import is_leftover
from ogaart.core.fault_injection import Fault, fault
from ogaart.core.process_limits import raise_if_lacking
from ogaart.resources.objects.folder import Folder, files_before
from ogaart.resources.objects.store import ObjectStore, StoredFile
from ogaart.resources.storage.atomic_files import TEMPORARY, copy_durably, make_folders, point_link, sync_folder
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.lock_names import catalog_lock, swap_lock
from ogaart.resources.storage.locks import hold, is_free
from ogaart.resources.storage.objects import (
    OBJECTS,
    PACKS,
    Cut,
    Key,
    Pointer,
    PointerStore,
    PointersUnavailable,
    followed,
    is_file,
    named_paths,
    newest_commits,
    object_name,
    parsed,
    pointer_to,
    superseded,
)
from ogaart.resources.storage.sealed_json import open_json

JOURNALS = Path("tables") / ".journal"
"""A file for each step that was killed while its tables were being replaced."""
GRACE = 43_200.0
"""Seconds that an object is kept once it has a successor; one of a cut also for as long as a catalog is built."""
_LOCK_SECONDS = 600


class JournalDamaged(RuntimeError):
    """A journal of renames is not as it was written."""


class CurrentObjects:
    """The current objects under one data root.

    With a bucket there are no fixed names: the pointers alone say what is current, and the folder holds copies.

    Args:
        root: the data root.
        pointers: which object is current.
        store: where objects are durable; by default the data root itself.
    """

    def __init__(self, root: Path, pointers: PointerStore, store: ObjectStore | None = None) -> None:
        self.root = root
        self.store: ObjectStore = store or Folder()
        self._pointers = pointers
        self._made = False
        self._lock = swap_lock(DataRoot(root))

    def path(self, key: Key) -> Path:
        """Where the current object lies, or its fixed name where there is none."""
        path = self.place(key)
        self.store.fetch([path])
        return path

    def among(self, pointers: Iterable[Pointer], key: Key) -> Path:
        """The same, by pointers that were read just now, for who holds what no other process changes."""
        pointer = next((pointer for pointer in pointers if pointer.key == key), None)
        path = self.root / (key.name if pointer is None else pointer.object)
        self.store.fetch([path])
        return path

    def place(self, key: Key) -> Path:
        """The same, where it is not fetched from a bucket."""
        named = self.root / key.name
        if is_file(named) and not self.store.remote:
            return named
        try:
            self._make()
            pointer = self._pointers.one(key)
        except PointersUnavailable as unavailable:
            if self.store.remote:
                raise unavailable.cause from None
            return followed(named)
        return named if pointer is None else self.root / pointer.object

    def keys(self, kind: str) -> list[Key]:
        """The stages and partitions that have a current object, for a table's name or ``PACKS``; sorted."""
        return sorted(p.key for p in self._pointed(kind) or ()) if self.store.remote else list(self.all(kind))

    def all(self, kind: str, *, fresh: bool = False) -> dict[Key, Path]:
        """Where the current object of each stage and partition lies, for a table's name or ``PACKS``; sorted.

        Args:
            kind: the table's name, or ``PACKS``.
            fresh: fetch them from a bucket even where a copy is there.
        """
        pointed = self._pointed(kind)
        found = {pointer.key: self.root / pointer.object for pointer in pointed or ()}
        if self.store.remote:
            self.store.fetch(found.values(), fresh=fresh)
            return {key: found[key] for key in sorted(found) if found[key].is_file()}
        for key, entry in named_paths(self.root, kind):
            if pointed is None or entry.is_file(follow_symlinks=False):
                found[key] = followed(Path(entry.path))
        return {key: found[key] for key in sorted(found) if found[key].is_file()}

    def versions(self, kind: str) -> list[tuple[Key, str]]:
        """The stages and partitions that have a current object, each with a text that is another one after a commit."""
        if self.store.remote:
            return [(pointer.key, Path(pointer.object).name) for pointer in self._pointed(kind) or ()]
        return [(key, f"{s.st_size} {s.st_mtime_ns}") for key, path in self.all(kind).items() if (s := path.stat())]

    def states(self, keys: Collection[Key], partition: str) -> dict[Key, str]:
        """For each of some keys of a partition a text that is another one after a commit; empty: it has no object.

        Where objects are files of this data root, any writing to the file changes the text as well.

        Raises:
            PointersUnavailable: which objects are current is not known.
        """
        self._make()
        pointers = self._pointers.some(partition, {key.kind for key in keys})
        pointed = {pointer.key: self.root / pointer.object for pointer in pointers}
        if self.store.remote:
            return {key: self._remote_state(pointed.get(key)) for key in keys}
        return {key: _state(self.root / key.name) or _state(pointed.get(key), linked=True) for key in keys}

    def _remote_state(self, path: Path | None) -> str:
        there = path is not None and (path.is_file() or self.store.size(path) is not None)
        return path.name if path is not None and there else ""

    def lost(self) -> list[Pointer]:
        """Pointers whose object is missing, or is not the one that they name.

        Raises:
            OSError: this process may not read one, or may open no more files.
        """
        self.store.fetch(self.root / pointer.object for pointer in self._pointed() or ())
        found = [p for p in self._pointed() or () if not is_file(self.root / p.key.name) and not self._is_there(p)]
        again = {pointer.key: pointer for pointer in self._pointed() or ()} if found else {}
        return [pointer for pointer in found if again.get(pointer.key) == pointer]  # not replaced and deleted meanwhile

    def without_pointer(self) -> list[Key]:
        """What a fixed name leads to and no pointer names: its pointer was lost. A pointer is there before its link."""
        linked = [
            key for key, entry in named_paths(self.root) if entry.is_symlink() and followed(Path(entry.path)).is_file()
        ]
        pointed = {pointer.key for pointer in pointers} if (pointers := self._pointed()) is not None else set(linked)
        return [key for key in linked if key not in pointed]

    def cut(self, stages: Collection[str] | None = None) -> Cut:
        """The current objects of some stages, or of all, and of all partitions at one moment."""
        self.adopt()
        pointers = (p for p in self._pointers.all() if stages is None or p.key.stage in stages)
        files = {pointer.key: self.root / pointer.object for pointer in pointers}
        self.store.fetch(files.values())
        return Cut(files)

    def key_of(self, path: Path) -> Key | None:
        """What a file below the data root is an object of, by its name; None for another file."""
        place = path.relative_to(self.root).parts
        if place[0] == OBJECTS:
            found = parsed(path)
            return found and found.key
        if len(place) == 5 and place[0] == "tables":
            return Key(place[1], place[2], f"{place[3]}/{path.stem}")
        return Key(PACKS, place[1], f"{place[2]}/{path.stem}") if len(place) == 4 and place[0] == PACKS else None

    def before(self, stage: str, partition: str) -> list[Pointer]:
        """The pointers of a stage's partition, for who replaces them; errors as they are."""
        try:
            self._make()
            return self._pointers.all(stage=stage, partition=partition)
        except PointersUnavailable as unavailable:
            raise unavailable.cause from None

    def switch(self, before: Iterable[Pointer], pointers: Sequence[Pointer]) -> None:
        """Make durable objects current together; from now on those before have their grace."""
        keys = {pointer.key for pointer in pointers}
        for pointer in before:
            if pointer.key in keys and not self.store.remote:
                with suppress(FileNotFoundError):
                    os.utime(self.root / pointer.object)
        self._pointers.replace(pointers)
        fault(Fault.POINTERS_SWITCHED)
        for pointer in pointers:
            self._point(pointer)

    def adopt(self, keys: Iterable[Key] | None = None) -> int:
        """Make objects of files at fixed names, where links take their place; returns how many.

        Args:
            keys: of what; None: of all, and what a killed step of a version before had begun is completed first.

        Raises:
            JournalDamaged: what it had begun cannot be read.
        """
        self._make_or_raise()
        if self.store.remote:
            return 0
        if keys is None:
            self._complete()
            keys = [key for key, entry in named_paths(self.root) if entry.is_file(follow_symlinks=False)]
        wanted = [key for key in keys if is_file(self.root / key.name)]
        if not wanted:
            return 0
        with hold(self._lock, _LOCK_SECONDS, "the swap of tables"):
            made = [self._adopted(key) for key in wanted if is_file(self.root / key.name)]
            self._pointers.replace(made)
            for pointer in made:
                self._point(pointer)
        return len(made)

    def remake(self) -> None:
        """Make all pointers again from the objects."""
        with hold(self._lock, _LOCK_SECONDS, "the swap of tables"):
            self._pointers.remake(newest_commits(self.root, self.store))
        self._made = True

    def follow(self) -> None:
        """Make the links that a killed step did not, and all pointers again where the database is an older copy.

        Links of a bucket's objects lie nowhere: its database is shared by all hosts, and no copy takes its place.
        """
        if not self.store.remote:
            self._correct_links()

    def clean_up(self) -> int:
        """Delete what killed processes left behind, and objects whose grace has ended; returns how many.

        In a bucket only ``ogaart gc`` deletes objects: to list it takes a request for a thousand of them.
        """
        self._complete()
        walked = [found for folder in ("tables", PACKS) for found in os.walk(self.root / folder)]
        drafts = (Path(top, n) for top, subs, names in walked for n in (*subs, *names) if n.startswith(TEMPORARY))
        leftovers = [path for path in drafts if is_leftover(path)]
        if not self.store.remote:
            pointers = self._correct_links()
            if is_free(catalog_lock(DataRoot(self.root))):  # else a catalog may still be built from an older cut
                leftovers += [file.path for file in self._superseded(pointers, GRACE)]
        for path in leftovers:
            path.unlink(missing_ok=True)
        return len(leftovers)

    def garbage(self, grace: float) -> list[StoredFile]:
        """Objects that have had a successor for more than ``grace`` seconds, sorted; none while that is unknown."""
        return self._superseded(self._pointed() or [], grace)

    def _superseded(self, pointers: Sequence[Pointer], grace: float) -> list[StoredFile]:
        if self.store.remote:
            return superseded(self.store.files(self.root / OBJECTS), pointers, grace, remote=True)
        names = {_last_name(pointer.object) for pointer in pointers}
        others = (
            file for file in files_before(self.root / OBJECTS, 2, time.time() - grace) if file.path.name not in names
        )
        return superseded(others, pointers, grace, remote=False)

    def _pointed(self, kind: str = "") -> list[Pointer] | None:
        """The pointers; None where they cannot be read, and the fixed names must do."""
        try:
            self._make()
            return self._pointers.all(kind)
        except PointersUnavailable:
            return None

    def _make(self) -> None:
        """Make the pointers of a new database, before they are first used."""
        if not self._made and not self._pointers.made():
            with hold(self._lock, _LOCK_SECONDS, "the swap of tables"):
                if not self._pointers.made():
                    self._pointers.remake(newest_commits(self.root, self.store))
        self._made = True

    def _make_or_raise(self) -> None:
        try:
            self._make()
        except PointersUnavailable as unavailable:
            raise unavailable.cause from None

    def _is_there(self, pointer: Pointer) -> bool:
        found = parsed(self.root / pointer.object)
        try:
            return found is not None and pointer_to(self.root, found) == pointer
        except OSError as cause:
            raise_if_lacking(cause, self.root / pointer.object)
            return False

    def _adopted(self, key: Key) -> Pointer:
        """Give a file at a fixed name its name as an object."""
        named = self.root / key.name
        with named.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
        path = self.root / object_name(key, next_sequence(self.before(key.stage, key.partition)), digest)
        make_folders(path.parent, self.root)
        try:
            os.link(named, path)
        except FileExistsError:
            pass  # killed after this
        except OSError:  # a disk without links
            copy_durably(named, path)
        sync_folder(path.parent)
        return made_pointer(self.root, path)

    def _point(self, pointer: Pointer) -> None:
        """Let the fixed name lead to the object; the next run does it where this fails."""
        if self.store.remote:
            return
        named = self.root / pointer.key.name
        with suppress(OSError):
            named.parent.mkdir(parents=True, exist_ok=True)
            point_link(named, Path("../" * pointer.key.name.count("/") + pointer.object))

    def _complete(self) -> None:
        """Complete what killed steps of versions before had begun."""
        if journals(self.root):
            with hold(self._lock, _LOCK_SECONDS, "the swap of tables"):
                for journal in journals(self.root):
                    complete(self.root, journal)

    def _correct_links(self) -> list[Pointer]:
        """Make the links that a killed step did not; and all pointers again where the database is an older copy.

        Returns:
            the pointers; none while they cannot be read.
        """
        files, linked = set(), dict[Key, str]()
        for key, entry in named_paths(self.root):
            if entry.is_symlink():
                linked[key] = _last_name(os.readlink(entry.path))  # noqa: PTH115 - one for each table of a partition
            else:
                files.add(key)
        pointers = self._pointed()
        if pointers is None:
            return []
        wrong = [p for p in pointers if linked.get(p.key, "") != _last_name(p.object)]
        lost = linked.keys() - {pointer.key for pointer in pointers}  # a pointer is there before its link
        older = any(_sequence(linked.get(pointer.key, "")) > pointer.sequence for pointer in wrong)
        if older or any(followed(self.root / key.name).is_file() for key in lost):
            self.remake()
            pointers = self._pointed() or []
        for pointer in pointers:
            if pointer.key not in files and linked.get(pointer.key) != _last_name(pointer.object):
                self._point(pointer)
        return pointers


def _last_name(path: str) -> str:
    return path.rpartition("/")[2]


def _state(path: Path | None, *, linked: bool = False) -> str:
    """Name, size and time of a file; empty where there is none, or a link takes its place."""
    try:
        found = None if path is None else path.stat() if linked else path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    is_file = found is not None and stat.S_ISREG(found.st_mode)
    return f"{path.name} {found.st_size} {found.st_mtime_ns}" if path and found and is_file else ""


def next_sequence(pointers: Iterable[Pointer]) -> int:
    """The sequence of the next commit of a stage's partition."""
    return 1 + max((pointer.sequence for pointer in pointers), default=0)


def _sequence(name: str) -> int:
    """The sequence in the name of an object."""
    found = parsed(Path(name))
    return 0 if found is None else found.sequence


def made_pointer(root: Path, path: Path) -> Pointer:
    """The pointer to an object that was just written."""
    found = parsed(path)
    assert found is not None
    return pointer_to(root, found)


def journals(root: Path) -> list[Path]:
    """The journals that are there, sorted."""
    return sorted(p for p in (root / JOURNALS).glob("*.json") if not p.name.startswith(TEMPORARY))


def complete(root: Path, journal: Path) -> None:
    """Complete the renames that a journal names, those already done are past; and delete it.

    Raises:
        JournalDamaged: it is damaged.
    """
    folders = set()
    for source, target in renames(journal):
        if (root / source).exists():
            (root / source).replace(root / target)
            folders.add((root / target).parent)
    for folder in folders:
        sync_folder(folder)
    journal.unlink()
    sync_folder(journal.parent)


def renames(journal: Path) -> list[tuple[str, str]]:
    """The renames that a journal names, relative to the data root.

    Raises:
        JournalDamaged: it is damaged.
    """
    try:
        found = open_json(journal.read_bytes())
        # The first versions wrote the list alone.
        return [(source, target) for source, target in (found["renames"] if isinstance(found, dict) else found)]
    except (ValueError, KeyError, TypeError) as cause:
        raise JournalDamaged(
            f"{journal}, which names the files that a step was replacing when it was killed, is damaged ({cause}): "
            "run `ogaart verify --repair`"
        ) from cause
