"""The client with a server that behaves: records, conditional requests, tombstones, robots.txt."""

import gzip
from datetime import timedelta
from importlib.metadata import version
from typing import Any

import pytest

from ogaart.core.user_agent import user_agent
from ogaart.resources.site.client import FetchFailed, SiteDown
from ogaart_tests.fault_server import Encoded, FaultServer, Redirect, Serve, Status
from ogaart_tests.resources.site.site_bench import Bench, bench

__all__ = ["bench"]

TILES = b"\x89PNG tiles " * 40


def test_a_file_is_stored_as_served_and_never_requested_again(bench: Bench) -> None:
    url = bench.server.at("/tiles.png", Serve(TILES, "image/png", last_modified="Thu, 01 Oct 2026 03:37:00 GMT"))

    first = bench.client().get(url, expected_length=len(TILES))
    client = bench.client()
    again = client.get(url, expected_length=len(TILES))

    assert first.sha256 is not None
    assert bench.blobs.read(first.sha256) == TILES
    assert (first.status, first.bytes, first.content_type) == (200, len(TILES), "image/png")
    assert (first.from_store, first.requests, first.attempts) == (False, 2, 1)  # robots.txt is one of them
    assert (again.from_store, again.requests) == (True, 0)
    assert (again.sha256, again.fetched_at, again.etag) == (first.sha256, first.fetched_at, first.etag)
    assert (client.stats.requests, client.stats.saved) == (0, 1)
    assert [arrival.path for arrival in bench.server.arrivals] == ["/robots.txt", "/tiles.png"]
    assert bench.leftovers() == []


def test_requests_are_honest_and_carry_no_memory(bench: Bench) -> None:
    url = bench.server.at("/page", Serve(b"<html>", headers={"Set-Cookie": "SESS=1; Path=/"}))
    client = bench.client(contact="mailto:me@example.org")

    client.get(url)
    client.get(url, refresh=True)

    headers = bench.server.requests_for("/page")[1].headers
    assert headers["user-agent"] == user_agent("mailto:me@example.org")
    assert headers["user-agent"].startswith("ogaart/")
    assert headers["user-agent"].endswith(" (+mailto:me@example.org)")
    assert headers["accept-encoding"] == "identity"
    assert "cookie" not in headers
    assert "authorization" not in headers


def test_a_contact_that_cannot_stand_in_a_header_is_refused() -> None:
    with pytest.raises(ValueError, match="OGAART_CONTACT"):
        user_agent("me@example.org\r\nX-Evil: 1")


def test_the_user_agent_names_program_and_contact() -> None:
    number = version("ogaart")

    assert user_agent("") == f"ogaart/{number}"
    assert user_agent("me@example.org") == f"ogaart/{number} (+me@example.org)"
    assert user_agent("me@example.org", "picture search") == f"ogaart/{number} (picture search; +me@example.org)"


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_an_answer_once_the_site_serves_another_url(bench: Bench, status: int) -> None:
    url = bench.server.at("/gone", Status(status))

    first = bench.client().get(url)
    bench.client().get(bench.server.at("/good", Serve(b"x")))
    again = bench.client().get(url, expected_length=10)

    assert (first.status, first.sha256, first.bytes) == (status, None, 0)
    assert (again.status, again.from_store, again.requests) == (status, True, 0)
    assert len(bench.server.requests_for("/gone")) == 1


def test_old_answers_are_fetched_again_recent_ones_are_not(bench: Bench) -> None:
    url = bench.server.at("/listing", Serve(b"one"), Serve(b"two"))
    client = bench.client()

    client.get(url)
    recent = client.get(url, max_age=timedelta(hours=20))
    old = client.get(url, max_age=timedelta(0))

    assert recent.from_store
    assert old.sha256 is not None
    assert bench.blobs.read(old.sha256) == b"two"


def test_a_conditional_refresh_costs_a_request_but_no_body(bench: Bench) -> None:
    url = bench.server.at("/tiles.png", Serve(TILES))
    client = bench.client()
    first = client.get(url)

    again = client.get(url, refresh=True, conditional=True)

    assert (again.not_modified, again.from_store, again.requests) == (True, False, 1)
    assert (again.sha256, again.fetched_at) == (first.sha256, first.fetched_at)
    assert client.stats.bytes == len(TILES)
    record = bench.record(url)
    assert record is not None
    assert record.checked_at > record.fetched_at


def test_a_refresh_sees_what_changed(bench: Bench) -> None:
    url = bench.server.at("/tiles.png", Serve(b"old"), Serve(b"new"))
    client = bench.client()
    client.get(url)

    again = client.get(url, refresh=True, conditional=True)

    assert again.sha256 is not None
    assert bench.blobs.read(again.sha256) == b"new"


def test_a_missing_a_shortened_and_a_rotten_blob_are_fetched_again(bench: Bench) -> None:
    url = bench.server.at("/tiles.png", Serve(TILES))
    client = bench.client()
    first = client.get(url)
    assert first.sha256 is not None
    path = bench.blobs.path(first.sha256)

    for damage in (b"", b"x" * len(TILES)):
        path.chmod(0o644)
        path.write_bytes(damage)
        assert not client.get(url, verify=True).from_store
    path.unlink()
    assert not client.get(url).from_store

    assert bench.blobs.read(first.sha256) == TILES
    assert client.get(url, verify=True).from_store


def test_another_length_than_recorded_means_another_file(bench: Bench) -> None:
    url = bench.server.at("/tiles.png", Serve(b"old"), Serve(b"longer"))
    client = bench.client()
    client.get(url, expected_length=3)

    again = client.get(url, expected_length=6)

    assert (again.from_store, again.bytes) == (False, 6)


def test_redirects_within_the_site_are_followed(bench: Bench) -> None:
    bench.server.at("/two", Redirect("/tiles.png", 301))
    bench.server.at("/tiles.png", Serve(TILES))
    url = bench.server.at("/one", Redirect(bench.server.base + "/two#part"))

    fetched = bench.client().get(url)

    assert (fetched.url, fetched.final_url) == (url, bench.server.base + "/tiles.png")
    assert [arrival.path for arrival in bench.server.arrivals] == ["/robots.txt", "/one", "/two", "/tiles.png"]
    assert fetched.requests >= 4  # one more where a kept connection was closed before it reached the server


def test_a_page_may_come_compressed_and_is_stored_decoded(bench: Bench) -> None:
    html = b"<html>" + b"tree " * 1000
    url = bench.server.at("/page", Encoded(html))

    fetched = bench.client().get(url, page=True)

    assert fetched.sha256 is not None
    assert bench.blobs.read(fetched.sha256) == html
    assert bench.server.requests_for("/page")[0].headers["accept-encoding"] == "gzip"


def test_a_file_is_never_decoded(bench: Bench) -> None:
    url = bench.server.at("/drawing.svgz", Encoded(b"<svg/>"))

    fetched = bench.client().get(url, expected_length=len(gzip.compress(b"<svg/>", mtime=0)))

    assert fetched.sha256 is not None
    assert gzip.decompress(bench.blobs.read(fetched.sha256)) == b"<svg/>"


@pytest.mark.parametrize(
    "path",
    [
        "/sites/default/files/200%25_0.png",
        "/sites/default/files/%E6%9C%A8.png",
        "/sites/default/files/a%20%20b%26c%23d+e.png",
        "/content/planets-set-n%C2%B01",
    ],
)
def test_urls_are_requested_as_given(bench: Bench, path: str) -> None:
    url = bench.server.at(path, Serve(TILES))

    assert bench.client().get(url).status == 200
    assert bench.server.arrivals[-1].path == path


@pytest.mark.parametrize("tail", ["/a\r\nX-Evil: 1", "/\udcff", "/a b", "/\x00", "/%zz", "/" + "a" * 70_000, "/ä?ö=ü"])
def test_odd_urls_do_no_harm(bench: Bench, tail: str) -> None:
    try:
        fetched = bench.client().get(bench.server.base + tail)
    except FetchFailed as failure:
        assert not failure.retryable or failure.http_status == 414  # noqa: PT017
    else:
        assert fetched.status == 404
    assert all("x-evil" not in arrival.headers for arrival in bench.server.arrivals)


@pytest.mark.parametrize(
    "url", ["https://example.org/x", "file:///etc/passwd", "ftp://127.0.0.1/x", "/content/x", "", "http://[::1#"]
)
def test_other_urls_are_not_requested(bench: Bench, url: str) -> None:
    with pytest.raises(FetchFailed) as failure:
        bench.client().get(url)

    assert (failure.value.error_class, failure.value.retryable) == ("OffSite", False)
    assert bench.server.arrivals == []


# robots.txt


def test_robots_is_read_once_for_all_processes(bench: Bench) -> None:
    urls = [bench.server.at(f"/{n}", Serve(b"x")) for n in range(3)]

    for url in urls:
        bench.client().get(url)

    assert len(bench.server.requests_for("/robots.txt")) == 1
    assert bench.server.arrivals[0].path == "/robots.txt"


def test_robots_forbids(bench: Bench) -> None:
    bench.server.at("/robots.txt", Serve(b"User-agent: *\nDisallow: /search/\nDisallow: /*?q=\n"))
    bench.server.at("/turn", Redirect("/search/x"))

    for path in ("/search/x", "/?q=search/", "/turn"):
        with pytest.raises(FetchFailed) as failure:
            bench.client().get(bench.server.base + path)
        assert (failure.value.error_class, failure.value.retryable) == ("RobotsDisallowed", True)

    assert [arrival.path for arrival in bench.server.arrivals] == ["/robots.txt", "/turn"]


def test_robots_speaks_to_us_by_name(bench: Bench) -> None:
    bench.server.at("/robots.txt", Serve(b"User-agent: *\nDisallow: /\n\nUser-agent: ogaart\nDisallow: /no\n"))
    url = bench.server.at("/yes", Serve(b"x"))

    assert bench.client().get(url).status == 200


@pytest.mark.parametrize("status", [404, 410])
def test_without_robots_everything_is_allowed(bench: Bench, status: int) -> None:
    bench.server.at("/robots.txt", Status(status))
    url = bench.server.at("/x", Serve(b"x"))

    assert bench.client().get(url).status == 200


@pytest.mark.parametrize(
    ("behaviour", "requests"),
    [(Status(500), 3), (Status(503), 3), (Status(401), 1), (Status(403), 1), (Redirect("/robots.txt"), 1)],
)
def test_while_robots_fails_nothing_is_requested(bench: Bench, behaviour: Any, requests: int) -> None:
    bench.server.at("/robots.txt", behaviour)
    url = bench.server.at("/x", Serve(b"x"))

    with pytest.raises(SiteDown, match=r"robots\.txt"):
        bench.client().get(url)

    assert [arrival.path for arrival in bench.server.arrivals] == ["/robots.txt"] * requests


def test_robots_is_read_again_when_old_and_may_have_changed(bench: Bench) -> None:
    bench.server.at("/robots.txt", Serve(b""), Serve(b"User-agent: *\nDisallow: /\n"))
    url = bench.server.at("/x", Serve(b"x"))
    bench.client().get(url)

    with pytest.raises(FetchFailed, match="RobotsDisallowed"):
        bench.client(robots_hours=0).get(url, refresh=True)


def test_a_huge_robots_counts_by_its_beginning(bench: Bench) -> None:
    bench.server.at("/robots.txt", Serve(b"User-agent: *\nDisallow: /no\n" + b"# filler\n" * 100_000))
    url = bench.server.at("/yes", Serve(b"x"))

    assert bench.client().get(url).status == 200
    with pytest.raises(FetchFailed, match="RobotsDisallowed"):
        bench.client().get(bench.server.base + "/no")


def test_a_crawl_delay_beyond_all_patience_is_a_site_that_is_down(bench: Bench) -> None:
    bench.server.at("/robots.txt", Serve(b"User-agent: *\nCrawl-delay: 86400\n"))

    with pytest.raises(SiteDown, match="86400 s between requests, OGAART_MAX_WAIT is 900 s"):
        bench.client().get(bench.server.base + "/x")


def test_a_site_that_is_not_there_is_down(bench: Bench) -> None:
    with FaultServer() as gone:
        url = gone.base + "/x"
        settings = bench.settings().model_copy(update={"site": gone.base})
    client = type(bench.client())(settings, bench.blobs, bench.root / "site")

    with pytest.raises(SiteDown) as down:
        client.get(url)

    shown = str(down.value)
    assert shown.startswith(f"the site cannot be reached: {gone.base}/robots.txt: Connection refused (attempt ")
    assert "Pool" not in shown  # nothing of a library


def test_a_conditional_refresh_of_a_page_that_is_stored_decoded(bench: Bench) -> None:
    page = b"<html>" * 500
    compressed = Serve(gzip.compress(page), "text/html", headers={"Content-Encoding": "gzip"})
    url = bench.server.at("/content/x", compressed)
    client = bench.client()
    first = client.get(url, page=True)

    again = client.get(url, page=True, refresh=True, conditional=True)

    assert (again.not_modified, again.sha256, again.bytes) == (True, first.sha256, len(page))
    assert again.checked_at > again.fetched_at == first.fetched_at
    assert bench.server.requests_for("/content/x")[1].headers["if-none-match"] == first.etag
    assert client.get(url, page=True, since=again.checked_at).from_store


def test_a_page_that_changed_is_read_whole(bench: Bench) -> None:
    url = bench.server.at("/content/x", Serve(b"<html>old"), Serve(b"<html>new"))
    client = bench.client()
    client.get(url, page=True)

    again = client.get(url, page=True, refresh=True, conditional=True)

    assert again.sha256 is not None
    assert bench.blobs.read(again.sha256) == b"<html>new"
