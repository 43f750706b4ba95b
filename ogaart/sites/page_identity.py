"""Whether a page is the page of the entry that was requested, by what it states of itself: its number and its key."""

import unicodedata

from ogaart.sites.records import EntryPage


def names_agree(one: str, other: str) -> bool:
    """Whether two keys are one entry's: sites compare names without case, and in one of Unicode's normal forms."""
    return _compared(one) == _compared(other)


def contradiction(page: EntryPage, key: str, number: int | None = None, led_to: str | None = None) -> str | None:
    """Why a page is not that of an entry; None where nothing that it states contradicts that.

    Args:
        page: the page, as parsed.
        key: the entry's key.
        number: the entry's number, where it is known or was requested by it; it decides, since names change.
        led_to: the key of the URL that a redirect led to: an entry that was renamed.
    """
    if number is not None and page.nid is not None:
        if page.nid == number:
            return None
        return f"the page is that of entry {page.nid}{_named(page)}, expected {number} ({key})"
    if page.canonical is None or any(names_agree(page.canonical, name) for name in (key, led_to) if name):
        return None
    if key.startswith("/") and number is not None:  # keyed by its number: it has a name by now
        return None
    return f"the page is that of entry {page.canonical}, expected {key}"


def _named(page: EntryPage) -> str:
    return "" if page.canonical is None else f" ({page.canonical})"


def _compared(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
