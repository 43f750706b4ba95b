"""The collection's home on a Qdrant server or cluster, over REST or gRPC."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ParamSpec, Self, TypeVar, cast

import grpc
import numpy as np
from qdrant_client import QdrantClient, models
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from ogaart.resources.index.base import (
    HNSW_EF,
    OVERSAMPLING,
    UPSERT_BATCH,
    IndexBroken,
    IndexUnreachable,
    Payload,
    Point,
    Record,
    ScoredPoint,
    Vector,
    VectorIndex,
    collection_name,
    without_nulls,
)
from ogaart.resources.index.filters import (
    AllOf,
    AnyOf,
    Condition,
    Ids,
    IndexFilter,
    Is,
    NoneOf,
    NotIds,
    NoWords,
    Range,
    Words,
)
from ogaart.resources.index.payload import PAYLOAD_KEYS
from ogaart.settings import Settings, shown_url

_log = logging.getLogger(__name__)
_SCROLL = 5_000
_RETRIED_HTTP = frozenset({408, 429, 500, 502, 503, 504})
_RETRIED_GRPC = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}
)
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
            _client(settings),
            space,
            dimension,
            read_only=read_only,
            attempts=settings.attempts,
            backoff=min(settings.backoff, 0.5),
            where=_where(settings),
        )

    @classmethod
    def discard(cls, settings: Settings, space: str) -> None:
        """Remove a collection from the server."""
        _retry(
            lambda: _client(settings).delete_collection(collection_name(space)),
            settings.attempts,
            min(settings.backoff, 0.5),
            _where(settings),
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
            yield from (_int(record.id) for record in records)
            if offset is None:
                return

    def count(self, filter: IndexFilter | None = None) -> int:  # noqa: A002
        """The exact number of points that a filter lets through."""
        return self._ask(self._client.count, self.name, count_filter=_filter(filter), exact=True).count

    def retrieve(self, ids: Sequence[int], *, with_vector: bool = False, with_payload: bool = True) -> list[Record]:
        """The points of ``ids`` in their order."""
        found: dict[int, Record] = {}
        for start in range(0, len(ids), _SCROLL):
            batch = list(ids[start : start + _SCROLL])
            records = self._ask(
                self._client.retrieve, self.name, batch, with_payload=with_payload, with_vectors=with_vector
            )
            for record in records:
                vector = self._vector(record.vector) if with_vector else None
                found[_int(record.id)] = Record(_int(record.id), vector, dict(record.payload or {}))
        return [found[point] for point in ids if point in found]

    def facet(self, key: str, filter: IndexFilter | None = None, limit: int = 100) -> dict[str, int]:  # noqa: A002
        """How many points have each value."""
        answer = self._ask(self._client.facet, self.name, key, facet_filter=_filter(filter), limit=limit, exact=True)
        return {str(hit.value): hit.count for hit in answer.hits}

    def _search(self, direction: Vector, filter: IndexFilter, limit: int, exact: bool) -> list[ScoredPoint]:  # noqa: A002
        quantization = (
            models.QuantizationSearchParams(ignore=True)
            if exact
            else models.QuantizationSearchParams(rescore=True, oversampling=OVERSAMPLING)
        )
        answer = self._ask(
            self._client.query_points,
            self.name,
            query=direction.tolist(),
            using=self.vector_name,
            query_filter=_filter(filter),
            search_params=models.SearchParams(hnsw_ef=max(HNSW_EF, limit), exact=exact, quantization=quantization),
            limit=limit,
            with_payload=False,
        )
        return [ScoredPoint(_int(point.id), float(point.score)) for point in answer.points]

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
                self._ask(self._client.create_payload_index, self.name, key, field_schema=_INDEXES[kind], wait=True)

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
        return _retry(lambda: request(*args, **kwargs), self._attempts, self._backoff, self._where)


def _where(settings: Settings) -> str:
    return f"Qdrant at {shown_url(settings.qdrant_url or '')}"


def _client(settings: Settings) -> QdrantClient:
    return QdrantClient(
        url=settings.qdrant_url,
        api_key=settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None,
        prefer_grpc=settings.qdrant_grpc,
        timeout=max(1, round(settings.qdrant_timeout)),
        check_compatibility=False,  # it would send a request of its own, and only warn
    )


def _retry(request: Callable[[], T], attempts: int, backoff: float, where: str) -> T:
    """Repeat a request while its failure may pass.

    Raises:
        IndexUnreachable: it still failed at the last attempt, or was refused for a reason that stays.
    """
    for attempt in range(1, attempts + 1):
        try:
            return request()
        except (ResponseHandlingException, UnexpectedResponse, ResourceExhaustedResponse, grpc.RpcError) as error:
            passing, pause = _passing(error)
            if not passing or attempt == attempts:
                hint = _hint(error)
                message = f"{where}, attempt {attempt} of {attempts}: {shown_url(str(error))}{hint}"
                raise IndexUnreachable(message) from error
            pause = max(pause, backoff * 2 ** (attempt - 1))
            shown = shown_url(str(error))
            _log.warning("%s: %s; attempt %d of %d in %.1f s", where, shown, attempt + 1, attempts, pause)
            time.sleep(pause)
    raise AssertionError("attempts is at least 1")


def _passing(error: Exception) -> tuple[bool, float]:
    """Whether trying again may help, and the least pause in seconds that the server requests."""
    if isinstance(error, ResourceExhaustedResponse):
        return True, float(error.retry_after_s)
    if isinstance(error, UnexpectedResponse):
        return error.status_code in _RETRIED_HTTP, 0.0
    if isinstance(error, grpc.RpcError):
        return isinstance(error, grpc.Call) and error.code() in _RETRIED_GRPC, 0.0
    return True, 0.0  # the connection failed, was cut, or took too long


def _hint(error: Exception) -> str:
    status = getattr(error, "status_code", None)
    if status in (401, 403):
        return " (is QDRANT_API_KEY right?)"
    if isinstance(error, ResponseHandlingException):
        return " (is QDRANT_URL right and the server up? OGAART_QDRANT_TIMEOUT allows longer answers)"
    return ""


def _int(point: Any) -> int:
    """Narrow an id: ours are integers, the server would take UUIDs too."""
    assert isinstance(point, int), f"point id {point!r} is no integer"
    return point


_INDEXES: dict[str, Any] = {
    "keyword": models.PayloadSchemaType.KEYWORD,
    "integer": models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True, range=True),
    "float": models.PayloadSchemaType.FLOAT,
    "bool": models.PayloadSchemaType.BOOL,
    "text": models.TextIndexParams(type=models.TextIndexType.TEXT, tokenizer=models.TokenizerType.WORD, lowercase=True),
}


def _filter(condition: IndexFilter | None) -> models.Filter | None:
    if not condition:
        return None
    return models.Filter(must=[_condition(part) for part in condition.parts()])


def _condition(part: Condition) -> models.Condition:
    match part:
        case AnyOf(key, values):
            return models.FieldCondition(key=key, match=models.MatchAny(any=cast("list[str]", list(values))))
        case AllOf(key, values):
            return models.Filter(
                must=[models.FieldCondition(key=key, match=models.MatchValue(value=value)) for value in values]
            )
        case NoneOf(key, values):
            wanted = models.MatchAny(any=cast("list[str]", list(values)))
            return models.Filter(must_not=[models.FieldCondition(key=key, match=wanted)])
        case Range(key, at_least, at_most, above, below):
            return models.FieldCondition(key=key, range=models.Range(gte=at_least, lte=at_most, gt=above, lt=below))
        case Is(key, value):
            return models.FieldCondition(key=key, match=models.MatchValue(value=value))
        case Words(key, text):
            return models.FieldCondition(key=key, match=models.MatchText(text=text))
        case NoWords(key, text):
            return models.Filter(must_not=[models.FieldCondition(key=key, match=models.MatchText(text=text))])
        case Ids(ids):
            return models.HasIdCondition(has_id=list(ids))
        case NotIds(ids):
            return models.Filter(must_not=[models.HasIdCondition(has_id=list(ids))])
