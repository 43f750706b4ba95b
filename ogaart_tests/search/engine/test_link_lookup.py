"""Links to the site find what they mean, however they were encoded on the way."""

from urllib.parse import quote

import pytest

from ogaart.search.engine.link_lookup import find
from ogaart.search.engine.service import SearchService
from ogaart.search.picture_parameters import is_link
from ogaart.sites.opengameart.site import OpenGameArt
from ogaart_tests.search.tiny_generation import SITE, image_id

NAME = "100% planet #1 + ring.png"
FILES = f"{SITE}/sites/default/files/"


def once(text: str) -> str:
    return quote(text, safe="")


@pytest.mark.parametrize(
    "url",
    [
        f"{SITE}/content/{once('planets-set-n°1')}",
        f"{SITE}/content/{once(once('planets-set-n°1'))}",
        f"{SITE}/content/planets-set-n°1",
        f"http://www.opengameart.org/content/{once('planets-set-n°1')}/",
        f"{SITE}/content/{once('planets-set-n°1')}?page=1#comment-5",
    ],
)
def test_a_link_to_an_entry(service: SearchService, url: str) -> None:
    with service.store() as (store, _):
        found = find(store, OpenGameArt(SITE), url)

    assert found is not None
    assert found.entry == "planets-set-n°1"


@pytest.mark.parametrize(
    "name", [NAME, once(NAME), once(once(NAME)), NAME.replace(" ", "%20"), "100%25%20planet%20%231%20+%20ring.png"]
)
def test_a_link_to_a_file(service: SearchService, name: str) -> None:
    with service.store() as (store, _):
        found = find(store, OpenGameArt(SITE), FILES + name)

    assert found is not None
    assert found.images == (image_id("planets-set-n°1", 0),)


@pytest.mark.parametrize("name", ["惑星 地球.png", once("惑星 地球.png"), once(once("惑星 地球.png"))])
def test_a_link_to_a_file_with_another_script(service: SearchService, name: str) -> None:
    with service.store() as (store, _):
        found = find(store, OpenGameArt(SITE), FILES + name)

    assert found is not None
    assert found.images == (image_id("planets-set-n°1", 1),)


def test_a_link_to_an_archive_finds_all_its_pictures(service: SearchService) -> None:
    with service.store() as (store, _):
        found = find(store, OpenGameArt(SITE), f"{FILES}alien%20blue.zip")

    assert found is not None
    assert len(found.images) == 7


@pytest.mark.parametrize("url", ["https://example.org/content/tanks", f"{SITE}/content/nothing", f"{SITE}/", "tanks"])
def test_what_the_catalog_lacks_is_nothing(service: SearchService, url: str) -> None:
    with service.store() as (store, _):
        assert find(store, OpenGameArt(SITE), url) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://opengameart.org/content/tanks", True),
        (" http://a.b/c d.png ", True),
        ("tank", False),
        ("http://", False),
    ],
)
def test_links_among_words(text: str, expected: bool) -> None:
    assert is_link(text) is expected
