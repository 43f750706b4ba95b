"""What a run was asked to read from the site again, told by its tags."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

REFRESH = "ogaart/refresh"
"""Tag of a run that reads again what the site has said before the run was made; its value does not matter."""

REFRESH_BEFORE = "ogaart/refresh_before"
"""Tag with an ISO time: only what was read before it is read again."""

REFRESH_ONLY = "ogaart/refresh_only"
"""Tag with an entry's slug: only that entry is read again."""


@dataclass(frozen=True)
class Rereading:
    """What is read again.

    Attributes:
        before: pages and files that the site has not confirmed since this time are asked for. A run that was killed
            and is done again goes on, since it asks with the same time.
        only: the one entry it is about; None for all of the partition.
    """

    before: datetime
    only: str | None = None

    def covers(self, slug: str) -> bool:
        """Whether that entry is read again."""
        return self.only is None or self.only == slug

    def tags(self) -> dict[str, str]:
        """The tags that ask a run for it."""
        only = {} if self.only is None else {REFRESH_ONLY: self.only}
        return {REFRESH: "true", REFRESH_BEFORE: self.before.isoformat(), **only}


def asked_for(tags: Mapping[str, str], made_at: datetime) -> Rereading | None:
    """What the tags of a run ask for, or None.

    Args:
        tags: the run's tags.
        made_at: when the run, or the one that it does again, was made.

    Raises:
        dagster.Failure: the time is none.
    """
    if not {REFRESH, REFRESH_BEFORE, REFRESH_ONLY} & set(tags):
        return None
    text = tags.get(REFRESH_BEFORE)
    try:
        before = datetime.fromisoformat(text) if text else made_at
    except ValueError:
        raise dg.Failure(
            f"tag {REFRESH_BEFORE}={text!r}: expected an ISO time such as 2026-01-31T00:00:00+00:00",
            allow_retries=False,
        ) from None
    return Rereading(before if before.tzinfo else before.replace(tzinfo=UTC), tags.get(REFRESH_ONLY))


def of_run(context: dg.AssetExecutionContext) -> Rereading | None:
    """What this run was asked to read again."""
    root = context.run.root_run_id or context.run_id
    record = context.instance.get_run_record_by_id(root)
    made_at = datetime.now(UTC) if record is None else record.create_timestamp
    return asked_for(context.run.tags, made_at if made_at.tzinfo else made_at.replace(tzinfo=UTC))
