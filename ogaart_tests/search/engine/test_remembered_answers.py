"""An answer that was ranked before is the one that would be ranked now: for any page, filter and block."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ogaart.resources.moderation.takedowns import decide
from ogaart.search.engine.collapsing import CollapsedHits
from ogaart.search.engine.picture_search import PictureSearch
from ogaart.search.engine.ranking import Ranked
from ogaart.search.engine.remembered_answers import RankedAnswer, RememberedAnswers
from ogaart.search.engine.service import SearchService
from ogaart.search.filters import Filters
from ogaart.search.query import SearchQuery
from ogaart.search.results import Results
from ogaart.settings import Settings
from ogaart_tests.logs import decisions_of
from ogaart_tests.search.tiny_generation import GridImageReader, image_id, publish

ROBOT, TANK, ENEMY = image_id("robot-animated", 0), image_id("tanks", 0), image_id("enemies", 0)
QUERIES = {
    "one of each entry": SearchQuery(positive=(ROBOT,), group=True, limit=3),
    "collapsed": SearchQuery(positive=(ENEMY,), limit=20),
    "filtered": SearchQuery(positive=(TANK,), filters=Filters(licences=("CC0",)), fold=False, limit=10),
    "away from another": SearchQuery(positive=(ROBOT,), negative=(TANK,), limit=10),
    "with words": SearchQuery(positive=(ROBOT,), words="character", fold=False, limit=4),
}
NOTHING: frozenset[int] = frozenset()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[SearchService]:
    settings = Settings(data=tmp_path)
    publish(settings)
    with SearchService(settings, GridImageReader()) as service:
        yield service


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> list[SearchQuery]:
    """The queries that were ranked."""
    ranked: list[SearchQuery] = []
    nearest = PictureSearch._nearest

    def noted(self: PictureSearch, *arguments: object) -> tuple[tuple[int, ...], bool]:
        ranked.append(self.query)
        return nearest(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(PictureSearch, "_nearest", noted)
    return ranked


def _said(results: Results) -> Results:
    return replace(results, milliseconds=0.0)


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_repeats_and_pages_are_as_ranked_again_and_repeats_rank_nothing(
    fresh: SearchService, rounds: list[SearchQuery], query: SearchQuery
) -> None:
    pages = [query, replace(query, offset=query.limit), replace(query, limit=query.limit + 1), query]
    remembered = [_said(fresh.search(one)) for one in (*pages, *pages)]
    ranked = len(rounds)
    again = [_said(fresh.search(one)) for one in pages]

    afresh = []
    for one in pages:
        with fresh._live.lease() as opened:
            opened.answers = RememberedAnswers()
        afresh.append(_said(fresh.search(one)))

    assert remembered[: len(pages)] == remembered[len(pages) :] == again == afresh
    assert 1 <= ranked <= len(set(pages))
    assert len(rounds) == ranked + len(pages)  # only those that were ranked again


def test_what_is_blocked_since_is_ranked_again_and_without_it(fresh: SearchService, rounds: list[SearchQuery]) -> None:
    query = QUERIES["one of each entry"]
    before = fresh.search(query)
    decide(decisions_of(fresh.settings.data), "entry", before.hits[0].slug, "on request")

    after = fresh.search(query)

    assert len(rounds) == 2
    assert before.hits[0].slug not in [hit.slug for hit in after.hits]


def test_a_visitors_picture_is_not_kept_with_answers(fresh: SearchService, rounds: list[SearchQuery]) -> None:
    found = fresh.original(ROBOT)
    assert found is not None
    picture = GridImageReader().read_image(found[1], None, fresh.info().space)

    for _ in range(2):
        fresh.search(SearchQuery(picture=picture, limit=3))

    assert len(rounds) == 2


def _answer(sizes: tuple[int, ...], *, complete: bool, points: int = 1) -> RankedAnswer:
    folds = [CollapsedHits(n) for n in range(sizes[-1])]
    ranked = {n: Ranked(n, 0.5, None) for n in range(points)}
    return RankedAnswer(folds, ranked, {}, (), 0, sizes, complete)


@pytest.mark.parametrize(
    ("wanted", "rounds_made"),
    [(4, 1), (5, 1), (6, 2), (9, 2), (10, None), (99, None)],
)
def test_an_answer_serves_only_pages_that_need_as_many_rounds(wanted: int, rounds_made: int | None) -> None:
    kept = RememberedAnswers()
    for sizes in ((5,), (5, 9)):
        kept.keep(QUERIES["collapsed"], NOTHING, _answer(sizes, complete=False))

    known = kept.known(replace(QUERIES["collapsed"], offset=3), NOTHING, wanted)

    assert (len(known.sizes) if known else None) == rounds_made


def test_a_complete_answer_serves_pages_beyond_its_end_but_not_those_of_fewer_rounds() -> None:
    kept = RememberedAnswers()
    kept.keep(QUERIES["collapsed"], NOTHING, _answer((5, 9), complete=True))

    assert kept.known(QUERIES["collapsed"], NOTHING, 99) is not None
    assert kept.known(QUERIES["collapsed"], NOTHING, 5) is None
    assert kept.known(QUERIES["collapsed"], frozenset({ROBOT}), 99) is None
    assert kept.known(QUERIES["one of each entry"], NOTHING, 99) is None


def test_the_answers_used_longest_ago_are_dropped() -> None:
    kept = RememberedAnswers(most_points=250)
    names = ("one of each entry", "collapsed", "filtered")

    for name in names:
        kept.keep(QUERIES[name], NOTHING, _answer((5,), complete=True, points=100))

    assert [kept.known(QUERIES[name], NOTHING, 5) is not None for name in names] == [False, True, True]


def test_more_points_than_are_kept_are_not_kept_and_break_nothing() -> None:
    query, nobody = SearchQuery(words="tree"), frozenset[int]()
    small = RankedAnswer((), {1: None}, {}, (), 1, (1,), True)  # type: ignore[dict-item]
    large = RankedAnswer((), dict.fromkeys(range(9)), {}, (), 9, (9, 9), True)  # type: ignore[arg-type]
    answers = RememberedAnswers(most_points=5)

    answers.keep(query, nobody, small)
    answers.keep(query, nobody, large)

    assert answers.known(query, nobody, 1) == small
