"""Every kind of question, alone and combined, over a real publication."""

import io
import sqlite3
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ogaart.imaging.limits import Limits
from ogaart.imaging.pictures import decode
from ogaart.resources.moderation.takedowns import decide
from ogaart.search.engine.service import SearchService
from ogaart.search.filters import BY_FIELD, Filters
from ogaart.search.query import Box, QueryPicture, SearchQuery, Sort
from ogaart.search.results import Hit, Relation, Results
from ogaart.settings import Settings
from ogaart_tests.logs import decisions_of
from ogaart_tests.search.tiny_generation import ENTRIES, SPACE, GridImageReader, image_id, pictures, png, publish

SOME = tuple(entry for entry in ENTRIES if entry.slug in ("tanks", "alien-platformer", "textures"))


def rgba(slug: str, index: int) -> NDArray[np.uint8]:
    entry = next(entry for entry in ENTRIES if entry.slug == slug)
    return decode(pictures(entry)[index], Limits()).rgba


def seen(pixels: NDArray[np.uint8]) -> QueryPicture:
    return GridImageReader().read_image(png(pixels), None, SPACE)


def on(pixels: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    ground = Image.new("RGBA", (pixels.shape[1], pixels.shape[0]), (*colour, 255))
    ground.alpha_composite(Image.fromarray(pixels))
    return np.asarray(ground)


def jpeg(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    small = Image.fromarray(on(pixels, (255, 255, 255))).convert("RGB")
    small = small.resize((round(small.width * 0.6), round(small.height * 0.6)), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=85)
    return np.asarray(Image.open(out).convert("RGBA"))


def ids(results: Results) -> list[int]:
    return [hit.image_id for hit in results.hits]


def everything(results: Results) -> list[Hit]:
    return [one for hit in results.hits for one in (hit, *hit.folded)]


# -- A picture


def test_the_very_picture_comes_first_and_is_called_so(service: SearchService) -> None:
    results = service.search(SearchQuery(picture=seen(rgba("robot-animated", 3))))

    assert results.verdict is not None
    assert results.verdict.relation is Relation.SAME
    assert "Robot, animated" in results.verdict.text
    assert ids(results)[0] == image_id("robot-animated", 3)
    assert results.hits[0].score == 1.0


@pytest.mark.parametrize(
    "copy",
    [
        pytest.param(jpeg, id="60 % as JPEG"),
        pytest.param(lambda p: p.repeat(2, axis=0).repeat(2, axis=1), id="x2"),
        pytest.param(lambda p: p.repeat(4, axis=0).repeat(4, axis=1), id="x4"),
        pytest.param(lambda p: np.ascontiguousarray(p[:, ::-1]), id="mirrored"),
        pytest.param(lambda p: on(p, (255, 255, 255)), id="on white"),
        pytest.param(lambda p: on(p, (0, 0, 0)), id="on black"),
        pytest.param(lambda p: on(p, (255, 0, 255)), id="on magenta"),
    ],
)
@pytest.mark.parametrize(("slug", "index"), [("robot-animated", 0), ("enemies", 4), ("textures", 3)])
def test_a_copy_finds_its_source(service: SearchService, copy, slug: str, index: int) -> None:  # type: ignore[no-untyped-def]
    results = service.search(SearchQuery(picture=seen(copy(rgba(slug, index)))))

    assert results.verdict is not None
    assert results.verdict.relation in (Relation.NEAR, Relation.SAME)  # an opaque picture stays itself on any ground
    assert ids(results)[0] == image_id(slug, index)


def test_a_picture_that_is_not_here_is_not_claimed(service: SearchService) -> None:
    noise = np.random.default_rng(1).integers(0, 255, (200, 200, 4)).astype(np.uint8)
    noise[..., 3] = 255

    results = service.search(SearchQuery(picture=seen(noise)))

    assert results.verdict is not None
    assert results.verdict.relation in (Relation.SIMILAR, Relation.UNLIKE)


def test_without_a_vector_exact_copies_are_found_and_the_reason_is_shown(service: SearchService) -> None:
    blind = replace(seen(rgba("tanks", 0)), vector=None, note="No model here.")

    results = service.search(SearchQuery(picture=blind))

    assert ids(results) == [image_id("tanks", 0)]
    assert results.notes == ("No model here.",)


def test_a_picture_seen_for_another_space_is_compared_by_its_pixels_only(service: SearchService) -> None:
    results = service.search(SearchQuery(picture=replace(seen(rgba("tanks", 0)), space="other-1")))

    assert ids(results) == [image_id("tanks", 0)]


@pytest.mark.parametrize("colour", [(255, 255, 255, 255), (200, 30, 40, 255), (0, 0, 0, 1)])
def test_one_colour_is_not_a_copy_of_anything(service: SearchService, colour: tuple[int, int, int, int]) -> None:
    results = service.search(SearchQuery(picture=seen(np.full((64, 64, 4), colour, np.uint8))))

    assert results.verdict is not None
    assert results.verdict.relation in (Relation.SIMILAR, Relation.UNLIKE)
    assert results.notes == ("Your picture has only one colour: near copies of it cannot be recognised.",)


def test_a_crop_is_a_picture(service: SearchService) -> None:
    whole = png(rgba("playing-cards", 8))

    results = service.search(SearchQuery(picture=GridImageReader().read_image(whole, Box(0.2, 0.2, 0.6, 0.6), SPACE)))

    assert results.hits
    assert results.verdict is not None


def test_equal_pixels_show_once_with_their_other_places(service: SearchService) -> None:
    results = service.search(SearchQuery(picture=seen(rgba("enemies", 0))))

    assert results.hits[0].slug in ("enemies", "enemies-again")
    pixels = [hit.pixel_sha256 for hit in everything(results)]
    assert len(pixels) == len(set(pixels))
    assert len(results.hits[0].other_entries) == 1
    assert {place.slug for place in results.hits[0].places} == {"enemies", "enemies-again"}


# -- Likes and dislikes


def test_more_like_this_leaves_itself_out(service: SearchService) -> None:
    results = service.search(SearchQuery(positive=(image_id("robot-animated", 0),)))

    assert image_id("robot-animated", 0) not in [hit.image_id for hit in everything(results)]
    assert results.hits[0].slug == "robot-animated"
    assert results.verdict is None


def test_more_like_a_picture_of_two_entries_shows_neither(service: SearchService) -> None:
    results = service.search(SearchQuery(positive=(image_id("enemies", 0),)))

    assert image_id("enemies-again", 0) not in [hit.image_id for hit in everything(results)]


def test_dislikes_push_away(service: SearchService) -> None:
    liked, disliked = image_id("robot-animated", 0), image_id("alien-platformer", 0)

    alone = [hit.slug for hit in everything(service.search(SearchQuery(positive=(liked,), fold=False, limit=60)))]
    pushed = [
        hit.slug
        for hit in everything(
            service.search(SearchQuery(positive=(liked,), negative=(disliked,), fold=False, limit=60))
        )
    ]

    assert pushed.count("alien-platformer") < alone.count("alien-platformer")


def test_a_picture_with_a_like_and_a_dislike(service: SearchService) -> None:
    results = service.search(
        SearchQuery(
            picture=seen(rgba("tanks", 0)), positive=(image_id("tanks", 1),), negative=(image_id("textures", 0),)
        )
    )

    assert results.hits
    assert results.verdict is None  # of several pictures none is the one asked for


def test_a_picture_of_ones_own_pushes_away_as_one_of_the_catalog_does(service: SearchService) -> None:
    liked, disliked = image_id("robot-animated", 0), image_id("alien-platformer", 0)

    by_id = service.search(SearchQuery(positive=(liked,), negative=(disliked,), limit=60))
    by_upload = service.search(
        SearchQuery(positive=(liked,), negative_pictures=(seen(rgba("alien-platformer", 0)),), limit=60)
    )

    assert [hit.image_id for hit in by_upload.hits] == [hit.image_id for hit in by_id.hits]


def test_further_pictures_of_ones_own_find_their_sources(service: SearchService) -> None:
    results = service.search(
        SearchQuery(picture=seen(rgba("tanks", 0)), positive_pictures=(seen(rgba("textures", 0)),), fold=False)
    )

    assert {hit.slug for hit in results.hits[:2]} == {"tanks", "textures"}
    assert results.verdict is None


def test_dislikes_alone(service: SearchService) -> None:
    assert service.search(SearchQuery(negative=(image_id("textures", 0),))).hits


# -- Words


def test_words_alone_rank_titles_first(service: SearchService) -> None:
    results = service.search(SearchQuery(words="alien"))

    assert results.total == 7
    assert {hit.slug for hit in results.hits} == {"alien-platformer"}
    assert results.hits[0].score is None


@pytest.mark.parametrize(
    "words",
    ["Kenney", '"space shooter"', "pixel art", "惑星", "100% planet #1 + ring.png", "дмитрий", "blue alien jumping"],
)
def test_words_find_title_tag_author_name_and_description(service: SearchService, words: str) -> None:
    assert service.search(SearchQuery(words=words)).hits


def test_some_of_the_words_are_said_to_be_some(service: SearchService) -> None:
    results = service.search(SearchQuery(words="robot helicopter"))

    assert results.hits[0].slug == "robot-animated"
    assert results.notes == ("No picture has all of these words; these have some of them.",)


def test_words_narrow_a_picture(service: SearchService) -> None:
    results = service.search(SearchQuery(picture=seen(rgba("robot-animated", 0)), words="tank"))

    assert {hit.slug for hit in results.hits} == {"tanks"}


def test_words_after_a_minus_narrow_a_picture_too(service: SearchService) -> None:
    robot = seen(rgba("robot-animated", 0))

    without = service.search(SearchQuery(picture=robot, words="-robot -ship", limit=100, fold=False))
    narrowed = service.search(SearchQuery(picture=robot, words='character -"robot animated"', limit=100, fold=False))

    assert {hit.slug for hit in without.hits}.isdisjoint({"robot-animated", "space-shooter"})
    assert {hit.slug for hit in narrowed.hits} == {"alien-platformer"}
    assert narrowed.verdict is not None
    assert "your words or filters hide it" in narrowed.verdict.text


def test_words_only_to_be_left_out_narrow_all_there_is(service: SearchService) -> None:
    everything = service.search(SearchQuery(words="-xyzzyplugh", limit=100, fold=False))
    filtered = service.search(SearchQuery(words="-alien", filters=Filters(authors=("Kenney",)), limit=100, fold=False))

    assert everything.total == service.info().images - 3  # equal pixels of two entries
    assert {hit.slug for hit in filtered.hits} == {"robot-animated", "playing-cards", "space-shooter", "tanks"}
    assert filtered.total == len(filtered.hits)


def test_words_that_nothing_has(service: SearchService) -> None:
    results = service.search(SearchQuery(words="xyzzyplugh"))

    assert (results.hits, results.total) == ((), 0)


# -- Filters


@pytest.mark.parametrize(
    ("filters", "check"),
    [
        (Filters(licences=("CC0",)), lambda h: "CC0" in [one.name for one in h.licences]),
        (Filters(uses=("no-credit",)), lambda h: "CC0" in [one.name for one in h.licences]),
        (Filters(uses=("drm", "sell")), lambda h: h.slug not in ("playing-cards", "textures", "unknown-licence")),
        (Filters(authors=('Evil & "Sons" <b>',)), lambda h: h.slug == "enemies"),
        (Filters(tags=("texture", "pixel art")), lambda h: h.slug == "textures"),
        (Filters(size="icon"), lambda h: h.width * h.height <= 1024),
        (Filters(min_width=100, max_width=130), lambda h: 100 <= h.width <= 130),
        (Filters(alpha=True), lambda h: h.has_alpha),
        (Filters(alpha=False), lambda h: not h.has_alpha),
        (Filters(pixel_art=True), lambda h: h.pixel_art),
        (Filters(entry="planets-set-n°1"), lambda h: h.slug == "planets-set-n°1"),
        (Filters(colours=("blue",)), lambda h: True),
    ],
)
@pytest.mark.parametrize("kind", ["browse", "words", "picture"])
def test_filters_hold_for_every_kind_of_query(service: SearchService, filters: Filters, check, kind: str) -> None:  # type: ignore[no-untyped-def]
    query = SearchQuery(filters=filters, limit=100, fold=False)
    if kind == "words":
        query = replace(query, words="png")
    if kind == "picture":
        query = replace(query, positive=(image_id("robot-animated", 5),))

    results = service.search(query)

    assert results.hits
    assert all(check(hit) for hit in results.hits)


def test_authors_and_tags_are_found_however_they_are_capitalised(service: SearchService) -> None:
    exact = service.search(SearchQuery(filters=Filters(authors=("Kenney",), tags=("robot",))))
    typed = service.search(SearchQuery(filters=Filters(authors=("kenney",), tags=("Robot",))))
    cyrillic = service.search(SearchQuery(filters=Filters(authors=("дмитрий",))))

    assert ids(typed) == ids(exact)
    assert cyrillic.total


def test_an_unknown_licence_passes_no_filter_by_use(service: SearchService) -> None:
    results = service.search(SearchQuery(filters=Filters(uses=("sell",)), limit=100, fold=False))

    assert "unknown-licence" not in {hit.slug for hit in results.hits}


def test_hidden_counts_say_what_each_filter_hides(service: SearchService) -> None:
    """15 robots and aliens; of them 7 are aliens (CC0 only), the others offer CC-BY 3.0 too."""
    both = service.search(SearchQuery(words="character", limit=100, fold=False))
    filtered = service.search(
        SearchQuery(words="character", filters=Filters(licences=("CC-BY 3.0",), alpha=False), limit=100, fold=False)
    )

    robots = sum(hit.slug == "robot-animated" for hit in both.hits)
    assert (filtered.total, filtered.looked_at) == (0, both.total)
    # Lifting the licence shows nothing more, since no alien is filled; lifting the ground shows all robots.
    assert {one.name: one.count for one in filtered.hidden} == {"licences": 0, "alpha": robots}


def test_filters_that_hide_everything_together_say_what_each_hides(service: SearchService) -> None:
    results = service.search(SearchQuery(filters=Filters(licences=("GPL 2.0",), authors=("Kenney",), tags=("enemy",))))

    assert results.hits == ()
    # Without the author there are the enemies; without one of the others still nothing.
    assert {one.name: one.count > 0 for one in results.hidden} == {"licences": False, "authors": True, "tags": False}


def test_hidden_counts_of_a_picture_regard_its_nearest(service: SearchService) -> None:
    results = service.search(
        SearchQuery(positive=(image_id("robot-animated", 0),), filters=Filters(authors=("Celeron55",)))
    )

    assert results.looked_at == 100
    assert [one.name for one in results.hidden] == ["authors"]
    assert results.hidden[0].count > 50


def test_the_very_picture_is_hidden_by_a_filter_like_any_other(service: SearchService) -> None:
    results = service.search(SearchQuery(picture=seen(rgba("playing-cards", 0)), filters=Filters(licences=("CC0",))))

    assert results.verdict is not None
    assert results.verdict.relation is not Relation.SAME
    assert results.verdict.text == "An exact copy is here, but your words or filters hide it."
    assert image_id("playing-cards", 0) not in ids(results)


# -- Pages


def test_pages_are_full_and_do_not_repeat(service: SearchService) -> None:
    query = SearchQuery(positive=(image_id("robot-animated", 0),), limit=12)

    pages = [service.search(replace(query, offset=offset)) for offset in (0, 12, 24)]

    assert [len(page.hits) for page in pages] == [12, 12, 12]
    shown = [hit.image_id for page in pages for hit in everything(page)]
    assert len(shown) == len(set(shown))
    scores = [hit.score or 0 for page in pages for hit in page.hits]
    assert scores == sorted(scores, reverse=True)


def test_all_pages_together_show_every_picture_once(service: SearchService) -> None:
    shown: list[str] = []
    offset, more = 0, True
    while more:
        page = service.search(SearchQuery(filters=Filters(art_types=("2D Art",)), offset=offset, limit=20))
        shown += [hit.pixel_sha256 for hit in everything(page)]
        offset, more = offset + 20, page.more

    assert len(shown) == len(set(shown))
    assert len(shown) == service.info().images - 3  # three stand in two entries


def test_grouping_shows_one_hit_of_each_entry(service: SearchService) -> None:
    results = service.search(SearchQuery(positive=(image_id("robot-animated", 0),), group=True))

    slugs = [hit.slug for hit in results.hits]
    assert len(slugs) == len(set(slugs))
    assert len(slugs) >= 8


# -- Takedown and publication


@pytest.mark.parametrize(
    ("decision", "gone"),
    [
        ({"what": "entry", "value": "tanks"}, lambda h: h.slug == "tanks"),
        ({"what": "author", "value": "Kenney"}, lambda h: h.author == "Kenney"),
        ({"what": "pixels", "value": ""}, lambda h: h.image_id == image_id("tanks", 0)),
    ],
)
def test_what_is_blocked_is_gone_at_once_and_comes_back_when_lifted(  # type: ignore[no-untyped-def]
    tmp_path: Path, decision, gone
) -> None:
    settings = Settings(data=tmp_path)
    publish(settings, SOME)
    number = image_id("tanks", 0)
    with SearchService(settings, GridImageReader()) as service:
        hit = service.hit(number)
        assert hit is not None
        what, value = decision["what"], decision["value"] or hit.pixel_sha256
        decide(decisions_of(tmp_path), what, value, "asked for by the author")

        assert service.hit(number) is None
        assert service.original(number) is None
        for query in (
            SearchQuery(words="tank OR png", limit=100, fold=False),
            SearchQuery(positive=(image_id("textures", 0),), limit=100, fold=False),
            SearchQuery(filters=Filters(art_types=("2D Art",)), limit=100, fold=False),
            SearchQuery(picture=seen(rgba("tanks", 0)), limit=100, fold=False),
        ):
            assert not [one for one in everything(service.search(query)) if gone(one)]
        named = service.search(SearchQuery(words="png", limit=100, fold=False))
        assert named.total == len(everything(named))
        near = service.search(SearchQuery(filters=Filters(entry=hit.slug[:-1]))).unknown[0].nearest
        assert (hit.slug in near) == (decision["what"] == "pixels")

        decide(decisions_of(tmp_path), what, value, "settled", lift=True)
        assert service.hit(number) is not None


@pytest.mark.slow
def test_the_service_follows_a_new_generation_mid_traffic(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    publish(settings, ENTRIES[:4])
    failures: list[BaseException] = []
    answered: set[int] = set()
    stop = threading.Event()

    with SearchService(settings, GridImageReader()) as service:

        def ask() -> None:
            while not stop.is_set():
                try:
                    results = service.search(SearchQuery(positive=(image_id("robot-animated", 0),)))
                    assert results.hits
                    answered.add(results.info.generation)
                    time.sleep(0.01)
                except BaseException as error:  # noqa: BLE001 - the test is about there being none
                    failures.append(error)

        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        number = publish(settings, ENTRIES)
        deadline = time.monotonic() + 60
        while number not in answered and time.monotonic() < deadline:
            time.sleep(0.05)
        stop.set()
        for thread in threads:
            thread.join()

        assert failures == []
        assert answered == {1, number}
        assert service.search(SearchQuery(words="texture")).hits


def test_before_the_first_publication_the_service_waits_for_it(tmp_path: Path) -> None:
    from ogaart.search.errors import NothingPublished

    settings = Settings(data=tmp_path)
    with SearchService(settings, GridImageReader()) as service:
        with pytest.raises(NothingPublished, match="ogaart publish"):
            service.search(SearchQuery(words="tank"))
        publish(settings, ENTRIES[:1])
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                assert service.search(SearchQuery(words="alien")).hits
                break
            except NothingPublished:
                time.sleep(0.1)
        else:
            pytest.fail("the first publication was not noticed within 30 s")


# -- One of each entry, other orders, and what a search that finds nothing says


def test_one_picture_of_each_entry_says_how_many_more_there_are(service: SearchService) -> None:
    for query in (SearchQuery(words="png"), SearchQuery(), SearchQuery(positive=(image_id("robot-animated", 0),))):
        if query == SearchQuery():
            query = replace(query, filters=Filters(art_types=("2D Art",)))
        grouped = service.search(replace(query, group=True, limit=100))

        slugs = [hit.slug for hit in grouped.hits]
        assert len(slugs) == len(set(slugs))
        for hit in grouped.hits:
            inside = service.search(
                replace(query, filters=query.filters.with_changes(entry=hit.slug), fold=False, limit=100)
            )
            assert hit.entry_more == len(inside.hits) - 1, hit.slug


def test_look_alikes_are_of_other_entries(service: SearchService) -> None:
    hit = service.hit(image_id("tanks", 0))
    assert hit is not None

    found = service.look_alikes(hit, 5).hits

    assert len({one.slug for one in found} - {"tanks"}) == 5


@pytest.mark.parametrize(
    ("sort", "key"),
    [
        (Sort.NEWEST, lambda hit: hit.posted_at),
        (Sort.LARGEST, lambda hit: hit.width * hit.height),
        (Sort.SMALLEST, lambda hit: -hit.width * hit.height),
        (Sort.FAVOURITES, lambda hit: hit.columns["favourites"]),
    ],
)
@pytest.mark.parametrize("words", ["png", ""])
def test_words_and_filters_can_be_sorted(service: SearchService, sort: Sort, key, words: str) -> None:  # type: ignore[no-untyped-def]
    results = service.search(SearchQuery(words=words, filters=Filters(alpha=True), sort=sort, fold=False, limit=100))

    keys = [key(hit) for hit in results.hits]
    assert len(keys) > 20
    assert keys == sorted(keys, reverse=True)


def test_pictures_of_one_entry_come_in_the_order_of_their_names(service: SearchService) -> None:
    results = service.search(SearchQuery(filters=Filters(entry="robot-animated"), fold=False, limit=100))

    names = [hit.member_path for hit in results.hits]
    assert names == sorted(names)


def test_the_total_is_what_is_listed_separately(service: SearchService) -> None:
    for query in (SearchQuery(words="enemy"), SearchQuery(filters=Filters(licences=("CC-BY 4.0", "GPL 2.0")))):
        results = service.search(replace(query, fold=False, limit=100))

        assert results.total == len(results.hits)


def test_a_search_that_finds_nothing_names_words_and_tags(service: SearchService) -> None:
    results = service.search(SearchQuery(words="helicoptar xyzzyplugh", filters=Filters(authors=("Nobody",))))
    typo = service.search(SearchQuery(words="robto"))

    assert results.hits == ()
    assert [tag for tag, _ in results.popular_tags][:2] == ["space", "pixel art"]
    assert typo.did_you_mean == "robot"
    assert {hit.slug for hit in typo.hits} == {"robot-animated"}


def test_names_that_nothing_has_are_named_with_the_nearest(service: SearchService) -> None:
    results = service.search(SearchQuery(filters=Filters(authors=("Kenny",), tags=("robots",), entry="planets-set-n1")))

    assert results.hits == ()
    assert {(one.field, one.value, one.nearest[:1]) for one in results.unknown} == {
        ("authors", "Kenny", ("Kenney",)),
        ("tags", "robots", ("robot",)),
        ("entry", "planets-set-n1", ("planets-set-n°1",)),
    }


def test_facets_count_what_each_value_would_leave(service: SearchService) -> None:
    query = SearchQuery(words="png", filters=Filters(licences=("CC0",), alpha=True))

    facets = service.facets(query)

    checked = 0
    for field, counts in (("licences", facets.licences), ("tags", facets.tags), ("authors", facets.authors)):
        for name, count in counts:
            values = (*query.filters[field], name) if field == "tags" else (name,)
            left = service.search(replace(query, filters=query.filters.with_changes(**{field: values})))
            assert (name, left.total) == (name, count)
            checked += 1
    for field, counted in facets.choices.items():
        for value, count in counted.items():
            chosen = BY_FIELD[field].kind.read(field, [value])
            left = service.search(replace(query, filters=query.filters.with_changes(**{field: chosen})))
            assert (field, value, left.total) == (field, value, count)
            checked += 1
    assert checked > 40
    assert dict(facets.licences)["GPL 2.0"] > 0  # other licences than the chosen one are counted too


def test_suggestions_complete_what_is_typed(service: SearchService) -> None:
    words = service.suggestions("alien rob", 8)
    robots = service.suggestions("Rob", 8)
    authors = service.suggestions("kenn", 8)

    assert not [one for one in words if one.kind == "word"]  # no picture has both
    assert ("word", "robot", 12) in [(one.kind, one.text, one.count) for one in robots]
    assert ("entry", "robot-animated") in [(one.kind, one.value) for one in robots]
    assert ("author", "Kenney") in [(one.kind, one.text) for one in authors]
    assert all(service.hit(one.image_id) is not None for one in (*robots, *authors))


def test_words_that_tell_nothing_are_not_suggested(service: SearchService) -> None:
    with service.store() as (store, _):
        assert "the" in store.words.vocabulary  # of “Gallery of the unknown”

    assert [one for one in service.suggestions("th", 8) if one.kind == "word"] == []


def test_a_publication_of_before_has_its_words_indexed_when_it_is_opened(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    publish(settings, SOME)
    [store] = tmp_path.rglob("words.sqlite")
    with SearchService(settings, GridImageReader()) as service:
        new = service.search(SearchQuery(words="aliens blue", limit=100))
    with sqlite3.connect(store) as connection:
        for table in ("terms", "vocabulary", "image_columns", "positions", "word_index"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("CREATE VIRTUAL TABLE words USING fts5(title, tags, author, description, names, content='')")

    with SearchService(settings, GridImageReader()) as service:
        old = service.search(SearchQuery(words="aliens blue", limit=100))
        facets = service.facets(SearchQuery(words="aliens blue"))

    assert ids(old) == ids(new) != []
    assert facets.licences[0][0] == "CC0"
