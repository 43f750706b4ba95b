"""Entries that publications would withdraw from search: many in a day are held back until the operator accepts them.

Pictures of an entry count by their share. An entry that search has again within the day does not count.

The site may refuse us, or answer for all entries as if they were gone; that is not proof that they are. What the
operator has blocked does not count: it is withdrawn on purpose, and search leaves it out from the moment of the
decision, whichever generation is in service.
"""

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from ogaart.resources.catalog.audits import Audit
from ogaart.resources.catalog.generations import Generation
from ogaart.resources.storage.takedowns import Takedowns

CHECK = "withdrawals"
ACCEPT_LOSSES = "ogaart/accept_losses"
"""Tag of a run that publishes although many entries are withdrawn; its value does not matter."""

LEAST, MOST, SHARE = 5, 50, 0.02
WINDOW = timedelta(days=1)
"""Publications so far apart are counted together: a site that fails slowly is held back too."""
_NAMED = 5


def limit_of(entries: int) -> int:
    """How many of so many entries in service may be withdrawn within a day: 2 %, at least 5 and at most 50."""
    return max(LEAST, min(MOST, int(SHARE * entries)))


_SEARCHED = """
WITH searched AS (FROM images SELECT slug, count(*) AS pictures WHERE indexed GROUP BY slug)
FROM searched
UNION ALL SELECT f.slug, max(s.pictures) FROM entries AS f JOIN entries AS e USING (nid, site)
    JOIN searched AS s ON s.slug = e.slug WHERE f.status = 'renamed' GROUP BY f.slug
"""
"""Pictures that search has of each entry, under the former keys of renamed entries too."""


@dataclass(frozen=True)
class Served:
    """What search has of an entry in the generation in service.

    Attributes:
        pictures: how many pictures.
        blocked: how many of them the operator has blocked.
    """

    pictures: int
    blocked: int


@dataclass(frozen=True)
class EarlierLoss:
    """What search had of an entry before a publication of the last day withdrew it or some of its pictures.

    Attributes:
        at: when it was withdrawn.
        pictures: how many pictures search had of it.
    """

    at: datetime
    pictures: int


@dataclass(frozen=True)
class Losses:
    """What a publication would withdraw, with what those of the last day have withdrawn.

    Attributes:
        served: of each entry in search, what it has now.
        whole: entries that search would have nothing of.
        partial: of the others that would have fewer pictures, the share of those lost.
        earlier: what is to be kept of these losses, for the publications of the next day.
    """

    served: Mapping[str, Served]
    whole: Sequence[str] = ()
    partial: Mapping[str, float] = field(default_factory=dict)
    earlier: Mapping[str, EarlierLoss] = field(default_factory=dict)

    @property
    def entries(self) -> int:
        """How many entries are lost, where half of the pictures of two entries count as one."""
        return len(self.whole) + int(sum(self.partial.values()) + 1e-9)


def losses(
    con: duckdb.DuckDBPyConnection,
    previous: Generation,
    takedowns: Takedowns,
    earlier: Mapping[str, EarlierLoss] | None = None,
    now: datetime | None = None,
) -> Losses:
    """What a generation would withdraw from search.

    Args:
        con: the catalog of the generation that is to be published.
        previous: the generation in service.
        takedowns: what the operator has blocked; it does not count.
        earlier: losses of publications before.
        now: the time.

    Raises:
        sqlite3.DatabaseError: the generation in service is damaged.
    """
    now = now or datetime.now(UTC)
    served = _served_entries(previous.words, takedowns)
    after = dict(con.execute(_SEARCHED).fetchall())
    lately = {slug: one for slug, one in (earlier or {}).items() if now - one.at < WINDOW}
    blocked = _blocked_entries(con, lately.keys() - served.keys(), takedowns)
    whole, partial, kept = [], {}, {}
    for slug in served.keys() | (lately.keys() - blocked):
        has = served.get(slug, Served(0, 0))
        first = max(lately.get(slug, EarlierLoss(now, 0)), EarlierLoss(now, has.pictures), key=lambda e: e.pictures)
        before, there = first.pictures - has.blocked, after.get(slug, 0)
        if there >= before:
            continue
        kept[slug] = first
        if there:
            partial[slug] = 1 - there / before
        else:
            whole.append(slug)
    return Losses(served, sorted(whole), partial, kept)


def check_withdrawals(
    con: duckdb.DuckDBPyConnection,
    previous: Generation | None,
    takedowns: Takedowns,
    *,
    accepted: bool = False,
    earlier: Mapping[str, EarlierLoss] | None = None,
    now: datetime | None = None,
) -> tuple[Audit, Mapping[str, EarlierLoss]]:
    """Whether a generation, with those before it within a day, withdraws no more than the limit, or it is accepted.

    Args:
        con: the catalog of the generation that is to be published.
        previous: the generation in service.
        takedowns: what the operator has blocked; it does not count.
        accepted: whether the operator accepts the losses.
        earlier: losses of publications before, as this function returned them for the generation in service.
        now: the time.

    Returns:
        The outcome; and the losses that count for the publications of the next day, none after those are accepted.
    """
    if previous is None:
        return Audit(CHECK, True, "no generation is in service yet", {"before": 0, "withdrawn": 0}), {}
    try:
        found = losses(con, previous, takedowns, earlier, now)
    except sqlite3.DatabaseError as cause:  # a damaged one must not keep its successor out of service
        message = f"generation {previous.number}, in service now, cannot be read ({cause}): nothing to compare with"
        return Audit(CHECK, True, message, {"before": 0, "withdrawn": 0}), {}
    audit = _judged(found, accepted=accepted)
    return audit, {} if audit.counts["accepted"] else found.earlier


def _judged(found: Losses, *, accepted: bool) -> Audit:
    """The outcome of the check."""
    before, lost, limit = len(found.served), found.entries, limit_of(len(found.served))
    counts = {
        "before": before,
        "withdrawn": len(found.whole),
        "partly": len(found.partial),
        "blocked": sum(one.blocked == one.pictures for one in found.served.values()),
        "limit": limit,
        "accepted": int(accepted and lost > limit),
    }
    parts = f", and a part of the pictures of {len(found.partial):,} more" if found.partial else ""
    if lost <= limit:
        message = f"{len(found.whole):,} of {before:,} entries are withdrawn{parts}, at most {limit} within a day"
        return Audit(CHECK, True, message, counts)
    named = [*found.whole, *sorted(found.partial, key=lambda slug: -found.partial[slug])][:_NAMED]
    text = f"{len(found.whole):,} of {before:,} entries in search would be withdrawn{parts}, such as {named}"
    if found.partial:
        text += f"; by the shares of their pictures that is as much as {lost:,} entries"
    if accepted:
        return Audit(CHECK, True, f"{text}: accepted by the operator", counts)
    return Audit(
        CHECK,
        False,
        f"{text}; at most {limit} within a day are published without consent. See why in its ogaart.duckdb "
        "(the statuses in tables entries and files, the view failures_by_cause): if the site is to blame, refresh the "
        f"entries; if they are really gone, `ogaart publish --accept-losses`, or a run with the tag {ACCEPT_LOSSES}",
        counts,
    )


def rows_of(earlier: Mapping[str, EarlierLoss]) -> dict[str, list[object]]:
    """Losses as JSON holds them."""
    return {slug: [one.at.isoformat(), one.pictures] for slug, one in earlier.items()}


def earlier_of(rows: object) -> dict[str, EarlierLoss]:
    """Losses from what ``rows_of`` returned; none where it is damaged or missing."""
    try:
        found = {slug: (datetime.fromisoformat(at), int(pictures)) for slug, (at, pictures) in rows.items()}  # type: ignore[attr-defined]
    except (AttributeError, TypeError, ValueError):
        return {}
    return {slug: EarlierLoss(at, pictures) for slug, (at, pictures) in found.items() if at.tzinfo is not None}


def _served_entries(words: Path, takedowns: Takedowns) -> dict[str, Served]:
    """Every entry that search has pictures of."""
    pixels, slugs, authors = set(takedowns.pixels), set(takedowns.entries), set(takedowns.authors)
    pictures: dict[str, int] = {}
    blocked: dict[str, int] = {}
    with closing(sqlite3.connect(f"{words.as_uri()}?mode=ro&immutable=1", uri=True)) as store:
        named = {row[1] for row in store.execute("PRAGMA table_info(entries)")}
        others = "collaborators" if "collaborators" in named else "NULL"  # publications of before have none
        for slug, author, collaborators, picture in store.execute(
            f"SELECT slug, author, {others}, lower(hex(pixel_sha256)) FROM images JOIN entries USING (slug)"  # noqa: S608
        ):
            whole = slug in slugs or not authors.isdisjoint([author, *json.loads(collaborators or "[]")])
            pictures[slug] = pictures.get(slug, 0) + 1
            blocked[slug] = blocked.get(slug, 0) + (whole or picture in pixels)
    return {slug: Served(count, blocked[slug]) for slug, count in pictures.items()}


def _blocked_entries(con: duckdb.DuckDBPyConnection, slugs: Collection[str], takedowns: Takedowns) -> set[str]:
    """Of entries that search has no longer, those that the operator has blocked since."""
    authors = set(takedowns.authors)
    found = set(slugs) & set(takedowns.entries)
    if authors and slugs:
        query = "SELECT slug, author, collaborators FROM entries WHERE slug IN (SELECT unnest($slugs))"
        for slug, author, collaborators in con.execute(query, {"slugs": list(slugs)}).fetchall():
            if not authors.isdisjoint([author, *(collaborators or [])]):
                found.add(slug)
    return found
