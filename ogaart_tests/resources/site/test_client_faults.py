"""The client with a server that misbehaves: what is retried, what is resumed, what is given up."""

import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from ogaart.resources.site.client import FetchFailed, SiteDown
from ogaart.resources.site.partial_downloads import clean_up_partials
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.leftovers import clean_up_leftovers
from ogaart_tests.fault_server import (
    Announce,
    Chunked,
    Cut,
    CutHead,
    Drip,
    DrippingHead,
    Encoded,
    IgnoreRange,
    Redirect,
    Reset,
    Serve,
    Silence,
    Sometimes,
    Status,
)
from ogaart_tests.resources.site.site_bench import Bench, bench

__all__ = ["bench"]

DATA = bytes(range(256)) * 2000
FILE = Serve(DATA)


def impatience(fault: Any) -> dict[str, float]:
    """A short time to wait, for a fault that is only waited for."""
    return {"timeout_read": 1.0} if isinstance(fault, DrippingHead) else {}


def failure_of(bench: Bench, url: str, **options: Any) -> FetchFailed:
    """What ``get`` raises for ``url``."""
    settings = {name: options.pop(name) for name in ("min_rate", "timeout_total", "attempts") if name in options}
    with pytest.raises(FetchFailed) as failure:
        bench.client(**settings).get(url, **options)
    return failure.value


@pytest.mark.parametrize(
    "fault",
    [
        Status(408),
        Status(429),
        Status(500),
        Status(502),
        Status(503),
        Status(504),
        Reset(),
        Silence(1.5),
        DrippingHead(0.1),
        Cut(FILE, 0),
        Cut(FILE, 100_000),
        Cut(FILE, 100_000, reset=False),
        Cut(FILE, 100_000, stall=1.5),
        Chunked(FILE, broken=True),
        Announce(FILE, len(DATA) + 10),
    ],
    ids=repr,
)
def test_what_another_attempt_may_repair_is_retried(bench: Bench, fault: Any) -> None:
    url = bench.server.at("/pack.zip", fault, FILE)

    fetched = bench.client(**impatience(fault)).get(
        url, expected_length=len(DATA) if not isinstance(fault, Announce) else None
    )

    assert fetched.sha256 is not None
    assert bench.blobs.read(fetched.sha256) == DATA
    assert fetched.attempts == 2
    assert bench.leftovers() == []


@pytest.mark.parametrize(
    "fault",
    [
        CutHead(),
        CutHead(b"HTTP/1.1 200 OK\r\nContent-Le"),
        CutHead(b"HTTP/1.1 200 OK\r\nContent-Length: 5"),
        CutHead(b"HTTP/1.1 2"),
        CutHead(b"nonsense\r\n\r\n"),
        CutHead(b""),
        DrippingHead(0.1),
    ],
    ids=repr,
)
def test_a_head_cut_short_is_no_empty_file(bench: Bench, fault: Any) -> None:
    bench.server.at("/robots.txt", fault, Serve(b""))
    url = bench.server.at("/pack.zip", fault, FILE)

    fetched = bench.client(**impatience(fault)).get(url)

    assert (fetched.bytes, fetched.attempts) == (len(DATA), 2)
    assert len(bench.server.requests_for("/robots.txt")) == 2


def test_an_empty_file_is_a_file(bench: Bench) -> None:
    url = bench.server.at("/empty", Serve(b""))

    fetched = bench.client().get(url, expected_length=0)

    assert (fetched.status, fetched.bytes) == (200, 0)
    assert bench.client().get(url).from_store


def test_attempts_come_to_an_end(bench: Bench) -> None:
    url = bench.server.at("/pack.zip", Status(500))

    failure = failure_of(bench, url)

    assert (failure.error_class, failure.http_status, failure.retryable) == ("HttpStatus", 500, True)
    assert "attempt 3" in failure.message
    assert len(bench.server.requests_for("/pack.zip")) == 3


@pytest.mark.parametrize("status", [204, 400, 405, 451])
def test_other_statuses_are_tried_again_in_a_later_run(bench: Bench, status: int) -> None:
    url = bench.server.at("/pack.zip", Status(status))

    failure = failure_of(bench, url)

    assert (failure.http_status, failure.retryable) == (status, True)
    assert len(bench.server.requests_for("/pack.zip")) == 1


# Lengths


@pytest.mark.parametrize(
    "behaviour",
    [FILE, Announce(FILE, None), Chunked(FILE), Announce(FILE, len(DATA) - 1)],
    ids=["announced", "closing", "chunked", "lying"],
)
def test_a_longer_body_than_the_page_says_is_refused(bench: Bench, behaviour: Any) -> None:
    url = bench.server.at("/pack.zip", behaviour)

    failure = failure_of(bench, url, expected_length=1000)

    assert (failure.error_class, failure.retryable) == ("LengthMismatch", True)
    assert len(bench.server.requests_for("/pack.zip")) == 3
    assert bench.leftovers() == []


def test_html_for_a_zip_is_refused_by_its_length(bench: Bench) -> None:
    url = bench.server.at("/pack.zip", Serve(b"<html>Sorry!</html>", "text/html"))

    failure = failure_of(bench, url, expected_length=len(DATA))

    assert failure.error_class == "LengthMismatch"
    assert "19 bytes came where 512,000 bytes were expected" in failure.message


def test_a_short_body_without_announced_length_is_tried_again(bench: Bench) -> None:
    short = Announce(Serve(DATA[:1000], etag='"a"'), None)
    url = bench.server.at("/pack.zip", short, Serve(DATA, etag='"a"'))

    fetched = bench.client().get(url, expected_length=len(DATA))

    assert fetched.sha256 is not None
    assert bench.blobs.read(fetched.sha256) == DATA
    assert bench.server.requests_for("/pack.zip")[1].headers["range"] == "bytes=1000-"


@pytest.mark.parametrize(
    "behaviour", [FILE, Announce(FILE, None), Chunked(FILE)], ids=["announced", "closing", "chunked"]
)
def test_no_more_than_the_limit_is_read(bench: Bench, behaviour: Any) -> None:
    url = bench.server.at("/pack.zip", behaviour)
    client = bench.client()

    with pytest.raises(FetchFailed, match="the limit is 1,000") as failure:
        client.get(url, max_bytes=1000)

    assert (failure.value.error_class, failure.value.retryable) == ("TooLarge", False)
    assert client.stats.bytes <= 1000
    assert bench.leftovers() == []


# Slow servers


def test_a_slow_drip_is_given_up(bench: Bench) -> None:
    url = bench.server.at("/pack.zip", Drip(FILE, 10, 0.02))

    failure = failure_of(bench, url, min_rate=10_000.0, attempts=1)

    assert (failure.error_class, failure.retryable) == ("TooSlow", True)


def test_an_answer_may_not_take_for_ever(bench: Bench) -> None:
    url = bench.server.at("/pack.zip", Drip(FILE, 5000, 0.02))

    failure = failure_of(bench, url, timeout_total=0.5, attempts=1)

    assert failure.error_class == "TooSlow"


def test_a_slow_drip_gets_there_over_attempts(bench: Bench) -> None:
    url = bench.server.at("/pack.zip", Drip(FILE, 20_000, 0.02))

    fetched = bench.client(timeout_total=0.25, attempts=10).get(url)

    assert fetched.sha256 is not None
    assert bench.blobs.read(fetched.sha256) == DATA
    assert fetched.attempts > 1


# Encodings


def test_a_gzip_bomb_is_stopped_at_the_limit(bench: Bench) -> None:
    url = bench.server.at("/page", Encoded(bytes(50 << 20)))

    failure = failure_of(bench, url, page=True, max_bytes=1 << 20)

    assert failure.error_class == "TooLarge"
    assert bench.leftovers() == []


def test_a_page_that_only_claims_to_be_compressed_is_taken_as_it_is(bench: Bench) -> None:
    url = bench.server.at("/page", Encoded(b"<html>", lie=True))

    fetched = bench.client().get(url, page=True)

    assert fetched.sha256 is not None
    assert bench.blobs.read(fetched.sha256) == b"<html>"


def test_a_damaged_gzip_stream_is_tried_again(bench: Bench) -> None:
    good = Encoded(b"<html>" * 500)
    url = bench.server.at("/page", Encoded(b"\x1f\x8b\x08broken", lie=True), good)

    assert bench.client().get(url, page=True).bytes == 3000


# Redirects


@pytest.mark.parametrize(
    ("target", "error_class"),
    [
        ("/here", "RedirectLoop"),
        ("https://example.org/pack.zip", "RedirectOffSite"),
        ("//example.org/pack.zip", "RedirectOffSite"),
        ("file:///etc/passwd", "RedirectOffSite"),
        ("http://127.0.0.1:1/pack.zip", "RedirectOffSite"),
        ("http://user@127.0.0.1/", "RedirectOffSite"),
        ("http://[::1#", "RedirectOffSite"),
    ],
)
def test_redirects_that_lead_nowhere_good(bench: Bench, target: str, error_class: str) -> None:
    url = bench.server.at("/here", Redirect(target))

    failure = failure_of(bench, url)

    assert (failure.error_class, failure.retryable) == (error_class, True)
    assert len(bench.server.requests_for("/here")) == 1


def test_a_redirect_to_odd_bytes_does_no_harm(bench: Bench) -> None:
    bench.server.at("/%FF", FILE)
    url = bench.server.at("/here", Redirect("/\xff"))

    assert bench.client().get(url).bytes == len(DATA)


def test_a_redirects_body_is_not_read(bench: Bench) -> None:
    bench.server.at("/there", FILE)
    url = bench.server.at("/here", Redirect("/there", endless=True))

    assert bench.client().get(url).bytes == len(DATA)


def test_endless_redirects_end(bench: Bench) -> None:
    for n in range(20):
        bench.server.at(f"/{n}", Redirect(f"/{n + 1}"))

    failure = failure_of(bench, bench.server.base + "/0")

    assert failure.error_class == "RedirectLoop"
    assert len(bench.server.arrivals) == 7  # robots.txt, the URL, five redirects


# Resuming


def test_a_broken_download_resumes_where_it_broke(bench: Bench) -> None:
    url = bench.server.at("/pack.zip", Cut(FILE, 300_000, reset=False), FILE)
    client = bench.client()

    fetched = client.get(url)

    assert fetched.sha256 is not None
    assert bench.blobs.read(fetched.sha256) == DATA
    second = bench.server.requests_for("/pack.zip")[1].headers
    assert second["range"] == "bytes=300000-"
    assert second["if-range"] == fetched.etag
    assert client.stats.bytes == len(DATA)


def test_a_later_run_goes_on_with_it(bench: Bench) -> None:
    url = bench.server.at("/pack.zip", Cut(FILE, 300_000, reset=False))
    assert failure_of(bench, url, attempts=1).error_class == "BodyBroken"
    bench.server.at("/pack.zip", FILE)

    fetched = bench.client().get(url)

    assert fetched.sha256 is not None
    assert bench.blobs.read(fetched.sha256) == DATA
    assert bench.server.requests_for("/pack.zip")[-1].headers["range"] == "bytes=300000-"


def test_a_file_that_changed_meanwhile_is_read_from_its_beginning(bench: Bench) -> None:
    url = bench.server.at("/pack.zip", Cut(FILE, 300_000, reset=False), Serve(DATA[::-1]))

    fetched = bench.client().get(url)

    assert fetched.sha256 is not None
    assert bench.blobs.read(fetched.sha256) == DATA[::-1]


@pytest.mark.parametrize(
    "weak", [Serve(DATA, etag=""), Serve(DATA, etag='W/"1"')], ids=["no validator", "weak validator"]
)
def test_without_a_strong_validator_nothing_is_resumed(bench: Bench, weak: Serve) -> None:
    url = bench.server.at("/pack.zip", Cut(weak, 300_000, reset=False), weak)

    fetched = bench.client().get(url)

    assert fetched.bytes == len(DATA)
    assert "range" not in bench.server.requests_for("/pack.zip")[1].headers


def test_a_wrong_part_is_not_glued_on(bench: Bench) -> None:
    url = bench.server.at("/pack.zip", Cut(FILE, 300_000, reset=False), IgnoreRange(FILE, 100), FILE)

    fetched = bench.client().get(url)

    assert fetched.sha256 is not None
    assert bench.blobs.read(fetched.sha256) == DATA


def test_a_refused_range_starts_over(bench: Bench) -> None:
    url = bench.server.at("/pack.zip", Cut(FILE, 300_000, reset=False), Status(416), FILE)

    assert bench.client().get(url).bytes == len(DATA)


PROGRAM = """
import sys
from pathlib import Path
from ogaart.resources.storage.blobs import Blobs
from ogaart.resources.site.client import SiteClient
from ogaart.settings import Settings
root = Path(sys.argv[1])
client = SiteClient(Settings(site=sys.argv[2], data=root), Blobs(root / "blobs"), root / "site")
for url in sys.argv[3:]:
    client.get(url)
"""


def crawler(bench: Bench, *urls: str, fault: str = "") -> subprocess.Popen[bytes]:
    """Fetch URLs in a process group of its own, which dies at the named fault point."""
    environment = os.environ | ({"OGAART_FAULT": fault} if fault else {})
    command = [sys.executable, "-c", PROGRAM, str(bench.root), bench.server.base, *urls]
    return subprocess.Popen(command, env=environment, start_new_session=True)


@pytest.mark.parametrize(
    ("fault", "repeated"),
    # Of the transactions, the fifth ends the first page's turn, and the sixth makes the row of its record.
    [("blob_written:2", 1), ("state_drafted:5", 1), ("state_drafted:6", 0), ("fetch_recorded:2", 0)],
)
def test_killed_at_a_fault_point_it_repeats_at_most_one_request(bench: Bench, fault: str, repeated: int) -> None:
    urls = [bench.server.at(f"/{n}", Serve(bytes([n]) * 300_000)) for n in range(4)]

    assert crawler(bench, *urls, fault=fault).wait(30) == -signal.SIGKILL
    assert crawler(bench, *urls).wait(30) == 0

    assert len(bench.server.arrivals) == 1 + len(urls) + repeated
    client = bench.client()
    assert all(client.get(url, verify=True).from_store for url in urls)
    clean_up_leftovers(DataRoot(bench.root))
    clean_up_partials(bench.root / "site")
    assert bench.leftovers() == []


def test_a_complete_download_without_its_record_is_not_requested_again(bench: Bench) -> None:
    url = bench.server.at("/pack.zip", Cut(FILE, 300_000, reset=False))
    failure_of(bench, url, attempts=1)
    part = next(bench.root.glob("site/partial/*.part"))
    part.write_bytes(DATA)

    fetched = bench.client().get(url)

    assert fetched.requests == 0
    assert fetched.sha256 is not None
    assert bench.blobs.read(fetched.sha256) == DATA


def test_a_killed_process_repeats_only_the_rest(bench: Bench) -> None:
    url = bench.server.at("/pack.zip", Cut(FILE, 300_000, stall=20), FILE)
    process = crawler(bench, url)
    until = time.monotonic() + 20
    while time.monotonic() < until and not any(path.stat().st_size for path in bench.root.glob("site/partial/*.part")):
        time.sleep(0.02)
    time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    kept = next(bench.root.glob("site/partial/*.part")).stat().st_size

    fetched = bench.client().get(url)

    assert fetched.sha256 is not None
    assert bench.blobs.read(fetched.sha256) == DATA
    assert 0 < kept <= 300_000
    assert bench.server.requests_for("/pack.zip")[1].headers["range"] == f"bytes={kept}-"
    assert len(bench.server.requests_for("/robots.txt")) == 1
    assert bench.leftovers() == []


# Many faults


def test_a_crawl_through_faults_ends_with_everything(bench: Bench) -> None:
    urls = {bench.server.at(f"/{n}", Serve(os.urandom(n * 50))): n * 50 for n in range(150)}
    small = Serve(b"")
    faults = Sometimes(0.3, [Status(500), Status(503), Reset(), Status(429), Cut(small, 0)], seed=7)
    bench.server.everywhere = faults
    missing = dict(urls)

    for _run in range(10):
        client = bench.client(attempts=4, backoff=0.001, circuit_failures=12, circuit_seconds=0.01)
        for url, length in list(missing.items()):
            try:
                client.get(url, expected_length=length)
                del missing[url]
            except FetchFailed as failure:
                assert failure.retryable, failure  # noqa: PT017
            except SiteDown:
                break

    assert missing == {}
    assert faults.served > 40
    before = len(bench.server.arrivals)
    again = bench.client()
    assert all(again.get(url).from_store for url in urls)
    assert len(bench.server.arrivals) == before


@pytest.mark.parametrize(
    "other",
    [Serve(DATA[:5000]), Serve(DATA + b"more"), Serve(b"<html>Sorry!", "text/html"), Serve(b"")],
    ids=["shorter", "longer", "page", "empty"],
)
def test_a_file_of_another_length_is_tried_again_in_the_run(bench: Bench, other: Serve) -> None:
    url = bench.server.at("/pack.zip", other, other, FILE)

    fetched = bench.client().get(url, expected_length=len(DATA))

    assert fetched.sha256 is not None
    assert (bench.blobs.read(fetched.sha256), fetched.attempts) == (DATA, 3)


def test_files_that_never_fit_do_not_close_the_site(bench: Bench) -> None:
    urls = [bench.server.at(f"/{n}", Serve(b"another")) for n in range(6)]
    client = bench.client(circuit_failures=4, circuit_urls=2)

    for url in urls:
        with pytest.raises(FetchFailed, match="LengthMismatch"):
            client.get(url, expected_length=100)

    assert client.get(bench.server.at("/good", FILE)).status == 200
