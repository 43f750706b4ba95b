"""The demo's server, by real requests."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
import requests
from protego import Protego

from ogaart.demo import pictures, plan
from ogaart.demo.http import DemoFault
from ogaart.demo.model import DemoFile
from ogaart.demo.pages import posted
from ogaart.sites.opengameart.listing import parse_listing
from ogaart.sites.opengameart.urls import search_url
from ogaart_tests.changing_site import ChangingSite

Get = Callable[..., requests.Response]
ALL = (("keys", ""), ("field_art_type_tid[]", "9"))


@pytest.fixture
def get(demo: ChangingSite) -> Get:
    return lambda path, **headers: requests.get(demo.base + path, headers=headers, timeout=5)


def slugs(demo: ChangingSite, page: int = 0, per_page: int = 144, params: dict[str, str] | None = None) -> list[str]:
    url = search_url(demo.base, {**dict(ALL), **(params or {})}.items(), page, per_page)
    names = {f"/node/{entry.nid}": entry.slug for entry in demo.site.entries if entry.numbered}
    rows = parse_listing(requests.get(url, timeout=5).content, demo.base).rows
    return [names.get(row.slug, row.slug) for row in rows]


def a_file(demo: ChangingSite) -> DemoFile:
    return demo.site.entry("32x32-roguelike-tiles").files[0]


def test_robots_states_a_small_delay(demo: ChangingSite, get: Get) -> None:
    rules = Protego.parse(get("/robots.txt").text)

    assert rules.crawl_delay("ogaart") == 0.05
    assert rules.can_fetch(demo.base + "/content/crops", "ogaart")
    assert not rules.can_fetch(demo.base + "/search/node/x", "ogaart")


def test_items_per_page_is_honoured_up_to_a_cap(demo: ChangingSite) -> None:
    told = demo.truth()["listing"]

    assert slugs(demo) == told[:24]
    assert slugs(demo, page=1, per_page=5) == told[5:10]
    assert slugs(demo, page=2) == told[48:]
    assert slugs(demo, page=9) == told[48:]


def test_sorting_and_filters(demo: ChangingSite, get: Get) -> None:
    newest = get("/art-search-advanced?field_art_type_tid%5B%5D=9&sort_by=created&sort_order=DESC")
    rows = parse_listing(newest.content, demo.base).rows

    assert [row.slug for row in rows] == demo.truth()["listing"][::-1][:24]
    assert slugs(demo, params={"field_art_type_tid[]": "14"}) == ["brick-textures"]
    assert slugs(demo, params={"field_art_licenses_tid[]": "17981"}) == [
        "observatory-scene",
        "inventory-icons-and-forms",
        "group-icon",
        "sketches-to-come",
    ]
    assert slugs(demo, params={"field_art_tags_tid": "planet", "field_art_tags_tid_op": "or"}) == [
        "planets-set-n°1",
        "planet-surface-tiles",
        "planets-and-debris",
    ]
    assert slugs(demo, params={"keys": "roguelike"}) == ["32x32-roguelike-tiles"]


def test_two_answers_differ_in_their_bytes_only(demo: ChangingSite, get: Get) -> None:
    first, second = (get("/art-search-advanced?sort_order=ASC").content for _ in range(2))

    assert first != second
    assert parse_listing(first, demo.base) == parse_listing(second, demo.base)


def test_no_page_leads_away_from_loopback(demo: ChangingSite, get: Get) -> None:
    for path in ("/art-search-advanced", "/content/32x32-roguelike-tiles", "/content/crops"):
        assert "https://opengameart.org" not in get(path).text


def test_statuses_of_pages(get: Get) -> None:
    found = {
        path: get(path).status_code
        for path in (
            "/content/crops",
            "/content/rogue%E2%80%99s-caf%C3%A9-%E2%80%94-16%C3%9716",
            "/content/gems-and-keys-100%25-free",
            "/node/1000",
            "/content/faq",
            "/content/withheld-heroes",
            "/content/style-guide-of-the-demo",
            "/content/private-sketches",
            "/content/backpack-0",
            "/content/never-was",
            "/nowhere",
        )
    }

    assert list(found.values()) == [200] * 7 + [403] + [404] * 3


def test_every_file_is_served_as_linked(demo: ChangingSite) -> None:
    with requests.Session() as session:
        for entry in demo.site.entries:
            for file in entry.files:
                answer = session.get(demo.base + file.path, timeout=5)
                assert (answer.status_code, len(answer.content)) == (
                    (404, len(answer.content)) if file.missing else (200, len(file.data))
                )
                assert file.missing or answer.content == file.data
            for preview in entry.previews:
                assert session.get(demo.base + preview.path, timeout=5).content == preview.data


def test_head_has_the_length_and_no_body(demo: ChangingSite) -> None:
    file = a_file(demo)
    answer = requests.head(demo.base + file.path, timeout=5)

    assert answer.headers["Content-Length"] == str(len(file.data))
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.content == b""


def test_conditional_requests(demo: ChangingSite, get: Get) -> None:
    path = a_file(demo).path
    first = get(path)

    assert first.headers["ETag"].startswith(f'"{len(first.content):x}-')
    unchanged = get(path, **{"If-None-Match": first.headers["ETag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert get(path, **{"If-Modified-Since": first.headers["Last-Modified"]}).status_code == 304
    assert get(path, **{"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("wanted", "status", "cut"),
    [
        ("bytes=10-19", 206, slice(10, 20)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=-7", 206, slice(-7, None)),
        ("bytes=5-999999999", 206, slice(5, None)),
        ("bytes=999999999-", 416, slice(0, 0)),
        ("bytes=1-2,5-6", 200, slice(None)),
        ("lines=1-2", 200, slice(None)),
    ],
)
def test_ranges(demo: ChangingSite, get: Get, wanted: str, status: int, cut: slice) -> None:
    file = a_file(demo)
    answer = get(file.path, Range=wanted)

    assert (answer.status_code, answer.content) == (status, file.data[cut])
    assert demo.requests[-1].range == wanted


def test_a_range_of_another_version_is_the_whole_file(demo: ChangingSite, get: Get) -> None:
    file = a_file(demo)

    assert get(file.path, Range="bytes=5-", **{"If-Range": '"older"'}).content == file.data
    tag = get(file.path).headers["ETag"]
    assert get(file.path, Range="bytes=5-", **{"If-Range": tag}).content == file.data[5:]


def test_requests_are_noted(changing: ChangingSite) -> None:
    before = time.monotonic()
    requests.get(changing.base + "/content/crops?x=1", headers={"User-Agent": "test"}, timeout=5)
    requests.head(changing.base + "/content/crops", timeout=5)

    assert [(r.method, r.target, r.path, r.status) for r in changing.requests] == [
        ("GET", "/content/crops?x=1", "/content/crops", 200),
        ("HEAD", "/content/crops", "/content/crops", 200),
    ]
    assert changing.requests[0].at >= before
    assert changing.requests[0].headers["user-agent"] == "test"
    assert changing.count() == {"/content/crops?x=1": 1}


def test_faults_come_once_each(changing: ChangingSite) -> None:
    path = a_file(changing).path
    changing.fail(path, DemoFault(429, retry_after="1"), DemoFault(status=0, after=1000))
    refused = requests.get(changing.base + path, timeout=5)

    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.get(changing.base + path, timeout=5)
    assert requests.get(changing.base + path, timeout=5).content == a_file(changing).data
    assert [r.sent for r in changing.requests][1] == 1000


def test_entries_come_change_and_go_while_it_runs(changing: ChangingSite) -> None:
    site = changing.site
    newest = site.by_age()[-1]
    data = pictures.varied(plan.Art().read("naev-data/gui/yes.png"), "yes.png", 5)
    file = DemoFile(999_999, "new one.png", "new one.png", data, [pictures.expected(data)])
    later = newest.posted_at + timedelta(days=1)
    changing.add_entry(replace(site.entry("crops"), slug="new-one", nid=9999, posted_at=later, files=[file]))
    changing.delete("escort")
    changing.edit("crops", title="Crops, again", tags=["wheat"])
    told = changing.truth()

    assert told["listing"][-1] == "new-one"
    assert requests.get(changing.base + file.path, timeout=5).content == data
    assert "escort" not in told["listing"]
    assert requests.get(changing.base + "/content/escort", timeout=5).status_code == 404
    assert "Crops, again" in requests.get(changing.base + "/content/crops", timeout=5).text
    assert posted(later) in requests.get(changing.base + "/content/new-one", timeout=5).text
    with pytest.raises(AttributeError):
        changing.edit("crops", titel="misspelt")
    with pytest.raises(ValueError, match="already there"):
        changing.add_entry(site.entry("crops"))


def test_a_file_is_replaced_in_place_or_under_a_new_name(changing: ChangingSite) -> None:
    file = a_file(changing)
    fid, path, old = file.fid, file.path, requests.get(changing.base + file.path, timeout=5)
    other = pictures.varied(file.data, "other.png", 3)
    changing.replace_file(fid, other)
    new = requests.get(changing.base + path, headers={"If-None-Match": old.headers["ETag"]}, timeout=5)

    assert (new.status_code, new.content) == (200, other)
    assert new.headers["Last-Modified"] != old.headers["Last-Modified"]
    renamed = changing.replace_file(fid, other, stored_name="32x32_1.png")
    assert renamed.fid != fid
    assert requests.get(changing.base + path, timeout=5).status_code == 404
    assert requests.get(changing.base + renamed.path, timeout=5).content == other
