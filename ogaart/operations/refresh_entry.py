"""``ogaart refresh``: fetches an entry from the site again, now, and publishes what changed."""

from datetime import UTC, datetime

from rich.console import Console

from ogaart.core.exit_codes import EXIT_PARTLY
from ogaart.core.partitions import BadPartition
from ogaart.definitions import build_definitions
from ogaart.operations import runs
from ogaart.operations.runs import ASSETS, COUNTS, Report
from ogaart.orchestration.instance import open_instance, run_job
from ogaart.pipeline.refresh_tags import RefreshRequest
from ogaart.resources.platform import Stores
from ogaart.resources.storage.schema import ENTRIES, SEARCH_RESULTS
from ogaart.resources.storage.tables import Tables
from ogaart.settings import Settings
from ogaart.sites.registry import open_site


def refresh(settings: Settings, console: Console, entry: str, *, publish: bool = True, verbose: bool = False) -> Report:
    """Fetch an entry's page again, request each of its files if it changed, and process the result.

    Args:
        settings: the settings.
        console: where progress is shown.
        entry: the entry's URL or slug.
        publish: whether to publish afterwards, if anything changed.
        verbose: whether Dagster logs to the terminal.

    Raises:
        BadPartition: no partition has such an entry.
    """
    slug = open_site(settings).entry_key(entry) or entry
    report = Report(("partition", "asset", *COUNTS, "requests", *(("generation", "state") if publish else ())))
    stores = Stores(settings)
    try:
        keys = partitions_of(stores.tables, slug)
    finally:
        stores.close()
    if not keys:
        raise BadPartition(
            f"no partition has an entry {slug!r}: use its URL or the last part of it; "
            "if it is new on the site, run `ogaart discover --refresh` and materialize its partition"
        )
    request = RefreshRequest(datetime.now(UTC), slug)
    with open_instance(settings) as instance:
        for key in keys:
            outcome = run_job(
                instance, build_definitions(), None, partition=key, assets=ASSETS, tags=request.tags(), verbose=verbose
            )
            runs.add_outcome(report, key, outcome)
    report.exit_code = EXIT_PARTLY if report.errors else 0
    if publish and not report.errors:
        published = runs.publish(settings, console, verbose=verbose)
        report.rows += published.rows
        report.errors += published.errors
        report.exit_code = published.exit_code
    return report


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
