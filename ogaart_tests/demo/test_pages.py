"""The demo's pages, read by the platform's own parsers, yield exactly the truth."""

from collections.abc import Iterator

import pytest

from ogaart.core.states import EntryStatus, ListingStatus
from ogaart.demo import build, truth
from ogaart.demo.model import DemoContent
from ogaart.demo.pages import DemoSearch, Pages, posted
from ogaart.sites.errors import ListingRefused
from ogaart.sites.opengameart.content import parse_entry
from ogaart.sites.opengameart.listing import parse_listing
from ogaart.sites.records import is_past_end

BASE = "http://127.0.0.1:8090"
PAGES = Pages(BASE)


def listing(site: DemoContent, page: int, **params: str) -> bytes:
    return PAGES.search(site, DemoSearch((*build.listing_params(page), *params.items())))


def test_listings_give_all_entries_oldest_first(site: DemoContent) -> None:
    told = truth.tell(site, BASE)
    read = [parse_listing(listing(site, page), BASE) for page in range(3)]

    names = {f"/node/{entry.nid}": entry.slug for entry in site.entries if entry.numbered}
    assert [names.get(row.slug, row.slug) for page in read for row in page.rows] == told["listing"]
    assert [(page.first, page.last, page.total) for page in read] == [(1, 24, 68), (25, 48, 68), (49, 68, 68)]
    assert [row.url for row in read[0].rows] == [row["url"] for row in told["entries"][:24]]


def test_a_page_past_the_end_is_the_last_one_again(site: DemoContent) -> None:
    read = parse_listing(listing(site, 7), BASE)

    assert (read.first, read.last) == (49, 68)
    assert is_past_end(read, 7, 24)
    assert not is_past_end(read, 2, 24)


def test_no_results_and_a_refused_keyword(site: DemoContent) -> None:
    assert parse_listing(listing(site, 0, keys="nothing-of-that-name"), BASE).status is ListingStatus.NO_RESULTS
    with pytest.raises(ListingRefused):
        parse_listing(listing(site, 0, keys="ab"), BASE)


def entries(site: DemoContent) -> Iterator[tuple[str, dict[str, object]]]:
    for row in truth.tell(site, BASE)["entries"]:
        yield row["slug"], row


def test_content_pages_give_the_truth(site: DemoContent) -> None:
    for slug, row in entries(site):
        if row["status"] not in ("ok", "withheld"):
            continue
        read = parse_entry(PAGES.entry(site.entry(slug)), str(row["url"]), BASE)
        found = {
            name: list(value) if isinstance(value := getattr(read, name), tuple) else value
            for name in row
            if name not in ("about", "http_status", "posted_at")
        }
        found["posted_at"] = read.posted_at.isoformat() if read.posted_at else None
        assert found == {name: value for name, value in row.items() if name not in ("about", "http_status")}
        for paragraph in row["about"]:  # type: ignore[attr-defined]
            assert paragraph in " ".join((read.description or "").split())


def test_file_links_give_the_truth_and_nothing_else(site: DemoContent) -> None:
    told = truth.tell(site, BASE)["files"]
    found = []
    for slug, row in entries(site):
        if row["status"] in ("ok", "withheld"):
            read = parse_entry(PAGES.entry(site.entry(slug)), str(row["url"]), BASE)
            found += [(link, role) for role in ("file", "preview") for link in getattr(read, role + "s")]

    fields = ("slug", "fid", "position", "url", "stored_name", "shown_name", "mime", "length")
    assert [{name: getattr(link, name) for name in fields} | {"role": role} for link, role in found] == [
        {name: row[name] for name in (*fields, "role")} for row in told
    ]


def test_other_pages_under_content_are_no_art() -> None:
    page = PAGES.plain("FAQ", ["Questions."])

    assert parse_entry(page, f"{BASE}/content/faq", BASE).status is EntryStatus.NOT_ART


def test_dates_are_printed_as_on_the_site(site: DemoContent) -> None:
    assert posted(site.entries[0].posted_at) == "Monday, June 1, 2009 - 08:03"


def test_an_entry_has_collaborators_and_two_notices(site: DemoContent) -> None:
    entry = parse_entry(PAGES.entry(site.entry("scalable-face")), f"{BASE}/content/scalable-face", BASE)

    assert entry.collaborators == ("An inker", "Jo Colour")
    assert entry.notice == "Copyright 2019 some painter and friends\nName all three painters & link this page."
