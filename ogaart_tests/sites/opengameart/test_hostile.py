"""Whatever the bytes, the parsers give records or a declared error, and do so quickly."""

import contextlib
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ogaart.sites.errors import ListingRefused, ListingUnreadable, PageUnreadable
from ogaart.sites.opengameart.content import parse_entry
from ogaart.sites.opengameart.listing import parse_listing
from ogaart.sites.records import EntryPage, Listing, content_hash
from ogaart_tests.sites.opengameart.build import BASE, EVERYTHING, saved

URL = f"{BASE}/content/a"
ENTRY = saved(EVERYTHING).encode()
LISTING = saved("search_page").encode()
START = b'<html><body><div class="node node-art view-mode-full">'
END = b"</div></body></html>"
PIECES = st.sampled_from(
    [
        b"<div",
        b"</div>",
        b">",
        b"<",
        b'"',
        b"'",
        b"\0",
        b"\xff\xfe",
        b"<!--",
        b"-->",
        b"<table>",
        b"<a href=",
        b"&#xD800;",
        b"&amp",
        b"<template>",
        b"<script>",
        b"</html>",
        b'<div class="field field-name-body">',
        b'<span class="file">',
        b"<select>",
        b"<svg><title>",
        b"<plaintext>",
        b"\xed\xa0\x80",
        b'<div class="views-row art-previews-inline">',
    ],
)


def read(html: bytes) -> tuple[EntryPage | None, Listing | None]:
    page: EntryPage | None = None
    listing: Listing | None = None
    try:
        page = parse_entry(html, URL, BASE)
        content_hash(page)
        for text in (page.title, page.author, page.description, *page.tags, *(f.shown_name for f in page.files)):
            (text or "").encode("utf-8")  # every text can be stored
    except PageUnreadable:
        pass
    with contextlib.suppress(ListingRefused, ListingUnreadable):
        listing = parse_listing(html, BASE)
    return page, listing


@given(st.binary(max_size=2000))
@settings(max_examples=200, deadline=None)
def test_any_bytes(html: bytes) -> None:
    read(html)
    read(START + html + END)


@given(st.lists(st.one_of(PIECES, st.binary(max_size=8)), max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_pieces_of_markup(pieces: list[bytes]) -> None:
    read(START + b"".join(pieces) + END)


@given(st.sampled_from([ENTRY, LISTING]), st.data())
@settings(max_examples=150, deadline=None)
def test_a_page_damaged_anywhere(page: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(page)))
    cut = data.draw(st.integers(0, 400))
    put = data.draw(st.one_of(PIECES, st.binary(max_size=20)))
    read(page[:at] + put + page[at + cut :])


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-8-sig", "shift-jis"])
def test_another_charset_loses_letters_and_nothing_else(encoding: str) -> None:
    html = saved("content_page").replace("Forest", "Forêt").encode(encoding, "replace")
    page, _ = read(html)
    if encoding == "utf-16":
        assert page is None
    else:
        assert page is not None
        assert [f.fid for f in page.files] == [990001, 990002]


@pytest.mark.parametrize(
    "filling",
    [
        b"<div>" * 500_000,
        b"<div></x>" * 300_000,
        b"<a><div>" * 40_000,
        b"<b><p>" * 100_000,
        b"<table><tr><td>" * 100_000,
        b"<font><i><b><u></font>x" * 12_000,
        b"<div " + b"a=1 " * 1_000_000 + b">",
        b"<" * 1_000_000,
        b"<!--" * 1_000_000,
        b"</p>" * 1_000_000,
        b"&amp;" * 1_000_000,
        b"<div class='" + b"field-name-x " * 300_000 + b"'>",
        b"<a href='" + b"/user/login?x" * 4_000 + b"'></a>" * 20,
        b"<div class='field field-name-field-art-licenses'><div class=license-icon><a href='//x"
        + b"deed" * 12_000
        + b"'>x</a>",
        b"\n \xc2\xa0" * 700_000,
        b"<p>" + b"9" * 4_000_000,
        b'<div class="field field-name-post-date"><div class="field-item">' + b"Jan 1, " * 300_000,
        b'<div class="field field-name-author-submitter"><div class="field-item">' + b"(Submitted by " * 300_000,
        b'<div class="field field-name-body"><div class="field-item">' + b" \n" * 1_000_000,
        b'<div class="field field-name-body"><div class="field-item">' + b"<br> " * 50_000,
        b'<div class="view view-display-id-search_art_advanced"><div class="view-header">' + b"Displaying 1 " * 300_000,
    ],
    ids=lambda filling: filling[:30].decode("latin-1"),
)
def test_no_page_takes_long(filling: bytes) -> None:
    began = time.process_time()
    read(START + filling + END)
    assert time.process_time() - began < 5  # generous for a busy machine; all take well under 1 s


def test_a_real_page_is_read_in_milliseconds() -> None:
    began = time.process_time()
    for _ in range(20):
        parse_entry(ENTRY, URL, BASE)
        parse_listing(LISTING, BASE)
    assert (time.process_time() - began) / 20 < 0.25
