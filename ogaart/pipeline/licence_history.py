"""The licence history of entries: what each page said about licences, from when to when, and which page said so."""

from collections.abc import Callable, Sequence

from ogaart.core.states import EntryStatus
from ogaart.resources.storage.rows import EntryRow, LicenceHistoryRow

STATING = frozenset({EntryStatus.OK.value, EntryStatus.WITHHELD.value})
"""Pages that state licences; what a tombstone's page said last remains its last statement."""


def updated(
    history: Sequence[LicenceHistoryRow], entry: EntryRow, stamp: Callable[[LicenceHistoryRow], LicenceHistoryRow]
) -> list[LicenceHistoryRow]:
    """An entry's licence history with its page as read last.

    Args:
        history: its rows so far, oldest first.
        entry: its row in ``entries``.
        stamp: adds the lineage to a new row.
    """
    if entry["status"] not in STATING or entry["page_sha256"] is None or entry["fetched_at"] is None:
        return list(history)
    earlier, last = list(history[:-1]), history[-1] if history else None
    read_at, page = entry["fetched_at"], entry["page_sha256"]
    licences, urls = list(entry["licences"] or ()), list(entry["licence_urls"] or ())
    if last is not None and (last["licences"], last["licence_urls"]) == (licences, urls):
        if last["last_read_at"] >= read_at:
            return list(history)
        return [*earlier, {**last, "last_read_at": read_at, "page_sha256": page}]
    statement = stamp(
        {
            "slug": entry["slug"],
            "licences": licences,
            "licence_urls": urls,
            "first_read_at": read_at,
            "last_read_at": read_at,
            "changed_at": None,
            "first_page_sha256": page,
            "page_sha256": page,
        }
    )
    if last is None:
        return [statement]
    if last["first_read_at"] >= read_at:  # an older page than what the history knows already
        return list(history)
    return [*earlier, {**last, "changed_at": read_at}, statement]


def by_slug(rows: Sequence[LicenceHistoryRow]) -> dict[str, list[LicenceHistoryRow]]:
    """Histories by entry, oldest first."""
    found: dict[str, list[LicenceHistoryRow]] = {}
    for row in sorted(rows, key=lambda row: row["first_read_at"]):
        found.setdefault(row["slug"], []).append(row)
    return found
