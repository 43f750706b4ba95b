"""The collection of points: one interface to a Qdrant server and to Qdrant's engine in the process."""

import hashlib
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ogaart.core.image_ids import LARGEST_IMAGE_ID
from ogaart.resources.index.filters import IndexFilter, NotIds

Payload = Mapping[str, Any]
Vector = NDArray[np.float32]

EXACT_BELOW = 20_000
"""A collection of at most so many points is searched without approximation: 7 ms a query at 20,000 x 1280."""
OVERSAMPLING = 2.0
"""So many times the wanted hits are taken from the 2-bit codes, then scored by the vectors themselves."""
HNSW_EF = 128
"""Candidates that a search of the graph follows, at least."""
HNSW: dict[str, Any] = {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000, "payload_m": 0}
"""The graph: one of all points, and none of those of each value of a payload, which took most of the time.

Filtered searches pass over points that are let through by none (ACORN, https://doi.org/10.1145/3654923)."""
ACORN_BELOW = 0.7
"""Share of the points up to which a filter is searched so; where it lets more through, the graph alone finds enough."""
UPSERT_BATCH = 128
"""Points in one request: about 5 MB of JSON at 4,096 numbers each; servers take 32 MB by default."""


def search_params(types: Any, limit: int, *, exact: bool) -> Any:
    """How a search is made: exactly, or by graph and codes, the nearest of which are compared again as vectors.

    Args:
        types: the module with the engine's types; those of Qdrant Edge and of a server's client have the same names.
        limit: hits wanted.
        exact: compare with every vector.
    """
    quantization = (
        types.QuantizationSearchParams(ignore=True)
        if exact
        else types.QuantizationSearchParams(rescore=True, oversampling=OVERSAMPLING)
    )
    acorn = None if exact else types.AcornSearchParams(enable=True, max_selectivity=ACORN_BELOW)
    return types.SearchParams(hnsw_ef=max(HNSW_EF, limit), exact=exact, quantization=quantization, acorn=acorn)


class IndexBroken(RuntimeError):
    """The collection's files do not open or do not fit: discard it and upsert again from the vectors."""


class IndexUnreachable(RuntimeError):
    """The server did not answer, or refused, after all attempts."""


class UnknownPoints(KeyError):
    """Points named as examples are not in the collection."""

    def __str__(self) -> str:
        return str(self.args[0])


@dataclass(frozen=True)
class Point:
    """One image in the collection: a 63-bit id, its vector (D,) float32, and what filters need."""

    id: int
    vector: Vector
    payload: Payload = field(default_factory=dict)


@dataclass(frozen=True)
class RetrievedPoint:
    """A point as retrieved; ``vector`` (D,) float32 of length 1 and ``payload`` only where requested."""

    id: int
    vector: Vector | None
    payload: dict[str, Any]


class ScoredPoint(NamedTuple):
    """A point found; ``score`` is the cosine, -1 to 1."""

    id: int
    score: float


def collection_name(space: str) -> str:
    """The name of a space's collection: letters that every file system and server takes."""
    clean = re.sub(r"[^A-Za-z0-9_.-]+", "-", space).strip("-.")
    if clean != space:  # two spaces must not meet in one name
        clean = f"{clean}-{hashlib.sha256(space.encode()).hexdigest()[:8]}"
    return f"ogaart-{clean}"


class VectorIndex(ABC):
    """The points of one vector space.

    Args:
        space: model, weights and preparation; see the embedder.
        dimension: length of a vector.
    """

    def __init__(self, space: str, dimension: int) -> None:
        self.space = space
        self.dimension = dimension
        self.name = collection_name(space)
        self.vector_name = space.split("-", 1)[0]

    def __enter__(self) -> "VectorIndex":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- writing ----------------------------------------------------------------------------------------------

    def upsert(self, points: Sequence[Point]) -> None:
        """Add points, or replace those of the same id, payload included.

        Raises:
            ValueError: a vector has the wrong length, is not finite or is all zeros; an id is not a 63-bit integer.
        """
        for point in points:
            self._check_id(point.id)
            self._check_vector(point.vector, f"point {point.id}")
        for start in range(0, len(points), UPSERT_BATCH):
            self._upsert([_clean(point) for point in points[start : start + UPSERT_BATCH]])

    @abstractmethod
    def delete(self, ids: Sequence[int]) -> None:
        """Remove points; ids that are not there are ignored."""

    @abstractmethod
    def set_payload(self, payloads: Mapping[int, Payload]) -> None:
        """Replace the whole payload of points that exist; their vectors stay."""

    @abstractmethod
    def flush(self) -> None:
        """Return when all that was written survives a power cut."""

    @abstractmethod
    def close(self) -> None:
        """Release the collection, flushed; a second call does nothing."""

    @abstractmethod
    def copy_to(self, dest: Path) -> None:
        """Write a flushed copy that ``open_index(settings, dest, space, dimension)`` opens.

        Raises:
            NotImplementedError: the collection lives on a server, which keeps its own files.
        """

    # -- reading ----------------------------------------------------------------------------------------------

    @abstractmethod
    def ids(self) -> Iterator[int]:
        """All ids, ascending."""

    @abstractmethod
    def count(self, filter: IndexFilter | None = None) -> int:  # noqa: A002 - the word both engines use
        """The exact number of points that a filter lets through."""

    @abstractmethod
    def retrieve(
        self, ids: Sequence[int], *, with_vector: bool = False, with_payload: bool = True
    ) -> list[RetrievedPoint]:
        """The points of ``ids`` in their order; those that are not there are left out."""

    @abstractmethod
    def facet(self, key: str, filter: IndexFilter | None = None, limit: int = 100) -> dict[str, int]:  # noqa: A002
        """How many points have each value of a keyword key, the most frequent first."""

    def query(
        self,
        vector: Vector | None = None,
        *,
        negative: Vector | None = None,
        positive_ids: Sequence[int] = (),
        negative_ids: Sequence[int] = (),
        filter: IndexFilter | None = None,  # noqa: A002
        limit: int = 10,
        offset: int = 0,
        exact: bool | None = None,
    ) -> list[ScoredPoint]:
        """The nearest points by cosine, best first, equal scores by id.

        Several examples make one direction: the mean of the positive ones, moved away from the mean of the negative
        ones by as much as it differs from it. The points named as examples are not among the hits.

        Args:
            vector: one (D,) or several (N, D) positive examples, of any length above 0.
            negative: one (D,) or several (N, D) negative examples.
            positive_ids: ids of points that are positive examples.
            negative_ids: ids of points that are negative examples.
            filter: what hits must fulfil.
            limit: most hits returned.
            offset: hits passed over, for paging.
            exact: True compares with every vector; False uses graph and codes; by default its size decides.

        Raises:
            ValueError: no example at all, or one that is not a vector of this space.
            UnknownPoints: a point among the examples is not in the collection.
        """
        direction = self._direction(vector, negative, positive_ids, negative_ids)
        condition = filter or IndexFilter()
        if positive_ids or negative_ids:
            condition = condition.where("examples", NotIds(frozenset((*positive_ids, *negative_ids))))
        if limit <= 0:
            return []
        if exact is None:
            exact = self.count() <= EXACT_BELOW
        hits = self._search(direction, condition, limit + offset, exact)
        return sorted(hits, key=lambda hit: (-hit.score, hit.id))[offset:]

    # -- what each engine implements -------------------------------------------------------------------------------

    @abstractmethod
    def _upsert(self, points: Sequence[Point]) -> None:
        """Write one batch of checked points."""

    @abstractmethod
    def _search(self, direction: Vector, filter: IndexFilter, limit: int, exact: bool) -> list[ScoredPoint]:  # noqa: A002
        """The ``limit`` nearest to a direction (D,)."""

    def _direction(
        self,
        vector: Vector | None,
        negative: Vector | None,
        positive_ids: Sequence[int],
        negative_ids: Sequence[int],
    ) -> Vector:
        wanted, unwanted = self._unit_rows(vector, "the query"), self._unit_rows(negative, "a negative example")
        records = self.retrieve([*positive_ids, *negative_ids], with_vector=True, with_payload=False)
        named = {record.id: record.vector for record in records if record.vector is not None}
        missing = [point for point in (*positive_ids, *negative_ids) if point not in named]
        if missing:
            raise UnknownPoints(
                f"points {missing} are not in collection {self.name}: they cannot be examples of a query"
            )
        wanted += [named[point] for point in positive_ids]
        unwanted += [named[point] for point in negative_ids]
        if wanted and unwanted:
            direction = 2 * np.mean(wanted, axis=0) - np.mean(unwanted, axis=0)
        elif wanted:
            direction = np.mean(wanted, axis=0)
        elif unwanted:
            direction = -np.mean(unwanted, axis=0)
        else:
            raise ValueError("a query needs a vector, or points as positive or negative examples")
        direction = np.asarray(direction, np.float32)
        self._check_vector(direction, "the examples' mean")
        return direction

    def _unit_rows(self, vectors: Vector | None, what: str) -> list[Vector]:
        """The rows of (D,) or (N, D), each of length 1."""
        rows = [] if vectors is None else list(np.atleast_2d(np.asarray(vectors, np.float32)))
        for row in rows:
            self._check_vector(row, what)
        return [np.asarray(row / np.linalg.norm(row), np.float32) for row in rows]

    def _check_vector(self, vector: Vector, what: str) -> None:
        if np.shape(vector) != (self.dimension,):
            raise ValueError(f"{what}: vector of shape {np.shape(vector)}, space {self.space} has ({self.dimension},)")
        length = float(np.linalg.norm(vector))
        if not math.isfinite(length) or length <= 0:
            raise ValueError(f"{what}: vector of length {length}; only finite ones above 0 have a direction")

    def _check_id(self, point: int) -> None:
        if not 0 <= point <= LARGEST_IMAGE_ID:
            raise ValueError(f"point id {point}: expected an integer from 0 to 2^63 - 1")


def _clean(point: Point) -> Point:
    """Without null values: a missing key and a null would match differently in the two engines."""
    return Point(point.id, point.vector, without_nulls(point.payload))


def without_nulls(payload: Payload) -> dict[str, Any]:
    """The payload's keys that have a value."""
    return {key: value for key, value in payload.items() if value is not None}


def id_of(point: Any) -> int:
    """Narrow an id that Qdrant returned: ours are integers, Qdrant would take UUIDs too."""
    assert isinstance(point, int), f"point id {point!r} is not an integer"
    return point
