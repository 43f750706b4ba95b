"""Headers that hold anything: a declared failure that quotes them, and never a crash or a lasting answer."""

import gzip

import pytest

from ogaart.resources.site.client import FetchFailed, SiteDown
from ogaart_tests.fault_server import Cut, Encoded, Raw, Redirect, Serve
from ogaart_tests.resources.site.site_bench import Bench, bench

__all__ = ["bench"]

DATA = b"tiles" * 1000
FILE = Serve(DATA)


def head(*lines: bytes, status: bytes = b"200 OK", body: bytes = b"hello") -> Raw:
    """A response with any header lines."""
    return Raw(b"HTTP/1.1 " + status + b"\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body)


@pytest.mark.parametrize(
    ("line", "quoted"),
    [
        (b"Content-Length: " + b"9" * 5000, "'9999999"),
        (b"Content-Length: \xb2", "'²'"),
        (b"Content-Length: -5", "'-5'"),
        (b"Content-Length: 5, 7", "5, 7"),
        (b"Content-Length: 0x5", "'0x5'"),
        (b"Transfer-Encoding: gzip, chunked", "'gzip, chunked'"),
        (b"Transfer-Encoding: nonsense", "'nonsense'"),
    ],
)
@pytest.mark.parametrize("page", [True, False])
def test_a_body_whose_end_cannot_be_told(bench: Bench, line: bytes, quoted: str, page: bool) -> None:
    url = bench.server.at("/x", head(line))

    with pytest.raises(FetchFailed) as failure:
        bench.client().get(url, page=page)

    assert failure.value.retryable
    assert quoted in failure.value.message
    assert len(failure.value.message) < 500
    assert bench.leftovers() == []


@pytest.mark.parametrize("chunks", [b"-5\r\nhello\r\n0\r\n\r\n", b"zz\r\nhello\r\n", b"5;x=y\r\nhel", b"9" * 5000])
def test_chunks_of_no_length(bench: Bench, chunks: bytes) -> None:
    url = bench.server.at("/x", head(b"Transfer-Encoding: chunked", body=chunks), FILE)

    fetched = bench.client().get(url)

    assert fetched.sha256 is not None
    assert (bench.blobs.read(fetched.sha256), fetched.attempts) == (DATA, 2)


@pytest.mark.parametrize(
    "location", [b"http://[", b"http://[::1", b"//user:secret@example.org/\xe9", b"http://\xe9.org/"]
)
def test_a_location_that_leads_nowhere(bench: Bench, location: bytes) -> None:
    url = bench.server.at("/x", head(b"Location: " + location, b"Content-Length: 0", status=b"302 Found", body=b""))

    with pytest.raises(FetchFailed) as failure:
        bench.client().get(url)

    assert (failure.value.error_class, failure.value.retryable) == ("RedirectOffSite", True)
    assert location[:7].decode() in failure.value.message


def test_a_location_in_any_encoding_leads_to_its_own_bytes(bench: Bench) -> None:
    bench.server.at("/caf%E9.png", FILE)
    bench.server.at("/caf%C3%A9.png", FILE)

    assert bench.client().get(bench.server.at("/latin", Redirect("/caf\xe9.png"))).bytes == len(DATA)
    assert bench.client().get(bench.server.at("/utf", Redirect("/caf\xc3\xa9.png"))).bytes == len(DATA)


def test_two_locations_are_none(bench: Bench) -> None:
    two = (b"Location: /a", b"Location: /b", b"Content-Length: 0")
    url = bench.server.at("/x", head(*two, status=b"302 Found", body=b""), FILE)

    assert bench.client().get(url).attempts == 2


@pytest.mark.parametrize("year", [b"99999", b"9" * 30, b"9" * 5000])
def test_an_absurd_retry_after_is_quoted_and_not_waited_for(bench: Bench, year: bytes) -> None:
    odd = head(b"Retry-After: Thu, 01 Oct " + year + b" 03:37:00 GMT", b"Content-Length: 0", status=b"503 Later")
    url = bench.server.at("/x", odd)

    with pytest.raises(FetchFailed, match=r"Retry-After: 'Thu, 01 Oct 9999"):
        bench.client().get(url)


@pytest.mark.parametrize("seconds", [b"9" * 5000, b"Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_retry_after_of_centuries_is_honoured_for_a_day(bench: Bench, seconds: bytes) -> None:
    url = bench.server.at("/x", head(b"Retry-After: " + seconds, b"Content-Length: 0", status=b"503 Later", body=b""))

    with pytest.raises(SiteDown) as down:
        bench.client().get(url)

    assert 86_000 < down.value.retry_after <= 86_400


@pytest.mark.parametrize(
    "line",
    [
        b'ETag: "a\r\n b"',
        b'ETag: "\x01"',
        b'ETag: "' + b"x" * 5000 + b'"',
        b"Last-Modified: \x7f\x80",
        b"Content-Type: text/html\x00",
    ],
)
def test_what_cannot_be_sent_back_is_not_kept(bench: Bench, line: bytes) -> None:
    url = bench.server.at("/x", head(line, b"Content-Length: 5"))
    client = bench.client()

    client.get(url)
    again = client.get(url, refresh=True, conditional=True)

    assert again.status == 200
    record = bench.record(url)
    assert record is not None
    kept = f"{record.etag}{record.last_modified}{record.content_type}"
    assert kept.isprintable()
    assert len(kept) < 100


@pytest.mark.parametrize(
    "span", [b"nonsense", b"bytes 300-", b"bytes " + b"9" * 5000 + b"-/*", b"bytes 100-99/5", b"bytes \xb2-5/*", b""]
)
def test_a_content_range_of_nonsense_starts_over(bench: Bench, span: bytes) -> None:
    part = head(b"Content-Range: " + span, b"Content-Length: 5", status=b"206 Partial Content")
    url = bench.server.at("/x", Cut(FILE, 1000, reset=False), part, FILE)

    fetched = bench.client().get(url)

    assert fetched.sha256 is not None
    assert bench.blobs.read(fetched.sha256) == DATA


def test_a_part_that_was_not_requested_is_not_the_whole(bench: Bench) -> None:
    url = bench.server.at("/x", head(b"Content-Range: bytes 5-9/10", b"Content-Length: 5", status=b"206 Partial"))

    with pytest.raises(FetchFailed, match="answered 206 Partial") as failure:
        bench.client().get(url)

    assert failure.value.retryable


def test_a_page_in_an_encoding_that_was_not_requested(bench: Bench) -> None:
    url = bench.server.at("/x", Encoded(b"<html>", encoding="br", lie=True), Serve(b"<html>"))

    fetched = bench.client().get(url, page=True)

    assert (fetched.bytes, fetched.attempts) == (6, 2)


@pytest.mark.parametrize(
    ("body", "size"),
    [
        (gzip.compress(b"a" * 700) + gzip.compress(b"b" * 300), 1000),
        (gzip.compress(b"a" * 700) + b"rubbish", 700),
    ],
    ids=["two members", "rubbish after the end"],
)
def test_gzip_is_read_as_gunzip_reads_it(bench: Bench, body: bytes, size: int) -> None:
    length = f"Content-Length: {len(body)}".encode()
    url = bench.server.at("/x", head(b"Content-Encoding: gzip", length, body=body))

    assert bench.client().get(url, page=True).bytes == size


@pytest.mark.parametrize("status", [b"99999 Odd", b"-1 Odd", b"abc", b"200", b"\xb2\xb2\xb2 x"])
def test_a_status_line_of_nonsense(bench: Bench, status: bytes) -> None:
    url = bench.server.at("/x", head(b"Content-Length: 5", status=status), FILE)

    assert bench.client().get(url).attempts in (1, 2)


def test_a_reason_with_controls_is_shown_without_them(bench: Bench) -> None:
    url = bench.server.at("/x", head(b"Content-Length: 0", status=b"500 \x1b[31mRed" + b"!" * 5000))

    with pytest.raises(FetchFailed) as failure:
        bench.client().get(url)

    assert failure.value.message.isprintable()
    assert len(failure.value.message) < 300


def test_too_many_headers(bench: Bench) -> None:
    url = bench.server.at("/x", head(*[b"X: y"] * 500, b"Content-Length: 5"), FILE)

    assert bench.client().get(url).attempts == 2
