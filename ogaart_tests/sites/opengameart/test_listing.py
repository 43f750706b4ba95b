import re

import pytest

from ogaart.core.states import ListingStatus
from ogaart.sites.errors import ListingRefused, ListingUnreadable
from ogaart.sites.opengameart.listing import parse_listing
from ogaart.sites.records import Listing, is_past_end
from ogaart_tests.sites.opengameart.build import BASE, replaced, result_page, result_row, saved


def slugs(html: bytes) -> list[str]:
    return [row.slug for row in parse_listing(html, BASE).rows]


def test_a_result_page_yields_its_rows_in_order_and_nothing_else() -> None:
    listing = parse_listing(saved("search_page").encode(), BASE)
    assert (listing.status, listing.first, listing.last, listing.total) == (ListingStatus.OK, 1, 24, 61)
    assert [(row.position, row.slug, row.title) for row in listing.rows] == [
        (0, "made-up-forest-tiles", "Made Up Forest Tiles"),
        (1, "made-up-forest-tiles-0", "Made Up Forest Tiles"),
        (2, "rogue’s-café-—-16×16", "Rogue’s Café — 16×16"),
        (3, "16x16-lava-water", "16x16 Lava & Water <v2>"),
        (4, "cutscene-pack-with-jingle", "Cutscene Pack with Jingle"),
        (5, "no-preview-here", "No preview here"),
        (6, "untitled-7", "untitled"),
        (7, "more-fictional-blocks", "More Fictional Blocks"),
    ]
    assert listing.rows[2].url == f"{BASE}/content/rogue%E2%80%99s-caf%C3%A9-%E2%80%94-16%C3%9716"
    assert listing.skipped == ()


def test_two_answers_to_one_request_are_equal_though_their_bytes_differ() -> None:
    page = saved("search_page")
    again = re.sub("view-dom-id-[0-9a-f]+", "view-dom-id-ffffffffffffffffffffffffffffffff", page)
    assert again != page
    assert parse_listing(again.encode(), BASE) == parse_listing(page.encode(), BASE)


def test_an_entry_listed_twice_counts_once_where_it_stood_first() -> None:
    html = result_page(
        result_row("/content/a") + result_row("/content/b") + result_row("/content/a?x=1"), "Displaying 1 - 3 of 3"
    )
    assert [(row.position, row.slug) for row in parse_listing(html, BASE).rows] == [(0, "a"), (1, "b")]


@pytest.mark.parametrize("header", ["Displaying 1 - 1 of 16,012", "  displaying\n 1 – 1&nbsp;of 16.012 "])
def test_the_header_may_be_written_with_separators(header: str) -> None:
    assert parse_listing(result_page(result_row("/content/a"), header), BASE).total == 16012


def test_a_row_that_links_no_entry_is_named_and_the_others_stay() -> None:
    rows = result_row("/users/12") + result_row("https://example.com/content/x") + result_row("/content/a")
    listing = parse_listing(result_page(rows, "Displaying 1 - 3 of 3"), BASE)
    assert [(row.position, row.slug) for row in listing.rows] == [(2, "a")]
    assert listing.skipped == ("/users/12", "https://example.com/content/x")


@pytest.mark.parametrize("href", ["/node/12", f"{BASE}/node/12/", "//opengameart.org/node/12?page=1"])
def test_an_entry_linked_by_its_number_is_an_entry(href: str) -> None:
    [row] = parse_listing(result_page(result_row(href)), BASE).rows
    assert (row.slug, row.url.startswith(f"{BASE}/node/12")) == ("/node/12", True)


def test_rows_of_another_view_are_not_results() -> None:
    advert = f'<div class="view view-popular"><div class="view-content">{result_row("/content/advert")}</div></div>'
    assert slugs(result_page(advert + result_row("/content/a"))) == ["a"]
    assert slugs(result_page(result_row("/content/a"), before=advert)) == ["a"]


def test_a_search_that_finds_nothing_is_told_from_a_page_that_is_none() -> None:
    listing = parse_listing(result_page("", header=None), BASE)
    assert listing == Listing(ListingStatus.NO_RESULTS, None, None, None, ())
    assert not is_past_end(listing, 0, 144)
    assert is_past_end(listing, 1, 144)


@pytest.mark.parametrize(
    "box",
    [
        '<div class="messages error"><h2>Error message</h2>Please use keys of 3 characters or more.</div>',
        '<div class="messages">You must include at least one positive keyword with 3 characters or more.</div>',
        "<p>You must include at least one positive keyword with 3 characters or more.</p>",
    ],
)
def test_a_refused_keyword_is_an_error_that_says_why(box: str) -> None:
    with pytest.raises(
        ListingRefused, match=r"refuses this search: .(?:Please|You must|at least)[^<]*3 characters or more"
    ):
        parse_listing(result_page("", header=None, before=box), BASE)


def test_a_message_beside_results_refuses_nothing() -> None:
    box = '<div class="messages error">Something else is wrong.</div>'
    assert slugs(result_page(result_row("/content/a", "At least one keyword"), before=box)) == ["a"]


@pytest.mark.parametrize(
    ("html", "says"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"Bad gateway", "</html>"),
        (saved("search_page").encode()[:9000], "</html>"),
        (saved("search_page").encode()[:9000] + b"'><html><body>An error</body></html>", "another page begins"),
        (saved("not_found").encode(), "not a result page"),
        (saved("content_page").encode(), "not a result page"),
        (saved("search_page").encode("utf-16"), "</html>"),
        (result_page("", "Displaying 1 - 24 of 61"), "no row"),
        (result_page(result_row("/content/a"), header=None), "cannot be told"),
        (result_page(result_row("/content/a"), "Displaying 5 - 3 of 61"), "not a range"),
        (result_page(result_row("/content/a"), "Displaying 1 - 1 of " + "9" * 23), "cannot be told"),
        (result_page(result_row("/users/1") * 4, "Displaying 1 - 4 of 4"), "/users/1"),
    ],
)
def test_what_cannot_be_relied_on_is_never_an_empty_listing(html: bytes, says: str) -> None:
    with pytest.raises(ListingUnreadable, match=says):
        parse_listing(html, BASE)


def test_past_the_end_the_last_page_answers_again() -> None:
    last = parse_listing(saved("search_page_last").encode(), BASE)
    assert (last.first, last.last, last.total) == (49, 61, 61)
    assert not is_past_end(last, 2, 24)
    assert is_past_end(last, 3, 24)
    assert is_past_end(last, 999, 24)


def test_a_page_that_was_not_requested_is_an_error() -> None:
    # The site gave 24 rows a page though 144 were asked for.
    html = replaced(saved("search_page"), ("Displaying 1 - 24 of 61", "Displaying 25 - 48 of 500"))
    listing = parse_listing(html, BASE)
    with pytest.raises(ListingUnreadable, match="page 1 of 144 rows starts at 145"):
        is_past_end(listing, 1, 144)
    with pytest.raises(ListingUnreadable, match="page 0"):
        is_past_end(listing, 0, 24)
