"""What a client tells while it works, and content that is not what a URL should hold."""

import pytest

from ogaart.resources.site import waits
from ogaart.resources.site.client import FetchFailed, Received, SiteDown, UnexpectedContent
from ogaart_tests.fault_server import Behaviour, Encoded, Redirect, Serve, Status
from ogaart_tests.resources.site.site_bench import Bench, bench

__all__ = ["bench"]

ENTRY = b"<html><body class='node-type-art'>"


def looks_like_an_entry(received: Received) -> None:
    """What the crawl would pass as ``accept``."""
    if b"node-type-art" not in received.read():
        raise UnexpectedContent("not a page of an entry")


def test_each_retry_and_pause_is_told_with_its_cause(bench: Bench) -> None:
    url = bench.server.at("/x", Status(500), Status(503, retry_after=1), Serve(b"x"))
    told: list[str] = []

    bench.client(on_event=told.append).get(url)

    assert told[0].startswith("attempt 1 of 3 failed, next in 0.0 s: HttpStatus: ")
    assert told[0].endswith("/x answered 500 Internal Server Error")
    assert told[1].endswith("requests a pause of 1 s")
    assert told[2].startswith("attempt 2 of 3 failed")
    assert "Retry-After: '1'" in told[2]


def test_a_circuit_that_opens_and_closes_is_told(bench: Bench) -> None:
    url = bench.server.at("/x", Status(500), Status(500), Serve(b"x"))
    told: list[str] = []
    client = bench.client(circuit_failures=2, circuit_urls=1, circuit_seconds=0.01)
    client.on_event = told.append

    with pytest.raises(SiteDown):
        client.get(url)
    client.wait_until_up(0.02)
    client.get(url)

    assert "failed 2 times in a row" in told[-2]
    assert told[-1].endswith("responds again")


def test_long_waits_are_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "WORTH_TELLING", 0.1)
    told: list[str] = []
    client = bench.client(on_event=told.append, delay=0.3)

    client.get(bench.server.at("/x", Serve(b"x")))

    assert [message.partition(":")[0] for message in told] == ["waiting 0 s"]


@pytest.mark.parametrize(
    "other", [Serve(b""), Serve(ENTRY[:20]), Serve(b"<html>Access denied"), Encoded(b"<html>soon")]
)
def test_a_page_that_is_not_what_its_url_should_hold_is_requested_again(bench: Bench, other: Serve) -> None:
    url = bench.server.at("/content/x", other, Serve(ENTRY))

    fetched = bench.client().get(url, page=True, accept=looks_like_an_entry)

    assert fetched.sha256 is not None
    assert bench.blobs.read(fetched.sha256) == ENTRY
    assert fetched.attempts == 2


def test_what_is_never_accepted_is_a_failure_and_the_old_page_stays(bench: Bench) -> None:
    url = bench.server.at("/content/x", Serve(ENTRY), Serve(b"<html>Under maintenance"))
    client = bench.client()
    first = client.get(url, page=True, accept=looks_like_an_entry)

    with pytest.raises(FetchFailed, match="not a page of an entry") as failure:
        client.get(url, page=True, refresh=True, accept=looks_like_an_entry)

    assert (failure.value.error_class, failure.value.retryable) == ("UnexpectedContent", True)
    assert len(bench.server.requests_for("/content/x")) == 1 + 3
    kept = client.get(url, page=True)
    assert (kept.from_store, kept.sha256) == (True, first.sha256)
    assert bench.leftovers() == []


def test_a_site_whose_every_page_is_another_is_down(bench: Bench) -> None:
    client = bench.client(attempts=2, circuit_failures=3, circuit_urls=3)
    urls = [bench.server.at(f"/content/{n}", Serve(b"<html>Under maintenance")) for n in range(5)]

    for url in urls[:3]:
        with pytest.raises(FetchFailed):
            client.get(url, page=True, accept=looks_like_an_entry)

    with pytest.raises(SiteDown):
        client.get(urls[3], page=True, accept=looks_like_an_entry)


EVERYWHERE: dict[str, Behaviour] = {
    "a redirect to the log-in page": Redirect("/user/login"),
    "a redirect to another site": Redirect("https://example.org/blocked"),
    "a circle": Redirect("/circle"),
    "an unusual refusal": Status(406),
    "payment required": Status(402),
}


@pytest.mark.parametrize("answer", EVERYWHERE)
def test_a_site_that_answers_everything_in_one_odd_way_is_down(bench: Bench, answer: str) -> None:
    client = bench.client(attempts=1, circuit_failures=4, circuit_urls=3)
    bench.server.at("/user/login", Serve(b"<html>Log in"))
    bench.server.at("/circle", Redirect("/circle"))
    urls = [bench.server.at(f"/content/{n}", EVERYWHERE[answer]) for n in range(6)]

    for url in urls[:4]:
        with pytest.raises(FetchFailed):
            client.get(url, page=True, accept=looks_like_an_entry)

    with pytest.raises(SiteDown):
        client.get(urls[4], page=True, accept=looks_like_an_entry)
    assert bench.server.requests_for("/content/4") == []


def test_a_redirect_that_leads_to_the_page_is_no_failure(bench: Bench) -> None:
    client = bench.client(attempts=1, circuit_failures=2, circuit_urls=2)
    bench.server.at("/good", Serve(ENTRY))
    odd = [bench.server.at(f"/odd-{n}", Redirect("/circle")) for n in range(4)]
    bench.server.at("/circle", Redirect("/circle"))

    for n, url in enumerate(odd):
        with pytest.raises(FetchFailed):
            client.get(url)
        moved = bench.server.at(f"/moved-{n}", Redirect("/good"))
        assert client.get(moved, page=True, accept=looks_like_an_entry).status == 200
