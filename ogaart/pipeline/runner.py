"""A stage run on the partitions of a run, one by one: each has its own metadata, checks and outcome."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dagster as dg

from ogaart.core.fault_injection import Fault, fault
from ogaart.core.stages import STAGES, Stage
from ogaart.core.states import RowState
from ogaart.pipeline import checks, step_metadata
from ogaart.pipeline.checks import CheckOutcome
from ogaart.pipeline.progress import Progress
from ogaart.pipeline.refresh_tags import RefreshRequest, refresh_of_run
from ogaart.pipeline.step import Step, column_lineage_of, open_step
from ogaart.resources.platform import Platform, Stores
from ogaart.resources.site.client import SiteDown
from ogaart.workers.kept_open import KeptOpen

LONGEST_WAIT = 1800.0
"""Seconds before a step is retried while the site is down, at most; they double from OGAART_CIRCUIT_SECONDS on."""
MOST_RETRIES = 5
"""Retries of a step without any response from the site between them; then its run fails, for a later one."""

StepEvents = Iterator[dg.MaterializeResult[None] | dg.Output[None]]
"""What an asset yields."""


def run_partitions(
    context: dg.AssetExecutionContext, platform: Platform, stage: Stage, work: Callable[[Step], None]
) -> StepEvents:
    """Do ``work`` for each partition of the run and attach its metadata and check results to it.

    Where the run has several, one that fails does not stop the others: they are all done before the step fails. While
    the site is down the step waits and retries; nothing else is worth a retry of the whole step, since a failing page
    or file is a row of its own.

    Raises:
        Failure: some of several partitions failed; the others are materialized.
        SiteDown: the site did not answer for so long that the run fails; at once where Dagster must not retry.
    """
    fault(Fault.SLOT_TAKEN)  # Dagster took it just before
    refresh = refresh_of_run(context)
    done: dict[str, dict[str, Any]] = {}
    outcomes: dict[str, dict[str, CheckOutcome]] = {}
    failed: dict[str, Exception] = {}
    passed_over: list[str] = []
    keys = context.partition_keys
    earlier = _EarlierMaterializations(context, keys)
    with KeptOpen() as kept:
        for key in keys:
            try:
                step = _run_until_site_is_up(context, platform.stores, stage, key, refresh, work, kept)
            except Exception as cause:
                kept.close()  # what it was doing for that partition is unknown
                if len(keys) == 1 or isinstance(cause, SiteDown):
                    raise
                context.log.exception("%s of %s failed", stage, key)
                failed[key] = cause
                continue
            line = (
                f"{stage} of {key}: {', '.join(f'{step.counts[s]} {s}' for s in RowState if step.counts[s]) or 'empty'}"
            )
            if step.repeats:
                passed_over.append(line)
            else:
                context.log.info("%s", line)
            done[key], outcomes[key] = _with_last_changes(context, earlier, step), step.checks
            context.add_asset_metadata(done[key], partition_key=key)
    if passed_over:  # one event of the run for all
        context.log.info("%s", "\n".join(passed_over))
    if failed:
        for key, metadata in done.items():  # a failed step materializes nothing by itself
            context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata))
        checks.log_evaluations(context, outcomes)
        raise dg.Failure(
            f"{len(failed)} of {len(keys)} partitions failed, the others are done: "
            + "; ".join(f"{key}: {type(cause).__name__}: {cause}" for key, cause in failed.items())
        ) from ExceptionGroup(f"{stage} failed", list(failed.values()))
    if context.has_partition_key:
        yield dg.MaterializeResult(check_results=checks.results(context, outcomes[context.partition_key]))
    else:
        yield dg.MaterializeResult()
        checks.log_evaluations(context, outcomes)
        yield from checks.outputs(context)


def _run_until_site_is_up(
    context: dg.AssetExecutionContext,
    stores: Stores,
    stage: Stage,
    key: str,
    refresh: RefreshRequest | None,
    work: Callable[[Step], None],
    kept: KeptOpen,
) -> Step:
    """The finished step; waits and retries while the site is down, with progress in the log.

    A run of a command does not wait: its operator sees the cause and runs it again.
    """
    waits = not context.get_step_execution_context().retry_mode.disabled
    uses_site = STAGES[stage].reads_site
    if uses_site:
        stores.site.on_event = context.log.info
    retries, answered = 0, 0
    with Progress(context.log.info, f"{stage} of {key}", stores.settings.progress_seconds) as progress:
        while True:
            try:
                with open_step(stores, stage, key, context.run_id, refresh, progress, kept) as step:
                    work(step)
            except SiteDown as cause:
                retries = retries + 1 if stores.site.stats.answered == answered else 1
                answered = stores.site.stats.answered
                if retries > MOST_RETRIES or not waits:
                    raise
                seconds = max(stores.settings.circuit_seconds, cause.retry_after) * 2.0 ** (retries - 1)
                context.log.warning("%s of %s: %s (retry %d of %d)", stage, key, cause, retries, MOST_RETRIES)
                with progress.waiting("the site is down"):
                    stores.site.wait_until_up(min(seconds, LONGEST_WAIT))
            else:
                return step


class _EarlierMaterializations:
    """The newest materialization of each partition before this run, from Dagster's event log.

    Args:
        context: of the asset's step.
        keys: the partitions of the run.
    """

    def __init__(self, context: dg.AssetExecutionContext, keys: Sequence[str]) -> None:
        self._context, self._keys = context, keys
        self._found: dict[str, dg.EventLogRecord] | None = None

    def newest(self, key: str) -> dg.EventLogRecord | None:
        """The newest materialization of a partition; None where there is none."""
        if self._found is None:  # partitions that shared a run before are found by one query
            self._found = self._fetch(self._keys)
        return self._found.get(key) or self._fetch([key]).get(key)

    def _fetch(self, keys: Sequence[str]) -> dict[str, dg.EventLogRecord]:
        chosen = dg.AssetRecordsFilter(asset_key=self._context.asset_key, asset_partitions=list(keys))
        found: dict[str, dg.EventLogRecord] = {}
        for record in self._context.instance.fetch_materializations(chosen, limit=len(keys)).records:
            found.setdefault(str(record.partition_key), record)  # newest first
        return found


def _with_last_changes(
    context: dg.AssetExecutionContext, earlier: _EarlierMaterializations, step: Step
) -> dict[str, Any]:
    """The step's metadata; where it found nothing new, with the pictures and figures of the last run that did."""
    metadata = step.metadata() | column_lineage_of(context)
    record = None if step.found_changes else earlier.newest(step.partition)
    if record is None or record.asset_materialization is None:
        return metadata
    return step_metadata.carried(record.asset_materialization.metadata, record.run_id, record.timestamp) | metadata
