"""Checks of partitioned assets: each partition has its own result, also in a run of several partitions."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import dagster as dg

from ogaart.core.partitions import search_pages_partitions
from ogaart.core.stages import Stage


@dataclass(frozen=True)
class CheckOutcome:
    """The result of one check on one partition; ``message`` has the numbers and the limit."""

    passed: bool
    message: str


Outcomes = Mapping[str, Mapping[str, CheckOutcome]]
"""Outcomes by partition and name of the check."""


def partition_check(stage: Stage, name: str, description: str) -> dg.AssetCheckSpec:
    """A check of a partitioned asset whose result Dagster keeps for each partition."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.PreviewWarning)  # of partitions_def: as tried with the pinned Dagster
        return dg.AssetCheckSpec(
            name, asset=stage.value, description=description, partitions_def=search_pages_partitions
        )


def results(context: dg.AssetExecutionContext, outcomes: Mapping[str, CheckOutcome]) -> list[dg.AssetCheckResult]:
    """The check results of a run with one partition."""
    return [
        dg.AssetCheckResult(
            check_name=check.name,
            passed=outcomes[check.name].passed,
            severity=dg.AssetCheckSeverity.ERROR,
            description=outcomes[check.name].message,
        )
        for check in context.selected_asset_check_keys
    ]


def log_evaluations(context: dg.AssetExecutionContext, outcomes: Outcomes) -> None:
    """Log each partition's check results in a run with several: a check result is of no partition there."""
    for partition, found in outcomes.items():
        for check in context.selected_asset_check_keys:
            outcome = found[check.name]
            context.log_event(
                dg.AssetCheckEvaluation(
                    asset_key=check.asset_key,
                    check_name=check.name,
                    passed=outcome.passed,
                    severity=dg.AssetCheckSeverity.ERROR,
                    description=outcome.message,
                    metadata={},
                    partition=partition,
                )
            )


def outputs(context: dg.AssetExecutionContext) -> Iterator[dg.Output[None]]:
    """The outputs of the checks of a step that logs their evaluations itself."""
    for spec in context.assets_def.check_specs:
        if spec.key in context.selected_asset_check_keys:
            yield dg.Output(None, output_name=spec.get_python_identifier())
