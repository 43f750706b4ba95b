"""New, stale, unchanged and orphaned rows: pure comparisons of stored rows with wanted ones."""

import hashlib
import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

FIRST_RETRY = timedelta(hours=1)
LONGEST_RETRY = timedelta(days=7)
RECHECKS = (timedelta(days=1), timedelta(days=7), timedelta(days=30))
"""After so long a URL that was refused is requested again; the last is repeated."""
MOST_ATTEMPTS = 10
"""After so many runs a failure is permanent: about three weeks."""


@dataclass(frozen=True)
class Plan(Generic[Key]):
    """Keys by state; ``orphaned`` ones are stored and no longer wanted."""

    new: tuple[Key, ...]
    stale: tuple[Key, ...]
    unchanged: tuple[Key, ...]
    orphaned: tuple[Key, ...]

    @property
    def work(self) -> tuple[Key, ...]:
        """The keys whose rows must be made: new and stale."""
        return self.new + self.stale


def compare(stored: Mapping[Key, str], wanted: Mapping[Key, str]) -> Plan[Key]:
    """Compare stored fingerprints with wanted ones.

    >>> compare({"a": "1", "b": "1", "c": "1"}, {"a": "1", "b": "2", "d": "1"})
    Plan(new=('d',), stale=('b',), unchanged=('a',), orphaned=('c',))
    """
    return Plan(
        new=tuple(k for k in wanted if k not in stored),
        stale=tuple(k for k, f in wanted.items() if k in stored and stored[k] != f),
        unchanged=tuple(k for k, f in wanted.items() if stored.get(k) == f),
        orphaned=tuple(k for k in stored if k not in wanted),
    )


def fingerprint(version: str, *inputs: object) -> str:
    """sha256 (hex) over a stage version, the settings that matter to it and its upstream contents.

    Args:
        version: the stage's version.
        inputs: values that JSON can hold.
    """
    text = json.dumps([version, *inputs], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def next_try(attempts: int, last_at: datetime, *, retryable: bool) -> datetime | None:
    """When a failure is tried again; None: it is permanent.

    The wait doubles from an hour to a week.
    """
    if not retryable or attempts >= MOST_ATTEMPTS:
        return None
    wait: timedelta = min(FIRST_RETRY * 2 ** (attempts - 1), LONGEST_RETRY)
    return last_at + wait


def next_recheck(refusals: int, last_at: datetime) -> datetime:
    """When a URL that the site refused (deleted, private), but still links, is requested again.

    Args:
        refusals: refusals in a row that counted, at least 1.
        last_at: when it was last refused.
    """
    return last_at + RECHECKS[min(refusals, len(RECHECKS)) - 1]


NEWEST_INTERVAL = timedelta(days=1)
"""An entry is read again after this at the soonest."""
REFRESH_EVERY = timedelta(hours=6)
"""A partition's due entries are collected for so long, so that one run reads many of them."""


def refresh_due(
    checked_at: datetime, posted_at: datetime | None, changed_at: datetime | None, longest: timedelta
) -> datetime:
    """When an entry's page is read again: new and recently changed entries sooner, none later than ``longest``.

    The interval is a quarter of the time since the entry was posted or last changed, so that entries that change often
    are read often. Runs of one partition are ``REFRESH_EVERY`` apart, which is taken off, so that no entry is older
    than ``longest`` when it is read.

    Args:
        checked_at: when the site last served or confirmed the page.
        posted_at: when the entry was posted, in UTC.
        changed_at: when it was first seen changed.
        longest: longest interval.
    """
    limit = max(longest - REFRESH_EVERY, timedelta(0))
    event = max((at for at in (posted_at, changed_at) if at is not None), default=None)
    if event is None:
        return checked_at + limit
    return checked_at + min(max((checked_at - event) / 4, NEWEST_INTERVAL), limit)
