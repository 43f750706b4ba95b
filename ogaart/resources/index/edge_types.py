"""Our filters, payloads and configuration in the types of Qdrant Edge, and back."""

from typing import Any, cast

import qdrant_edge as edge

from ogaart.resources.index.base import HNSW, Payload, without_nulls
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

INDEXING_KB = 40_000  # a segment gets its graph above this; below it a scan is as quick and exact
_BOOLS = frozenset(key for key, kind in PAYLOAD_KEYS.items() if kind == "bool")


def config_of(vector_name: str, dimension: int) -> edge.EdgeConfig:
    """Vectors in float16 on the disk; graph and 2-bit codes in memory; no write-ahead log, so that others may read."""
    return edge.EdgeConfig(
        vectors={
            vector_name: edge.EdgeVectorParams(
                size=dimension,
                distance=edge.Distance.Cosine,
                datatype=edge.VectorStorageDatatype.Float16,
                memory=edge.Memory.Cold,
            )
        },
        hnsw_config=edge.HnswIndexConfig(**HNSW, memory=edge.Memory.Pinned),
        quantization_config=edge.TurboQuantQuantizationConfig(
            bits=edge.TurboQuantBitSize.Bits2, memory=edge.Memory.Pinned
        ),
        optimizers=edge.EdgeOptimizersConfig(indexing_threshold=INDEXING_KB),
        wal_enabled=False,
    )


# Mapped, and read when opened: what is copied into memory costs that memory, and 1.5 s a start at 100,000 points.
_CACHED = edge.Memory.Cached
FIELD_INDEXES: dict[str, Any] = {
    "keyword": lambda: edge.KeywordIndexParams(memory=_CACHED),
    "integer": lambda: edge.IntegerIndexParams(lookup=True, range=True, memory=_CACHED),
    "float": lambda: edge.FloatIndexParams(memory=_CACHED),
    "bool": lambda: edge.IntegerIndexParams(lookup=True, range=False, memory=_CACHED),  # see encoded
    "text": lambda: edge.TextIndexParams(tokenizer=edge.TokenizerType.Word, lowercase=True, memory=_CACHED),
}


def encoded(payload: Payload) -> dict[str, Any]:
    """Booleans as 0 and 1: the binding reads ``MatchValue(True)`` as the number 1, which matches no boolean."""
    return {key: int(value) if key in _BOOLS else value for key, value in without_nulls(payload).items()}


def decoded(payload: Payload | None) -> dict[str, Any]:
    """The payload that ``encoded`` wrote."""
    found = dict(payload or {})
    found.update({key: bool(found[key]) for key in _BOOLS & found.keys()})
    return found


def filter_of(condition: IndexFilter | None) -> edge.Filter | None:
    """The filter that lets the same points through."""
    if not condition:
        return None
    return edge.Filter(must=[_condition(part) for part in condition.parts()])


def _condition(part: Condition) -> Any:
    match part:
        case AnyOf(key, values):
            return edge.FieldCondition(key, match=edge.MatchAny(cast("list[str]", list(values))))
        case AllOf(key, values):
            return edge.Filter(must=[edge.FieldCondition(key, match=edge.MatchValue(value)) for value in values])
        case NoneOf(key, values):
            return edge.Filter(
                must_not=[edge.FieldCondition(key, match=edge.MatchAny(cast("list[str]", list(values))))]
            )
        case Range(key, at_least, at_most, above, below):
            return edge.FieldCondition(key, range=edge.RangeFloat(gte=at_least, lte=at_most, gt=above, lt=below))
        case Is(key, value):
            return edge.FieldCondition(key, match=edge.MatchValue(int(value)))
        case Words(key, text):
            return edge.FieldCondition(key, match=edge.MatchText(text))
        case NoWords(key, text):
            return edge.Filter(must_not=[edge.FieldCondition(key, match=edge.MatchText(text))])
        case Ids(ids):
            return edge.HasIdCondition(set(ids))
        case NotIds(ids):
            return edge.Filter(must_not=[edge.HasIdCondition(set(ids))])
