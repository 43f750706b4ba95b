"""The status of every partition, gathered for a decision: rows, page of the last sweep, history."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import pairwise

from ogaart.core.partitions import parse_key
from ogaart.core.stages import OFFLINE_STAGES, PARTITION_STAGES, SITE_STAGES, Stage
from ogaart.core.states import FileRole, FileStatus
from ogaart.orchestration.launch_types import KnownEntry, PartitionStatus
from ogaart.resources.platform import Stores
from ogaart.resources.site.sweeps import Sweep, SweepPage
from ogaart.resources.storage.rows import StepRow
from ogaart.resources.storage.schema import ENTRIES, FAILURES, FILE_LINKS, LISTINGS, RAW_FILES, SEARCH_RESULTS, STEPS
from ogaart.resources.storage.tables import Tables


def sweeps(stores: Stores) -> dict[str, Sweep]:
    """The last accepted sweep of every configured query that has one."""
    found = {name: stores.sweeps.latest(name) for name in stores.queries}
    return {name: sweep for name, sweep in found.items() if sweep is not None}


def partition_statuses(
    stores: Stores, keys: Iterable[str], now: datetime, *, with_files: bool = True
) -> list[PartitionStatus]:
    """The status of each partition of a configured query.

    Args:
        stores: the stores.
        keys: the partitions.
        now: the time.
        with_files: whether to read how many files each entry has, and when they were checked: for refreshes alone.
    """
    swept = sweeps(stores)
    known = [key for key in keys if parse_key(key)[0] in stores.queries]
    return [_status(stores.tables, key, swept, now, with_files=with_files) for key in known]


def _status(tables: Tables, key: str, swept: dict[str, Sweep], now: datetime, *, with_files: bool) -> PartitionStatus:
    query, number = parse_key(key)
    sweep = swept.get(query)
    page = None
    if sweep is not None:
        page = sweep.pages[number] if number < len(sweep.pages) else SweepPage(sweep.at, frozenset())
    listing = tables.select(LISTINGS, key, ["fetched_at"])
    links = tables.select(FILE_LINKS, key, ["slug", "role"]) if with_files else []
    files = Counter(row["slug"] for row in links if row["role"] == FileRole.FILE)
    columns = ["slug", "key", "next_try", "last_at"]
    failures = {stage: tables.select(FAILURES, key, columns, stage) for stage in SITE_STAGES}
    of_files = {row["key"]: row for row in failures[Stage.RAW_FILES]}
    checked: dict[str, list[datetime]] = {}
    raw_files = (
        tables.select(RAW_FILES, key, ["slug", "url", "status", "fetched_at", "checked_at"]) if with_files else []
    )
    for row in raw_files:
        at, failure = row["checked_at"] or row["fetched_at"], of_files.get(row["url"])
        if row["status"] != FileStatus.OK or at is None or (failure and failure["next_try"] is not None):
            continue
        checked.setdefault(row["slug"], []).append(max(at, failure["last_at"]) if failure else at)
    failing = {row["slug"] for row in failures[Stage.CONTENT_PAGES] if row["next_try"] is not None}
    given_up = {row["slug"]: row["last_at"] for row in failures[Stage.CONTENT_PAGES] if row["next_try"] is None}
    return PartitionStatus(
        key,
        swept=page,
        query=sweep.slugs if sweep is not None else frozenset(),
        listed=frozenset(r["slug"] for r in tables.select(SEARCH_RESULTS, key, ["slug"])) if listing else None,
        listed_at=listing[0]["fetched_at"] if listing else None,
        entries={
            row["slug"]: KnownEntry(
                row["status"],
                row["fetched_at"],
                files[row["slug"]],
                row["slug"] in failing,
                posted_at=row["posted_at"].replace(tzinfo=UTC) if row["posted_at"] is not None else None,
                changed_at=row["changed_at"],
                files_checked_at=tuple(checked.get(row["slug"], ())),
                given_up_at=given_up.get(row["slug"]),
            )
            for row in tables.select(ENTRIES, key, ["slug", "status", "fetched_at", "posted_at", "changed_at"])
        },
        due=sum(
            1 for rows in failures.values() for row in rows if row["next_try"] is not None and row["next_try"] <= now
        ),
        unread=_unread(last := _last_steps(tables, key)),
        behind=_behind(last),
    )


def _unread(last: Mapping[Stage, StepRow]) -> bool:
    """Whether a site stage has not begun after the one before it ended."""
    return any(
        before in last and (after not in last or last[after]["started_at"] < last[before]["ended_at"])
        for before, after in pairwise(SITE_STAGES)
    )


def _behind(last: Mapping[Stage, StepRow]) -> bool:
    """Whether the offline stages have not all begun after the last site stage ended."""
    ended = [last[stage]["ended_at"] for stage in SITE_STAGES if stage in last]
    if Stage.CONTENT_PAGES not in last:
        return False
    begun = [last[stage]["started_at"] for stage in OFFLINE_STAGES if stage in last]
    return len(begun) < len(OFFLINE_STAGES) or min(begun) < max(ended)


def _last_steps(tables: Tables, key: str) -> dict[Stage, StepRow]:
    """When the last step of each stage began and ended."""
    history = {stage: tables.select(STEPS, key, ["started_at", "ended_at"], stage) for stage in PARTITION_STAGES}
    return {stage: rows[-1] for stage, rows in history.items() if rows}
