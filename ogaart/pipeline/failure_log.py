"""The failures of one stage and partition: those of earlier runs that still hold, and those of this run."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from ogaart.core.staleness import next_recheck, next_try
from ogaart.pipeline.refresh_tags import RefreshRequest
from ogaart.resources.storage.rows import FailureRow

REFUSALS = frozenset({401, 403, 404, 410})
"""HTTP statuses by which the site refuses a URL."""
REFUSED_ONCE = "RefusedOnce"
"""Error class of a first refusal of what was readable before; a second one withdraws it."""

OTHER_PAGE = "OtherPage"
"""Error class of a URL that holds another entry's page."""


class FailureLog:
    """What failed, by key, and when it is tried again.

    A failure belongs to a key (a URL, an image id, a file's member) and the fingerprint of the inputs it failed with:
    other inputs are a new attempt. A stored failure that no call keeps or records again is resolved.

    Args:
        stored: rows of ``failures`` that earlier runs left, of this stage and partition.
        lineage: columns that every new row gets: stage, partition and run.
        now: the step's time.
        refresh: what the run was requested to read again.
    """

    def __init__(
        self,
        stored: Sequence[FailureRow],
        lineage: Mapping[str, str],
        now: datetime,
        refresh: RefreshRequest | None = None,
    ) -> None:
        self.stored = list(stored)
        self._by_key = {row["key"]: row for row in stored}
        self._lineage = dict(lineage)
        self._now = now
        self._refresh = refresh
        self._current: dict[str, FailureRow] = {}

    def __len__(self) -> int:
        return len(self._current)

    @property
    def rows(self) -> list[FailureRow]:
        """The failures that hold after this run, by key."""
        return [self._current[key] for key in sorted(self._current)]

    def find(self, key: str, fingerprint: str) -> FailureRow | None:
        """The stored failure of ``key`` with the same inputs."""
        row = self._by_key.get(key)
        return row if row is not None and row["fingerprint"] == fingerprint else None

    def keep_until_due(self, key: str, fingerprint: str, slug: str | None = None) -> bool:
        """Keep the stored failure of ``key`` while its next try is not due; returns whether it was kept.

        Where the run refreshes the entry ``slug``, nothing is kept.
        """
        row = self.find(key, fingerprint)
        if row is None or self._is_due(row) or self._refreshes(slug):
            return False
        if row["next_try"] is None and row["http_status"] in REFUSALS:
            return False  # of a version that believed a refusal for ever
        self._current[key] = row
        return True

    def hold(self) -> bool:
        """Whether all stored failures are kept by a run with the same inputs: none is due."""
        return not any(
            self._is_due(row) or (row["next_try"] is None and row["http_status"] in REFUSALS) for row in self.stored
        )

    def keep_all(self) -> None:
        """Keep all stored failures: the run finds nothing changed."""
        self._current = dict(self._by_key)

    def holds_now(self, *keys: str, of: str | None = None) -> bool:
        """Whether one of these keys has a failure that was kept or recorded in this run.

        Args:
            keys: the keys.
            of: the fingerprint of the inputs that it must have failed with; None: any.
        """
        found = [self._current[key] for key in keys if key in self._current]
        return any(of is None or row["fingerprint"] == of for row in found)

    def is_due(self, key: str, fingerprint: str) -> bool:
        """Whether ``key`` failed with the same inputs before and is to be tried again now."""
        row = self.find(key, fingerprint)
        return row is not None and self._is_due(row)

    def is_permanent(self, key: str, fingerprint: str) -> bool:
        """Whether ``key`` failed with the same inputs so often that no run tries it by itself any more."""
        return self.given_up_at(key, fingerprint) is not None

    def given_up_at(self, key: str, fingerprint: str) -> datetime | None:
        """When the last attempt was made of what ``is_permanent``; None where ``key`` is not."""
        row = self.find(key, fingerprint)
        return row["last_at"] if row is not None and row["next_try"] is None else None

    def refetch_before(self, key: str, fingerprint: str, slug: str) -> datetime | None:
        """The time before which a stored answer for ``key`` does not count; None: any stored answer does.

        It is the time that a refresh was requested with, or the time at which a failure became due.
        """
        times = [self._refresh.before] if self._refresh is not None and self._refresh.covers(slug) else []
        row = self.find(key, fingerprint)
        if row is not None and self._is_due(row):
            times.append(row["next_try"] or self._now)
        return max(times, default=None)

    def record(
        self,
        key: str,
        fingerprint: str,
        *,
        error_class: str,
        message: str,
        slug: str | None = None,
        http_status: int | None = None,
        retryable: bool = False,
    ) -> None:
        """Record that ``key`` failed in this run, and when it is tried again."""
        before = self.find(key, fingerprint)
        attempts = (before["attempts"] if before is not None else 0) + 1
        due = next_try(attempts, self._now, retryable=retryable)
        self._add(key, fingerprint, before, due, slug, error_class, message, http_status)

    def confirm_refusal(
        self, key: str, fingerprint: str, http_status: int, after: timedelta, slug: str | None = None
    ) -> bool:
        """Whether a refusal of what was readable before confirms one of an earlier run, so that it counts.

        Where it does not, it is recorded as the first, with the time from which a second one will count.

        Args:
            key: the URL.
            fingerprint: the inputs.
            http_status: 401, 403, 404 or 410.
            after: time between the two refusals, at least.
            slug: the entry.
        """
        first = self.find(key, fingerprint)
        if first is not None and first["error_class"] != REFUSED_ONCE:
            first = None
        since = self._now if first is None else first["first_at"]
        if first is not None and first["run_id"] != self._lineage["run_id"] and self._now >= since + after:
            return True
        message = (
            f"refused once ({http_status}) at {since:%Y-%m-%d %H:%M} UTC: what was read before stays, "
            f"a second refusal from {since + after:%Y-%m-%d %H:%M} UTC on withdraws it"
        )
        self._add(key, fingerprint, first, since + after, slug, REFUSED_ONCE, message, http_status)
        if first is not None:  # the run of the first refusal: another one has to confirm it
            self._current[key]["run_id"] = first["run_id"]
        return False

    def confirms(self, key: str, fingerprint: str, claim: str, after: timedelta) -> bool:
        """Whether an earlier run recorded the same claim by ``record_unconfirmed``, at least ``after`` ago."""
        first = self._first_claim(key, fingerprint, claim)
        return (
            first is not None and first["run_id"] != self._lineage["run_id"] and self._now >= first["first_at"] + after
        )

    def record_unconfirmed(self, key: str, fingerprint: str, *, claim: str, after: timedelta, slug: str) -> None:
        """Record that ``key`` holds something else than it should, by a claim that another run has to confirm.

        Args:
            key: the URL.
            fingerprint: the inputs.
            claim: what it holds, in words that are the same whenever it holds the same.
            after: time between the two claims, at least.
            slug: the entry.
        """
        first = self._first_claim(key, fingerprint, claim)
        due = (self._now if first is None else first["first_at"]) + after
        message = (
            f"{claim}: what was read before stays; if another run finds the same from {due:%Y-%m-%d %H:%M} UTC on, "
            "it counts"
        )
        self._add(key, fingerprint, first, due, slug, OTHER_PAGE, message, 200)
        if first is not None:
            self._current[key]["run_id"] = first["run_id"]

    def _first_claim(self, key: str, fingerprint: str, claim: str) -> FailureRow | None:
        row = self.find(key, fingerprint)
        is_same = row is not None and row["error_class"] == OTHER_PAGE and row["message"].startswith(f"{claim}: ")
        return row if is_same else None

    def record_withdrawn(
        self,
        key: str,
        fingerprint: str,
        *,
        error_class: str,
        message: str,
        http_status: int,
        checked_at: datetime,
        slug: str | None = None,
    ) -> None:
        """Record that the site refuses ``key``, which it still links; it is requested again after a day, week, month.

        Args:
            key: the URL.
            fingerprint: the inputs.
            error_class: such as ``Deleted``.
            message: what the site answered.
            http_status: 401, 403, 404 or 410.
            checked_at: when it was last refused.
            slug: the entry.
        """
        before = self.find(key, fingerprint)
        if before is not None and before["error_class"] != error_class:
            before = None
        refusals = (before["attempts"] if before is not None else 0) + 1
        due = next_recheck(refusals, checked_at)
        self._add(key, fingerprint, before, due, slug, error_class, message, http_status)

    def _add(
        self,
        key: str,
        fingerprint: str,
        before: FailureRow | None,
        due: datetime | None,
        slug: str | None,
        error_class: str,
        message: str,
        http_status: int | None,
    ) -> None:
        self._current[key] = {
            "stage": self._lineage["stage"],
            "partition": self._lineage["partition"],
            "run_id": self._lineage["run_id"],
            "key": key,
            "slug": slug,
            "error_class": error_class,
            "message": message,
            "http_status": http_status,
            "attempts": (before["attempts"] if before is not None else 0) + 1,
            "first_at": before["first_at"] if before is not None else self._now,
            "last_at": self._now,
            "next_try": due,
            "fingerprint": fingerprint,
            "written_at": self._now,
        }

    def _refreshes(self, slug: str | None) -> bool:
        return self._refresh is not None and slug is not None and self._refresh.covers(slug)

    def _is_due(self, row: FailureRow) -> bool:
        due: datetime | None = row["next_try"]
        return due is not None and due <= self._now
