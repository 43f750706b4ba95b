"""Hits are read once a publication, and what is blocked since is left out of them all the same."""

import json
from dataclasses import replace
from pathlib import Path

from ogaart.search.engine.hits import read_hits
from ogaart.search.engine.service import SearchService
from ogaart.search.query import SearchQuery
from ogaart.search.results import Hit, Relation
from ogaart.search.store.remembered_hits import RememberedHits
from ogaart.search.store.serving_store import ServingStore
from ogaart.search.web.schemas.results import ResultsRecord
from ogaart.settings import Settings
from ogaart_tests.search.tiny_generation import GridImageReader, image_id, publish

ENEMY, AGAIN = image_id("enemies", 0), image_id("enemies-again", 0)  # the same pixels
ROBOT = image_id("robot-animated", 0)


def opened(settings: Settings) -> ServingStore:
    return ServingStore(settings.data / "generations" / "current", 1)


def test_a_hit_that_was_read_before_loses_its_places_in_what_is_blocked_and_gets_them_back(settings: Settings) -> None:
    store = opened(settings)

    first = read_hits(store, [ENEMY])[ENEMY]
    blocked = read_hits(store, [ENEMY, AGAIN], {AGAIN})
    later = read_hits(store, [ENEMY])[ENEMY]

    assert {place.image_id for place in first.places} == {ENEMY, AGAIN}
    assert [(i, [place.image_id for place in hit.places]) for i, hit in blocked.items()] == [(ENEMY, [ENEMY])]
    assert later == first


def test_a_hit_first_read_while_another_entry_was_blocked_has_all_places_later(settings: Settings) -> None:
    store = opened(settings)

    read_hits(store, [ENEMY], {AGAIN})

    assert {place.image_id for place in read_hits(store, [ENEMY])[ENEMY].places} == {ENEMY, AGAIN}


def test_unknown_ids_and_repeated_ones_are_left_out(settings: Settings) -> None:
    found = read_hits(opened(settings), [ROBOT, 1, ROBOT, AGAIN])

    assert list(found) == [ROBOT, AGAIN]


def test_what_was_used_for_longest_is_dropped() -> None:
    hit = Hit(**{name: None for name in Hit.__dataclass_fields__ if name not in ("places", "folded")})  # type: ignore[arg-type]
    kept: RememberedHits[int, Hit] = RememberedHits(most=2)

    kept.keep({1: hit, 2: hit})
    kept.known([1])
    kept.keep({3: hit})

    assert set(kept.known([1, 2, 3])) == {1, 3}


def test_a_new_publication_is_read_by_itself(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    publish(settings)
    with SearchService(settings, GridImageReader()) as service:
        before = service.hit(ROBOT)
        number = publish(settings)
        words = settings.data / "generations" / f"{number:06d}" / "words.sqlite"
        assert service._live.follow()
        with service.store() as (store, _):
            assert store.path == words.parent
            assert store.hits.known([ROBOT]) == {}
        assert service.hit(ROBOT) == before


def test_a_hit_with_other_values_is_as_replace_makes_it(service: SearchService) -> None:
    hit = service.hit(ROBOT)
    assert hit is not None
    values = {"score": 0.5, "relation": Relation.NEAR, "folded": (hit,), "folded_count": 1}

    assert hit.with_values(**values) == replace(hit, **values)  # type: ignore[arg-type]
    assert hit.score is None


def test_the_json_of_results_is_that_of_their_record(service: SearchService) -> None:
    for query in (
        SearchQuery(positive=(image_id("tanks", 0),), group=True, limit=10),
        SearchQuery(positive=(ENEMY,), negative=(ROBOT,), fold=False, limit=50),
        SearchQuery(words="robot", limit=5),
        SearchQuery(words="nothing has this word"),
    ):
        results = service.search(query)
        arguments = {"following": "http://h/next", "upload": "token", "base": "http://h"}

        content = ResultsRecord.json_of(results, **arguments)

        assert content == ResultsRecord.of(results, **arguments).model_dump_json(by_alias=True).encode()
        assert len(json.loads(content)["hits"]) == len(results.hits)
