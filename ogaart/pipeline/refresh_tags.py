"""Which entries a run is requested to read from the site again, in its tags."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

REFRESH = "ogaart/refresh"
"""Tag of a run that reads again what was read before the run was created; its value does not matter."""

REFRESH_BEFORE = "ogaart/refresh_before"
"""Tag with an ISO time: only what was read before it is read again."""

REFRESH_ONLY = "ogaart/refresh_only"
"""Tag with an entry's slug: only that entry is read again."""

REFRESH_DUE = "ogaart/refresh_due"
"""Tag of a run that reads again only what was due by ``ogaart/refresh_before``; its value does not matter."""


@dataclass(frozen=True)
class RefreshRequest:
    """What is read from the site again.

    Attributes:
        before: pages and files that the site has not confirmed since this time are requested. A run that is retried
            after a kill continues where it was, since it has the same time.
        only: slug of the one entry to read; None: all of the partition.
        due: only entries and files that are due by ``before`` are requested (see ``core.staleness.refresh_due``).
    """

    before: datetime
    only: str | None = None
    due: bool = False

    def covers(self, slug: str) -> bool:
        """Whether that entry is read again."""
        return self.only is None or self.only == slug

    def tags(self) -> dict[str, str]:
        """The tags of a run that is to do it."""
        only = {} if self.only is None else {REFRESH_ONLY: self.only}
        due = {REFRESH_DUE: "true"} if self.due else {}
        return {REFRESH: "true", REFRESH_BEFORE: self.before.isoformat(), **only, **due}


def requested_by(tags: Mapping[str, str], created_at: datetime) -> RefreshRequest | None:
    """The refresh that a run's tags request, or None.

    Args:
        tags: the run's tags.
        created_at: when the run, or the one that it retries, was created.

    Raises:
        dagster.Failure: the time is invalid.
    """
    if not {REFRESH, REFRESH_BEFORE, REFRESH_ONLY} & set(tags):
        return None
    text = tags.get(REFRESH_BEFORE)
    try:
        before = datetime.fromisoformat(text) if text else created_at
    except ValueError:
        raise dg.Failure(
            f"tag {REFRESH_BEFORE}={text!r}: expected an ISO time such as 2026-01-31T00:00:00+00:00",
            allow_retries=False,
        ) from None
    return RefreshRequest(
        before if before.tzinfo else before.replace(tzinfo=UTC), tags.get(REFRESH_ONLY), REFRESH_DUE in tags
    )


def refresh_of_run(context: dg.AssetExecutionContext) -> RefreshRequest | None:
    """The refresh that the tags of this run request, or None."""
    root = context.run.root_run_id or context.run_id
    record = context.instance.get_run_record_by_id(root)
    created_at = datetime.now(UTC) if record is None else record.create_timestamp
    return requested_by(context.run.tags, created_at if created_at.tzinfo else created_at.replace(tzinfo=UTC))
