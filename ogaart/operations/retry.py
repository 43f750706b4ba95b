"""``ogaart retry``: makes failures selected by SQL due now, and runs their partitions again from that stage on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import duckdb
from rich.console import Console

from ogaart.core.errors import BadChoice
from ogaart.core.report import Report
from ogaart.core.stages import Stage
from ogaart.operations import runs
from ogaart.operations.runs import ASSETS
from ogaart.resources.catalog.table_views import connect
from ogaart.resources.platform import Stores
from ogaart.resources.storage.lock_names import step_lock
from ogaart.resources.storage.schema import FAILURES
from ogaart.settings import Settings

COLUMNS = ("partition", "asset", "failures", "after")


class SelectedFailure(NamedTuple):
    """The key of a row of table ``failures``."""

    partition: str
    stage: str
    key: str


@dataclass(frozen=True)
class FailureSelection:
    """Which failures: every condition that is set must hold; ``where`` is SQL on the table failures."""

    stage: str | None = None
    error_class: str | None = None
    where: str | None = None

    def select(self, con: duckdb.DuckDBPyConnection) -> list[SelectedFailure]:
        """The selected failures, by partition and stage in the graph's order.

        Raises:
            BadChoice: the stage is unknown or ``where`` is not a valid condition.
        """
        if self.stage is not None and self.stage not in ASSETS:
            raise BadChoice(f"unknown stage {self.stage!r}: choose from {', '.join(ASSETS)}")
        condition = f"({self.where})" if self.where is not None else "true"
        try:
            found = con.execute(
                "SELECT partition, stage, key FROM failures"  # noqa: S608 - the operator's own condition
                " WHERE ($stage IS NULL OR stage = $stage) AND ($class IS NULL OR error_class = $class)"
                f" AND {condition} ORDER BY partition, stage, key",
                {"stage": self.stage, "class": self.error_class},
            )
        except duckdb.Error as cause:
            raise BadChoice(
                f"--where {self.where!r} is not a valid condition on failures "
                f"({', '.join(c.name for c in FAILURES.columns)}): {cause}"
            ) from cause
        rows = [SelectedFailure(*row) for row in found.fetchall()]
        return sorted(rows, key=lambda row: (row.partition, ASSETS.index(row.stage)))


def retry(settings: Settings, console: Console, choice: FailureSelection, *, dry_run: bool = False) -> Report:
    """Make the selected failures due and run their partitions, from the first stage concerned on.

    Raises:
        BadChoice: the selection is not valid.
        Locked: a run is working on such a partition.
    """
    report = Report(COLUMNS)
    stores = Stores(settings)
    with connect(stores.tables) as con:
        chosen = choice.select(con)
    groups: dict[tuple[str, str], list[str]] = {}
    for row in chosen:
        groups.setdefault((row.partition, row.stage), []).append(row.key)
    for (partition, stage), keys in groups.items():
        report.rows.append({"partition": partition, "asset": stage, "failures": len(keys), "after": ""})
        if not dry_run:
            make_due(stores, stage, partition, keys)
    if dry_run or not groups:
        return report
    starts: dict[str, int] = {}
    for partition, stage in groups:
        starts[partition] = min(starts.get(partition, len(ASSETS)), ASSETS.index(stage))
    for partition, start in starts.items():
        done = runs.materialize(settings, console, [partition], ASSETS[start:])
        report.errors += done.errors
        report.exit_code = report.exit_code or done.exit_code
    for made_due in report.rows:
        partition, stage = made_due["partition"], made_due["asset"]
        left = {row["key"] for row in stores.tables.read(FAILURES, partition, stage)}
        made_due["after"] = len(left & set(groups[partition, stage]))
    return report


def make_due(stores: Stores, stage: str, partition: str, keys: Sequence[str]) -> None:
    """Set the next try of these failures to now, whether they were permanent or not yet due.

    Raises:
        Locked: a run is working on that stage and partition.
    """
    now, wanted = datetime.now(UTC), set(keys)
    lock = step_lock(stores.root, Stage(stage), partition)
    with stores.hold(lock, timeout=stores.settings.lock_seconds, what=f"{stage} of {partition}"):
        rows = [
            {**row, "next_try": now} if row["key"] in wanted else row
            for row in stores.tables.read(FAILURES, partition, stage)
        ]
        stores.tables.commit(stage, partition, {FAILURES.name: rows})
