"""The index is searched once for a visitor's picture, and again where the query differs."""

from collections.abc import Callable
from typing import Any

import pytest

from ogaart.resources.index.edge import EdgeIndex
from ogaart.search.engine.service import SearchService
from ogaart.search.filters import Filters
from ogaart.search.query import QueryPicture, SearchQuery
from ogaart_tests.search.engine.test_service import jpeg, rgba, seen


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the index was asked for by a vector, in order."""
    questions: list[object] = []
    search: Callable[..., Any] = EdgeIndex._search

    def noted(self: EdgeIndex, direction: Any, condition: Any, *rest: Any) -> Any:
        questions.append(condition)
        return search(self, direction, condition, *rest)

    monkeypatch.setattr(EdgeIndex, "_search", noted)
    return questions


@pytest.fixture
def picture() -> QueryPicture:
    return seen(jpeg(rgba("tanks", 0)))


def test_the_same_query_is_sent_once(service: SearchService, picture: QueryPicture, asked: list[object]) -> None:
    first = service.search(SearchQuery(picture=picture, limit=3))
    before = len(asked)
    again = service.search(SearchQuery(picture=picture, limit=3))

    assert before == 2  # the picture as it is, and without its ground
    assert len(asked) == before
    assert [hit.image_id for hit in first.hits] == [hit.image_id for hit in again.hits]


def test_a_filter_makes_it_another_question(service: SearchService, picture: QueryPicture, asked: list[object]) -> None:
    service.search(SearchQuery(picture=picture, limit=3))
    before = len(asked)
    narrowed = service.search(SearchQuery(picture=picture, limit=3, filters=Filters(licences=("CC0",))))

    assert len(asked) > before
    assert all("CC0" in [licence.name for licence in hit.licences] for hit in narrowed.hits)
    assert asked[before] != asked[0]


def test_another_picture_is_searched_separately(
    service: SearchService, picture: QueryPicture, asked: list[object]
) -> None:
    service.search(SearchQuery(picture=picture, limit=3))
    before = len(asked)

    service.search(SearchQuery(picture=seen(jpeg(rgba("tanks", 1))), limit=3))

    assert len(asked) > before
