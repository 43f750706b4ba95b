"""Refusals (401, 403, 404, 410): answers about one URL, unless the site refuses everything."""

import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from ogaart.resources.site import site_state
from ogaart.resources.site.client import SiteClient, SiteDown, SiteRefuses
from ogaart.resources.site.site_state_store import SiteStateStore
from ogaart.resources.state.database import StateDatabase
from ogaart_tests.fault_server import Redirect, Serve, Status
from ogaart_tests.resources.site.site_bench import Bench, bench

__all__ = ["bench"]

PAGE = Serve(b"<html>entry</html>", "text/html")


def pages(bench: Bench, count: int) -> list[str]:
    """URLs of pages that are well."""
    return [bench.server.at(f"/content/{n}", PAGE) for n in range(count)]


def recorded(bench: Bench, urls: list[str]) -> list[int | None]:
    """The statuses that the fetch records hold for URLs."""
    records = [bench.record(url) for url in urls]
    return [record.status if record is not None else None for record in records]


def refusing_from(bench: Bench, number: int, status: int) -> None:
    """Let the server refuse everything from its ``number``-th page on."""
    served = 0

    def answer(path: str) -> Status | None:
        nonlocal served
        served += path != "/robots.txt"
        return Status(status) if served >= number else None

    bench.server.everywhere = answer


def crawl(client: SiteClient, urls: list[str], **options: Any) -> list[int]:
    """The statuses of URLs that are fetched one after the other."""
    return [client.get(url, **options).status for url in urls]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_refusals_of_a_site_that_refuses_everything_are_not_answers(bench: Bench, status: int) -> None:
    urls = pages(bench, 32)
    crawl(bench.client(), urls)
    before = recorded(bench, urls)
    refusing_from(bench, 5, status)

    with pytest.raises(SiteRefuses, match="it refuses this crawler; none of this is recorded"):
        crawl(bench.client(), urls, refresh=True)

    assert recorded(bench, urls) == before == [200] * 32
    requests = len(bench.server.arrivals)
    with pytest.raises(SiteDown, match="no request is sent for another"):
        bench.client().get(urls[9], refresh=True)
    assert len(bench.server.arrivals) == requests


def test_with_the_site_well_again_they_are_requested_again(bench: Bench) -> None:
    urls = pages(bench, 12)
    refusing_from(bench, 5, 403)
    quick = {"circuit_seconds": 0.05}
    with pytest.raises(SiteRefuses):
        crawl(bench.client(**quick), urls)
    bench.server.everywhere = lambda _path: None
    time.sleep(0.06)

    assert crawl(bench.client(**quick), urls) == [200] * 12
    assert recorded(bench, urls) == [200] * 12


def test_a_refusal_counts_over_processes(bench: Bench) -> None:
    urls = pages(bench, 6)
    bench.client().get(urls[0])
    refusing_from(bench, 1, 403)

    assert crawl(bench.client(), urls[1:2]) == [403]
    assert crawl(bench.client(), urls[2:3]) == [403]
    with pytest.raises(SiteRefuses):
        bench.client().get(urls[3])

    assert recorded(bench, urls[1:4]) == [None] * 3


def test_many_entries_that_are_gone_are_answers_where_the_site_serves_what_it_served_before(bench: Bench) -> None:
    good, gone = pages(bench, 1), [bench.server.at(f"/gone/{n}", Status(404)) for n in range(20)]
    client = bench.client()
    client.get(good[0])

    assert crawl(client, gone) == [404] * 20
    client.confirm_refusals()

    assert recorded(bench, gone) == [404] * 20
    assert (
        len(bench.server.requests_for("/content/0")) == 1 + 7
    )  # one more for each three refusals, and for the last two


@pytest.mark.parametrize("target", ["/user/login", "https://login.example.org/", "/content/0"])
def test_a_log_in_page_does_not_prove_that_the_site_serves_us(bench: Bench, target: str) -> None:
    urls = pages(bench, 5)
    bench.client().get(urls[0])
    bench.server.at("/content/0", Redirect(target))
    bench.server.at("/user/login", PAGE)
    for n in range(1, 5):
        bench.server.at(f"/content/{n}", Status(403))

    with pytest.raises(SiteRefuses):
        crawl(bench.client(), urls[1:])

    assert recorded(bench, urls[1:]) == [None] * 4


def test_few_refusals_are_decided_before_rows_rely_on_them(bench: Bench) -> None:
    urls = pages(bench, 2)
    client = bench.client()
    client.get(urls[0])
    refusing_from(bench, 1, 403)
    assert client.get(urls[1]).status == 403

    with pytest.raises(SiteRefuses):
        client.confirm_refusals()

    assert recorded(bench, urls) == [200, None]


def test_a_refusal_behind_which_a_run_was_killed_is_not_requested_again(bench: Bench) -> None:
    [good, later], gone = pages(bench, 2), bench.server.at("/gone", Status(404))
    bench.client().get(good)
    assert bench.client().get(gone, unconfirmed=True).status == 404  # the process ends here, and another one goes on
    assert recorded(bench, [gone]) == [None]

    again = bench.client().get(gone, unconfirmed=True)
    bench.client().get(later)

    assert (again.status, again.from_store, again.requests) == (404, True, 0)
    assert recorded(bench, [gone]) == [404]
    assert len(bench.server.requests_for("/gone")) == 1


def test_a_refusal_that_awaits_its_answer_is_requested_again_where_a_newer_one_is_wanted(bench: Bench) -> None:
    [good], gone = pages(bench, 1), bench.server.at("/gone", Status(404))
    bench.client().get(good)
    bench.client().get(gone)

    bench.client().get(gone)  # its rows may rely on it without a decision
    bench.client().get(gone, unconfirmed=True, refresh=True)
    bench.client().get(gone, unconfirmed=True, since=datetime.now(UTC))

    assert len(bench.server.requests_for("/gone")) == 4


def test_a_refusal_that_nothing_can_confirm_is_requested_again(bench: Bench) -> None:
    gone = bench.server.at("/gone", Status(403))

    crawl(bench.client(), [gone, gone], unconfirmed=True)

    assert len(bench.server.requests_for("/gone")) == 2


def test_a_site_that_refuses_us_is_not_believed_because_a_run_was_killed(bench: Bench) -> None:
    urls = pages(bench, 3)
    bench.client().get(urls[0])
    refusing_from(bench, 1, 403)
    bench.client().get(urls[1], unconfirmed=True)

    client = bench.client()
    assert client.get(urls[1], unconfirmed=True).from_store
    with pytest.raises(SiteRefuses):
        client.confirm_refusals()

    assert recorded(bench, urls) == [200, None, None]


@pytest.mark.parametrize("order", [[1, 2], [2, 1]], ids=["the refused one first", "another one first"])
def test_a_refusal_of_long_ago_is_not_confirmed_by_a_site_that_serves_us_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, order: list[int]
) -> None:
    urls = pages(bench, 3)
    bench.client().get(urls[0])
    refusing_from(bench, 1, 403)
    bench.client().get(urls[1], unconfirmed=True)  # the site refuses this crawler from here on; then the run is killed
    bench.server.everywhere = lambda _: None
    monkeypatch.setattr(site_state, "CONFIRMED_WITHIN", 0.05)
    time.sleep(0.1)

    client = bench.client()
    client.confirm_refusals()  # as each step does before it looks at what is stored
    crawl(client, [urls[n] for n in order], unconfirmed=True)

    assert recorded(bench, urls) == [200, 200, 200]


def test_a_refusal_awaits_its_answer_where_the_clock_was_set_back_since(bench: Bench) -> None:
    [good], gone = pages(bench, 1), bench.server.at("/gone", Status(404))
    bench.client().get(good)
    bench.client().get(gone, unconfirmed=True)
    with closing(StateDatabase(bench.settings())) as state:
        store = SiteStateStore(state, bench.root / "site", urlsplit(gone).netloc.replace(":", "_"), time.time)
        with store.held(lambda: None) as held:
            site = held.load()
            site.refusals = [replace(refusal, at=refusal.at + 3600.0) for refusal in site.refusals]
            held.save(site)

    assert bench.client().get(gone, unconfirmed=True).from_store


def test_a_site_that_refuses_from_the_first_request_on(bench: Bench) -> None:
    urls = pages(bench, 5)
    refusing_from(bench, 1, 403)

    with pytest.raises(SiteRefuses, match="has served nothing yet"):
        crawl(bench.client(), urls)

    assert recorded(bench, urls) == [None] * 5


def test_refusals_among_failures_do_not_keep_a_site_up(bench: Bench) -> None:
    urls = pages(bench, 2)
    bench.client().get(urls[0])
    quick = {"circuit_seconds": 0.05, "circuit_failures": 2, "circuit_urls": 1, "attempts": 2}
    bench.server.everywhere = lambda path: None if path == "/robots.txt" else Status(500)
    with pytest.raises(SiteDown):
        bench.client(**quick).get(urls[1])
    bench.server.everywhere = lambda path: None if path == "/robots.txt" else Status(403)
    time.sleep(0.06)

    with pytest.raises(SiteRefuses):  # the probe is refused, and so is what was served before
        bench.client(**quick).get(urls[1])
