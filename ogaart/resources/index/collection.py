"""The working collection: one writer at a time, and an identity that tells a rebuilt collection from the old one."""

import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ogaart.core.fault_injection import Fault, fault
from ogaart.resources.embedding.registry import VectorSpace
from ogaart.resources.index.base import IndexBroken, VectorIndex
from ogaart.resources.index.factory import discard_index, open_index
from ogaart.resources.platform import Stores
from ogaart.resources.storage.atomic_files import read_json, write_json
from ogaart.resources.storage.lock_names import collection_lock
from ogaart.resources.storage.locks import hold
from ogaart.resources.storage.sealed_json import open_json
from ogaart.settings import shown_url

COLLECTION_WAIT = 900.0
"""Seconds to wait for the collection's lock: a publication holds it while it copies the shard."""


class Collection:
    """The collection of one vector space, in its configured home."""

    def __init__(self, stores: Stores, space: VectorSpace) -> None:
        self._settings = stores.settings
        self.space = space.name
        self.dimension = space.dimension
        self.folder = stores.root.index / self.space
        self._lock = collection_lock(stores.root, self.space)

    @contextmanager
    def writer(self) -> Iterator[VectorIndex]:
        """The index, opened to write, with the collection's lock held.

        A shard that does not open is set aside and replaced by a new one under a new identity, which makes every
        ledger row of it stale: points come back from the vectors, without the site and without the model.
        """
        with hold(self._lock, timeout=COLLECTION_WAIT, what=f"collection {self.space}"):
            index = self._open()
            try:
                yield index
            finally:
                index.close()
            self._note_closed()

    def untouched(self) -> bool:
        """Whether the collection is, file by file, as its last writer closed it; never with a server.

        Its points are then those of the ledger without a look at them: whatever ends a writer early, removes a file or
        puts another in its place changes a name, a size or a time.
        """
        if self._settings.qdrant_url is not None or self._named() is None:
            return False
        closed = read_json(self._closed_file)
        files = self._files()
        return bool(files) and isinstance(closed, dict) and closed.get("files") == files

    def _note_closed(self) -> None:
        if self._settings.qdrant_url is None and not self.untouched():
            write_json(self._closed_file, {"files": self._files()})

    def _files(self) -> dict[str, list[int]]:
        """Size and time of each file of the shard, by its path in it."""
        shard = str(self.folder / "shard")
        found = {}
        for folder, _, names in os.walk(shard):
            for name in names:
                path = os.path.join(folder, name)  # noqa: PTH118 - a thousand of them, seven times as fast
                status = os.stat(path)  # noqa: PTH116
                if stat.S_ISREG(status.st_mode):
                    found[path[len(shard) + 1 :]] = [status.st_size, status.st_mtime_ns]
        return found

    @property
    def _closed_file(self) -> Path:
        return self.folder / "closed.json"

    def _open(self) -> VectorIndex:
        shard = self.folder / "shard"
        lost = self._settings.qdrant_url is None and not shard.exists()
        if lost or self._named() is None:
            self._renew()
        try:
            return open_index(self._settings, shard, self.space, self.dimension)
        except IndexBroken:
            if shard.exists():
                shard.rename(self.folder / f"broken-{uuid.uuid4().hex[:8]}")
            self._renew()
            return open_index(self._settings, shard, self.space, self.dimension)

    def discard(self) -> None:
        """Remove the collection; the next writer begins a new one, and every ledger row is stale."""
        with hold(self._lock, timeout=COLLECTION_WAIT, what=f"collection {self.space}"):
            self._identity_file.unlink(missing_ok=True)
            discard_index(self._settings, self.folder / "shard", self.space)

    @property
    def _identity_file(self) -> Path:
        return self.folder / "identity.json"

    def _renew(self) -> None:
        write_json(self._identity_file, {"identity": uuid.uuid4().hex})
        fault(Fault.COLLECTION_NAMED)

    @property
    def identity(self) -> str:
        """Names this collection; another after it was rebuilt. With a server, also names the server."""
        return f"{shown_url(self._settings.qdrant_url or 'edge')}#{self._named()}"

    def _named(self) -> str | None:
        """The content of the identity's file; None where it is missing or damaged: then every ledger row is stale."""
        try:
            return str(open_json(self._identity_file.read_bytes())["identity"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None
