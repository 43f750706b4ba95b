"""The operator's commands: estimates, retries, what is stored (checked, repaired, deleted, copied), metrics."""

from pathlib import Path

import click

from ogaart.cli.terminal import console, finish, guard
from ogaart.workers.bus_errors import report_bus_errors

JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


@click.command()
@click.option("--offline", is_flag=True, help="Make no request: use the result pages stored already.")
@JSON
def plan(offline: bool, as_json: bool) -> None:
    """Estimate a crawl before making it: requests, hours, bytes, embedding time, disk.

    Fetches robots.txt and one result page of each query. The speed of the embedding model is measured on this machine.
    """
    from ogaart.operations import runs

    with guard() as settings:
        finish(runs.plan(settings, console, offline=offline), as_json=as_json)


@click.command()
@click.option("--stage", help="Only failures of this stage, such as raw_files.")
@click.option("--error-class", "error_class", help="Only failures of this class, such as Missing.")
@click.option("--where", help="An SQL condition on the columns of the table failures.")
@click.option("--dry-run", is_flag=True, help="Show what is selected, and do nothing.")
@JSON
def retry(stage: str | None, error_class: str | None, where: str | None, dry_run: bool, as_json: bool) -> None:
    """Retry failures now, permanent ones too: makes them due and runs their partitions."""
    from ogaart.operations import retry

    if stage is None and error_class is None and where is None:
        raise click.UsageError("select failures with --stage, --error-class or --where (--where true: all)")
    with guard() as settings:
        chosen = retry.FailureSelection(stage, error_class, where)
        finish(retry.retry(settings, console, chosen, dry_run=dry_run), as_json=as_json)


@click.command()
@click.option("--yes", is_flag=True, help="Delete; without it, only show what would be deleted.")
@click.option("--runs", is_flag=True, help="Old Dagster runs instead of stored data.")
@click.option(
    "--keep", default=200, show_default=True, type=click.IntRange(0, 10**9), help="With --runs: newest runs to keep."
)
@click.option(
    "--space", help="Delete a whole vector space with its collection, such as that of a model no longer used."
)
@JSON
def gc(yes: bool, runs: bool, keep: int, space: str | None, as_json: bool) -> None:
    """Delete what nothing refers to any more; without --yes, show what and how much."""
    from ogaart.operations import garbage_collection, run_history

    with guard() as settings:
        if runs:
            finish(run_history.collect(settings, keep=keep, delete=yes), as_json=as_json)
        finish(garbage_collection.collect(settings, delete=yes, space=space), as_json=as_json)


@click.command()
@click.option("--repair", is_flag=True, help="Remove what is damaged, fetch or derive it again, and publish.")
@click.option("--quick", is_flag=True, help="Compare names and sizes only; do not read every byte.")
@JSON
def verify(repair: bool, quick: bool, as_json: bool) -> None:
    """Compare everything stored with what should be there: blobs, tables, packs, vectors, collection, publication."""
    from ogaart.operations.repair import repair as repair_all
    from ogaart.operations.verify import verify as verify_all

    with guard() as settings:
        if repair:
            finish(repair_all(settings, console, quick=quick), as_json=as_json)
        with report_bus_errors(settings.data):
            report = verify_all(settings, console, quick=quick)
        finish(report, as_json=as_json)


@click.command()
@click.argument("what", type=click.Choice(["index", "catalog"]))
@JSON
def rebuild(what: str, as_json: bool) -> None:
    """Rebuild the collection or the catalog from what is stored: no request to the site, no embedding."""
    from ogaart.operations import rebuild

    with guard() as settings:
        finish(rebuild.rebuild(settings, console, what), as_json=as_json)


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@JSON
def backup(folder: Path, as_json: bool) -> None:
    """Copy what cannot be derived again into FOLDER; copying again adds only what is new."""
    from ogaart.operations import backup

    with guard() as settings:
        finish(backup.backup(settings, folder), as_json=as_json)


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what would be upgraded, and do nothing.")
@JSON
def upgrade(dry_run: bool, as_json: bool) -> None:
    """Bring what earlier versions stored to the format of this one; no request, and nothing stored is lost."""
    from ogaart.operations import upgrade

    with guard() as settings:
        finish(upgrade.upgrade(settings, dry_run=dry_run), as_json=as_json)


@click.command("copy-to-bucket")
@click.argument("folder", type=click.Path(file_okay=False, exists=True, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show what would be copied, and do nothing.")
@JSON
def copy_to_bucket(folder: Path, dry_run: bool, as_json: bool) -> None:
    """Copy the data root FOLDER into the bucket of OGAART_OBJECTS; a call after a kill copies the rest.

    OGAART_DATA is another, empty folder. FOLDER is not changed.
    """
    from ogaart.operations import copy_to_bucket

    with guard() as settings:
        finish(copy_to_bucket.copy_to_bucket(settings, folder, dry_run=dry_run), as_json=as_json)


@click.command("fit-projection")
@JSON
def fit_projection(as_json: bool) -> None:
    """Fit the projection of fused vectors to the pictures of this data root.

    Needs 20,000 pictures of 500 entries; the next publication uses it. Until then EfficientNet-Lite0 uses the one that
    comes with ogaart; any other model has none, and its own vectors are compared beside the parts.
    """
    from ogaart.operations.fit_projection import fit_projection

    with guard() as settings:
        finish(fit_projection(settings), as_json=as_json)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on, with --port.")
@click.option("--port", type=click.IntRange(0, 65535), help="Serve them at /metrics on this port until stopped.")
def metrics(host: str, port: int | None) -> None:
    """Print the metrics of the pipeline in Prometheus' text format, or serve them.

    Those of the search page are at its own /metrics. While a database or the bucket is away, what is served tells
    only that (ogaart_pipeline_up 0), and the log says why.
    """
    import signal
    from threading import Event

    from ogaart.cli.failures import exit_codes
    from ogaart.operations.metrics import pipeline_metrics, serve_metrics

    with guard() as settings:
        if port is None:
            click.echo(pipeline_metrics(settings), nl=False)
            return
        stopped = Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        serve_metrics(settings, host, port, stopped, tuple(exit_codes()))


COMMANDS = (metrics, plan, retry, gc, verify, rebuild, backup, upgrade, copy_to_bucket, fit_projection)
