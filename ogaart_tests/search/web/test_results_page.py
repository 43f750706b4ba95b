"""What the results page shows around its pictures: nothing that has no use there, and always a way on."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

import ogaart.search.web
from ogaart.search.engine.service import SearchService
from ogaart.search.web.app import create_app
from ogaart_tests.search.tiny_generation import ENTRIES, image_id, pictures, png

STATIC = Path(ogaart.search.web.__file__).parent / "static"
ROBOT = image_id("robot-animated", 0)
ROBOTS = pictures(next(entry for entry in ENTRIES if entry.slug == "robot-animated"))


@pytest.fixture(scope="module")
def client(service: SearchService) -> Iterator[TestClient]:
    unlimited = service.settings.model_copy(update={"searches_per_minute": 0, "uploads_per_minute": 0})
    with TestClient(create_app(unlimited, service), base_url="http://localhost") as client:
        yield client


def cards(page: str) -> list[str]:
    return re.findall(r'data-card="(\d+)"', page)


def heading(page: str) -> str:
    found = re.search(r"<h1[^>]*>(.*?)</h1>", page)
    assert found is not None
    return found[1]


def test_a_page_number_is_shown_where_there_are_several_pages(client: TestClient) -> None:
    one, first = client.get("/search?q=robot").text, client.get("/search?type=2D+Art&fold=no").text
    last = client.get("/search?type=2D+Art&fold=no&page=2").text

    assert "Page 1" not in one
    assert "data-pager" not in one
    assert "Page 1" in first
    assert "data-more" in first
    assert 'rel="prev"' in last


def test_where_all_are_of_one_entry_its_pictures_are_shown_and_not_one_card(client: TestClient) -> None:
    alone, several = client.get("/search?q=robot").text, client.get("/search?q=kenney").text
    explicit = client.get("/search?q=robot&group=yes").text
    narrowed = client.get(f"/search?like={ROBOT}&author=Evil+%26+%22Sons%22+%3Cb%3E").text

    assert len(cards(alone)) > 5
    assert len(cards(explicit)) == 1
    assert len(cards(narrowed)) > 1
    assert "of this entry" in several
    # The choice stays as it was for what is searched next.
    assert re.search(r'name="group" value=""[^>]* checked|name="group" value="yes"[^>]* checked', alone) or (
        'name="group" value="no" checked' not in alone
    )


def test_nothing_found_leads_on_and_shows_no_controls_for_pictures(client: TestClient) -> None:
    words, filters = client.get("/search?q=xyzzyplugh").text, client.get("/search?q=robot&licence=GPL").text
    beyond = client.get("/search?q=robot&page=9").text

    for page in (words, filters, beyond):
        assert "data-look" not in page
    assert heading(words) == "No pictures for “xyzzyplugh”"
    assert 'class="drop-box" for="picture"' in words
    assert "Popular tags" in words
    assert "<h2>Favourites</h2>" in words
    assert "Popular tags" not in filters  # the filters are the cause, and are said above


def test_the_heading_is_of_the_words_that_were_searched_for(client: TestClient) -> None:
    assert heading(client.get("/search?q=robto").text).endswith("for “robot”")
    assert heading(client.get("/search?q=robot").text).endswith("for “robot”")


def test_the_card_of_a_copy_shows_both_pictures_once(client: TestClient) -> None:
    sent = client.post("/search", files={"picture": ROBOTS[0].read_bytes()}, follow_redirects=False)
    alone = client.get(sent.headers["location"]).text
    with_another = client.get(f"{sent.headers['location']}&like={image_id('tanks', 0)}").text

    assert "<figcaption>Yours</figcaption>" in alone
    assert "query-pictures" not in alone
    assert "query-pictures" in with_another
    assert alone.count("The picture you search with") == 1


def test_a_near_copy_says_what_was_changed_in_one_place(client: TestClient) -> None:
    robot = np.asarray(Image.open(ROBOTS[0]).convert("RGBA"))
    page = client.post("/search", files={"picture": png(robot[:, ::-1].repeat(2, 0).repeat(2, 1))}).text

    assert heading(page) == "A near copy of this picture is in “Robot, animated” by Kenney."
    assert "<li>mirrored</li>" in page
    assert 'class="over mirrored"' in page  # mirrored back, so that the slider compares the same places


@pytest.mark.parametrize("colour", [(200, 30, 40, 255), (255, 0, 255, 255)])
def test_one_colour_is_not_called_similar(client: TestClient, colour: tuple[int, int, int, int]) -> None:
    flat = png(np.full((64, 64, 4), colour, np.uint8))

    found = client.post("/api/v1/search", files={"picture": flat}).json()

    assert found["verdict"]["relation"] in ("unlike", "same")


def test_a_page_of_one_picture_begins_a_new_search(client: TestClient) -> None:
    page = client.get(f"/image/{ROBOT}").text
    form = page[page.index('id="search"') :].partition("</form>")[0]

    assert 'name="like"' not in form
    assert "Narrow with words" not in form


def test_every_page_has_the_search_bar_once(client: TestClient) -> None:
    for path in ("/", "/about", "/credits", "/api/docs", "/nothing", f"/report?image={ROBOT}", f"/image/{ROBOT}"):
        assert client.get(path).text.count('id="search"') == 1, path


def test_sheets_of_some_pages_name_classes_of_their_own() -> None:
    """A class that the common sheet styles as well would look otherwise than either sheet says."""

    def classes(name: str) -> set[str]:
        rules = re.sub(r"/\*.*?\*/", "", (STATIC / name).read_text(), flags=re.DOTALL)
        selectors = re.findall(r"[^{}]+(?=\{)", rules)
        return {found[1] for one in selectors for part in one.split(",") if (found := re.match(r"\s*\.([\w-]+)", part))}

    for name in ("viewer.css", "parts.css"):
        assert not classes(name) & classes("ogaart.css"), name


@pytest.mark.parametrize(
    "path", ["/entry/robot-animated", "/author/Kenney", "/tag/a%2Fb", "/%C3%BCber", "/a%5Cb", "/a%25b"]
)
def test_a_final_slash_leads_to_the_same_path_without_it(client: TestClient, path: str) -> None:
    answer = client.get(f"{path}/?page=1", follow_redirects=False)

    assert answer.status_code == 307
    assert answer.headers["location"] in (f"{path}?page=1", f"{path.replace('%2F', '/')}?page=1")
