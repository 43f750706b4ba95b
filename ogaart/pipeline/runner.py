"""A stage run on the partitions of a run, one by one: each has its own metadata and outcome."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from ogaart.core.fault_injection import Fault, fault
from ogaart.core.stages import Stage
from ogaart.core.states import RowState
from ogaart.pipeline.refresh_tags import refresh_of_run
from ogaart.pipeline.step import Step, open_step
from ogaart.resources.platform import Platform
from ogaart.resources.site.client import SiteDown

FIRST_WAIT = 30.0
LONGEST_WAIT = 1800.0
MOST_RETRIES = 5
"""Seconds before a step is retried while the site is down, doubling, and how often."""


def run_partitions(
    context: dg.AssetExecutionContext, platform: Platform, stage: Stage, work: Callable[[Step], None]
) -> dg.MaterializeResult[None]:
    """Do ``work`` for each partition of the run and attach its metadata to it.

    Where the run has several, one that fails does not stop the others: they are all done before the step fails.

    Raises:
        Failure: some of several partitions failed; the others are materialized.
        RetryRequested: the site does not answer; Dagster retries the step. Nothing else is worth a retry of the whole
            step: a failing page or file is a row of its own.
    """
    fault(Fault.SLOT_TAKEN)  # Dagster took it just before
    refresh = refresh_of_run(context)
    checks: dict[str, dict[str, tuple[bool, str]]] = {}
    done: dict[str, dict[str, Any]] = {}
    failed: dict[str, Exception] = {}
    for key in context.partition_keys:
        try:
            with open_step(platform.stores, stage, key, context.run_id, refresh) as step:
                work(step)
        except SiteDown as cause:
            wait = max(FIRST_WAIT, cause.retry_after or 0) * 2**context.retry_number
            raise dg.RetryRequested(max_retries=MOST_RETRIES, seconds_to_wait=min(wait, LONGEST_WAIT)) from cause
        except Exception as cause:
            if len(context.partition_keys) == 1:
                raise
            context.log.exception("%s of %s failed", stage, key)
            failed[key] = cause
            continue
        metadata = step.metadata()
        context.log.info(
            "%s of %s: %s",
            stage,
            key,
            ", ".join(f"{step.counts[s]} {s}" for s in RowState if step.counts[s]) or "empty",
        )
        context.add_asset_metadata(metadata, partition_key=key)
        done[key] = metadata
        for name, found in step.checks.items():
            checks.setdefault(name, {})[key] = found
    if failed:
        for key, metadata in done.items():  # a failed step materializes nothing by itself
            context.log_event(dg.AssetMaterialization(context.asset_key, partition=key, metadata=metadata))
        raise dg.Failure(
            f"{len(failed)} of {len(context.partition_keys)} partitions failed, the others are done: "
            + "; ".join(f"{key}: {type(cause).__name__}: {cause}" for key, cause in failed.items())
        ) from ExceptionGroup(f"{stage} failed", list(failed.values()))
    return dg.MaterializeResult(
        check_results=[
            dg.AssetCheckResult(
                check_name=name,
                passed=all(passed for passed, _ in found.values()),
                severity=dg.AssetCheckSeverity.ERROR,
                description="; ".join(message for passed, message in found.values() if not passed) or None,
                metadata={key: message for key, (_, message) in found.items()},
            )
            for name, found in checks.items()
        ]
    )
