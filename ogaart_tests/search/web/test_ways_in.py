"""Ways into the search: search fields, an installed page, feeds, links that say what they lead to."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from ogaart.search.engine.service import SearchService
from ogaart.search.web.app import create_app
from ogaart_tests.search.tiny_generation import ENTRIES, image_id, pictures

ATOM = "{http://www.w3.org/2005/Atom}"
ENEMY = image_id("enemies", 4)


@pytest.fixture(scope="module")
def client(service: SearchService) -> Iterator[TestClient]:
    unlimited = service.settings.model_copy(update={"searches_per_minute": 0, "uploads_per_minute": 0})
    with TestClient(create_app(unlimited, service), base_url="http://localhost", follow_redirects=False) as client:
        yield client


def test_a_browser_adds_the_search_to_its_own(client: TestClient) -> None:
    home = client.get("/").text
    described = ET.fromstring(client.get("/opensearch.xml").content)

    url = described.find("{http://a9.com/-/spec/opensearch/1.1/}Url")
    assert 'rel="search" type="application/opensearchdescription+xml"' in home
    assert url is not None
    assert url.attrib["template"] == "http://localhost/search?q={searchTerms}"


def test_an_installed_page_takes_what_is_shared_with_it(client: TestClient) -> None:
    manifest = client.get("/manifest.webmanifest").json()
    shared = client.post("/search", files={"picture": ("a.png", pictures(ENTRIES[1])[0].read_bytes())}, data={"q": ""})

    assert manifest["share_target"]["params"]["files"] == [{"name": "picture", "accept": ["image/*"]}]
    assert [client.get(icon["src"]).headers["content-type"] for icon in manifest["icons"]] == ["image/png"] * 2
    assert shared.status_code == 303


def test_a_search_is_a_feed(client: TestClient) -> None:
    page = client.get("/search?tag=enemy&fold=no&group=no").text
    link = re.search(r'href="(/feed\.atom[^"]*)"', page)
    assert link is not None
    feed = ET.fromstring(client.get(link[1].replace("&amp;", "&")).content)

    entries = feed.findall(f"{ATOM}entry")
    assert len(entries) >= 2
    dates = [
        entry.findtext(f"{ATOM}updated") or ""
        for entry in ET.fromstring(client.get("/feed.atom?q=png").content).iter(f"{ATOM}entry")
    ]
    assert dates == sorted(dates, reverse=True)
    assert "GPL 2.0" in {entry.findtext(f"{ATOM}rights") for entry in entries}
    assert "Enemies <script>alert(1)</script>" in {entry.findtext(f"{ATOM}title") for entry in entries}
    assert client.get("/feed.atom").status_code == 400
    assert client.get("/feed.atom?upload=AAAAAAAAAAAAAAAAAAAAAA").status_code == 400


def test_a_picture_says_what_it_is_to_machines(client: TestClient) -> None:
    page = client.get(f"/image/{ENEMY}").text
    found = re.search(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    stated = json.loads(found[1])

    assert (stated["@type"], stated["name"]) == ("ImageObject", "Enemies <script>alert(1)</script>")
    assert stated["acquireLicensePage"] == "https://opengameart.org/content/enemies"
    assert stated["creator"] == [{"@type": "Person", "name": 'Evil & "Sons" <b>'}]
    assert stated["license"].startswith("http")
    assert f'<meta property="og:image" content="http://localhost/thumb/{ENEMY}.webp">' in page
    assert '<meta name="description" content="“Enemies &lt;script&gt;alert(1)&lt;/script&gt;” by Evil &amp; ' in page


CANONICAL = re.compile(r'<link rel="canonical" href="([^"]+)">')


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        (f"/image/{ENEMY}?utm_source=feed", f"/image/{ENEMY}"),
        ("/entry/ENEMIES", "/entry/enemies"),
        ("/author/kenney?page=1", "/author/Kenney"),
        ("/tag/SPACE", "/tag/space"),
        ("/search?color=Red&license=CC0&page=1&foo=1", "/search?licence=CC0&amp;colour=red"),
    ],
)
def test_search_engines_know_a_page_by_the_public_name(service: SearchService, path: str, canonical: str) -> None:
    public = service.settings.model_copy(update={"hosts": "*, art.example.org, www.example.org"})
    app = create_app(public, service)

    for host, base in (
        ("http://art.example.org:8080", "http://art.example.org:8080"),
        ("http://www.example.org", "http://art.example.org"),
        ("http://localhost:8501", "http://art.example.org"),
    ):
        with TestClient(app, base_url=host) as client:
            assert CANONICAL.findall(client.get(path).text) == [f"{base}{canonical}"]


@pytest.mark.parametrize("path", ["/search?q=robot", "/entry/enemies", "/author/Kenney", f"/image/{ENEMY}"])
def test_a_server_without_a_public_name_states_none(client: TestClient, path: str) -> None:
    assert CANONICAL.findall(client.get(path).text) == []
