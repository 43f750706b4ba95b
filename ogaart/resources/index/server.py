"""The collection's home on a Qdrant server or cluster, over REST or gRPC."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, Self, TypeVar, cast

import numpy as np
from qdrant_client import models

from ogaart.resources.index.base import (
    HNSW,
    UPSERT_BATCH,
    IndexBroken,
    IndexUnreachable,
    Payload,
    Point,
    RetrievedPoint,
    ScoredPoint,
    Vector,
    VectorIndex,
    id_of,
    search_params,
    without_nulls,
)
from ogaart.resources.index.filters import IndexFilter
from ogaart.resources.index.payload import PAYLOAD_KEYS
from ogaart.resources.index.server_collections import SpaceCollections
from ogaart.resources.index.server_requests import Server
from ogaart.resources.index.server_settings import REMADE, ServerShape
from ogaart.resources.index.server_types import FIELD_INDEXES, filter_of
from ogaart.settings import Settings

_SCROLL = 5_000
T = TypeVar("T")
P = ParamSpec("P")


_SNAPSHOT_SECONDS = 3_600.0
"""Seconds that deleting collections may take a request: a snapshot copies all files of one."""
_ORDER = models.WriteOrdering.MEDIUM
"""Writes reach all replicas in one order: a repeated write could otherwise come after the one that followed it."""


class ServerIndex(VectorIndex):
    """A collection on a server; every request is safe to repeat, and is, with growing pauses.

    Args:
        server: the connection; ``ServerIndex.connect`` makes one from the settings.
        space: model, weights and preparation.
        dimension: length of a vector.
        read_only: never write; a missing collection is refused.
        published: read what searches read; otherwise what is written to.
        shape: how a collection that is missing is made.

    Raises:
        IndexBroken: the collection has other vectors, or is missing (read-only).
        IndexUnreachable: the server does not answer.
    """

    def __init__(
        self,
        server: Server,
        space: str,
        dimension: int,
        *,
        read_only: bool = False,
        published: bool = False,
        shape: ServerShape | None = None,
    ) -> None:
        super().__init__(space, dimension)
        self.read_only = read_only
        self._server = server
        self._client = server.client
        self._shape = shape or ServerShape()
        self._prepare(SpaceCollections(server, space), published=published)

    @classmethod
    def connect(
        cls, settings: Settings, space: str, dimension: int, *, read_only: bool = False, published: bool = False
    ) -> Self:
        """Open a collection on the server of the settings."""
        return cls(
            Server.of(settings),
            space,
            dimension,
            read_only=read_only,
            published=published,
            shape=ServerShape.of(settings),
        )

    @classmethod
    def discard(cls, settings: Settings, space: str) -> None:
        """Let the next writer make a new collection; the one before is searched until ``publish``."""
        SpaceCollections(Server.of(settings), space).begin_anew()

    @classmethod
    def delete_space(cls, settings: Settings, space: str) -> None:
        """Remove every collection of a space from the server, after a snapshot of each."""
        cls._delete(settings, space, lambda collections: collections.names())

    @classmethod
    def publish(cls, settings: Settings, space: str) -> None:
        """Let searches read the collection that is written to."""
        SpaceCollections(Server.of(settings), space).publish()

    @classmethod
    def delete_unused(cls, settings: Settings, space: str) -> None:
        """Remove what a rebuild has replaced from the server, after a snapshot of each."""
        cls._delete(settings, space, lambda collections: collections.unused())

    @staticmethod
    def _delete(settings: Settings, space: str, which: Callable[[SpaceCollections], Sequence[str]]) -> None:
        collections = SpaceCollections(Server.of(settings, _SNAPSHOT_SECONDS), space)
        collections.delete(which(collections), snapshots=settings.qdrant_snapshots)

    def settings_differ(self) -> str | None:
        """In what the collection differs from the settings, and what changes it; None where it does not."""
        config = self._ask(self._client.get_collection, self.name).config
        found = "; ".join(self._shape.differences(config))
        return f"{self.name}: {found}: {REMADE}" if found else None

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    # -- writing ----------------------------------------------------------------------------------------------

    def delete(self, ids: Sequence[int]) -> None:
        """Remove points."""
        self._require_writable()
        for start in range(0, len(ids), _SCROLL):
            batch: list[Any] = list(ids[start : start + _SCROLL])
            self._ask(self._client.delete, self.name, models.PointIdsList(points=batch), wait=True, ordering=_ORDER)

    def set_payload(self, payloads: Mapping[int, Payload]) -> None:
        """Replace the whole payload of points that exist."""
        self._require_writable()
        there = [record.id for record in self.retrieve(list(payloads), with_payload=False)]
        for start in range(0, len(there), UPSERT_BATCH):
            operations = [
                models.OverwritePayloadOperation(
                    overwrite_payload=models.SetPayload(payload=without_nulls(payloads[point]), points=[point])
                )
                for point in there[start : start + UPSERT_BATCH]
            ]
            self._ask(self._client.batch_update_points, self.name, operations, wait=True, ordering=_ORDER)

    def flush(self) -> None:
        """Nothing to do: every write waited until the server had it in its write-ahead log."""

    def copy_to(self, dest: Path) -> None:
        """The server keeps its own files.

        Raises:
            NotImplementedError: always; a server home is published in place.
        """
        raise NotImplementedError(
            f"{self._server.where} keeps its own files: publish in place instead of copying to {dest}"
        )

    def _upsert(self, points: Sequence[Point]) -> None:
        self._require_writable()
        batch = [
            models.PointStruct(id=p.id, vector={self.vector_name: p.vector.tolist()}, payload=dict(p.payload))
            for p in points
        ]
        self._ask(self._client.upsert, self.name, batch, wait=True, ordering=_ORDER)

    # -- reading ----------------------------------------------------------------------------------------------

    def ids(self) -> Iterator[int]:
        """All ids, ascending."""
        offset: Any = None
        while True:
            records, offset = self._ask(
                self._client.scroll, self.name, limit=_SCROLL, offset=offset, with_payload=False, with_vectors=False
            )
            yield from (id_of(record.id) for record in records)
            if offset is None:
                return

    def count(self, filter: IndexFilter | None = None) -> int:  # noqa: A002
        """The exact number of points that a filter lets through."""
        return self._ask(self._client.count, self.name, count_filter=filter_of(filter), exact=True).count

    def retrieve(
        self, ids: Sequence[int], *, with_vector: bool = False, with_payload: bool = True
    ) -> list[RetrievedPoint]:
        """The points of ``ids`` in their order."""
        found: dict[int, RetrievedPoint] = {}
        for start in range(0, len(ids), _SCROLL):
            batch = list(ids[start : start + _SCROLL])
            records = self._ask(
                self._client.retrieve, self.name, batch, with_payload=with_payload, with_vectors=with_vector
            )
            for record in records:
                vector = self._vector(record.vector) if with_vector else None
                found[id_of(record.id)] = RetrievedPoint(id_of(record.id), vector, dict(record.payload or {}))
        return [found[point] for point in ids if point in found]

    def facet(self, key: str, filter: IndexFilter | None = None, limit: int = 100) -> dict[str, int]:  # noqa: A002
        """How many points have each value."""
        answer = self._ask(self._client.facet, self.name, key, facet_filter=filter_of(filter), limit=limit, exact=True)
        return {str(hit.value): hit.count for hit in answer.hits}

    def _search(self, direction: Vector, filter: IndexFilter, limit: int, exact: bool) -> list[ScoredPoint]:  # noqa: A002
        answer = self._ask(
            self._client.query_points,
            self.name,
            query=direction.tolist(),
            using=self.vector_name,
            query_filter=filter_of(filter),
            search_params=search_params(models, limit, exact=exact),
            limit=limit,
            with_payload=False,
        )
        return [ScoredPoint(id_of(point.id), float(point.score)) for point in answer.points]

    # -- the collection ---------------------------------------------------------------------------------------

    def _prepare(self, collections: SpaceCollections, *, published: bool) -> None:
        """Find the collection, make it where it is missing, and check that it is of this space."""
        if self.read_only:
            found = collections.to_read(published=published)
            if found is None:
                raise IndexBroken(
                    f"{self._server.where} has no collection {collections.base}: run the qdrant_collection asset"
                )
            self.name = found
        else:
            self.name = collections.to_write(lambda name: self._ask(self._create_once, name))
        info = self._ask(self._client.get_collection, self.name)
        params = info.config.params.vectors
        mine = params.get(self.vector_name) if isinstance(params, dict) else None
        if mine is None or mine.size != self.dimension or mine.distance != models.Distance.COSINE:
            raise IndexBroken(
                f"{self._server.where}: collection {self.name} has vectors {params}, expected {self.vector_name!r} "
                f"of {self.dimension} numbers by cosine: delete it, it is upserted again from the vectors"
            )
        if not self.read_only:
            for key in PAYLOAD_KEYS.keys() - info.payload_schema.keys():
                kind = PAYLOAD_KEYS[key]
                self._ask(
                    self._client.create_payload_index, self.name, key, field_schema=FIELD_INDEXES[kind], wait=True
                )

    def _create_once(self, name: str) -> None:
        """Make the collection; an attempt whose answer was lost may have made it already."""
        if self._client.collection_exists(name):
            return
        refused = self._shape.refused_by(self._client.info().version)
        if refused is not None:
            raise IndexUnreachable(f"{self._server.where}: {refused}")
        self._client.create_collection(
            name,
            vectors_config={
                self.vector_name: models.VectorParams(
                    size=self.dimension,
                    distance=models.Distance.COSINE,
                    datatype=models.Datatype.FLOAT16,
                    on_disk=True,
                )
            },
            hnsw_config=models.HnswConfigDiff(**HNSW),
            on_disk_payload=True,
            **self._shape.creation(),
        )

    def _vector(self, vector: Any) -> Vector:
        """The server returns what float16 made of the unit vector; local engines return what they stored."""
        value = np.asarray(cast("dict[str, Any]", vector)[self.vector_name], np.float32)
        return value / np.float32(np.linalg.norm(value))

    def _require_writable(self) -> None:
        if self.read_only:
            raise RuntimeError(f"{self.name} was opened read-only: only the qdrant_collection asset writes to it")

    def _ask(self, request: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return self._server.ask(request, *args, **kwargs)
