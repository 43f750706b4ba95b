"""The verdict and what each hit is called agree, whatever picture is sent: one rule decides both."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ogaart.imaging.limits import Limits
from ogaart.imaging.pictures import decode
from ogaart.likeness.fusion import USUAL, Weights
from ogaart.likeness.noise import is_noise
from ogaart.search.engine import verdict
from ogaart.search.engine.service import SearchService
from ogaart.search.filters import Filters
from ogaart.search.query import QueryPicture, SearchQuery
from ogaart.search.results import Hit, Relation, Results, Verdict
from ogaart_tests.search.tiny_generation import ENTRIES, SPACE, GridImageReader, pictures, png

Picture = NDArray[np.uint8]
# The strongest first.
STRENGTH = (Relation.SAME, Relation.NEAR, Relation.PART, Relation.CONTAINED, Relation.SIMILAR, Relation.UNLIKE)


def rgba(slug: str, index: int) -> Picture:
    return decode(pictures(next(entry for entry in ENTRIES if entry.slug == slug))[index], Limits()).rgba


def seen(pixels: Picture) -> QueryPicture:
    picture = GridImageReader().read_image(png(pixels), None, SPACE)
    return replace(picture, noise=is_noise(pixels))


def plain(*colour: int, side: int = 64) -> Picture:
    return np.full((side, side, 4), colour, np.uint8)


def drawn(colour: tuple[int, int, int, int], side: int = 64) -> Picture:
    image = Image.new("RGBA", (side, side))
    ImageDraw.Draw(image).ellipse((side * 0.1, side * 0.2, side * 0.85, side * 0.8), fill=colour)
    return np.asarray(image)


def noise(side: int = 200, *, opaque: bool = True) -> Picture:
    found = np.random.default_rng(side).integers(0, 256, (side, side, 4), dtype=np.uint8)
    if opaque:
        found[..., 3] = 255
    return found


def specks(side: int = 128) -> Picture:
    found = plain(0, 0, 0, 255, side=side)
    found[5, 9] = found[70, 40] = (255, 255, 255, 255)
    return found


def tiny(side: int) -> Picture:
    return np.asarray(Image.fromarray(rgba("tanks", 3)).resize((side, side)))


def translucent(pixels: Picture, share: float) -> Picture:
    changed = pixels.copy()
    changed[..., 3] = changed[..., 3] * share
    return changed


SHOWS_NOTHING: dict[str, Callable[[], Picture]] = {
    "white": lambda: plain(255, 255, 255, 255),
    "translucent red": lambda: plain(255, 0, 0, 128),
    "hardly visible": lambda: plain(255, 0, 0, 3),
    "one pixel": lambda: plain(9, 200, 40, 255, side=1),
    "a hardly visible shape": lambda: drawn((60, 90, 200, 5)),
    "white on white": lambda: np.asarray(
        Image.alpha_composite(Image.new("RGBA", (64, 64), "white"), Image.fromarray(drawn((255, 255, 255, 90))))
    ),
    "specks on black": specks,
    "noise": noise,
    "noise in its transparency too": lambda: noise(opaque=False),
}
SHOWS_SOMETHING: dict[str, Callable[[], Picture]] = {
    "a shape": lambda: drawn((60, 90, 200, 255)),
    "a translucent shape": lambda: drawn((60, 90, 200, 120)),
    "a sprite": lambda: rgba("enemies", 4),
    "a translucent sprite": lambda: translucent(rgba("enemies", 4), 0.5),
    "its shadow": lambda: translucent(rgba("enemies", 4) * np.array([0, 0, 0, 1], np.uint8), 0.3),
    "x2": lambda: rgba("enemies", 4).repeat(2, 0).repeat(2, 1),
    "mirrored": lambda: np.ascontiguousarray(rgba("robot-animated", 0)[:, ::-1]),
    "middle": lambda: rgba("playing-cards", 8)[40:140, 30:100],
    "in other colours": lambda: rgba("tanks", 2)[..., [2, 0, 1, 3]],
    **{f"{side} x {side}": partial(tiny, side) for side in (2, 4, 8)},
}
EVERY = {**SHOWS_NOTHING, **SHOWS_SOMETHING}
WEIGHTS = {"usual": USUAL, "other colours": Weights(1, 1, 0), "shape": Weights(0, 1, 0)}


def agree(results: Results) -> None:
    """The verdict is the first hit's relation, or a stronger one that another hit has."""
    assert results.verdict is not None
    if not results.hits:
        assert results.verdict.relation is Relation.UNLIKE
        return
    first, said = results.hits[0].relation, results.verdict.relation
    assert first is not None
    if said is not first:
        assert STRENGTH.index(said) < STRENGTH.index(first)
        assert said in {hit.relation for hit in results.hits}


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("name", EVERY)
def test_the_verdict_and_the_first_hit_agree(service: SearchService, name: str, weights: str) -> None:
    query = SearchQuery(picture=seen(EVERY[name]()), weights=WEIGHTS[weights])

    for results in (
        service.search(query),
        service.search(replace(query, group=True)),
        service.search(replace(query, fold=False, limit=1)),
        service.search(replace(query, filters=Filters(licences=("CC0",)))),
    ):
        agree(results)


@pytest.mark.parametrize("name", SHOWS_NOTHING)
def test_nothing_is_similar_to_what_shows_nothing(service: SearchService, name: str) -> None:
    results = service.search(SearchQuery(picture=seen(SHOWS_NOTHING[name]()), limit=100, fold=False))

    assert results.hits
    assert {hit.relation for hit in results.hits} == {Relation.UNLIKE}
    assert results.verdict is not None
    assert results.verdict.relation is Relation.UNLIKE


@pytest.mark.parametrize("name", ["white", "noise"])
def test_what_shows_nothing_is_found_by_its_pixels(service: SearchService, name: str) -> None:
    known = replace(seen(SHOWS_NOTHING[name]()), pixel_sha256=seen(rgba("tanks", 2)).pixel_sha256)

    results = service.search(SearchQuery(picture=known))

    assert [hit.relation for hit in results.hits[:2]] == [Relation.SAME, Relation.UNLIKE]
    agree(results)


def test_a_small_subject_on_a_large_ground_shows_something() -> None:
    canvas = Image.new("RGBA", (900, 900), "white")
    canvas.alpha_composite(Image.fromarray(rgba("tanks", 0)), (40, 700))
    picture = seen(np.asarray(canvas))

    assert picture.subject is not None
    assert not verdict.shows_nothing(picture)
    assert verdict.notes_on(picture) == ()


def hit(service: SearchService, relation: Relation) -> Hit:
    [first] = service.search(SearchQuery(words="tank", limit=1)).hits
    return replace(first, relation=relation)


def test_a_near_copy_is_named_where_the_exact_one_is_hidden(service: SearchService) -> None:
    near = hit(service, Relation.NEAR)

    found = verdict.verdict([near], seen(rgba("tanks", 0)), hidden=True)

    assert found.relation is Relation.NEAR
    assert found.text.startswith("An exact copy is here, but your words or filters hide it. A near copy")


def test_what_is_like_a_part_is_similar_though_something_unlike_comes_first(service: SearchService) -> None:
    unlike, picture = [hit(service, Relation.UNLIKE)], seen(rgba("tanks", 0))
    proved = Verdict(Relation.PART, "This picture is a part of something.")

    assert verdict.verdict(unlike, picture).relation is Relation.UNLIKE
    assert verdict.verdict(unlike, picture, like_a_part=True).relation is Relation.SIMILAR
    assert verdict.verdict(unlike, picture, proved, like_a_part=True) == proved
