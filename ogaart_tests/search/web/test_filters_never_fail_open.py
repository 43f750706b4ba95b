"""Every parameter with every value: each hit is checked by SQL, so that no filter can fail open."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.routing import Mount, Route

from ogaart.likeness.colours import COLOUR_NAMES, colour_names
from ogaart.search.engine.service import SearchService
from ogaart.search.filters import FILTERS
from ogaart.search.web.app import create_app
from ogaart.settings import Settings
from ogaart.sites.licences import LICENCES, use_key, uses
from ogaart_tests.search.tiny_generation import ENTRIES, image_id, pictures

Row = dict[str, Any]
Holds = Callable[[Row], bool]
LIKE = image_id("robot-animated", 3)


@pytest.fixture(scope="module")
def client(service: SearchService) -> Iterator[TestClient]:
    settings = service.settings.model_copy(update={"searches_per_minute": 0})
    with TestClient(create_app(settings, service), base_url="http://localhost") as client:
        yield client


@pytest.fixture(scope="module")
def rows(settings: Settings) -> dict[str, Row]:
    [path] = settings.data.rglob("words.sqlite")
    with sqlite3.connect(path) as store:
        store.row_factory = sqlite3.Row
        found = store.execute("SELECT i.image_id, i.*, e.* FROM images AS i JOIN entries AS e USING (slug)").fetchall()
    lists = ("tags", "licences", "collaborators", "palette", "palette_shares")
    return {
        str(row["image_id"]): {**dict(row), **{name: json.loads(row[name] or "[]") for name in lists}} for row in found
    }


def lists(column: str, value: str) -> Holds:
    return lambda row: value in row[column]


def equals(column: str, value: Any) -> Holds:
    return lambda row: bool(row[column] == value)


def of_family(family: str) -> Holds:
    """Licences of that name in any version, and no other."""
    return lambda row: any(name == family or name.startswith(f"{family} ") for name in row["licences"])


def permits(use: str) -> Holds:
    return lambda row: use_key([use]) in uses(row["licences"])


def between(measure: Callable[[Row], float], low: float, high: float) -> Holds:
    """More than ``low`` and at most ``high``."""
    return lambda row: low < measure(row) <= high


def coloured(name: str) -> Holds:
    return lambda row: name in colour_names(row["palette"], row["palette_shares"])


def area(row: Row) -> float:
    return float(row["width"] * row["height"])


def shape(row: Row) -> float:
    return round(float(row["width"]) / float(row["height"]), 4)


def side(name: str) -> Callable[[Row], float]:
    return lambda row: float(row[name])


def of_names() -> Iterator[tuple[str, str, Holds]]:
    """Filters whose values are names: as they are written, and in other letters."""
    for licence in LICENCES:
        family = licence.name.partition(" ")[0]
        yield "licence", licence.name, lists("licences", licence.name)
        yield "license", licence.name.lower(), lists("licences", licence.name)
        yield "licence", family.lower(), of_family(family)
    for author in {entry.author for entry in ENTRIES}:
        yield from (("author", form, equals("author", author)) for form in (author, author.upper()))
    for tag in {tag for entry in ENTRIES for tag in entry.tags}:
        yield from (("tag", form, lists("tags", tag)) for form in (tag, tag.title()))
    for entry in ENTRIES:
        yield from (("entry", form, equals("slug", entry.slug)) for form in (entry.slug, entry.slug.upper()))
    yield from (("type", form, equals("art_type", "2D Art")) for form in ("2D Art", "2d art"))


def of_looks() -> Iterator[tuple[str, str, Holds]]:
    """Filters by what a licence permits and by what a picture looks like."""
    for use in ("sell", "no-credit", "no-share-alike", "drm"):
        yield from (("use", form, permits(use)) for form in (use, use.upper()))
    for low, size, high in ((0, "icon", 32), (32, "sprite", 128), (128, "medium", 512), (512, "large", 1 << 20)):
        yield "size", size, between(area, low**2, high**2)
    yield "aspect", "square", between(shape, 0.89999, 1.1)
    yield "aspect", "wide", between(shape, 1.1, 1e9)
    yield "aspect", "tall", between(shape, 0, 0.89999)
    for name in ("width", "height"):
        yield f"min_{name}", "64", between(side(name), 63, 1e9)
        yield f"max_{name}", "64", between(side(name), 0, 64)
    for parameter, column in (("alpha", "has_alpha"), ("pixel_art", "pixel_art")):
        yield from ((parameter, form, equals(column, form != "no")) for form in ("yes", "no", "YES"))
    for colour in COLOUR_NAMES:
        yield "colour", colour, coloured(colour)
        yield "color", colour.title(), coloured(colour)


CASES = [*of_names(), *of_looks()]


def test_every_filter_is_crossed() -> None:
    assert {name for name, _, _ in CASES} == {name for row in FILTERS for name in row.names}


@pytest.mark.parametrize("kind", ["filter alone", "words", "excluded words", "more like this"])
@pytest.mark.parametrize("parameter", sorted({name for name, _, _ in CASES}))
def test_every_hit_passes_every_value(client: TestClient, rows: dict[str, Row], parameter: str, kind: str) -> None:
    extra = {
        "filter alone": {},
        "words": {"q": "png"},
        "excluded words": {"q": "-alien"},
        "more like this": {"like": str(LIKE)},
    }[kind]
    for name, value, holds in CASES:
        if name != parameter:
            continue
        found = client.get("/api/v1/search", params={**extra, name: value, "fold": "no", "limit": 100})
        assert found.status_code == 200, (name, value, found.text)
        answer = found.json()
        for hit in answer["hits"]:
            assert holds(rows[hit["image_id"]]), (name, value, hit["slug"])
        expected = {
            row["pixel_sha256"]
            for row in rows.values()
            if holds(row) and not (kind == "excluded words" and row["slug"] == "alien-platformer")
        }
        if kind != "more like this":
            assert answer["total"] == len(expected), (name, value)


def test_two_filters_hold_together(client: TestClient, rows: dict[str, Row]) -> None:
    pairs = [(one, other) for n, one in enumerate(CASES[::7]) for other in CASES[3::11] if one[0] != other[0]]
    for (name, value, holds), (other, its, also) in pairs:
        found = client.get("/api/v1/search", params={name: value, other: its, "fold": "no", "limit": 100}).json()
        if "hits" not in found:
            assert {name, other} <= {"licence", "license"} or {name, other} <= {"colour", "color"}, found
            continue
        merged = {name, other} in ({"licence", "license"}, {"colour", "color"})
        for hit in found["hits"]:
            row = rows[hit["image_id"]]
            assert (holds(row) or also(row)) if merged else (holds(row) and also(row)), (name, value, other, its)


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("q=ship&licens=CC0", 400, "did you mean 'licence'"),
        ("q=ship&licence=CC-BYY", 400, "did you mean 'CC-BY 4.0' or 'CC-BY 3.0'"),
        ("q=ship&licence=nonsense", 400, "Known are CC0"),
        ("type=2d", 400, "did you mean '2D Art'"),
        ("colour=redd", 400, "did you mean 'red'"),
        ("use=commercial", 400, "Known are sell"),
        ("q=ship&whatever=1", 400, "unknown parameter"),
        ("q=ship&licence=", 400, "the value is empty"),
        ("q=ship&licence=%E3%80%80", 400, "the value is empty"),
        ("q=ship&licence=CC0&licence=", 400, "the value is empty"),
        ("q=ship&tag=&tag=space", 400, "the value is empty"),
        ("q=ship&tag=,", 400, "names nothing"),
        ("q=ship&tag=%20,%20,", 400, "names nothing"),
        ("q=ship&like=,", 400, "names nothing"),
        ("q=ship&licence=,", 400, "does not exist"),
        ("q=ship&use=sell,drm", 400, "did you mean 'sell' or 'drm'"),
        ("q=ship&min_width=%EF%BC%96%EF%BC%94", 400, "not a whole number"),
        ("q=ship&min_width=-1", 400, "not a whole number"),
        ("q=ship&min_width=64&min_width=1", 400, "2 values"),
        (f"q=ship{'&use=drm' * 25}", 400, "at most 24"),
        (f"q=ship{'&colour=red' * 25}", 400, "at most 24"),
        (f"q=ship{'&tag=space' * 25}", 400, "at most 24"),
        ("q=ship&alpha=true", 400, "does not exist"),
        ("q=ship&amp;licence=CC0", 400, "did you mean 'licence'"),
        ("q=ship&filter[licence]=CC0", 400, "did you mean 'licence'"),
        ("author=Ken", 200, "Kenney"),
        ("tag=robots", 200, "robot"),
        ("entry=robot-animate", 200, "robot-animated"),
    ],
)
def test_what_is_unknown_is_said(client: TestClient, query: str, status: int, said: str) -> None:
    answer = client.get(f"/api/v1/search?{query}")

    assert answer.status_code == status
    assert said in (answer.json()["detail"] if status == 400 else str(answer.json()["unknown"]))
    if status == 200:
        assert answer.json()["hits"] == []


def test_pages_refuse_near_misses_and_name_what_they_ignore(client: TestClient) -> None:
    assert client.get("/search?q=ship&licens=CC0").status_code == 400
    assert client.get("/search?q=ship&licence=CC-BYY").status_code == 400
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in "licence")
    for name in ("hsize", "filter[size]", "licence[]", "LICENCE", wide, "where.author", "tags", "max-width", "Colors"):
        assert client.get(f"/search?q=ship&{name}=x").status_code == 400, name
    assert client.get("/search?q=ship&tag=,").status_code == 400
    assert "“theme”" in client.get("/search?q=ship&theme=dark").text
    assert "ignored" not in client.get("/search?q=ship&utm_source=x&fbclid=y").text


@pytest.mark.parametrize("page", ["/", "/author/Kenney", "/tag/robot", "/entry/robot-animated", "/surprise"])
def test_pages_that_do_not_filter_lead_to_the_search_that_does(client: TestClient, page: str) -> None:
    narrowed = client.get(f"{page}?licence=cc0&size=icon&utm_source=x", follow_redirects=False)

    assert narrowed.status_code == 303
    assert {"licence=cc0", "size=icon"} <= set(narrowed.headers["location"].partition("?")[2].split("&"))
    assert client.get(narrowed.headers["location"]).status_code == 200
    assert client.get(f"{page}?licens=CC0").status_code == 400
    assert client.get(f"{page}?size=nonsense").status_code == 400
    assert client.get(f"{page}?utm_source=x&page=1").status_code == 200


FOR_MACHINES = {
    "/robots.txt",
    "/opensearch.xml",
    "/manifest.webmanifest",
    "/healthz",
    "/metrics",
    "/api/openapi.json",
    "/about",
    "/api/docs",
    "/thumb/{image_id}.webp",
    "/view/{image_id}",
    "/original/{image_id}",
    "/image/{image_id}/palette.{form}",
    "/upload/{token}.webp",
    "/static",
}
"""Routes that answer the same whatever is searched for: a query there selects nothing."""
WITH_A_QUERY = {
    "/": "/?",
    "/search": "/search?q=robot&",
    "/surprise": "/surprise?",
    "/feed.atom": "/feed.atom?q=robot&",
    "/entry/{name:path}": "/entry/robot-animated?",
    "/author/{name:path}": "/author/Kenney?",
    "/tag/{name:path}": "/tag/robot?",
    "/image/{image_id}": f"/image/{LIKE}?",
    "/report": f"/report?image={LIKE}&",
    "/credits": f"/credits?ids={LIKE}&",
    "/credits/{form}": f"/credits/text?ids={LIKE}&",
    "/api/v1/search": "/api/v1/search?q=robot&",
    "/api/v1/suggestions": "/api/v1/suggestions?q=rob&",
    "/api/v1/images/{image_id}": f"/api/v1/images/{LIKE}?",
    "/api/v1/credits": f"/api/v1/credits?ids={LIKE}&",
    "/api/v1/info": "/api/v1/info?",
}


def test_every_route_that_takes_a_query_is_crossed(service: SearchService) -> None:
    app = create_app(service.settings, service)
    routers = [getattr(route, "original_router", None) for route in app.routes]
    paths = {route.path for route in app.routes if isinstance(route, Route | Mount)}
    paths |= {one.path for router in routers if router is not None for one in router.routes}

    assert paths == FOR_MACHINES | set(WITH_A_QUERY)


@pytest.mark.parametrize("route", WITH_A_QUERY)
def test_no_route_drops_a_name_without_a_word(client: TestClient, route: str) -> None:
    base = WITH_A_QUERY[route]
    answered = client.get(base.rstrip("?&"))

    assert answered.status_code == 200
    for wrong in ("licens=CC0", "LICENCE=CC0", "filter[colour]=red", "tags=space"):
        assert client.get(base + wrong).status_code == 400, wrong
    strict = route.startswith(("/api/", "/credits/"))
    foreign = client.get(f"{base}zqx=1")
    assert foreign.status_code == (400 if strict else 200)
    assert "zqx" in foreign.text
    tracked = client.get(f"{base}utm_source=x&fbclid=y")
    assert tracked.status_code == (400 if route.startswith("/api/") else 200)
    assert "ignored" not in tracked.text or route.startswith("/api/")


@pytest.mark.parametrize("route", WITH_A_QUERY)
def test_no_route_drops_a_filter(client: TestClient, route: str) -> None:
    found = client.get(f"{WITH_A_QUERY[route]}licence=cc0&colour=RED", follow_redirects=True)

    if route in ("/report", "/credits", "/credits/{form}") or re.match("/api/v1/(images|credits|info)", route):
        assert found.status_code == 400
        return
    assert found.status_code == 200
    if not route.startswith(("/api/", "/feed")):
        assert all(f"Remove {label}" in found.text for label in ("licence", "main colour"))
    assert client.get(f"{WITH_A_QUERY[route]}size=nonsense").status_code == 400


def test_forms_drop_nothing(client: TestClient) -> None:
    picture = ("a.png", pictures(ENTRIES[1])[0].read_bytes())
    pixels = {"picture": picture}

    led = client.post("/search", files=pixels, data={"zqx": "1", "licence": "cc0"}, follow_redirects=False)
    assert {"zqx=1", "licence=cc0"} <= set(led.headers["location"].partition("?")[2].split("&"))
    assert "“zqx”" in client.get(led.headers["location"]).text
    for data in ({"licens": "cc0"}, {"size": "nonsense"}):
        assert client.post("/search", files=pixels, data=data).status_code == 400
    assert client.post("/search", files={**pixels, "likes": picture}).status_code == 400
    assert client.post("/api/v1/search", files={**pixels, "likes": picture}).status_code == 400
    assert client.post("/api/v1/search", files=pixels, data={"zqx": "1"}).status_code == 400
    assert client.post("/credits/text", data={"ids": str(LIKE), "relyy": "x"}).status_code == 400
    assert client.post("/credits/text?licence=cc0", data={"ids": str(LIKE)}).status_code == 400


def test_a_surprise_keeps_the_whole_search(client: TestClient) -> None:
    led = client.get("/surprise?q=robot&licence=cc0&fold=no&weights=same-palette&zqx=1", follow_redirects=False)

    sent = led.headers["location"].partition("?")[2].split("&")
    assert {"q=robot", "licence=cc0", "fold=no", "weights=same-palette", "zqx=1"} < set(sent)
    assert any(part.startswith("like=") for part in sent)


def test_a_feed_says_what_it_does_not_know(client: TestClient) -> None:
    feed = client.get("/feed.atom?tag=robots&crop=0,0,1,1&zqx=1").text

    assert "No picture has the tag “robots”. Did you mean" in feed
    assert "crop is ignored" in feed
    assert "“zqx”" in feed
    assert "<subtitle>" not in client.get("/feed.atom?q=robot").text


@pytest.mark.parametrize("name", ["q", "sort", "fold", "group", "limit", "page", "crop", "size", "entry"])
def test_of_two_values_none_is_dropped(client: TestClient, name: str) -> None:
    first, second = {
        "sort": ("newest", "largest"),
        "fold": ("no", "yes"),
        "group": ("no", "yes"),
        "crop": ("0,0,1,1", "0,0,0.5,1"),
        "size": ("icon", "large"),
    }.get(name, ("1", "2"))

    for page in ("/search", "/feed.atom", "/surprise", "/"):
        assert client.get(f"{page}?tag=robot&{name}={first}&{name}={second}").status_code == 400, page


def test_what_alone_is_no_search_is_named(client: TestClient) -> None:
    assert "ignored: sort." in client.get("/search?sort=newest").text
    assert "ignored" not in client.get("/search?q=&picture=&fold=&licence=").text


def test_pages_show_every_value_with_its_own_removal_and_what_is_meant(client: TestClient) -> None:
    page = client.get("/search?q=png&licence=CC0&licence=CC-BY&tag=robots&author=Kenney&author=Nobody").text

    for value in ("png", "CC0", "CC-BY", "robots", "Kenney", "Nobody"):
        assert re.search(rf'<a class="chip" href="[^"]+"[^>]*>.*?</span>{value}<', page), value
    assert "No picture has the tag “robots”." in page
    assert ">robot</a>" in page
    # The form keeps what it has no field for.
    assert re.search(r'name="author" value="Nobody" checked', page)
    empty = client.get("/search?q=xyzzyplugh").text
    assert "Popular tags" in empty
    assert 'name="sort" value="newest"' in client.get("/search?q=robot").text
