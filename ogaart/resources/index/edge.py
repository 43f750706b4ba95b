"""The collection's home in the process: Qdrant Edge, the server's engine as a library over a folder of files."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, cast

import numpy as np
import qdrant_edge as edge

from ogaart.core.fault_injection import Fault, fault
from ogaart.core.process_limits import raise_if_lacking
from ogaart.resources.index.base import (
    IndexBroken,
    Payload,
    Point,
    RetrievedPoint,
    ScoredPoint,
    Vector,
    VectorIndex,
    collection_name,
    id_of,
    search_params,
)
from ogaart.resources.index.disk_room import (
    EMPTY_SHARD,
    DiskFull,
    bytes_of_points,
    hole_bytes,
    require_room,
    takes_blocks_by_reading,
)
from ogaart.resources.index.edge_types import (
    FIELD_INDEXES,
    INDEXING_KB,
    config_of,
    decoded,
    encoded,
    filter_of,
)
from ogaart.resources.index.filters import IndexFilter
from ogaart.resources.index.payload import PAYLOAD_KEYS
from ogaart.resources.index.readahead import read_ahead
from ogaart.resources.storage.atomic_files import TEMPORARY, sync_folder, temporary
from ogaart.resources.storage.file_hashes import changed_files, keep_hashes, linked_hashes, record_hashes
from ogaart.resources.storage.lock_names import shard_lock
from ogaart.resources.storage.locks import hold, hold_read_only
from ogaart.resources.storage.sparse_copy import copy_tree, is_protected, private_copy

_SCROLL = 3_000
_CLOSED = "the collection is closed"
NEVER_WRITTEN = frozenset(
    {"matrix.dat", "quantized.data", "links_compressed.bin", "point_to_values.bin", "values_to_points.bin", "data.bin",
     "point_to_tokens_count.dat", "postings.dat", "vocab.dat"}
)  # fmt: skip
"""Files of a sealed segment that the engine opens for reading only, whatever is done with the shard: copies share them.

They are nine tenths of it. Deletions, payloads and versions are in others."""
PAYLOADS = "payload_storage"
"""The folder of a segment's payloads. Copies have an empty one: conditions are looked up in the indexes of the keys."""
_LEFT_ON_DISK = frozenset({"matrix.dat", PAYLOADS})  # vectors and payloads: read where a query needs them


class EdgeIndex(VectorIndex):
    """A shard in ``root/<collection name>``, made without a write-ahead log: our ledger of points is one already.

    One writer at a time holds ``<collection name>.lock``; what it did not flush before a crash is lost and has to be
    upserted again. Loading a shard touches its files, whatever is done with it after, and a writer whose files were
    loaded elsewhere cannot flush any more. So a read-only opening works in place only on a copy that ``copy_to`` made
    and that may be written; of a write-protected copy it makes a private one, removed on closing; of the working
    shard too, taken while no writer holds the lock.

    Args:
        root: folder of the collections.
        space: model, weights and preparation.
        dimension: length of a vector.
        read_only: never write, hold no lock.
        scratch: where private copies lie.
        wait: seconds to wait for another writer.

    Raises:
        IndexBroken: the shard is missing (read-only), does not open, or holds vectors of another kind.
        OSError: the process may open no more files, or have no more memory; of the shard that says nothing.
        DiskFull: too little room to write; also raised by every method that writes.
        ogaart.resources.storage.locks.Locked: another process writes.
    """

    def __init__(
        self,
        root: Path,
        space: str,
        dimension: int,
        *,
        read_only: bool = False,
        scratch: Path | None = None,
        wait: float = 10.0,
    ) -> None:
        super().__init__(space, dimension)
        self.path = root / self.name
        self.read_only = read_only
        self._shard: edge.EdgeShard | None = None
        self._wrote = False
        with ExitStack() as stack:
            if not read_only:
                stack.enter_context(self._writing(wait))
                opened = self._made()
            elif not self.path.is_dir():
                raise IndexBroken(f"collection {self.path} does not exist: run the qdrant_collection asset, or publish")
            elif self._live_mark.exists():
                with self._unwritten(wait):
                    opened = stack.enter_context(private_copy(self.path, scratch, linked=NEVER_WRITTEN))
            elif is_protected(self.path, besides=NEVER_WRITTEN):
                opened = stack.enter_context(private_copy(self.path, scratch, linked=NEVER_WRITTEN))
            else:
                opened = self.path
            self._shard = self._load(opened)
            self._open_things = stack.pop_all()
        if not read_only:
            self._index_new_keys()

    @classmethod
    def discard(cls, root: Path, space: str) -> None:
        """Remove a collection's files."""
        name = collection_name(space)
        with hold(shard_lock(root, name), 10.0, f"collection {name}"):
            doomed = temporary(root / name)
            shutil.rmtree(doomed, ignore_errors=True)
            if (root / name).exists():
                (root / name).rename(doomed)  # so that a kill leaves no half of a shard under its name
            for draft in root.glob(f"{TEMPORARY}*-{name}"):
                shutil.rmtree(draft)

    @classmethod
    def damaged(cls, root: Path, space: str) -> list[tuple[Path, str]]:
        """Files of a collection that changed although nothing was written since it was copied, each with the reason.

        None where it was written to since: then only its points can be compared with what they were made from.

        Raises:
            ogaart.resources.storage.locks.Locked: another process writes.
        """
        name = collection_name(space)
        path = root / name
        with hold_read_only(shard_lock(root, name), 10.0, f"collection {name}"):
            return changed_files(path, _hashes_of(path))

    def close(self) -> None:
        """Flush, release files and lock, remove a private copy."""
        if self._shard is None:
            return
        shard, self._shard = self._shard, None
        try:
            if not self.read_only:
                shard.flush()
            shard.close()
        finally:
            self._open_things.close()

    # -- writing ----------------------------------------------------------------------------------------------

    def delete(self, ids: Sequence[int]) -> None:
        """Remove points."""
        if ids:
            self._require_room(0, f"deleting {len(ids):,} points")
            self._write(edge.UpdateOperation.delete_points(list(ids)))

    def set_payload(self, payloads: Mapping[int, Payload]) -> None:
        """Replace the whole payload of points that exist."""
        there = {record.id for record in self.retrieve(list(payloads), with_payload=False)}
        self._require_room(bytes_of_points(len(there), 0), f"writing {len(there):,} payloads")
        for point, payload in payloads.items():
            if point in there:
                self._write(edge.UpdateOperation.overwrite_payload([point], encoded(payload)))

    def flush(self) -> None:
        """Build what graphs have become worth it, and put everything on the disk."""
        shard = self._writable()
        points = self.count()
        # A graph is built in a new segment beside those that it replaces.
        graph = points * self.dimension * 4 > INDEXING_KB << 10
        self._require_room(bytes_of_points(points, self.dimension) if graph else 0, "flushing the collection")
        shard.optimize()
        shard.flush()

    def copy_to(self, dest: Path) -> None:
        """Write a flushed, fsynced copy to ``dest/<collection name>``, whole or not at all.

        What the engine never writes to again is linked, not copied. The copy's points have no payloads, only the
        indexes over them, which every condition and ``facet`` are answered by: it is for searching. The hashes of the
        shard's files are kept for ``damaged``: until the next write, and those of linked files as long as these are
        there.

        Raises:
            FileExistsError: there is one already.
            DiskFull: too little room for the empty shard that gives it its stores of payloads.
        """
        if not self.read_only:
            self.flush()
            if self._wrote or not self._hashes.exists():
                self._load_again()
        final = dest / self.name
        if final.exists():
            raise FileExistsError(f"{final} exists: copy a collection into a new folder")
        dest.mkdir(parents=True, exist_ok=True)
        require_room(dest, EMPTY_SHARD, "copying the collection")
        draft = temporary(final)
        shutil.rmtree(draft, ignore_errors=True)
        copy_tree(self.path, draft, linked=NEVER_WRITTEN, without=frozenset({PAYLOADS}))
        _give_empty_payloads(draft)
        draft.rename(final)
        sync_folder(dest)
        if not self.read_only:
            record_hashes(self.path, self._hashes, known=linked_hashes(self.path, self._hashes))
            self._wrote = False
        fault(Fault.INDEX_COPIED)

    def _load_again(self) -> None:
        """Close the shard and load it again: the engine applies journals, and so changes files, when it loads them."""
        self._require_room(0, "opening a collection")
        shard, self._shard = self._writable(), None
        shard.close()
        try:
            self._shard = self._load(self.path)
        except BaseException:
            self._open_things.close()
            raise

    def _require_room(self, more: int, what: str) -> None:
        """Refuse to write unless all that is mapped could be filled, and ``more`` bytes besides."""
        mapped = hole_bytes(self.path) if self.path.exists() else EMPTY_SHARD
        require_room(self.path.parent, mapped + more, what)

    def _upsert(self, points: Sequence[Point]) -> None:
        self._require_room(bytes_of_points(len(points), self.dimension), f"writing {len(points):,} points")
        self._write(
            edge.UpdateOperation.upsert_points(
                [edge.Point(p.id, {self.vector_name: p.vector.tolist()}, encoded(p.payload)) for p in points]
            )
        )

    def _write(self, operation: edge.UpdateOperation) -> None:
        shard = self._writable()
        if not self._wrote and self._hashes.exists():
            keep_hashes(self._hashes, NEVER_WRITTEN)  # first: other hashes must not survive a power cut
        self._wrote = True
        shard.update(operation)

    # -- reading ----------------------------------------------------------------------------------------------

    def ids(self) -> Iterator[int]:
        """All ids, ascending."""
        offset: Any = None
        while True:
            records, offset = self._open.scroll(
                edge.ScrollRequest(offset=offset, limit=_SCROLL, with_payload=False, with_vector=False)
            )
            yield from (id_of(record.id) for record in records)
            if offset is None:
                return

    def count(self, filter: IndexFilter | None = None) -> int:  # noqa: A002
        """The exact number of points that a filter lets through."""
        return int(self._open.count(edge.CountRequest(exact=True, filter=filter_of(filter))))

    def retrieve(
        self, ids: Sequence[int], *, with_vector: bool = False, with_payload: bool = True
    ) -> list[RetrievedPoint]:
        """The points of ``ids`` in their order."""
        if not ids:
            return []
        found = {
            id_of(record.id): RetrievedPoint(
                id_of(record.id),
                np.asarray(cast("dict[str, Any]", record.vector)[self.vector_name], np.float32)
                if with_vector
                else None,
                decoded(record.payload),
            )
            for record in self._open.retrieve(list(ids), with_payload, with_vector)
        }
        return [found[point] for point in ids if point in found]

    def facet(self, key: str, filter: IndexFilter | None = None, limit: int = 100) -> dict[str, int]:  # noqa: A002
        """How many points have each value."""
        answer = self._open.facet(edge.FacetRequest(key, limit=limit, exact=True, filter=filter_of(filter)))
        return {str(hit.value): int(hit.count) for hit in answer.hits}

    def _search(self, direction: Vector, filter: IndexFilter, limit: int, exact: bool) -> list[ScoredPoint]:  # noqa: A002
        found = self._open.query(
            edge.QueryRequest(
                limit=limit,
                query=edge.Query.Nearest(direction.tolist(), using=self.vector_name),
                filter=filter_of(filter),
                with_payload=False,
                params=search_params(edge, limit, exact=exact),
            )
        )
        return [ScoredPoint(id_of(point.id), float(point.score)) for point in found]

    # -- the shard --------------------------------------------------------------------------------------------

    @property
    def _open(self) -> edge.EdgeShard:
        if self._shard is None:
            raise RuntimeError(f"{self.path}: {_CLOSED}")
        return self._shard

    def _writable(self) -> edge.EdgeShard:
        if self.read_only:
            raise RuntimeError(f"{self.path} was opened read-only: only the qdrant_collection asset writes to it")
        return self._open

    @property
    def _hashes(self) -> Path:
        """Beside the shard: the hashes of its files, where nothing was written since it was copied last."""
        return _hashes_of(self.path)

    @property
    def _live_mark(self) -> Path:
        """Beside a shard that writers open; copies have none."""
        return self.path.with_name(f"{self.name}.live")

    def _writing(self, wait: float) -> AbstractContextManager[None]:
        return hold(shard_lock(self.path.parent, self.name), wait, f"collection {self.name}")

    def _unwritten(self, wait: float) -> AbstractContextManager[None]:
        """While held, no process writes to the working shard."""
        if os.access(self.path.parent, os.W_OK):
            return self._writing(wait)
        return hold_read_only(shard_lock(self.path.parent, self.name), wait, f"collection {self.name}")

    def _made(self) -> Path:
        """The shard's folder, with an empty shard where there was none."""
        self._live_mark.touch()
        self._require_room(0, "opening a collection")
        if not self.path.exists():
            self._hashes.unlink(missing_ok=True)
            self._create()
        return self.path

    def _create(self) -> None:
        """Make an empty shard under a temporary name: whatever has the final name is complete."""
        draft = temporary(self.path)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        shard = edge.EdgeShard.create(str(draft), config_of(self.vector_name, self.dimension))
        for key, kind in PAYLOAD_KEYS.items():
            shard.update(edge.UpdateOperation.create_field_index(key, FIELD_INDEXES[kind]()))
        shard.flush()
        shard.close()
        draft.rename(self.path)
        sync_folder(self.path.parent)
        fault(Fault.SHARD_MADE)

    def _index_new_keys(self) -> None:
        """Index the keys that a shard made by an earlier version lacks: without them, copies would let nothing through.

        They are written when the shard is flushed.
        """
        shard = self._writable()
        for key in sorted(PAYLOAD_KEYS.keys() - shard.info().payload_schema.keys()):
            self._require_room(bytes_of_points(self.count(), 0), f"indexing {key}")
            self._write(edge.UpdateOperation.create_field_index(key, FIELD_INDEXES[PAYLOAD_KEYS[key]]()))

    def _load(self, path: Path) -> edge.EdgeShard:
        way_out = "discard it (it is upserted again from the vectors) or publish again"
        try:
            if self.read_only and takes_blocks_by_reading(path):
                require_room(path, hole_bytes(path), "opening a collection")
            with read_ahead(path, _LEFT_ON_DISK):
                shard = edge.EdgeShard.load(str(path))
            _probe(shard, self.vector_name, self.dimension)
        except DiskFull:
            raise
        except BaseException as error:
            # The engine raises plain Exception, and for a broken invariant a PanicException, which is not an Exception.
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise_if_lacking(error, self.path)
            raise IndexBroken(f"collection {self.path} does not open: {error}; {way_out}") from error
        return shard


def _give_empty_payloads(shard: Path) -> None:
    """Give each segment of a copy that has no payloads an empty store of them, as the engine makes it; durable."""
    spare = temporary(shard.with_name("empty"))
    spare.mkdir()
    try:
        made = edge.EdgeShard.create(str(spare), config_of("none", 1))
        made.flush()
        made.close()
        [empty] = spare.rglob(PAYLOADS)
        for segment in sorted((shard / "segments").iterdir()):
            copy_tree(empty, segment / PAYLOADS)
            sync_folder(segment)
    finally:
        shutil.rmtree(spare)


def _hashes_of(shard: Path) -> Path:
    return shard.with_name(f"{shard.name}.hashes.json")


def _probe(shard: edge.EdgeShard, vector_name: str, dimension: int) -> None:
    """One search: fails where vectors have another name or length, or the files are not readable after all."""
    probe = [1.0] + [0.0] * (dimension - 1)
    shard.query(edge.QueryRequest(limit=1, query=edge.Query.Nearest(probe, using=vector_name)))
