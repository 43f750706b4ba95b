"""Entries that a publication would withdraw from search: many at once are held back until the operator accepts them.

The site may refuse us, or answer for all entries as if they were gone; that is not proof that they are. What the
operator has blocked does not count: it is withdrawn on purpose, and search leaves it out from the moment of the
decision, whichever generation is in service.
"""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb

from ogaart.resources.catalog.audits import Audit
from ogaart.resources.catalog.generations import Generation
from ogaart.resources.storage.takedowns import Takedowns

CHECK = "withdrawals"
ACCEPT_LOSSES = "ogaart/accept_losses"
"""Tag of a run that publishes although many entries are withdrawn; its value does not matter."""

LEAST, MOST, SHARE = 5, 50, 0.02
_NAMED = 5


def limit_of(entries: int) -> int:
    """How many of so many entries in service one publication may withdraw: 2 %, at least 5 and at most 50."""
    return max(LEAST, min(MOST, int(SHARE * entries)))


_SEARCHED = """
WITH searched AS (SELECT slug, nid, site FROM entries SEMI JOIN (FROM images WHERE indexed) USING (slug))
SELECT slug FROM searched
UNION SELECT f.slug FROM entries AS f SEMI JOIN searched USING (nid, site) WHERE f.status = 'renamed'
"""
"""Keys of entries that search has, the former ones of renamed entries included."""


def check_withdrawals(
    con: duckdb.DuckDBPyConnection, previous: Generation | None, takedowns: Takedowns, *, accepted: bool = False
) -> Audit:
    """Whether a generation withdraws no more entries than the limit, or its losses are accepted.

    Args:
        con: the catalog of the generation that is to be published.
        previous: the generation in service.
        takedowns: what the operator has blocked; it does not count.
        accepted: whether the operator accepts the losses.
    """
    if previous is None:
        return Audit(CHECK, True, "no generation is in service yet", {"before": 0, "withdrawn": 0})
    try:
        before = _served_entries(previous.words, takedowns)
    except sqlite3.DatabaseError as cause:  # a damaged one must not keep its successor out of service
        message = f"generation {previous.number}, in service now, cannot be read ({cause}): nothing to compare with"
        return Audit(CHECK, True, message, {"before": 0, "withdrawn": 0})
    after = {slug for (slug,) in con.execute(_SEARCHED).fetchall()}
    lost = sorted(slug for slug, blocked in before.items() if not blocked and slug not in after)
    limit = limit_of(len(before))
    counts = {
        "before": len(before),
        "withdrawn": len(lost),
        "blocked": sum(before.values()),
        "limit": limit,
        "accepted": int(accepted and len(lost) > limit),
    }
    found = f"{len(lost):,} of {len(before):,} entries in search would be withdrawn, such as {lost[:_NAMED]}"
    if len(lost) <= limit:
        return Audit(CHECK, True, f"{len(lost):,} of {len(before):,} entries are withdrawn, at most {limit}", counts)
    if accepted:
        return Audit(CHECK, True, f"{found}: accepted by the operator", counts)
    return Audit(
        CHECK,
        False,
        f"{found}; at most {limit} are published without consent. See why in its ogaart.duckdb "
        "(the statuses in table entries, the view failures_by_cause): if the site is to blame, refresh the "
        f"entries; if they are really gone, `ogaart publish --accept-losses`, or a run with the tag {ACCEPT_LOSSES}",
        counts,
    )


def _served_entries(words: Path, takedowns: Takedowns) -> dict[str, bool]:
    """Every entry that search has pictures of, and whether all of it is blocked."""
    pixels, slugs, authors = set(takedowns.pixels), set(takedowns.entries), set(takedowns.authors)
    blocked: dict[str, bool] = {}
    with closing(sqlite3.connect(f"{words.as_uri()}?mode=ro&immutable=1", uri=True)) as store:
        named = {row[1] for row in store.execute("PRAGMA table_info(entries)")}
        others = "collaborators" if "collaborators" in named else "NULL"  # publications of before have none
        for slug, author, collaborators, picture in store.execute(
            f"SELECT slug, author, {others}, lower(hex(pixel_sha256)) FROM images JOIN entries USING (slug)"  # noqa: S608
        ):
            whole = slug in slugs or not authors.isdisjoint([author, *json.loads(collaborators or "[]")])
            blocked[slug] = blocked.get(slug, True) and (whole or picture in pixels)
    return blocked
