"""One stage of one partition: its lock, its counts, its rows and the metadata that explains it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import dagster as dg

from ogaart.core.partitions import parse_key
from ogaart.core.stages import STAGES, Stage
from ogaart.core.staleness import Plan
from ogaart.core.states import RowState
from ogaart.pipeline import step_metadata
from ogaart.pipeline.checks import CheckOutcome
from ogaart.pipeline.column_lineage import sources
from ogaart.pipeline.failure_log import FailureLog
from ogaart.pipeline.gallery import Gallery
from ogaart.pipeline.progress import Progress
from ogaart.pipeline.refresh_tags import RefreshRequest
from ogaart.resources.platform import Stores
from ogaart.resources.site.client import Fetched
from ogaart.resources.storage.lock_names import step_lock
from ogaart.resources.storage.schema import FAILURES, STEPS, by_name
from ogaart.resources.storage.table_types import Table
from ogaart.resources.storage.tables import R, Row
from ogaart.workers.child import memory
from ogaart.workers.kept_open import KeptOpen

OWNERS = ["team:data-engineering"]
SITE = {"source": "site"}
"""Tags of an asset whose runs send requests to the site."""
STORED = {"source": "stored"}
"""Tags of an asset that is made from what is stored."""
COLUMN_LINEAGE = "dagster/column_lineage"
KEPT_STEPS = 50


class Step:
    """The work of one stage on one partition; rows become visible only by ``commit``."""

    def __init__(
        self,
        stores: Stores,
        stage: Stage,
        partition: str,
        run_id: str,
        refresh: RefreshRequest | None = None,
        progress: Progress | None = None,
        kept: KeptOpen | None = None,
    ) -> None:
        self.stores = stores
        self.stage = stage
        self.partition = partition
        self.run_id = run_id
        self.now = datetime.now(UTC)
        self.counts: Counter[RowState] = Counter()
        self.extra: dict[str, int] = {}
        self.notes: dict[str, str] = {}
        """What else the Dagster UI shows of this step, in words."""
        self.checks: dict[str, CheckOutcome] = {}
        self.relies_on: dict[str, Any] | None = {}
        """What beside tables makes the next run find nothing to do (``pipeline/unchanged``); None: it may find some."""
        self.repeats = False
        """Whether nothing had to be looked at: the outcome is that of the run before."""
        self.progress = progress or Progress()
        self.kept = kept or KeptOpen()
        """What the partitions of the run share."""
        self.refresh = refresh
        everything = refresh if refresh is not None and not refresh.due else None  # what is due has no failure
        lineage = {"stage": stage.value, "partition": partition, "run_id": run_id}
        self.failures = FailureLog(stores.tables.read(FAILURES, partition, stage), lineage, self.now, everything)
        self.gallery = Gallery()
        self._sizes: dict[str, tuple[int, int]] = {}

    @property
    def query(self) -> str:
        """Name of the partition's query."""
        return parse_key(self.partition)[0]

    @property
    def page(self) -> int:
        """Zero-based page of the partition's query."""
        return parse_key(self.partition)[1]

    def stamp(self, row: R, fingerprint: str) -> R:
        """``row`` with its lineage: partition, fingerprint, run and time."""
        lineage = {
            "partition": self.partition,
            "fingerprint": fingerprint,
            "run_id": self.run_id,
            "written_at": self.now,
        }
        return cast("R", {**row, **lineage})

    @property
    def found_changes(self) -> bool:
        """Whether rows are new, stale or orphaned."""
        return any(self.counts[state] for state in (RowState.NEW, RowState.STALE, RowState.ORPHANED))

    def check(self, name: str, passed: bool, message: str) -> None:
        """Record the result of one of the asset's checks for this partition."""
        self.checks[name] = CheckOutcome(passed, message)

    def get(self, url: str, **options: Any) -> Fetched:
        """Return what ``url`` holds, counting requests and bytes; options and errors as ``SiteClient.get``."""
        fetched = self.stores.site.get(url, **options)
        saved = int(fetched.from_store)
        received = 0 if fetched.from_store or fetched.not_modified else fetched.bytes
        for name, amount in (("requests", fetched.requests), ("requests_saved", saved), ("bytes", received)):
            self.extra[name] = self.extra.get(name, 0) + amount
        return fetched

    def count(self, plan: Plan[Any]) -> None:
        """Add a plan's numbers to the counts."""
        self.counts.update(
            {
                RowState.NEW: len(plan.new),
                RowState.STALE: len(plan.stale),
                RowState.UNCHANGED: len(plan.unchanged),
                RowState.ORPHANED: len(plan.orphaned),
            }
        )

    def commit(self, rows: Mapping[Table, tuple[Sequence[Row], Sequence[Row]]], pack: Path | None = None) -> bool:
        """Swap in the rows of every table, together with the failures, if anything differs from what is stored.

        Args:
            rows: for each table its (stored, new) rows.
            pack: the new pack under a temporary name.

        Returns:
            Whether anything was written.
        """
        self.counts[RowState.FAILED] = len(self.failures)
        for table, (_, new) in rows.items():
            self._sizes[table.name] = (len(new), sum(1 for row in new if row["run_id"] == self.run_id))
        missing = any(not self.stores.tables.exists(t, self.partition, self.stage) for t in rows)
        changed = missing or any(_differs(old, new) for old, new in rows.values())
        failures_changed = _differs(self.failures.stored, self.failures.rows)
        if changed or failures_changed or pack is not None:
            content = {t.name: self._dated(new) for t, (_, new) in rows.items()}
            if failures_changed or len(self.failures):
                content[FAILURES.name] = self._dated(self.failures.rows)
            self.stores.segments.push()
            self.stores.tables.commit(self.stage, self.partition, content, pack)
            return True
        return False

    @property
    def row_counts(self) -> dict[str, int]:
        """How many rows each table has that was committed."""
        return {name: rows for name, (rows, _) in self._sizes.items()}

    def repeat(
        self,
        counts: Mapping[str, int],
        rows: Mapping[str, int],
        checks: Mapping[str, CheckOutcome],
        extra: Mapping[str, int],
    ) -> None:
        """Have the outcome of a run that finds nothing changed.

        Args:
            counts: rows by state.
            rows: how many rows each table has.
            checks: the results of the asset's checks.
            extra: other figures.
        """
        self.repeats = True
        self.failures.keep_all()
        self.counts.update({RowState(state): count for state, count in counts.items()})
        self.counts[RowState.FAILED] = len(self.failures)
        self._sizes.update({name: (count, 0) for name, count in rows.items()})
        self.checks.update(checks)
        self.extra.update(extra)

    def _dated(self, rows: Sequence[Row]) -> Sequence[Row]:
        """The rows; those of this step are written now, which may be long after the step began."""
        now = datetime.now(UTC)
        return [{**row, "written_at": now} if row["written_at"] is self.now else row for row in rows]

    def metadata(self) -> dict[str, Any]:
        """Counts, rates, errors and pictures of this step, for the Dagster UI."""
        numbers = {state.value: self.counts[state] for state in RowState}
        return {
            **numbers,
            **step_metadata.pictures(self.gallery.thumbnails),
            **step_metadata.errors(self.failures.rows),
            "dagster/partition_row_count": sum(
                self.counts[s] for s in (RowState.NEW, RowState.STALE, RowState.UNCHANGED)
            ),
            **self.extra,
            **self.notes,
            "peak_bytes": memory()["peak"],
            "written": {name: written for name, (_, written) in self._sizes.items()},
            "rows": {name: rows for name, (rows, _) in self._sizes.items()},
            **step_metadata.rates(self.extra, (datetime.now(UTC) - self.now).total_seconds()),
            **step_metadata.recount(
                [(name, self._file(name)) for name in self._sizes], self._file(STEPS.name), self.run_id
            ),
        }

    def _file(self, table: str) -> Path:
        tables, found = self.stores.tables, by_name(table)
        file = tables.path if self.stores.objects.remote else tables.link
        return file(found, self.stage, self.partition)

    def note_run(self) -> None:
        """Append this materialization to the partition's history of steps."""
        ended = datetime.now(UTC)
        row = self.stamp(
            {
                "stage": self.stage.value,
                "started_at": self.now,
                "ended_at": ended,
                **{state.value: self.counts[state] for state in RowState},
                **{k: v for k, v in self.extra.items() if k in STEPS.schema.names},
                "peak_bytes": memory()["peak"],
            },
            "",
        ) | {"written_at": ended}
        self.stores.tables.append(STEPS, self.stage, self.partition, [row], keep=KEPT_STEPS)


def _differs(old: Sequence[Row], new: Sequence[Row]) -> bool:
    """Whether rows differ in anything but order."""
    if old is new:
        return False
    return len(old) != len(new) or sorted(map(repr, map(_ordered, old))) != sorted(map(repr, map(_ordered, new)))


def _ordered(row: Row) -> list[tuple[str, Any]]:
    return sorted((k, v) for k, v in row.items() if v is not None)


@contextmanager
def open_step(
    stores: Stores,
    stage: Stage,
    partition: str,
    run_id: str,
    refresh: RefreshRequest | None = None,
    progress: Progress | None = None,
    kept: KeptOpen | None = None,
) -> Iterator[Step]:
    """Hold the lock of (stage, partition) around a step's work.

    Args:
        stores: the stores.
        stage: the stage.
        partition: the partition.
        run_id: the run.
        refresh: what is requested again.
        progress: where it is shown.
        kept: what the partitions of the run share; by default the step has its own.

    Raises:
        Locked: another run works on the same stage and partition.
        DataRootRefused: too little free disk.
    """
    stores.root.require_free(stores.settings.min_free_bytes)
    with stores.hold(
        step_lock(stores.root, stage, partition),
        timeout=stores.settings.lock_seconds,
        what=f"{stage} of {partition}",
    ):
        if STAGES[stage].reads_segments:
            stores.segments.pull()
        with nullcontext(kept) if kept is not None else KeptOpen() as shared:
            step = Step(stores, stage, partition, run_id, refresh, progress, shared)
            yield step
        stores.segments.push()
        step.note_run()


def described(*tables: Table, history: bool = True, stage: Stage | None = None) -> dict[str, Any]:
    """Definition metadata of an asset: the names and column schemas of the tables it writes, and its column lineage.

    Dagster shows the schema of the first as the asset's own; the others are metadata under their names.

    Args:
        tables: the tables, the main one first.
        history: whether it also writes failures and steps, as every partitioned asset does.
        stage: the asset's stage, where it is not the one that the main table names.
    """
    others = [*tables[1:], *((FAILURES, STEPS) if history else ())]
    return {
        "dagster/column_schema": _column_schema(tables[0]),
        **_column_lineage(stage or Stage(tables[0].stage), tables[0]),
        **{f"columns of {table.name}": _column_schema(table) for table in others},
        "dagster/table_name": tables[0].name,
        "tables": {t.name: t.comment for t in tables},
        "layout": f"tables/{{{','.join(t.name for t in tables)}}}/{tables[0].stage}/<query>/<page>.parquet",
    }


def _column_schema(table: Table) -> dg.TableSchema:
    return dg.TableSchema(
        columns=[dg.TableColumn(c.name, type=str(c.type), description=c.comment) for c in table.columns]
    )


def _column_lineage(stage: Stage, table: Table) -> dict[str, dg.TableColumnLineage]:
    lineage = {
        column: [dg.TableColumnDep(asset_key=source, column_name=name) for source, name in found]
        for column, found in sources(stage, table).items()
    }
    return {COLUMN_LINEAGE: dg.TableColumnLineage(lineage)} if lineage else {}


def column_lineage_of(context: dg.AssetExecutionContext) -> dict[str, Any]:
    """An asset's column lineage, for the metadata of its materialization, where Dagster looks for it as well."""
    defined = context.assets_def.metadata_by_key[context.asset_key]
    return {COLUMN_LINEAGE: defined[COLUMN_LINEAGE]} if COLUMN_LINEAGE in defined else {}
