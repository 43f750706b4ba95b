"""A folder's copy of the publication that is in service for all hosts of a bucket: fetched, compared, then switched to.

The result is a generation as a publishing host has it, so that all readers find it in the same way. Packs are links to
objects of the bucket, which are read by ranges. A file is fetched once and has one copy, however many publications have
it; it is compared with its hash before the first one uses it.
"""

import os
import shutil
import time
from pathlib import Path

from ogaart.core.fault_injection import Fault, fault
from ogaart.resources.catalog.generations import INDEX, Generation, GenerationMissing, Generations
from ogaart.resources.index.edge import NEVER_WRITTEN
from ogaart.resources.objects.factory import evict_copies
from ogaart.resources.objects.store import ObjectStore
from ogaart.resources.publications.publications import Publications
from ogaart.resources.publications.record import FOLDER, PublicationRecord, PublishedFile
from ogaart.resources.state.database import StateDatabase
from ogaart.resources.storage.atomic_files import TEMPORARY, sync_file, sync_folder, temporary
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.lock_names import catalog_lock
from ogaart.resources.storage.locks import Locked, hold, is_free
from ogaart.resources.storage.sparse_copy import copy_file, has_hash
from ogaart.settings import Settings

KEPT = 2
"""Publications in the folder: the one in service, and the one that requests in progress may still read."""
EVICTION_SECONDS = 600.0
"""Seconds between two looks at how much the copies take."""


class FileDamaged(OSError):
    """A file in the bucket is not the one that was published."""


class PublicationMirror:
    """Follows the publication in service; of a data root without a bucket there is nothing to follow.

    Args:
        settings: the settings; the data root is the host's own folder.
        state: the database.
        objects: the bucket.
    """

    def __init__(self, settings: Settings, state: StateDatabase, objects: ObjectStore) -> None:
        self._settings, self._root, self._objects = settings, DataRoot.of(settings), objects
        self._publications = Publications(state, objects)
        self._generations = Generations(self._root.generations)
        self._evicted_at = time.monotonic()
        self._folder = self._root.root / FOLDER / "files"

    def pull(self) -> bool:
        """Have the publication in service in the folder, and switched to; True where it was not before.

        Killed at any point it leaves the former one, and files that the next call takes over.

        Raises:
            StateRefused, ObjectsRefused: database or bucket cannot be reached.
            FileDamaged: a file is not the one that was published.
            OSError: the disk is full.
        """
        if not self._publications.shared:
            return False
        self._evict()
        number = self._publications.number_in_service()
        if not number or self._current() == number:
            return False
        record = self._publications.in_service()
        if record is None or record.number != number:
            return False  # another one was just switched to: the next look finds it
        try:
            with hold(catalog_lock(self._root)):
                self._copy(record)
                self._generations.switch(record.number)
                self._generations.prune(KEPT)
                self._delete_unused(record)
        except Locked:
            return False  # this host publishes just now, or another process of it copies
        return True

    def _evict(self) -> None:
        """Keep the copies of what visitors downloaded within the limit: no run does so on a host that only serves."""
        if time.monotonic() - self._evicted_at > EVICTION_SECONDS:
            self._evicted_at = time.monotonic()
            evict_copies(self._settings, cut_in_use=not is_free(catalog_lock(self._root)))

    def _current(self) -> int:
        """The number that the folder's link leads to; 0 where it leads to nothing that can be read."""
        try:
            current = self._generations.current()
        except GenerationMissing:
            return 0
        return 0 if current is None else current.number

    def _copy(self, record: PublicationRecord) -> None:
        """Make the generation of a publication, unless it is there already: then this host has published it."""
        if self._is_there(record):
            return
        root, files = self._root.root, [file for file in record.files if not file.is_pack]
        lacking = {file.object: file for file in files if not _is_used(root / file.object)}
        self._objects.fetch(root / name for name in lacking)
        for file in lacking.values():
            _require_intact(root / file.object, file)
        folder = temporary(self._generations.root / f"building-{record.number:06d}")
        self._generations.root.mkdir(parents=True, exist_ok=True)
        for leftover in self._generations.root.glob(f"{TEMPORARY}*"):
            shutil.rmtree(leftover)
        for file in record.files:
            path = folder / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            _place(root / file.object, path, file)
        for parent, _, _ in os.walk(folder):
            sync_folder(Path(parent))
        fault(Fault.PUBLICATION_COPIED)
        final = self._generations.root / f"{record.number:06d}"
        if final.exists():  # not this publication: left by a host that lost its database
            self._generations.discard(record.number)
        folder.rename(final)
        sync_folder(self._generations.root)

    def _is_there(self, record: PublicationRecord) -> bool:
        try:
            generation: Generation = self._generations.get(record.number)
        except GenerationMissing:
            return False
        names = [file for file in record.files if file.name == "manifest.json"]
        return all(has_hash(generation.path / file.name, file.digest) for file in names)

    def _delete_unused(self, record: PublicationRecord) -> None:
        """Delete copies that no publication in this folder has any more."""
        wanted = record.objects
        for path in self._folder.glob("*/*"):
            name = path.relative_to(self._root.root).as_posix()
            if name not in wanted and path.stat().st_nlink == 1:
                path.unlink(missing_ok=True)


def _place(stored: Path, path: Path, file: PublishedFile) -> None:
    """Have a file of a generation: a link to a pack's object, a second name of a copy, or a file of its own."""
    if file.is_pack:
        path.symlink_to(os.path.relpath(stored, path.parent))
        return
    inside = Path(file.name).parts[0] == INDEX
    if inside and path.name not in NEVER_WRITTEN:  # its engine writes to them, even to read
        copy_file(stored, path)
        sync_file(path)
        return
    try:
        os.link(stored, path)
    except OSError:  # a disk without links
        shutil.copyfile(stored, path)
    path.chmod(0o444)
    sync_file(path)


def _is_used(path: Path) -> bool:
    """Whether a copy is part of a generation, and so was compared before."""
    try:
        return path.stat().st_nlink > 1
    except FileNotFoundError:
        return False


def _require_intact(path: Path, file: PublishedFile) -> None:
    try:
        whole = path.stat().st_size == file.bytes and has_hash(path, file.digest)
    except FileNotFoundError:
        raise FileDamaged(f"{file.object} is not in the bucket: run `ogaart verify --repair`") from None
    if not whole:
        path.unlink()
        raise FileDamaged(f"{file.object} is not as it was written: run `ogaart verify --repair`")
