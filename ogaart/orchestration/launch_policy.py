"""Which runs are launched next: pure decisions over rows, the last sweep and earlier runs.

Nothing is remembered between decisions: after a kill, the same rows lead to the same decision.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from itertools import accumulate
from math import ceil

from ogaart.core.staleness import REFRESH_EVERY, next_try, refresh_due
from ogaart.core.states import TOMBSTONES, EntryStatus
from ogaart.orchestration.launch_types import KnownEntry, Launch, LaunchReason, PartitionStatus, PastRun

FILES_PER_ENTRY = 2.5
"""Assumed while nothing is known; the site's average is near it."""

SWEEP_OVERDUE = timedelta(hours=26)
"""A sweep older than this is repeated: the schedule's own hour was missed."""

DAY = timedelta(days=1)
BRAKE = timedelta(hours=1)
"""At least so long between two successful runs on one partition for one reason that no sweep has renewed."""

CANCELED_FOR = DAY
"""What a person canceled is not launched again for so long, unless a newer sweep saw other entries on its page."""

LEAST_CHANGED = 0.05
"""Share of pages that are expected to have changed since their last reading, at least."""

TOGETHER = 10
"""Partitions that one run processes at most."""


def decide(
    statuses: Sequence[PartitionStatus],
    *,
    now: datetime,
    busy: Iterable[str] = (),
    past: Sequence[PastRun] = (),
    canceled: Mapping[str, datetime] | None = None,
    spent: int = 0,
    budget: int,
    entry_refresh: timedelta,
    file_refresh: timedelta,
) -> list[Launch]:
    """What to launch now, most urgent first.

    Args:
        statuses: of every partition.
        now: the time.
        busy: partitions on which something runs or is queued; they are left alone.
        past: runs that earlier decisions launched, newest first.
        canceled: when the last run on a partition was canceled by a person, where nothing ran on it since.
        spent: requests made in the last 24 hours, with those that running runs are expected to make.
        budget: requests a day.
        entry_refresh: age at which an entry's page is read again, at the latest.
        file_refresh: age at which a file is requested again.

    Returns:
        At most one launch a partition. Their requests fit into the budget, except that the first run of a day may
        exceed what the sweep left of it: a partition is the smallest piece of work.
    """
    taken = set(busy)
    launches = []
    asked = any(run.reason != LaunchReason.PROCESS and run.ended_at > now - DAY for run in past)
    budget_left = _Budget(budget - spent, untouched=not taken and not asked)
    known = {slug for s in statuses for slug in s.entries}
    listed_in = _listed_in(statuses, taken)
    average = _files_per_entry(statuses)
    chosen: dict[str, list[Launch]] = {reason: [] for reason in LaunchReason}
    resting = {s.key for s in statuses if _rests(s, (canceled or {}).get(s.key), now)}
    for status in statuses:
        if status.key not in taken | resting:
            launch = _need(status, known, listed_in, average)
            if launch is not None and not _backs_off(status, launch.reason, past, now):
                chosen[launch.reason].append(launch)
    for reason in LaunchReason:
        for launch in chosen[reason]:
            if budget_left.pay(launch.requests):
                launches.append(launch)
                taken.add(launch.key)
    idle = [s for s in statuses if s.key not in taken | resting and not _backs_off(s, LaunchReason.REFRESH, past, now)]
    return launches + _refreshes(idle, now, entry_refresh, file_refresh, budget_left)


def batches(launches: Sequence[Launch], keys: Sequence[str], past: Sequence[PastRun]) -> list[list[Launch]]:
    """The launches of each run: up to ten neighbouring partitions that are to be processed; anything else runs alone.

    A partition whose last run failed runs alone, so that it does not fail its neighbours again.

    Args:
        launches: from ``decide``.
        keys: all partitions in the order in which a range of them is counted.
        past: as given to ``decide``.
    """
    last: dict[str, bool] = {}
    for run in past:
        last.setdefault(run.key, run.ok)
    chosen = {one.key: one for one in launches}
    shared = {one.key for one in launches if one.reason == LaunchReason.PROCESS and last.get(one.key, True)}
    return [[chosen[key] for key in group] for group in neighbours(list(chosen), keys, shared)]


def neighbours(chosen: Sequence[str], keys: Sequence[str], shared: AbstractSet[str]) -> list[list[str]]:
    """The partitions of each run, in the order of ``chosen``: up to ten neighbours together, others alone.

    Args:
        chosen: partitions to run, each once.
        keys: all partitions in the order in which a range of them is counted.
        shared: those that may share a run.
    """
    place = {key: n for n, key in enumerate(keys)}
    groups: list[list[str]] = []
    for key in chosen:
        before = groups[-1] if groups else []
        if before and len(before) < TOGETHER and {before[-1], key} <= shared and place[key] == place[before[-1]] + 1:
            before.append(key)
        else:
            groups.append([key])
    return groups


def idle_partitions(statuses: Sequence[PartitionStatus]) -> frozenset[str]:
    """The partitions on which ``decide`` would launch nothing but a refresh: a run on them finds nothing to fetch."""
    known = {slug for s in statuses for slug in s.entries}
    listed_in = _listed_in(statuses, set())
    return frozenset(
        s.key for s in statuses if s.listed is not None and _need(s, known, listed_in, FILES_PER_ENTRY) is None
    )


def expected_requests(status: PartitionStatus, statuses: Sequence[PartitionStatus], *, again: bool) -> int:
    """The requests that a run makes on a partition, about.

    Args:
        status: of the partition.
        statuses: of every partition.
        again: whether what was read is requested again.
    """
    known = {slug for s in statuses for slug in s.entries}
    need = _need(status, known, _listed_in(statuses, set()), _files_per_entry(statuses))
    held = [one for one in status.entries.values() if again and one.status not in TOMBSTONES]
    return (need.requests if need is not None else 0) + len(held) + sum(one.files for one in held)


class _Budget:
    """The requests that may still be made today."""

    def __init__(self, left: int, *, untouched: bool) -> None:
        self.left = left
        self._untouched = untouched

    def pay(self, requests: int) -> bool:
        """Spend ``requests``, if so many are left, or if nothing was spent before."""
        if requests > self.left and not (self._untouched and self.left > 0):
            return False
        self.left -= requests
        self._untouched = self._untouched and requests == 0
        return True


def _need(s: PartitionStatus, known: set[str], listed_in: Mapping[str, str], files_per_entry: float) -> Launch | None:
    """The most urgent thing that a partition needs, but for a refresh."""
    if s.behind:
        return Launch(s.key, LaunchReason.PROCESS)
    page = s.swept.slugs if s.swept is not None else frozenset()
    unknown = len((page | (s.listed or frozenset())) - known)
    gone = sum(1 for slug, held in s.entries.items() if slug not in s.query and held.status not in TOMBSTONES)
    requests = round(unknown * (1 + files_per_entry)) + (gone if s.swept is not None else 0) + s.due
    if s.listed is None:
        return Launch(s.key, LaunchReason.NEW, requests) if s.swept is not None else None
    if s.changed:
        return Launch(s.key, LaunchReason.MEMBERS, requests + 1)
    if s.unread:
        return Launch(s.key, LaunchReason.UNREAD, requests)
    if s.due:
        return Launch(s.key, LaunchReason.FAILURES, requests)
    arrived = any(listed_in.get(slug, s.key) != s.key for slug in s.left)
    suspect = s.swept is not None and any(
        slug not in s.query and not s.entries[slug].fails and (s.entries[slug].fetched_at or s.swept.at) < s.swept.at
        for slug in s.left
    )
    return Launch(s.key, LaunchReason.LEFT, requests) if arrived or suspect else None


def _listed_in(statuses: Sequence[PartitionStatus], busy: set[str]) -> dict[str, str]:
    """For each entry the partition that lists it and has processed it."""
    return {
        slug: s.key
        for s in statuses
        if not s.behind and s.key not in busy
        for slug in s.entries
        if slug in (s.listed or ())
    }


def _files_per_entry(statuses: Sequence[PartitionStatus]) -> float:
    held = [h for s in statuses for h in s.entries.values() if h.status == EntryStatus.OK]
    return sum(h.files for h in held) / len(held) if held else FILES_PER_ENTRY


def _rests(status: PartitionStatus, canceled: datetime | None, now: datetime) -> bool:
    """Whether a partition is left alone because a person canceled the last run on it."""
    if canceled is None or now - canceled >= CANCELED_FOR:
        return False
    return not (status.changed and status.swept is not None and status.swept.at > canceled)


def _backs_off(status: PartitionStatus, reason: LaunchReason, past: Sequence[PastRun], now: datetime) -> bool:
    """Whether a partition waits, because of the outcome of earlier runs on it.

    Failed runs in a row wait ever longer; a failed run of several partitions does not count. After a success the
    same reason needs a newer sweep or an hour, so that a contradiction between rows and site does not become a loop; a
    refresh needs six hours, so that it reads several entries.
    """
    mine = [p for p in past if p.key == status.key and (p.ok or p.together == 1)]
    failed = 0
    for run in mine:
        if run.ok:
            break
        failed += 1
    if failed:
        again = next_try(failed, mine[0].ended_at, retryable=True)
        return again is None or now < again
    last = next((p for p in mine if p.reason == reason), None)
    if last is None or reason in {LaunchReason.PROCESS, LaunchReason.FAILURES}:
        return False
    renewed = status.swept is not None and status.swept.at > last.started_at
    return not renewed and now - last.ended_at < (REFRESH_EVERY if reason == LaunchReason.REFRESH else BRAKE)


def _refreshes(
    statuses: Sequence[PartitionStatus],
    now: datetime,
    entry_refresh: timedelta,
    file_refresh: timedelta,
    budget: _Budget,
) -> list[Launch]:
    """Runs that read again what is due, longest due first, as much as the budget allows.

    All share one time: what was due before it is read again. A page costs its request and, where it has changed, one
    for each of its files: as many pages are expected to have changed as had at their last reading.
    """
    held_now = [(s.key, h) for s in statuses for h in s.entries.values()]
    share = _changed_share(held for _, held in held_now)
    due = sorted(
        (at, key, cost)
        for key, held in held_now
        if held.fetched_at is not None and held.status not in TOMBSTONES and not held.fails
        for at, cost in (
            (
                refresh_due(
                    max(held.fetched_at, held.given_up_at or held.fetched_at),
                    held.posted_at,
                    held.changed_at,
                    entry_refresh,
                ),
                1 + share * len(held.files_checked_at),
            ),
            *((_file_due(held, checked_at, file_refresh), 1.0) for checked_at in held.files_checked_at),
        )
        if at < now
    )
    totals = list(accumulate(cost for _, _, cost in due))
    paid = bisect_right(totals, max(budget.left, 0))
    before = now if paid == len(due) else due[paid][0]
    costs: dict[str, float] = {}
    for at, key, cost in due:
        if at < before:
            costs[key] = costs.get(key, 0.0) + cost
    return [Launch(key, LaunchReason.REFRESH, ceil(cost), before) for key, cost in costs.items()]


def _file_due(held: KnownEntry, checked_at: datetime, file_refresh: timedelta) -> datetime:
    """When a file is requested again: after its own interval, at once where its page has changed since."""
    due = checked_at + file_refresh
    return due if held.changed_at is None or held.changed_at <= checked_at else min(due, held.changed_at)


def _changed_share(entries: Iterable[KnownEntry]) -> float:
    """The share of pages that had changed at their last reading; never none, since nothing may be known yet."""
    read = [h for h in entries if h.fetched_at is not None and h.status not in TOMBSTONES]
    changed = sum(1 for h in read if h.changed_at is not None and h.changed_at == h.fetched_at)
    return max(changed / len(read), LEAST_CHANGED) if read else LEAST_CHANGED
