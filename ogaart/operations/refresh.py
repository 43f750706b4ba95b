"""``ogaart refresh``: fetches entries or partitions from the site again, now, and publishes what changed."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg
from rich.console import Console

from ogaart.core.exit_codes import EXIT_PARTLY
from ogaart.core.partitions import BadPartition, is_key
from ogaart.definitions import build_definitions
from ogaart.operations import runs
from ogaart.operations.runs import ASSETS, COUNTS, Report
from ogaart.orchestration.instance import open_instance, run_job
from ogaart.pipeline.refresh_tags import RefreshRequest
from ogaart.pipeline.renamed_entries import present_key
from ogaart.resources.platform import Stores
from ogaart.resources.storage.schema import ENTRIES, SEARCH_RESULTS
from ogaart.resources.storage.tables import Tables
from ogaart.settings import Settings
from ogaart.sites.registry import open_site


def refresh(
    settings: Settings,
    console: Console,
    targets: Sequence[str] | None,
    *,
    publish: bool = True,
    verbose: bool = False,
) -> Report:
    """Fetch entries or whole partitions again, request each of their files if it changed, and process the result.

    A run for each partition; a failed one does not stop the others.

    Args:
        settings: the settings.
        console: where progress is shown.
        targets: URLs or slugs of entries, and keys of partitions; None for all partitions.
        publish: whether to publish afterwards, if anything changed.
        verbose: whether Dagster logs to the terminal.

    Raises:
        BadPartition: a partition is unknown, or none has such an entry.
    """
    report = Report(("partition", "asset", *COUNTS, "requests", *(("generation", "state") if publish else ())))
    now = datetime.now(UTC)
    with open_instance(settings) as instance:
        if targets is None:
            wanted = [(key, RefreshRequest(now)) for key in runs.known_keys(instance, None)]
        else:
            wanted = [pair for target in targets for pair in _requests(settings, instance, target, now)]
        definitions = build_definitions()
        for key, request in dict.fromkeys(wanted):
            outcome = run_job(
                instance, definitions, None, partition=key, assets=ASSETS, tags=request.tags(), verbose=verbose
            )
            runs.add_outcome(report, key, outcome)
    report.exit_code = EXIT_PARTLY if report.errors else 0
    if publish and not report.errors:
        published = runs.publish(settings, console, verbose=verbose)
        report.rows += published.rows
        report.errors += published.errors
        report.exit_code = published.exit_code
    return report


def _requests(
    settings: Settings, instance: dg.DagsterInstance, target: str, now: datetime
) -> list[tuple[str, RefreshRequest]]:
    """The partitions to materialize for one target, each with what is to be read again in it."""
    if is_key(target):
        return [(key, RefreshRequest(now)) for key in runs.known_keys(instance, [target])]
    slug = open_site(settings).entry_key(target) or target
    stores = Stores(settings)
    try:
        slug = present_key(stores.tables, slug)
        keys = partitions_of(stores.tables, slug)
    finally:
        stores.close()
    if not keys:
        raise BadPartition(
            f"no partition has an entry {slug!r}: use its URL or the last part of it; "
            "if it is new on the site, run `ogaart discover --refresh` and materialize its partition"
        )
    return [(key, RefreshRequest(now, slug)) for key in keys]


def partitions_of(tables: Tables, slug: str) -> list[str]:
    """Partitions that list an entry, or, where none does, those that hold it."""
    for table in (SEARCH_RESULTS, ENTRIES):
        found = [
            key
            for key in tables.partitions(table)
            if any(row["slug"] == slug for row in tables.select(table, key, ["slug"]))
        ]
        if found:
            return found
    return []
