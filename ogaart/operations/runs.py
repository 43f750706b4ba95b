"""Discovery, materialization and publication from a terminal: real runs, progress, one report."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ogaart.core.exit_codes import EXIT_AUDIT, EXIT_DAMAGED, EXIT_PARTLY, EXIT_REFUSED
from ogaart.core.partitions import PARTITION_SET, BadPartition, parse_key
from ogaart.core.report import Report as Report
from ogaart.core.stages import PARTITION_STAGES
from ogaart.core.states import RowState
from ogaart.definitions import build_definitions
from ogaart.orchestration.instance import Outcome, open_instance, run_job
from ogaart.orchestration.jobs import ROWS, DiscoverConfig, PlanConfig
from ogaart.orchestration.launch_policy import idle_partitions, neighbours
from ogaart.orchestration.launcher import RANGE_END, RANGE_START, partition_keys
from ogaart.orchestration.partition_status import partition_statuses
from ogaart.pipeline import crawl_plan
from ogaart.resources.catalog.generations import Generations
from ogaart.resources.catalog.publishing import held_back
from ogaart.resources.index.base import IndexBroken, IndexUnreachable
from ogaart.resources.moderation.line_log import LogUnavailable
from ogaart.resources.objects.store import ObjectsRefused
from ogaart.resources.platform import Stores
from ogaart.resources.state.database import StateDamaged, StateRefused
from ogaart.resources.state.locks import LockLost
from ogaart.resources.storage.data_root import DataRoot, DataRootRefused
from ogaart.resources.storage.locks import Locked
from ogaart.resources.storage.tables import TornTable
from ogaart.resources.storage.vectors import SegmentDamaged
from ogaart.settings import Settings

ASSETS = tuple(stage.value for stage in PARTITION_STAGES)
COUNTS = tuple(state.value for state in RowState)


def discover(settings: Settings, console: Console, *, refresh: bool = False) -> Report:
    """Sweep every query and add its partitions, in a run of the job `discover`.

    Raises:
        SiteDown: the site does not respond; so do the errors of ``ogaart.pipeline.discovery``. The run is recorded.
    """
    config = DiscoverConfig(refresh=refresh)
    return _report_of(settings, console, "discover", ("query", "entries", "pages", "new", "requests", "note"), config)


def plan(settings: Settings, console: Console, *, offline: bool = False) -> Report:
    """Estimate a crawl, in a run of the job `plan`.

    Raises:
        NoListing: offline, and no result page of a query is stored.
        SiteDown: the site does not respond.
    """
    return _report_of(settings, console, "plan", crawl_plan.COLUMNS, PlanConfig(offline=offline))


def _report_of(settings: Settings, console: Console, job: str, columns: tuple[str, ...], config: dg.Config) -> Report:
    """The rows that a job of one op reports; an error of the op is raised as it is, after the run has ended."""
    report = Report(columns)
    with open_instance(settings) as instance, _progress(console) as progress:
        progress.add_task(job, total=None)
        definitions = build_definitions()
        [op] = definitions.resolve_job_def(job).nodes
        ops = {"ops": {op.name: {"config": config.model_dump()}}}
        outcome = run_job(instance, definitions, job, config=ops, raise_on_error=True)
    report.rows += outcome.metadata[op.name][ROWS]
    return report


def materialize(
    settings: Settings,
    console: Console,
    keys: Sequence[str] | None,
    assets: Sequence[str] = (),
    *,
    verbose: bool = False,
) -> Report:
    """Materialize partitions, one run each; a failed run does not stop the others.

    Neighbours on which nothing is to be fetched or processed share a run, up to ten of them: starting runs and steps is
    what such a pass costs. Where one of them fails, each has a run of its own after all.

    Args:
        settings: the settings.
        console: where progress is shown.
        keys: partition keys; None for all that the instance knows.
        assets: names of partitioned assets; all seven where empty.
        verbose: whether Dagster logs to the terminal.

    Raises:
        BadPartition: a key or an asset is unknown.
    """
    for name in assets:
        if name not in ASSETS:
            raise BadPartition(f"unknown partitioned asset {name!r}: choose from {', '.join(ASSETS)}")
    definitions = build_definitions()
    report = Report(("partition", "asset", *COUNTS, "requests"))
    with open_instance(settings) as instance:
        chosen = known_keys(instance, keys)

        def run(first: str, last: str) -> Outcome:
            where = {RANGE_START: first, RANGE_END: last} if first != last else {}
            partition = None if where else first
            return run_job(
                instance, definitions, None, partition=partition, assets=assets or ASSETS, tags=where, verbose=verbose
            )

        with _progress(console) as progress:
            task = progress.add_task("materialize", total=len(chosen))
            for group in _groups(settings, instance, chosen):
                progress.update(task, description=f"materialize {group[0]}")
                outcome = run(group[0], group[-1])
                together = outcome.success or len(group) == 1
                for key in group:
                    add_outcome(report, key, outcome if together else run(key, key))
                    progress.advance(task)
    if report.errors:
        report.exit_code = EXIT_PARTLY
    report.notes += losses(report)
    return report


def _groups(settings: Settings, instance: dg.DagsterInstance, chosen: Sequence[str]) -> list[list[str]]:
    """The partitions of each run, in the order of ``chosen``: neighbours without work together, others alone."""
    if len(chosen) == 1:
        return [list(chosen)]
    keys = partition_keys(instance)
    stores = Stores(settings)
    try:
        idle = idle_partitions(partition_statuses(stores, keys, datetime.now(UTC), with_files=False))
    finally:
        stores.close()
    return neighbours(chosen, keys, idle)


def losses(report: Report) -> list[str]:
    """One line on what failed in runs that succeeded, and how to see it; none where nothing failed."""
    failed: Counter[str] = Counter()
    for row in report.rows:
        failed[str(row["asset"])] += int(row.get(RowState.FAILED.value) or 0)
    if not failed.total():
        return []
    named = ", ".join(f"{asset} {count:,}" for asset, count in failed.items() if count)
    return [
        f"{failed.total():,} failures ({named}). See `ogaart retry --where true --dry-run` or, after publishing, "
        '`ogaart sql "FROM failures_by_cause"`'
    ]


def publish(
    settings: Settings, console: Console, *, verbose: bool = False, tags: Mapping[str, str] | None = None
) -> Report:
    """Build, audit and switch the publication in one run, which carries ``tags``."""
    report = Report(("asset", "generation", "entries", "images", "points", "state"))
    with open_instance(settings) as instance, _progress(console) as progress:
        progress.add_task("publish", total=None)
        outcome = run_job(instance, build_definitions(), "publish", verbose=verbose, tags=tags)
    for name, metadata in outcome.metadata.items():
        report.rows.append({"asset": name, **{k: v for k, v in metadata.items() if k in report.columns}})
    causes = [] if outcome.success else held_back(Generations(DataRoot.of(settings).generations))
    report.errors += [f"publish, run {outcome.run_id}: {error}" for error in causes or outcome.errors]
    report.exit_code = 0 if outcome.success else EXIT_AUDIT if causes else _code_of(outcome.kinds)
    return report


def _code_of(kinds: Sequence[str]) -> int:
    """The exit code of a publication that failed, by what its steps raised."""
    refused = (IndexUnreachable, Locked, DataRootRefused, StateRefused, LockLost, ObjectsRefused, LogUnavailable)
    unusable = {kind.__name__ for kind in refused}
    damaged = {kind.__name__ for kind in (IndexBroken, TornTable, SegmentDamaged, StateDamaged)}
    if not unusable.isdisjoint(kinds):
        return EXIT_REFUSED
    return EXIT_DAMAGED if not damaged.isdisjoint(kinds) else EXIT_AUDIT


def known_keys(instance: dg.DagsterInstance, keys: Sequence[str] | None) -> list[str]:
    """The partitions of ``keys``, or all that the instance knows where it is None.

    Raises:
        BadPartition: a key is invalid or unknown, or there is no partition yet.
    """
    known = sorted(instance.get_dynamic_partitions(PARTITION_SET))
    if keys is None:
        if not known:
            raise BadPartition("there are no partitions yet: run `ogaart discover` first")
        return known
    for key in keys:
        parse_key(key)
        if key not in known:
            raise BadPartition(f"unknown partition {key!r}: run `ogaart discover`; known partitions: {_few(known)}")
    return list(keys)


def _few(names: Sequence[str]) -> str:
    return ", ".join([*names[:5], *(["…"] if len(names) > 5 else [])]) or "none"


def add_outcome(report: Report, key: str, outcome: Outcome) -> None:
    """Add what the run of a partition did, one row per asset, and its errors."""
    for name in ASSETS:
        metadata = outcome.partitions.get(key, {}).get(name)
        if metadata is not None:
            numbers = {k: v for k, v in metadata.items() if isinstance(v, int | float)}
            shown = {k: metadata.get(k, 0) for k in (*COUNTS, "requests")}
            report.rows.append({"partition": key, "asset": name, "run_id": outcome.run_id, **shown, **numbers})
    report.errors += [f"{key}, run {outcome.run_id}: {error}" for error in outcome.errors]


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=console
    )
