"""Every kind of query that docs/search.md lists is sent as it is written there."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from fastapi.testclient import TestClient

from ogaart.search.engine.remote_images import RemoteImageFetcher
from ogaart.search.engine.service import SearchService
from ogaart.search.search_url import PARAMETERS, read_search_url
from ogaart.search.web.app import create_app
from ogaart.settings import Settings
from ogaart_tests.search.tiny_generation import ENTRIES, GridImageReader, image_id, pictures

PAGE = Path(__file__).parents[3] / "docs" / "search.md"
ROWS = re.findall(r"^\| (.+?) \| .+? \| `(/.+?)` \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
OTHER = pictures(next(entry for entry in ENTRIES if entry.slug == "tanks"))[0].read_bytes()
PICTURE = pictures(next(entry for entry in ENTRIES if entry.slug == "robot-animated"))[0].read_bytes()


class FromHere(RemoteImageFetcher):
    """Fetches what the tests' own server would return: no server runs here."""

    def fetch(self, url: str, client: str = "") -> bytes:
        return PICTURE


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[TestClient]:
    unlimited = settings.model_copy(update={"searches_per_minute": 0, "uploads_per_minute": 0})
    with (
        SearchService(unlimited, GridImageReader(), FromHere(1 << 20, "test")) as service,
        TestClient(create_app(unlimited, service), base_url="http://localhost") as client,
    ):
        yield client


@pytest.mark.parametrize(("kind", "url"), ROWS, ids=[kind for kind, _ in ROWS])
def test_a_documented_query_answers(client: TestClient, kind: str, url: str) -> None:
    sent = client.post("/api/v1/search", files={"picture": PICTURE}).json()["upload"]
    other = client.post("/api/v1/search", files={"picture": OTHER}).json()["upload"]
    filled = url.format(
        base="https://example.org",
        upload=sent,
        other_upload=other,
        image_id=image_id("robot-animated", 0),
        other_id=image_id("alien-platformer", 1),
        third_id=image_id("tanks", 0),
    )

    page = client.get(filled)

    assert page.status_code == 200
    assert "No picture found" not in page.text
    if filled.startswith("/search"):
        assert client.get(f"/api/v1{filled}").json()["hits"]


def test_every_parameter_is_in_the_table() -> None:
    shown = " ".join(url for _, url in ROWS)
    named = {name for _, url in ROWS for name, _ in parse_qsl(urlsplit(url).query)}

    missing = {p.name for p in PARAMETERS} - named - {"pixel_art", "min_width", "min_height", "max_height", "limit"}
    assert missing == set(), shown


def test_the_table_holds_nothing_that_the_address_does_not_know() -> None:
    known = {p.name for p in PARAMETERS}
    for _, url in ROWS:
        if url.startswith("/search"):
            filled = url.format(
                base="https://example.org",
                upload="u" * 22,
                other_upload="v" * 22,
                image_id="1",
                other_id="2",
                third_id="3",
            )
            given = parse_qsl(urlsplit(filled).query)
            assert {name for name, _ in given} <= known
            read_search_url(given)
