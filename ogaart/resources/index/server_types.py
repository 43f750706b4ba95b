"""Our filters and payload keys in the types of a Qdrant server's client, and back."""

from typing import Any, cast

from qdrant_client import models

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

FIELD_INDEXES: dict[str, Any] = {
    "keyword": models.PayloadSchemaType.KEYWORD,
    "integer": models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=True, range=True),
    "float": models.PayloadSchemaType.FLOAT,
    "bool": models.PayloadSchemaType.BOOL,
    "text": models.TextIndexParams(type=models.TextIndexType.TEXT, tokenizer=models.TokenizerType.WORD, lowercase=True),
}


def filter_of(condition: IndexFilter | None) -> models.Filter | None:
    """The filter that lets the same points through."""
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
