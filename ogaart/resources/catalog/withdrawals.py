"""Entries that publications would withdraw from search: many in a day are held back until the operator accepts them.

Pictures of an entry count by their share. An entry that search has again within the day does not count.

The site may refuse us, or answer for all entries as if they were gone; that is not proof that they are. What the
operator has blocked does not count: it is withdrawn on purpose, and search leaves it out from the moment of the
decision, whichever generation is in service.
"""

import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from ogaart.core.process_limits import raise_if_lacking
from ogaart.resources.catalog.audits import Audit
from ogaart.resources.catalog.generations import CATALOG, Generation, Generations
from ogaart.resources.catalog.history import History, picture_changes
from ogaart.resources.moderation.takedowns import Takedowns
from ogaart.resources.serving.layers import WORDS, open_layers

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


class GenerationDamaged(RuntimeError):
    """What a generation has in search cannot be read."""


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
        GenerationDamaged: neither the words nor the catalog of the generation in service can be read.
    """
    now = now or datetime.now(UTC)
    served = _served_entries(previous, takedowns)
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
    except GenerationDamaged as cause:
        counts = {"before": 0, "withdrawn": 0, "accepted": int(accepted)}
        if accepted:
            return Audit(CHECK, True, f"{cause}: whatever is withdrawn was accepted by the operator", counts), {}
        message = (
            f"{cause}, so that nothing shows what would be withdrawn. To publish without the comparison: "
            f"`ogaart publish --accept-losses`, or a run with the tag {ACCEPT_LOSSES}"
        )
        return Audit(CHECK, False, message, counts), earlier or {}
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


def earlier_of(rows: object) -> dict[str, EarlierLoss] | None:
    """Losses from what ``rows_of`` returned; None where it is damaged or missing."""
    try:
        found = {slug: (datetime.fromisoformat(at), int(pictures)) for slug, (at, pictures) in rows.items()}  # type: ignore[attr-defined]
    except (AttributeError, TypeError, ValueError):
        return None
    return {slug: EarlierLoss(at, pictures) for slug, (at, pictures) in found.items() if at.tzinfo is not None}


def lost_lately(
    history: History, generations: Generations, current: Generation, now: datetime | None = None
) -> dict[str, EarlierLoss]:
    """What publications of the last day have withdrawn, from their history: for where the record of it is damaged.

    Losses that the operator has accepted do not count, nor do pictures that are blocked, as far as the audits of kept
    generations and the catalog of the one in service show.

    Args:
        history: of publications up to the one in service.
        generations: those that are kept.
        current: the generation in service.
        now: the time.
    """
    try:
        served = _served_entries(current, Takedowns())
    except GenerationDamaged:
        return {}  # its successor is held back in any case
    pictures = {slug: one.pictures for slug, one in served.items()}
    found: dict[str, EarlierLoss] = {}
    start, accepted = (now or datetime.now(UTC)) - WINDOW, _last_accepted(generations)
    for at, slug, gone, more in picture_changes(history, start, accepted, _blocked_pictures(current)):
        pictures[slug] = before = pictures.get(slug, 0) - more + gone
        if gone and before >= found.get(slug, EarlierLoss(at, 0)).pictures:
            found[slug] = EarlierLoss(at, before)
    return {slug: one for slug, one in found.items() if slug not in served or one.pictures > served[slug].pictures}


def _last_accepted(generations: Generations) -> int:
    """Number of the last generation that is kept whose losses the operator has accepted; 0 where there is none."""
    rows = ((one.number, row) for one in generations.all() for row in one.audits)
    return max((n for n, row in rows if row["name"] == CHECK and row.get("counts", {}).get("accepted")), default=0)


def _blocked_pictures(generation: Generation) -> set[str]:
    """Ids of the pictures that are blocked, as the history has them; none where the catalog is damaged."""
    try:
        with duckdb.connect(str(generation.catalog), read_only=True) as con:
            return {str(number) for (number,) in con.execute("SELECT image_id FROM images WHERE blocked").fetchall()}
    except duckdb.Error as cause:
        raise_if_lacking(cause, generation.catalog)
        return set()


def _served_entries(generation: Generation, takedowns: Takedowns) -> dict[str, Served]:
    """Every entry that search has pictures of, by the words of a generation, or its catalog where they are damaged.

    Raises:
        GenerationDamaged: neither can be read.
    """
    slugs, authors = set(takedowns.entries), set(takedowns.authors)
    served = {}
    for slug, author, collaborators, pictures, blocked in _served_rows(generation, sorted(takedowns.pixels)):
        whole = slug in slugs or not authors.isdisjoint([author, *collaborators])
        served[slug] = Served(pictures, pictures if whole else blocked)
    return served


_Entry = tuple[str, str | None, Sequence[str], int, int]
"""Slug, author and collaborators of an entry; how many pictures search has of it, and how many of some pixels."""


def _served_rows(generation: Generation, pixels: Sequence[str]) -> list[_Entry]:
    try:
        return _entries_of_words(generation.path, pixels)
    except (sqlite3.DatabaseError, ValueError) as cause:
        damaged = cause
    try:
        return _entries_of_catalog(generation.catalog, pixels)
    except (duckdb.Error, ValueError) as cause:
        raise_if_lacking(cause, generation.catalog)
        raise GenerationDamaged(
            f"generation {generation.number}, in service now, cannot be read ({WORDS}: {damaged}; {CATALOG}: {cause})"
        ) from cause


def _entries_of_catalog(catalog: Path, pixels: Sequence[str]) -> list[_Entry]:
    with duckdb.connect(str(catalog), read_only=True) as con:
        rows = con.execute(
            "SELECT slug, e.author, e.collaborators, count(*), count(*) FILTER (list_contains($pixels, i.pixel_sha256))"
            " FROM images AS i JOIN entries AS e USING (slug) WHERE i.indexed GROUP BY ALL",
            {"pixels": list(pixels)},
        ).fetchall()
    return [(slug, author, collaborators or [], *counts) for slug, author, collaborators, *counts in rows]


def _entries_of_words(folder: Path, pixels: Sequence[str]) -> list[_Entry]:
    some = "sum(lower(hex(pixel_sha256)) IN (SELECT value FROM json_each(?)))" if pixels else "0"
    rows: list[tuple[str, str | None, str | None, int, int]] = []
    with open_layers(folder) as layers:
        for store in layers:
            named = {row[1] for row in store.execute("PRAGMA table_info(entries)")}
            others = "collaborators" if "collaborators" in named else "NULL"  # publications of before have none
            counted = f"SELECT slug, count(*) AS pictures, {some} AS some FROM images GROUP BY slug"  # noqa: S608
            rows += store.execute(
                f"SELECT e.slug, author, {others}, pictures, some FROM entries AS e JOIN ({counted}) AS i"  # noqa: S608
                " ON i.slug = e.slug",
                (json.dumps(pixels),) if pixels else (),
            )
    return [(slug, author, _listed(names), pictures, some) for slug, author, names, pictures, some in rows]


def _listed(text: str | None) -> Sequence[str]:
    """A list as JSON; ValueError where it is none."""
    names = json.loads(text or "[]")
    if not isinstance(names, list):
        raise ValueError(f"{text!r} is not a list")  # noqa: TRY004 - a damaged value
    return names


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
