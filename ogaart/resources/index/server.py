"""The collection's home on a Qdrant server or cluster, over REST or gRPC."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, Self, TypeVar, cast

import numpy as np
from qdrant_client import QdrantClient, models

from ogaart.resources.index.base import (
    UPSERT_BATCH,
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
    without_nulls,
)
from ogaart.resources.index.filters import IndexFilter
from ogaart.resources.index.payload import PAYLOAD_KEYS
from ogaart.resources.index.server_requests import connect, retry, where_of
from ogaart.resources.index.server_types import FIELD_INDEXES, filter_of
from ogaart.settings import Settings

_SCROLL = 5_000
T = TypeVar("T")
P = ParamSpec("P")


class ServerIndex(VectorIndex):
    """A collection on a server; every request is safe to repeat, and is, with growing pauses.

    Args:
        client: the connection; ``ServerIndex.connect`` makes one from the settings.
        space: model, weights and preparation.
        dimension: length of a vector.
        read_only: never write; a missing collection is refused.
        attempts: how often a request is tried.
        backoff: seconds before the second attempt; doubles.

    Raises:
        IndexBroken: the collection has other vectors, or is missing (read-only).
        IndexUnreachable: the server does not answer.
    """

    def __init__(
        self,
        client: QdrantClient,
        space: str,
        dimension: int,
        *,
        read_only: bool = False,
        attempts: int = 5,
        backoff: float = 0.5,
        where: str = "the Qdrant server",
    ) -> None:
        super().__init__(space, dimension)
        self.read_only = read_only
        self._client = client
        self._attempts = attempts
        self._backoff = backoff
        self._where = where
        self._prepare()

    @classmethod
    def connect(cls, settings: Settings, space: str, dimension: int, *, read_only: bool = False) -> Self:
        """Open a collection on the server of the settings."""
        return cls(
            connect(settings),
            space,
            dimension,
            read_only=read_only,
            attempts=settings.attempts,
            backoff=min(settings.backoff, 0.5),
            where=where_of(settings),
        )

    @classmethod
    def discard(cls, settings: Settings, space: str) -> None:
        """Remove a collection from the server."""
        retry(
            lambda: connect(settings).delete_collection(collection_name(space)),
            settings.attempts,
            min(settings.backoff, 0.5),
            where_of(settings),
        )

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    # -- writing ----------------------------------------------------------------------------------------------

    def delete(self, ids: Sequence[int]) -> None:
        """Remove points."""
        self._require_writable()
        for start in range(0, len(ids), _SCROLL):
            batch: list[Any] = list(ids[start : start + _SCROLL])
            self._ask(self._client.delete, self.name, models.PointIdsList(points=batch), wait=True)

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
            self._ask(self._client.batch_update_points, self.name, operations, wait=True)

    def flush(self) -> None:
        """Nothing to do: every write waited until the server had it in its write-ahead log."""

    def copy_to(self, dest: Path) -> None:
        """The server keeps its own files.

        Raises:
            NotImplementedError: always; a server home is published in place.
        """
        raise NotImplementedError(f"{self._where} keeps its own files: publish in place instead of copying to {dest}")

    def _upsert(self, points: Sequence[Point]) -> None:
        self._require_writable()
        batch = [
            models.PointStruct(id=p.id, vector={self.vector_name: p.vector.tolist()}, payload=dict(p.payload))
            for p in points
        ]
        self._ask(self._client.upsert, self.name, batch, wait=True)

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

    def _prepare(self) -> None:
        """Make the collection where it is missing, and check that it is of this space."""
        if not self._ask(self._client.collection_exists, self.name):
            if self.read_only:
                raise IndexBroken(f"{self._where} has no collection {self.name}: run the qdrant_collection asset")
            self._ask(self._create_once)
        info = self._ask(self._client.get_collection, self.name)
        params = info.config.params.vectors
        mine = params.get(self.vector_name) if isinstance(params, dict) else None
        if mine is None or mine.size != self.dimension or mine.distance != models.Distance.COSINE:
            raise IndexBroken(
                f"{self._where}: collection {self.name} has vectors {params}, expected {self.vector_name!r} "
                f"of {self.dimension} numbers by cosine: delete it, it is upserted again from the vectors"
            )
        if not self.read_only:
            for key in PAYLOAD_KEYS.keys() - info.payload_schema.keys():
                kind = PAYLOAD_KEYS[key]
                self._ask(
                    self._client.create_payload_index, self.name, key, field_schema=FIELD_INDEXES[kind], wait=True
                )

    def _create_once(self) -> None:
        """Make the collection; an attempt whose answer was lost may have made it already."""
        if self._client.collection_exists(self.name):
            return
        self._client.create_collection(
            self.name,
            vectors_config={
                self.vector_name: models.VectorParams(
                    size=self.dimension,
                    distance=models.Distance.COSINE,
                    datatype=models.Datatype.FLOAT16,
                    on_disk=True,
                )
            },
            hnsw_config=models.HnswConfigDiff(m=16, ef_construct=100, full_scan_threshold=10_000),
            quantization_config=models.TurboQuantization(
                turbo=models.TurboQuantQuantizationConfig(bits=models.TurboQuantBitSize.BITS2, always_ram=True)
            ),
            on_disk_payload=True,
        )

    def _vector(self, vector: Any) -> Vector:
        """The server returns what float16 made of the unit vector; local engines return what they stored."""
        value = np.asarray(cast("dict[str, Any]", vector)[self.vector_name], np.float32)
        return value / np.float32(np.linalg.norm(value))

    def _require_writable(self) -> None:
        if self.read_only:
            raise RuntimeError(f"{self.name} was opened read-only: only the qdrant_collection asset writes to it")

    def _ask(self, request: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return retry(lambda: request(*args, **kwargs), self._attempts, self._backoff, self._where)
