"""Whether a page is that of the entry requested: by number first, then by the key that it states."""

import pytest

from ogaart.core.states import EntryStatus
from ogaart.sites.page_identity import contradiction, names_agree
from ogaart.sites.records import EntryPage


def page(nid: int | None = 7, canonical: str | None = "fox") -> EntryPage:
    return EntryPage("requested", "http://x/content/requested", EntryStatus.OK, nid=nid, canonical=canonical)


@pytest.mark.parametrize(
    ("found", "key", "number", "led_to"),
    [
        (page(), "fox", 7, None),
        (page(), "fox", None, None),
        (page(), "a-former-name", 7, None),  # renamed: the number decides
        (page(), "a-former-name", None, "fox"),  # renamed, by a redirect
        (page(), "/node/7", 7, None),
        (page(nid=None), "/node/7", 7, None),
        (page(nid=None), "fox", 7, None),
        (page(canonical=None), "fox", None, None),
        (page(nid=None, canonical=None), "fox", 7, None),
        (page(canonical="Fox"), "fox", None, None),
        (page(canonical="caf\u00e9"), "cafe\u0301", None, None),
    ],
)
def test_nothing_contradicts(found: EntryPage, key: str, number: int | None, led_to: str | None) -> None:
    assert contradiction(found, key, number, led_to) is None


@pytest.mark.parametrize(
    ("found", "key", "number", "led_to", "says"),
    [
        (page(), "owl", 8, None, "that of entry 7 (fox), expected 8 (owl)"),
        (page(), "fox", 8, None, "that of entry 7 (fox), expected 8 (fox)"),  # another entry under the same name
        (page(), "/node/8", 8, None, "that of entry 7 (fox), expected 8 (/node/8)"),
        (page(), "owl", 8, "fox", "that of entry 7 (fox), expected 8 (owl)"),  # a redirect to another entry
        (page(), "owl", None, None, "that of entry fox, expected owl"),
        (page(nid=None), "owl", 8, None, "that of entry fox, expected owl"),
        (page(canonical="fox-0"), "fox", None, None, "that of entry fox-0, expected fox"),
        (page(), "owl", None, "user/login", "that of entry fox, expected owl"),
    ],
)
def test_another_entrys_page(found: EntryPage, key: str, number: int | None, led_to: str | None, says: str) -> None:
    assert contradiction(found, key, number, led_to) == f"the page is {says}"


def test_names_that_differ_in_more_than_case_and_normal_form() -> None:
    assert names_agree("Stra\u00dfe", "STRASSE")
    assert not names_agree("fox-1", "fox-2")
