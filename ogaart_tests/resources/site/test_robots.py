"""robots.txt in every encoding is obeyed, and what is not a robots.txt allows nothing."""

import codecs
import gzip

import pytest

from ogaart.resources.site.client import FetchFailed, SiteDown
from ogaart.resources.site.robots import RobotsAnswer, Rules, decode_robots, is_robots
from ogaart_tests.fault_server import Announce, Redirect, Serve, Status
from ogaart_tests.resources.site.site_bench import Bench, bench

__all__ = ["bench"]

RULES = "User-agent: *\nDisallow: /no\nCrawl-delay: 0\n"


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + RULES.encode(),
        RULES.encode("utf-16"),
        codecs.BOM_UTF16_BE + RULES.encode("utf-16-be"),
        RULES.encode("utf-32"),
        RULES.encode("utf-16-le"),
        RULES.encode("utf-16-be"),
        RULES.replace("\n", "\r").encode(),
        RULES.replace("\n", "\r\n").encode(),
        codecs.BOM_UTF8 + RULES.replace("\n", "\r").encode(),
        RULES.replace("\n", "\u2028").encode(),
        b"\n\n# caf\xe9\n" + RULES.encode(),
    ],
    ids=["bom", "16", "16-be", "32", "16-le bare", "16-be bare", "cr", "crlf", "bom cr", "separator", "latin-1"],
)
def test_rules_are_obeyed_in_any_encoding(bench: Bench, content: bytes) -> None:
    bench.server.at("/robots.txt", Serve(content, "text/plain"))
    url = bench.server.at("/yes", Serve(b"x"))
    client = bench.client()

    assert client.get(url).status == 200
    with pytest.raises(FetchFailed, match=r"robots\.txt forbids"):
        client.get(f"{bench.server.base}/no")


@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE html><html><body>User-agent: who knows</body>",
        codecs.BOM_UTF8 + b"\r\n <html>",
        b"Under maintenance. Come back soon.",
        b'{"error": "rate limited"}',
        b"Error: the database is down\nRequest-Id: 12\n",
        b"503 Backend fetch failed\nHost: example.org\nServer: Varnish\n",
        b"405 Method Not Allowed\nAllow: GET, HEAD\n",
        b"Contact: mailto:security@example.org\nExpires: 2027-01-01T00:00:00Z\n",
        gzip.compress(RULES.encode()),
        b"\x89PNG\r\n\x1a\n" + bytes(100),
    ],
    ids=["html", "html with bom", "words", "json", "an error", "a proxy", "headers", "security.txt", "gzip", "png"],
)
def test_what_is_not_a_robots_txt_is_a_site_out_of_reach(bench: Bench, content: bytes) -> None:
    bench.server.at("/robots.txt", Serve(content, "text/plain"))
    url = bench.server.at("/x", Serve(b"x"))

    with pytest.raises(SiteDown, match=r"not a robots\.txt"):
        bench.client().get(url)

    assert {arrival.path for arrival in bench.server.arrivals} == {"/robots.txt"}


def test_a_page_in_its_place_once_is_tried_again(bench: Bench) -> None:
    bench.server.at("/robots.txt", Serve(b"<html>one moment"), Serve(RULES.encode()))

    assert bench.client().get(bench.server.at("/x", Serve(b"x"))).status == 200


def test_half_of_a_robots_txt_is_none(bench: Bench) -> None:
    half = Announce(Serve(RULES[:14].encode()), len(RULES))
    bench.server.at("/robots.txt", half, half, half)

    with pytest.raises(SiteDown, match=r"robots\.txt"):
        bench.client().get(bench.server.at("/no", Serve(b"x")))


def test_a_log_in_page_in_its_place(bench: Bench) -> None:
    bench.server.at("/robots.txt", Redirect("/user/login"))
    bench.server.at("/user/login", Serve(b"<html>Log in"))

    with pytest.raises(SiteDown, match=r"robots\.txt"):
        bench.client().get(bench.server.at("/x", Serve(b"x")))


def test_rules_outlive_one_404(bench: Bench) -> None:
    bench.server.at("/robots.txt", Serve(RULES.encode()), Status(404), Status(404))
    url = bench.server.at("/no", Serve(b"x"))

    for _ in range(2):
        with pytest.raises(FetchFailed, match="forbids"):
            bench.client(robots_hours=0).get(url)

    assert bench.client(robots_hours=0).get(url).status == 200  # missing twice


@pytest.mark.parametrize("empty", [b"", b"# maintenance\n"], ids=["nothing", "a comment"])
def test_rules_outlive_one_empty_answer(bench: Bench, empty: bytes) -> None:
    bench.server.at("/robots.txt", Serve(RULES.encode()), Serve(empty), Serve(empty))
    url = bench.server.at("/no", Serve(b"x"))

    for _ in range(2):
        with pytest.raises(FetchFailed, match="forbids"):
            bench.client(robots_hours=0).get(url)

    assert bench.client(robots_hours=0).get(url).status == 200


@pytest.mark.parametrize("delay", ["nan", "inf", "1e400", "-5", "x", ""])
def test_a_delay_of_nonsense_is_none(bench: Bench, delay: str) -> None:
    bench.server.at("/robots.txt", Serve(f"User-agent: *\nCrawl-delay: {delay}\n".encode()))

    assert bench.client().get(bench.server.at("/x", Serve(b"x"))).status == 200


@pytest.mark.parametrize(
    "rules",
    [
        "User-agent: ogaart/1.0 (any)\nDisallow: /no\n\nUser-agent: *\nDisallow:\n",
        "Sitemap: /map.xml\n\ufeffUser-agent: *\nDisallow: /no\n",
        "\u200bUser-agent: *\nDisallow: /no\n",
        "User-agent: *\x00\nDisallow: /no\x00\n",
    ],
    ids=["version", "mark inside", "zero width", "nul"],
)
def test_rules_are_read_as_their_author_meant_them(rules: str) -> None:
    read = Rules(RobotsAnswer(200, decode_robots(rules.encode())), 0.0)

    assert (read.allow("http://site/no"), read.allow("http://site/yes")) == (False, True)


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [("10s", 10.0), ("10 seconds # please", 10.0), ("2,5", 2.5), ("2.5", 2.5), ("7#", 7.0), ("-5", 0.0), ("5 1", 0.0)],
)
def test_a_delay_is_read_with_its_unit(delay: str, seconds: float) -> None:
    text = decode_robots(f"User-agent: *\nCrawl-delay: {delay}\nDisallow: /no\n".encode())
    rules = Rules(RobotsAnswer(200, text), 0.0)

    assert (max(rules.delay, 0.0), rules.allow("http://site/no")) == (seconds, False)


@pytest.mark.parametrize(
    ("rules", "seconds"),
    [
        ("User-agent: *\nCrawl-delay: 10\n\nUser-agent: x\nCrawl-delay: 30\n\nUser-agent: *\nCrawl-delay: 2", 10.0),
        ("User-agent: *\nCrawl-delay: 2\nCrawl-delay: 9\nCrawl-delay: 3", 9.0),
        ("User-agent: OGAART/2.0\nUser-agent: x\nCrawl-delay: 4 s # ours\nUser-agent: ogaart\nCrawl-delay: 1", 4.0),
        ("User-agent: *\nRequest-rate: 2/1m\nSitemap: /map.xml\nUser-agent: *\nRequest-rate: 1/5", 30.0),
        ("User-agent: *\nCrawl-delay: 90\n\nUser-agent: ogaart\nCrawl-delay: 1", 1.0),
        ("User-agent: ogaart\nUser-agent: *\nCrawl-delay: 3\n\nUser-agent: *\nCrawl-delay: 8", 8.0),
    ],
    ids=["two groups", "one group", "own agent", "rates", "the own group counts alone", "groups of several agents"],
)
def test_of_several_delays_the_longest_counts(rules: str, seconds: float) -> None:
    assert Rules(RobotsAnswer(200, decode_robots(rules.encode())), 0.0).delay == seconds


def test_comments_and_nothing_are_a_robots_txt() -> None:
    assert is_robots(decode_robots(b""))
    assert is_robots(decode_robots(b"\n# all welcome\r"))
    assert not is_robots(decode_robots(b"hello"))
