"""Every picture can be seen: the ground behind it is chosen by its luminance."""

from dataclasses import replace

import pytest

from ogaart.search.display.grounds import DARK, GREY, LIGHT, ground, lightness, visibility
from ogaart.search.engine.service import SearchService
from ogaart.search.results import Hit
from ogaart_tests.search.tiny_generation import ENTRIES, image_id


@pytest.fixture(scope="module")
def some(service: SearchService) -> Hit:
    hit = service.hit(image_id("robot-animated", 0))
    assert hit is not None
    return hit


@pytest.mark.parametrize(
    ("palette", "shares", "chosen"),
    [
        (("#ffffff",), (1.0,), " on-dark"),
        (("#000000",), (1.0,), " on-light"),
        (("#3060c0",), (1.0,), ""),
        (("#ffffff", "#000000"), (0.5, 0.5), ""),
        (("#0a0a0a", "#808080"), (0.9, 0.1), " on-light"),
        ((), (), ""),
    ],
)
def test_the_ground_is_what_the_colours_need(
    some: Hit, palette: tuple[str, ...], shares: tuple[float, ...], chosen: str
) -> None:
    assert ground(replace(some, has_alpha=True, palette=palette, palette_shares=shares)) == chosen


def test_an_opaque_picture_needs_no_ground(some: Hit) -> None:
    assert ground(replace(some, has_alpha=False, palette=("#ffffff",), palette_shares=(1.0,))) == ""


def test_lightness_is_that_of_the_eye() -> None:
    assert [round(lightness(colour)) for colour in ("#000000", "#777777", "#ffffff")] == [0, 50, 100]


def test_no_picture_of_the_publication_is_invisible(service: SearchService) -> None:
    with service.store() as (store, _):
        ids = store.ids_of_entries([entry.slug for entry in ENTRIES])

    def seen(hit: Hit) -> float:
        lights = tuple(map(lightness, hit.palette))
        light, dark, grey = (visibility(lights, hit.palette_shares, g) for g in (LIGHT, DARK, GREY))
        return {"": min(light, dark), " on-light": light, " on-dark": dark, " on-grey": grey}[ground(hit)]

    assert min(seen(hit) for hit in service.hits(ids) if hit.has_alpha) >= 0.4
