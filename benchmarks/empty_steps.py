"""The same Dagster steps with empty bodies: what a pass would cost if ogaart itself cost nothing.

Each asset, check and job has a twin of the same name, partitions, pool, tags and checks, whose body does nothing. They
are run as `ogaart discover`, `ogaart materialize` and `ogaart publish` run theirs where nothing has changed: in this
process, as real runs of an instance of its own, neighbouring partitions together, with as many events (``counted``).
Prints JSON, see ``main``.

    .venv/bin/python -m benchmarks.empty_steps --prepare PARTITION_KEY...   # OGAART_DATA: an empty folder
    .venv/bin/python -m benchmarks.empty_steps PARTITION_KEY...             # and then
"""

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator

import dagster as dg

from ogaart.core.partitions import PARTITION_SET
from ogaart.core.stages import COLLECTION_STAGES
from ogaart.definitions import build_definitions
from ogaart.operations.runs import ASSETS
from ogaart.orchestration.instance import open_instance, run_job
from ogaart.orchestration.launch_policy import neighbours
from ogaart.orchestration.launcher import RANGE_END, RANGE_START
from ogaart.pipeline.checks import CheckOutcome, log_evaluations, outputs
from ogaart.settings import Settings


def emptied(real: dg.AssetsDefinition) -> dg.AssetsDefinition:
    """The twin of an asset: it only says that it was materialized, and that its checks passed."""
    [spec] = real.specs
    checks = list(real.check_specs)

    passed = {check.name: CheckOutcome(True, "") for check in checks}

    @dg.asset(
        key=spec.key,
        deps=list(spec.deps),
        partitions_def=real.partitions_def,
        backfill_policy=real.backfill_policy,
        pool=real.op.pool,
        op_tags=dict(real.op.tags),
        check_specs=checks,
    )
    def empty(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None] | dg.Output[None]]:
        if real.partitions_def is None or context.has_partition_key:
            yield dg.MaterializeResult(
                check_results=[dg.AssetCheckResult(passed=True, check_name=check.name) for check in checks]
            )
        else:  # each partition has its own results
            yield dg.MaterializeResult()
            log_evaluations(context, dict.fromkeys(context.partition_keys, passed))
            yield from outputs(context)

    return empty


def emptied_checks(real: dg.AssetChecksDefinition) -> dg.AssetChecksDefinition:
    """The twin of checks that are a step of their own: all pass."""
    specs = list(real.check_specs)

    @dg.multi_asset_check(specs=specs, name=real.op.name)
    def empty_checks() -> Iterator[dg.AssetCheckResult]:
        for spec in specs:
            yield dg.AssetCheckResult(passed=True, asset_key=spec.asset_key, check_name=spec.name)

    return empty_checks


@dg.op(name="sweep_queries", pool="site")
def empty_sweep() -> None:
    """The twin of the sweep."""


@dg.job(name="discover")
def empty_discover() -> None:
    """The twin of the job `discover`."""
    empty_sweep()


def twins() -> dg.Definitions:
    """The twins of all definitions that a pass runs."""
    real = build_definitions()
    publish = dg.define_asset_job(
        "publish", selection=dg.AssetSelection.assets(*(stage.value for stage in COLLECTION_STAGES))
    )
    return dg.Definitions(
        assets=[emptied(one) for one in real.assets or () if isinstance(one, dg.AssetsDefinition)],
        asset_checks=[
            emptied_checks(one) for one in real.asset_checks or () if isinstance(one, dg.AssetChecksDefinition)
        ],
        jobs=[empty_discover, publish],
        executor=dg.in_process_executor,
    )


def _cpu_seconds() -> float:
    taken = os.times()
    return taken.user + taken.system + taken.children_user + taken.children_system


def counted(instance: dg.DagsterInstance, run_ids: Iterable[str]) -> dict[str, int]:
    """How many events of each kind are in the log of runs; lines that a step logs are of none."""
    found: Counter[str] = Counter()
    for run_id in run_ids:
        logged = instance.all_logs(run_id)
        found.update(one.get_dagster_event().event_type_value for one in logged if one.is_dagster_event)
    return dict(sorted(found.items()))


def main() -> None:
    """Run them once over partitions; print seconds of wall and CPU time after imports, how many runs, their events."""
    settings, definitions, keys = Settings(), twins(), sys.argv[1:]
    if keys[0] == "--prepare":
        with open_instance(settings) as instance:
            instance.add_dynamic_partitions(PARTITION_SET, keys[1:])
        return
    began, cpu = time.time(), _cpu_seconds()
    with open_instance(settings) as instance:
        outcomes = [run_job(instance, definitions, "discover", raise_on_error=True)]
    with open_instance(settings) as instance:
        for group in neighbours(keys, sorted(keys), set(keys)):
            tags = {RANGE_START: group[0], RANGE_END: group[-1]} if len(group) > 1 else {}
            partition = None if tags else group[0]
            outcomes.append(run_job(instance, definitions, None, partition=partition, assets=ASSETS, tags=tags))
    with open_instance(settings) as instance:
        outcomes.append(run_job(instance, definitions, "publish"))
    ended, cpu = time.time(), _cpu_seconds() - cpu
    assert all(outcome.success for outcome in outcomes), [outcome.errors for outcome in outcomes]
    with open_instance(settings) as instance:
        events = counted(instance, [outcome.run_id for outcome in outcomes])
    print(json.dumps({"work": ended - began, "cpu": cpu, "runs": len(outcomes), "events": events}))


if __name__ == "__main__":
    main()
