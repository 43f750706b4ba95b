"""Pages and API over HTTP: what they show, what they refuse, and that no stored text runs as code."""

import html
import http.client
import io
import json
import re
import shlex
import sqlite3
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from ogaart.search.engine.service import SearchService
from ogaart.search.search_url import PARAMETERS
from ogaart.search.web.app import create_app
from ogaart.search.web.guards import HEADERS
from ogaart.search.web.info_pages import EXAMPLES
from ogaart.search.web.problems import all_problems
from ogaart.search.web.template_filters import author_place
from ogaart.settings import Settings
from ogaart_tests.search.serving import serving
from ogaart_tests.search.tiny_generation import ENTRIES, SITE, GridImageReader, image_id, pictures, publish

ROBOT = image_id("robot-animated", 0)
TEXTURES = pictures(next(entry for entry in ENTRIES if entry.slug == "textures"))
CARD = image_id("playing-cards", 0)
FROG = pictures(next(entry for entry in ENTRIES if entry.slug == "enemies"))[4]


@pytest.fixture(scope="module")
def client(service: SearchService) -> Iterator[TestClient]:
    unlimited = service.settings.model_copy(update={"searches_per_minute": 0, "uploads_per_minute": 0})
    with TestClient(create_app(unlimited, service), base_url="http://localhost", follow_redirects=False) as client:
        yield client


def upload(client: TestClient, path: Path, **fields: str) -> Any:
    return client.post("/search", files={"picture": (path.name, path.read_bytes())}, data=fields)


# -- Pages


@pytest.mark.parametrize(
    "path",
    ["/", "/search?q=robot", f"/search?like={ROBOT}", f"/search?like={ROBOT}&unlike={image_id('tanks', 0)}&q=png",
     "/search?use=sell&size=icon", "/search?q=xyzzy", f"/image/{ROBOT}", "/about", "/api/docs", "/credits",
     f"/credits?ids={ROBOT}", f"/search?like={ROBOT}&crop=0.1,0.1,0.5,0.5", "/search?entry=enemies",
     "/entry/enemies", "/author/Kenney", "/tag/space"],
)  # fmt: skip
def test_every_page_needs_no_other_host_and_runs_nothing_inline(client: TestClient, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 200
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    loaded = re.findall(r'<(?:script|img|iframe|object|embed)[^>]*\ssrc="([^"]*)"', answer.text)
    loaded += re.findall(r'<link[^>]*\shref="([^"]*)"', answer.text)
    assert [url for url in loaded if not url.startswith("/")] == []
    assert not re.search(r"\son[a-z]+\s*=|\sstyle\s*=|<script>|javascript:", answer.text)


@pytest.mark.parametrize(
    "path", ["/search?q=enemies", f"/image/{image_id('enemies', 4)}", "/search?entry=enemies", "/"]
)
def test_titles_names_and_notices_are_text(client: TestClient, path: str) -> None:
    text = client.get(path).text

    assert "<script>alert" not in text
    assert '"Sons" <b>' not in text


@pytest.mark.parametrize("words", ['"><script>alert(1)</script>', "{{ 7 * 7 }}", "' OR 1=1 --", "</title><h1>"])
def test_the_query_is_shown_as_text(client: TestClient, words: str) -> None:
    text = client.get("/search", params={"q": words}).text

    assert html.escape(words).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in text
    assert words not in text or "<" not in words


def test_an_upload_leads_to_an_address_with_a_token_and_the_answer(client: TestClient) -> None:
    moved = upload(client, FROG, use="sell")
    page = client.get(moved.headers["location"])

    assert moved.status_code == 303
    assert re.fullmatch(r"/search\?upload=[\w-]+&use=sell", moved.headers["location"])
    assert "This exact picture is in" in page.text
    assert "kept in memory for one hour" in page.text


def test_a_form_without_a_picture_is_a_search_by_words(client: TestClient) -> None:
    moved = client.post("/search", data={"q": "robot"}, files={"picture": ("", b"")})

    assert moved.headers["location"] == "/search?q=robot"


def test_an_upload_is_what_its_button_says(client: TestClient) -> None:
    first = upload(client, FROG).headers["location"].partition("upload=")[2]

    liked = upload(client, FROG, upload=first, **{"as": "like"}).headers["location"]
    unliked = upload(client, FROG, upload=first, **{"as": "unlike"}).headers["location"]

    assert re.fullmatch(rf"/search\?upload={first}&like=[\w-]{{22}}", liked)
    assert re.fullmatch(rf"/search\?upload={first}&unlike=[\w-]{{22}}", unliked)
    assert "Like your pictures" in client.get(liked).text
    page = client.get(unliked).text
    assert "Like these, unlike those" in page
    assert client.get(re.findall(r"/upload/[\w-]+\.webp", page)[1]).headers["content-type"] == "image/webp"


def test_one_picture_too_many_is_refused_before_anything_is_shown(client: TestClient) -> None:
    six = "&".join(f"like=https://example.org/{n}.png" for n in range(6))

    refused = client.post(f"/search?{six}", files={"picture": FROG.read_bytes()}, data={
        "as": "like", "like": [f"https://example.org/{n}.png" for n in range(6)]
    })  # fmt: skip

    assert refused.status_code == 400
    assert "7 uploads and links, with those of unlike; at most 6 are allowed" in refused.text


def test_an_upload_that_is_gone_says_what_to_do(client: TestClient) -> None:
    answer = client.get("/search?upload=AAAAAAAAAAAAAAAAAAAAAA")

    assert answer.status_code == 410
    assert "Upload the picture again" in answer.text


def test_a_part_of_a_picture_combines_with_others(client: TestClient) -> None:
    alone = client.get("/api/v1/search", params={"like": ROBOT, "crop": "0.1,0.1,0.5,0.5"}).json()
    both = client.get("/api/v1/search", params={"like": [ROBOT, CARD], "crop": "0.1,0.1,0.5,0.5"}).json()
    whole = client.get("/api/v1/search", params={"like": [ROBOT, CARD]}).json()
    page = client.get("/search", params={"like": ROBOT, "unlike": CARD, "crop": "0.1,0.1,0.5,0.5"}).text

    scores = [[(hit["image_id"], hit["score"]) for hit in found["hits"]] for found in (alone, both, whole)]
    assert scores[0] != scores[1] != scores[2]
    # What is shown is the part, which can be drawn again, and is removed with its picture.
    assert "crop=0.1%2C0.1%2C0.5%2C0.5" in page
    assert f'data-view="/view/{ROBOT}"' in page
    assert 'data-box="0.1,0.1,0.5,0.5"' in page
    assert f'href="/search?unlike={CARD}" aria-label="Remove the picture you search with"' in page


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("/search?q=robot&page=9", "beyond the last one"),
        ("/search?q=robot&licence=GPL 2.0&author=Nobody", "The filters together hide all"),
        ("/search?q=robot&licence=GPL 2.0", "The filters hide everything"),
        ("/search?licence=GPL 2.0&author=Nobody", "The filters hide everything"),
        ("/search?q=xyzzy", "No title, tag, author"),
    ],
)
def test_an_empty_page_says_why(client: TestClient, address: str, text: str) -> None:
    assert text in client.get(address).text


def test_a_picture_in_the_middle_of_a_larger_ground_finds_its_source(client: TestClient) -> None:
    art = next(
        art for path in TEXTURES if (art := Image.open(path).convert("RGBA")).getchannel("A").getextrema() == (255, 255)
    )
    canvas = Image.new("RGB", (art.width * 5, art.height * 4), "#203040")
    canvas.paste(art, (art.width * 3, art.height))
    out = io.BytesIO()
    canvas.save(out, "PNG")

    found = client.post("/api/v1/search", files={"picture": out.getvalue()}).json()
    again = client.get("/api/v1/search", params={"upload": found["upload"], "page": 2}).json()

    assert found["verdict"]["relation"] == "same"
    assert found["notes"] == ["Background removed: searched with the subject of your picture."]
    assert again["notes"] == found["notes"]


def test_what_only_pushes_away_shows_no_likeness(client: TestClient) -> None:
    assert 'class="likeness"' not in client.get(f"/search?unlike={ROBOT}").text
    assert 'class="likeness"' in client.get(f"/search?like={ROBOT}").text


def test_a_crop_in_pixels_reaches_to_one_pixel_and_no_further_than_the_picture(client: TestClient) -> None:
    one = client.get("/api/v1/search", params={"like": str(ROBOT), "crop": "pixel:95,127,1,1"})
    beyond = client.get("/api/v1/search", params={"like": str(ROBOT), "crop": "pixel:90,0,16,16"})

    assert one.status_code == 200
    assert beyond.status_code == 400
    assert "reaches to 106 × 16; the picture is 96 × 128 pixels" in beyond.json()["detail"]


def _png(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def test_the_verdict_says_what_was_changed(client: TestClient) -> None:
    robot = Image.open(pictures(ENTRIES[1])[0]).convert("RGBA")
    changed = robot.transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((192, 256))
    ground = Image.new("RGBA", changed.size, "#8899aa")
    ground.alpha_composite(changed)

    same = client.get(upload(client, pictures(ENTRIES[1])[0]).headers["location"]).text
    sent = client.post("/search", files={"picture": ("r.png", _png(ground))})
    near = client.get(sent.headers["location"]).text

    assert 'class="verdict-card"' in same
    assert 'class="changes"' not in same
    assert re.findall("<li>(mirrored|resized [^<]*|on another background)</li>", near) == [
        "mirrored", "resized from 96 × 128 to 192 × 256", "on another background"]  # fmt: skip
    assert 'href="/entry/robot-animated"' in near


def test_a_transparent_upload_is_told_so(client: TestClient) -> None:
    spot = Image.new("RGBA", (64, 64))
    spot.paste("#c04020", (40, 40, 60, 60))
    refused = client.post("/search", files={"picture": ("r.png", _png(Image.new("RGBA", (32, 32))))})
    sent = client.post("/search", files={"picture": ("r.png", _png(spot))}, data={"crop": "pixel:0,0,16,16"})
    token = client.post("/api/v1/search", files={"picture": _png(spot)}).json()["upload"]
    part = client.get("/api/v1/search", params={"upload": token, "crop": "pixel:0,0,16,16"}).json()

    assert refused.status_code == 422
    assert "This picture is fully transparent" in refused.text
    assert sent.status_code == 303
    assert part["verdict"]["text"].startswith("Your picture is fully transparent")
    assert part["hits"] == []


def test_an_empty_file_is_told_as_such(client: TestClient) -> None:
    answer = client.post("/search", files={"picture": ("robot.png", b"")})

    assert answer.status_code == 400
    assert "The file robot.png is empty" in answer.text
    assert "<h1>Empty file</h1>" in answer.text


def test_a_script_that_shows_the_progress_gets_the_address(client: TestClient) -> None:
    sent = client.post(
        "/search", files={"picture": ("f.png", FROG.read_bytes())}, headers={"Accept": "application/json, text/html"}
    )

    assert sent.status_code == 200
    assert "This exact picture" in client.get(sent.json()["location"]).text


def test_a_picture_that_the_browser_made_smaller_is_told_so(client: TestClient) -> None:
    page = client.get(upload(client, FROG, shrunk="yes").headers["location"]).text

    assert "exact copies and parts of it cannot be found" in page


def test_an_archive_is_refused_as_one(client: TestClient) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr("frog.png", FROG.read_bytes())

    refused = client.post("/search", files={"picture": ("frog.zip", out.getvalue())})

    assert refused.status_code == 422
    assert "This is a zip archive." in refused.text
    assert "send one of the pictures in it" in refused.text


def test_a_method_that_is_not_there_names_those_that_are(client: TestClient) -> None:
    assert client.delete("/api/v1/info").headers["allow"] == "GET, HEAD, OPTIONS"


def test_the_api_page_lists_the_usual_way_out_of_each_problem(client: TestClient) -> None:
    page = client.get("/api/docs").text

    assert "Save the picture smaller or as JPEG" in page
    assert "Make several bundles" not in page
    assert all(f'id="{kind}"' in page for kind in ("not-found", "request-refused", "server-error", "too-large"))


def test_a_pasted_link_leads_where_it_means(client: TestClient) -> None:
    entry = client.get("/search", params={"q": f"{SITE}/content/planets-set-n%25C2%25B01"})
    file = client.get("/search", params={"q": f"{SITE}/sites/default/files/frog.png"})

    assert entry.headers["location"] == "/search?entry=planets-set-n%C2%B01"
    page = client.get(file.headers["location"])
    assert "This exact picture is in" in page.text


def test_a_link_to_a_page_here_is_its_picture(client: TestClient) -> None:
    page = client.get("/search", params={"q": f"http://pictures.example:8080/image/{ROBOT}?from=mail"})
    found = client.get(page.headers["location"])

    assert "This exact picture is in" in found.text


@pytest.mark.parametrize("host", ["http://localhost:8080", "https://pictures.example", "http://[::1]:8080"])
def test_a_link_to_what_is_here_is_that(client: TestClient, host: str) -> None:
    for path in (f"original/{ROBOT}", f"thumb/{ROBOT}.webp", f"view/{ROBOT}#top"):
        page = client.get("/search", params={"q": f"{host}/{path}"})
        assert "This exact picture is in" in client.get(page.headers["location"]).text
    entry = client.get("/search", params={"q": f"{host}/entry/ROBOT-animated?page=1"})
    other = client.get("/search", params={"url": f"{host}/entry/nothing-of-that-name"})

    assert entry.headers["location"] == "/search?entry=robot-animated"
    assert other.status_code in (403, 502)


def test_a_link_that_is_shared_with_its_title_is_read(client: TestClient) -> None:
    shared = client.post(
        "/search", data={"q": f"Robot | OpenGameArt.org\n{SITE}/content/robot-animated"}, files={"picture": ("", b"")}
    )
    led = client.get(shared.headers["location"])
    elsewhere = client.get("/search", params={"q": "robot https://example.org/content/robot"})

    assert led.headers["location"] == "/search?entry=robot-animated"
    assert elsewhere.status_code == 200


def test_a_link_to_an_entry_is_the_entry_or_refused_with_a_way_out(client: TestClient) -> None:
    entry = f"{SITE}/content/robot-animated"

    given = client.get("/search", params={"url": entry})
    liked = client.get("/api/v1/search", params={"like": entry})

    assert given.headers["location"] == "/search?entry=robot-animated"
    assert liked.status_code == 400
    assert "search for it as `q`, and choose one" in liked.json()["detail"]


def test_a_link_into_the_private_network_is_refused(client: TestClient) -> None:
    answer = client.get("/search", params={"url": "http://169.254.169.254/latest/meta-data/"})

    assert answer.status_code == 403
    assert "not on the public internet" in answer.text


def test_thumbnails_originals_and_views(client: TestClient) -> None:
    thumb = client.get(f"/thumb/{ROBOT}.webp")
    original = client.get(f"/original/{image_id('planets-set-n°1', 0)}")
    view = client.get(f"/view/{ROBOT}")

    assert (thumb.status_code, thumb.headers["content-type"]) == (200, "image/webp")
    assert original.headers["content-disposition"] == (
        "attachment; filename*=UTF-8''100%25%20planet%20%231%20%2B%20ring.png"
    )
    assert original.content.startswith(b"\x89PNG")
    assert view.headers["content-type"] == "image/png"


@pytest.mark.parametrize(
    ("wanted", "status", "part", "stated"),
    [
        ("bytes=0-9", 206, slice(0, 10), "bytes 0-9/{size}"),
        ("bytes=10-", 206, slice(10, None), "bytes 10-{last}/{size}"),
        ("bytes=-4", 206, slice(-4, None), "bytes {tail}-{last}/{size}"),
        ("Bytes=0-99999999999", 206, slice(None), "bytes 0-{last}/{size}"),
        ("bytes=99999999-", 416, slice(0, 0), "bytes */{size}"),
        ("bytes=-0", 416, slice(0, 0), "bytes */{size}"),
        ("bytes=0-1,4-5", 200, slice(None), None),
        ("bytes=9-3", 200, slice(None), None),
        ("bytes=-", 200, slice(None), None),
        ("lines=0-3", 200, slice(None), None),
    ],
)
@pytest.mark.parametrize("path", [f"/original/{ROBOT}", f"/view/{ROBOT}"])
def test_a_download_that_was_cut_is_resumed(
    client: TestClient, path: str, wanted: str, status: int, part: slice, stated: str | None
) -> None:
    whole = client.get(path)
    size = len(whole.content)

    answer = client.get(path, headers={"Range": wanted})

    assert (answer.status_code, answer.content) == (status, whole.content[part])
    expected = stated and stated.format(size=size, last=size - 1, tail=size - 4)
    assert answer.headers.get("content-range") == expected
    assert answer.headers["content-length"] == str(len(answer.content))
    assert answer.headers["accept-ranges"] == "bytes"


def test_a_download_is_resumed_only_with_the_bytes_that_it_began_with(client: TestClient) -> None:
    path = f"/original/{ROBOT}"
    name = client.get(path).headers["etag"]

    assert client.get(path, headers={"Range": "bytes=4-", "If-Range": name}).status_code == 206
    assert client.get(path, headers={"Range": "bytes=4-", "If-Range": '"another"'}).status_code == 200
    assert client.get(path, headers={"If-None-Match": name}).status_code == 304
    assert client.head(path, headers={"Range": "bytes=4-"}).status_code == 200
    assert name != client.get(f"/original/{CARD}").headers["etag"]


@pytest.mark.parametrize("path", ["/image/5", "/thumb/5.webp", "/original/5", "/view/5", "/search?like=5", "/nothing"])
def test_what_is_not_here_is_a_page_with_a_way_out(client: TestClient, path: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 404
    assert "Search for it; it may have moved." in answer.text


@pytest.mark.parametrize(
    ("path", "near"),
    [("/tag/Robots", "/tag/robot"), ("/author/Kenny", "/author/Kenney"), ("/entry/robot", "/entry/robot-animated")],
)
def test_a_name_that_nothing_has_leads_to_the_nearest(client: TestClient, path: str, near: str) -> None:
    answer = client.get(path)

    assert answer.status_code == 404
    assert f'<a href="{near}">{near.rsplit("/", 1)[-1]}</a>' in answer.text
    assert "Did you mean" not in client.get("/author/zqxwvq").text


def test_credits_download(client: TestClient) -> None:
    ids = f"{ROBOT},{image_id('tanks', 0)}"

    text = client.get(f"/credits/text?ids={ids}&rely=robot-animated|CC-BY 3.0")
    bundle = client.get(f"/credits/zip?ids={ids}")

    assert text.headers["content-disposition"] == 'attachment; filename="CREDITS.txt"'
    assert "Licence relied on: CC-BY 3.0" in text.text
    with zipfile.ZipFile(io.BytesIO(bundle.content)) as opened:
        assert "LICENSES/LicenseRef-OGA-BY-3.0.txt" in opened.namelist()


@pytest.mark.parametrize(
    "path",
    ["/", "/search?q=robot", f"/image/{ROBOT}", "/about", "/api/v1/info", "/feed.atom?q=robot"],
)
def test_what_a_browser_has_is_not_sent_again(client: TestClient, path: str) -> None:
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    head = client.head(path, headers={"If-None-Match": first.headers["etag"]})
    changed = client.get(path, headers={"If-None-Match": '"other"'})

    assert first.headers["cache-control"] == "private, no-cache"
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert "content-security-policy" in again.headers
    assert head.status_code == 304
    assert (changed.status_code, changed.text) == (200, first.text)


def test_the_picture_that_is_searched_with_is_a_chip_in_the_box(client: TestClient) -> None:
    narrowed = client.get(f"/search?like={ROBOT}&q=robot&licence=CC0&weights=same-palette").text
    several = client.get(f"/search?like={ROBOT}&unlike={CARD}").text

    chip = narrowed[narrowed.index('<span class="in-box">') :].partition("</label>")[0]
    assert f'src="/thumb/{ROBOT}.webp"' in chip
    assert 'href="/search?q=robot&amp;licence=CC0"' in chip
    assert "<b>2<span" in several
    assert "in-box" not in client.get("/search?q=robot").text


def test_errors_and_what_must_not_be_kept_have_no_etag(client: TestClient) -> None:
    for path in ("/nothing", "/search?q=ship&licens=CC0", "/surprise", "/api/v1/images/1", "/api/v1/search?q=robot"):
        assert "etag" not in client.get(path).headers, path


def test_static_files_are_kept_for_a_year_under_their_version_only(client: TestClient) -> None:
    found = re.search(r'href="(/static/[0-9a-f]{10}/ogaart\.css)"', client.get("/").text)
    assert found is not None

    current = client.get(found[1])
    stale = client.get("/static/0123456789/ogaart.css")

    assert current.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert current.headers["etag"]
    assert (stale.status_code, stale.headers["cache-control"]) == (200, "no-cache")


def test_a_thumbnail_never_changes(client: TestClient) -> None:
    first = client.get(f"/thumb/{ROBOT}.webp")
    name = first.headers["etag"]

    assert "immutable" in first.headers["cache-control"]
    for known in (name, f"W/{name}", f'"other", W/{name}', "*"):
        again = client.get(f"/thumb/{ROBOT}.webp", headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b""), known
    assert client.get(f"/thumb/{ROBOT}.webp", headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize(
    ("form", "first"), [("gpl", "GIMP Palette\nName: "), ("hex", ""), ("pal", "JASC-PAL\r\n0100\r\n")]
)
def test_a_palette_is_a_file(client: TestClient, form: str, first: str) -> None:
    answer = client.get(f"/image/{ROBOT}/palette.{form}")

    assert answer.text.startswith(first)
    assert answer.headers["content-disposition"].endswith(f'.{form}"')
    assert client.get(f"/image/{ROBOT}/palette.exe").status_code == 404


@pytest.mark.parametrize(
    ("url", "place"),
    [
        (f"{SITE}/users/kenney", "on OpenGameArt"),
        ("https://www.kenney.nl/about", "on kenney.nl"),
        ("https://[", "on another page"),
        ("mailto:ann@example.org", "on another page"),
    ],
)
def test_the_link_of_an_author_says_where_it_leads(service: SearchService, url: str, place: str) -> None:
    hit = service.hit(ROBOT)
    assert hit is not None

    assert author_place(replace(hit, author_url=url)) == place


def test_the_page_of_an_entry_shows_all_of_it(client: TestClient) -> None:
    page = client.get("/entry/planets-set-n%C2%B01").text
    bundle = client.get("/credits/zip", params={"entry": "textures"})

    assert "Planets set n°1 — 惑星" in page
    assert page.count('class="card') == 8
    assert 'href="/author/%D0%94%D0%BC%D0%B8%D1%82%D1%80%D0%B8%D0%B9"' in page
    assert 'href="/tag/space"' in page
    with zipfile.ZipFile(io.BytesIO(bundle.content)) as opened:
        assert len([name for name in opened.namelist() if name.endswith(".png")]) == 24


def test_the_pages_of_an_author_and_a_tag_count_entries_and_licences(client: TestClient) -> None:
    author, tag = client.get("/author/kenney").text, client.get("/tag/space").text

    assert "<title>Kenney" in author
    assert "from 5 entries" in author
    assert "CC-BY-SA 3.0 · 1" in author
    assert "Tag: space" in tag
    assert "from 2 entries" in tag
    assert [client.get(path).status_code for path in ("/entry/nope", "/author/nope", "/tag/nope")] == [404] * 3
    assert client.get("/author/Kenney?page=9").status_code == 404


def test_a_surprise_is_a_picture_of_the_catalog(client: TestClient) -> None:
    moved = client.get("/surprise")

    assert (moved.status_code, moved.headers["cache-control"]) == (303, "no-store")
    assert client.get(moved.headers["location"]).status_code == 200


def test_before_the_first_publication_pages_say_so(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    with (
        SearchService(settings, GridImageReader()) as empty,
        TestClient(create_app(settings, empty), base_url="http://localhost") as client,
    ):
        assert "Nothing is published" in client.get("/").text
        assert client.get("/search?q=a").status_code == 503
        assert client.get("/healthz").status_code == 503
        assert client.get("/api/v1/info").json()["way_out"].startswith("Run `ogaart materialize")


# -- API


def test_a_search_as_json(client: TestClient) -> None:
    found = client.get("/api/v1/search", params={"like": str(ROBOT), "licence": "CC0", "limit": 2}).json()

    assert len(found["hits"]) == 2
    hit = found["hits"][0]
    assert isinstance(hit["image_id"], str)
    assert {"score", "slug", "title", "author", "licences", "page_url", "file", "member_path", "thumb_url", "width",
            "height", "attribution", "places"} <= hit.keys()  # fmt: skip
    assert found["more"]
    assert found["next"] == f"http://localhost/api/v1/search?like={ROBOT}&licence=CC0&limit=2&page=2"
    assert client.get(found["next"]).json()["hits"][0]["image_id"] != hit["image_id"]


def test_one_form_takes_several_pictures(client: TestClient) -> None:
    other = next(entry for entry in ENTRIES if entry.slug == "tanks")
    files = [("like", FROG.read_bytes()), ("like", pictures(other)[0].read_bytes()), ("unlike", FROG.read_bytes())]

    found = client.post("/api/v1/search", files=files, data={"like": str(ROBOT), "limit": "50"})

    assert found.status_code == 200
    assert found.json()["hits"]
    assert found.json()["upload"] is None
    assert re.search(rf"like={ROBOT}&like=[\w-]{{22}}&like=[\w-]{{22}}&unlike=[\w-]{{22}}", found.json()["next"] or "")


def test_an_uploaded_picture_as_json_can_be_paged_by_its_token(client: TestClient) -> None:
    found = client.post("/api/v1/search", files={"picture": FROG.read_bytes()}, data={"limit": "2"}).json()
    again = client.get("/api/v1/search", params={"upload": found["upload"], "limit": 2, "page": 2}).json()

    assert found["verdict"]["relation"] == "same"
    assert again["hits"][0]["image_id"] not in [hit["image_id"] for hit in found["hits"]]


@pytest.mark.parametrize(
    ("request_of", "status", "title"),
    [
        (lambda c: c.get("/api/v1/search?page=x"), 400, "Invalid parameter"),
        (lambda c: c.get("/api/v1/search"), 400, "Invalid parameter"),
        (lambda c: c.get("/api/v1/images/abc"), 400, "Invalid parameter"),
        (lambda c: c.get("/api/v1/images/5"), 404, "Not found"),
        (lambda c: c.get("/api/v1/nothing"), 404, "Not found"),
        (lambda c: c.get("/api/v1/search?upload=AAAAAAAAAAAAAAAAAAAAAA"), 410, "Upload gone"),
        (lambda c: c.get("/api/v1/search?url=http://127.0.0.1/"), 403, "Link refused"),
        (lambda c: c.post("/api/v1/search", files={"picture": b"x" * (10 << 20) + b"x"}), 413, "Too large"),
        (lambda c: c.post("/api/v1/search", files={"picture": b"no picture"}), 422, "No readable picture"),
        (lambda c: c.post("/api/v1/search", files={"other": b"x"}), 400, "Invalid parameter"),
        (lambda c: c.post("/api/v1/search", content=b"{}"), 400, "Invalid parameter"),
        (lambda c: c.get(f"/api/v1/credits?ids={ROBOT}&format=pdf"), 400, "Invalid parameter"),
        (lambda c: c.get("/api/v1/credits?ids=5"), 404, "Not found"),
        (lambda c: c.get("/api/v1/credits"), 400, "Invalid parameter"),
        (lambda c: c.get(f"/api/v1/credits?ids={'9' * 5000}"), 400, "Invalid parameter"),
        (lambda c: c.get(f"/api/v1/images/{'9' * 5000}"), 400, "Invalid parameter"),
        (lambda c: c.delete("/api/v1/search"), 405, "Request refused"),
    ],
)
def test_problems_have_a_way_out(client: TestClient, request_of: Any, status: int, title: str) -> None:
    answer = request_of(client)

    assert (answer.status_code, answer.json()["title"]) == (status, title)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["way_out"]
    assert answer.json()["status"] == status
    assert title in {problem.title for problem in all_problems()}


def test_clients_that_ask_too_fast_are_told_to_wait(service: SearchService) -> None:
    settings = service.settings.model_copy(update={"searches_per_minute": 2})
    with TestClient(create_app(settings, service), base_url="http://localhost") as client:
        answers = [client.get("/api/v1/search?q=robot") for _ in range(3)]
        page = client.get("/search?q=robot")

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert 1 <= int(answers[2].headers["retry-after"]) <= 30
    assert page.status_code == 429  # pages and API share one allowance


def test_openapi_is_made_from_types_and_knows_every_parameter(client: TestClient) -> None:
    described = client.get("/api/openapi.json").json()

    search = described["paths"]["/api/v1/search"]
    assert [parameter["name"] for parameter in search["get"]["parameters"]] == [p.name for p in PARAMETERS]
    hit = described["components"]["schemas"]["HitRecord"]["properties"]
    assert hit["image_id"]["type"] == "string"
    assert "application/problem+json" in search["get"]["responses"]["400"]["content"]
    assert "multipart/form-data" in search["post"]["requestBody"]["content"]


def test_metrics_count_routes_and_hold_no_addresses(client: TestClient) -> None:
    client.get("/search?q=secretword")

    text = client.get("/metrics").text

    assert 'ogaart_requests_total{method="GET",route="/search",status="200"}' in text
    assert "secretword" not in text
    assert "ogaart_generation 1.0" in text
    assert "# HELP ogaart_requests_total Requests answered." in text


@pytest.fixture(scope="module")
def server(service: SearchService) -> Iterator[str]:
    settings = service.settings.model_copy(update={"searches_per_minute": 0, "uploads_per_minute": 0})
    with serving(settings, service) as base:
        yield base


def test_the_documented_commands_work(server: str, tmp_path: Path) -> None:
    """Every curl command on the API page, run as it stands there."""
    (tmp_path / "robot.png").write_bytes(FROG.read_bytes())
    for example in EXAMPLES:
        command = example.command.format(base=server, image_id=ROBOT)
        ran = subprocess.run(
            [*shlex.split(command), "--fail-with-body", "-sS"], cwd=tmp_path, capture_output=True, check=False
        )
        assert ran.returncode == 0, (command, ran.stdout, ran.stderr)
        if "format=" not in command:
            assert json.loads(ran.stdout)
    assert zipfile.is_zipfile(tmp_path / "pictures.zip")


def test_a_body_without_length_is_cut_at_the_limit(server: str) -> None:
    def long() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="picture"; filename="a"\r\n\r\n'
        for _ in range(200):
            yield b"x" * 65_536

    connection = http.client.HTTPConnection(server.removeprefix("http://"))
    connection.request("POST", "/api/v1/search", long(), {"Content-Type": "multipart/form-data; boundary=b"})

    assert connection.getresponse().status == 413


def test_an_svg_is_never_shown_as_a_page(tmp_path: Path) -> None:
    """What a browser would run is a download, whatever its entry calls it."""
    import sqlite3

    settings = Settings(data=tmp_path)
    number = publish(settings, ENTRIES[4:5])
    words = tmp_path / "generations" / f"{number:06d}" / "words.sqlite"
    words.chmod(0o644)
    with sqlite3.connect(words) as store:
        store.execute("UPDATE places SET format = 'svg'")
        store.execute("UPDATE files SET shown_name = 'evil.html'")
    with (
        SearchService(settings, GridImageReader()) as service,
        TestClient(create_app(settings, service), base_url="http://localhost") as client,
    ):
        picked = image_id("enemies-again", 0)
        original, view = client.get(f"/original/{picked}"), client.get(f"/view/{picked}")

    assert original.headers["content-type"] == "application/octet-stream"
    assert original.headers["content-disposition"].startswith("attachment")
    assert view.headers["content-type"] == "image/webp"


def test_messages_show_code_as_code_and_parameters_as_they_are_written(client: TestClient) -> None:
    described = client.get("/api/docs").text
    refused = client.get("/search", params={"size": "<b>`x`"}).text

    assert "<code>no</code>: near-identical hits" in described
    assert "size: &#39;&lt;b&gt;<code>x</code>&#39; does not exist. Known are icon" in refused


def test_a_former_id_redirects_to_the_present_one(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", searches_per_minute=0)
    publish(settings)
    present, former = image_id("tanks", 0), 12345
    [words] = (tmp_path / "data" / "generations").rglob("words.sqlite")
    with sqlite3.connect(words) as store:
        store.execute("INSERT INTO renamed VALUES (?, ?)", (former, present))

    with (
        SearchService(settings, GridImageReader()) as service,
        TestClient(create_app(settings, service), base_url="http://localhost", follow_redirects=False) as client,
    ):
        answer = client.get(f"/image/{former}")
        assert (answer.status_code, answer.headers["location"]) == (308, f"/image/{present}")
        assert client.get(f"/image/{present}").status_code == 200
        assert client.get("/image/54321").status_code == 404
