"""The one place where private modules of Dagster are imported; all else in ogaart uses its public interface.

Dagster has no public name for what is here. An upgrade of Dagster that moves one of them breaks this file alone; the
test of this module says what each is for.
"""

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.execution.backfill import BulkActionsFilter, BulkActionStatus
from dagster._core.scheduler.instigation import InstigatorStatus

BACKFILL_TAG = "dagster/backfill"
"""Tag of a backfill's runs; its value is the backfill's id."""

_OPEN_BACKFILLS = [BulkActionStatus.REQUESTED, BulkActionStatus.CANCELING, BulkActionStatus.FAILING]


def is_schedule_on(instance: dg.DagsterInstance, name: str) -> bool:
    """Whether the schedule ``name`` was turned on."""
    states = instance.all_instigator_state(
        instigator_type=InstigatorType.SCHEDULE, instigator_statuses={InstigatorStatus.RUNNING}
    )
    return any(state.instigator_name == name for state in states)


def open_backfills(instance: dg.DagsterInstance) -> list[str]:
    """Ids of the backfills that have not ended."""
    found = instance.get_backfills(filters=BulkActionsFilter(statuses=_OPEN_BACKFILLS))
    return [backfill.backfill_id for backfill in found]
