"""A page reads less than hits have where it shows less: as JSON, or as names beside a hit; it says the same."""

import json
from dataclasses import replace

import pytest

from ogaart.search.display.frames import collapsed
from ogaart.search.engine.hits import read_written
from ogaart.search.engine.search import FULL, Detail
from ogaart.search.engine.service import SearchService
from ogaart.search.query import SearchQuery
from ogaart.search.results import Results
from ogaart.search.store.serving_store import ServingStore
from ogaart.search.web.schemas.hits import HIT_WRITER
from ogaart.search.web.schemas.results import ResultsRecord
from ogaart.settings import Settings
from ogaart_tests.search.tiny_generation import image_id

ENEMY, AGAIN = image_id("enemies", 0), image_id("enemies-again", 0)  # the same pixels
ROBOT, PLANET = image_id("robot-animated", 0), image_id("planets-set-n°1", 0)
QUERIES = {
    "one of each entry": SearchQuery(positive=(ROBOT,), group=True, limit=10),
    "collapsed": SearchQuery(positive=(PLANET,), limit=30),
    "every picture by itself": SearchQuery(positive=(ENEMY,), negative=(ROBOT,), fold=False, limit=50),
    "the second page": SearchQuery(positive=(ENEMY,), group=True, limit=3, offset=3),
    "words": SearchQuery(words="robot", limit=5),
    "words, one of each entry": SearchQuery(words="enemies", group=True),
    "frames of animations": SearchQuery(words="character", group=True),
    "nothing found": SearchQuery(words="nothing has this word"),
}
WRITTEN, BESIDE = Detail(write=HIT_WRITER), Detail(beside=True)


def _json(results: Results) -> bytes:
    timeless = replace(results, milliseconds=0.0)
    return ResultsRecord.json_of(timeless, following="http://h/“next”", upload=None, base='http://h:80/"ü')


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_written_hits_are_those_of_a_full_answer_byte_for_byte(service: SearchService, query: SearchQuery) -> None:
    full = _json(service.search(query, FULL))

    first, remembered = (_json(service.search(query, WRITTEN)) for _ in range(2))

    assert first == remembered == full
    assert json.loads(full)["more"] in (True, False)


def test_written_hits_lose_the_places_of_what_is_blocked_and_get_them_back(settings: Settings) -> None:
    store = ServingStore(settings.data / "generations" / "current", 1)

    before, blocked, later = (
        [place["image_id"] for place in json.loads(read_written(store, [ENEMY, AGAIN], HIT_WRITER, some)[ENEMY].places)]
        for some in (frozenset[int](), frozenset({AGAIN}), frozenset[int]())
    )

    assert before == later == [str(one) for one in sorted((ENEMY, AGAIN))]
    assert blocked == [str(ENEMY)]
    assert list(read_written(store, [ENEMY, AGAIN, 1], HIT_WRITER, frozenset({AGAIN}))) == [ENEMY]


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_hits_with_names_beside_them_have_the_frames_that_full_ones_have(
    service: SearchService, query: SearchQuery
) -> None:
    full = service.search(query, FULL).hits

    named = service.search(query, BESIDE).hits

    assert [collapsed(hit) for hit in named] == [collapsed(hit) for hit in full]
    assert [(h.image_id, h.folded_count, h.entry_more) for h in named] == [
        (h.image_id, h.folded_count, h.entry_more) for h in full
    ]
    assert [h.folded for h in named if not h.entry_more] == [h.folded for h in full if not h.entry_more]


def test_pictures_of_an_entry_are_only_named_and_among_them_are_frames(service: SearchService) -> None:
    hits = service.search(QUERIES["words, one of each entry"], BESIDE).hits

    assert all(len(hit.beside) == min(hit.entry_more, 8) and not hit.folded for hit in hits if hit.entry_more)
    assert any(hit.beside for hit in hits)
    assert any(collapsed(hit) for hit in service.search(QUERIES["frames of animations"], BESIDE).hits)
