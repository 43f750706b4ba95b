"""The operator's commands: what a crawl will take, trying failures again, tidying, verifying, rebuilding."""

from contextlib import closing
from pathlib import Path

import click

from ogaart.cli.terminal import console, finish, guard

JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


@click.command()
@click.option("--offline", is_flag=True, help="Ask nothing of the site: use the result pages stored already.")
@JSON
def plan(offline: bool, as_json: bool) -> None:
    """Say what is ahead before the first request: requests, hours, bytes, embedding, disk.

    Asks for robots.txt and one result page of each query. The speed of the network is measured on this machine.
    """
    from ogaart.pipeline import crawl_plan
    from ogaart.resources.platform import Stores

    with guard() as settings, closing(Stores(settings)) as stores:
        finish(crawl_plan.plan(stores, offline=offline), as_json=as_json)


@click.command()
@click.option("--stage", help="Only failures of this stage, such as raw_files.")
@click.option("--error-class", "error_class", help="Only failures of this class, such as Missing.")
@click.option("--where", help="An SQL condition on the columns of the table failures.")
@click.option("--dry-run", is_flag=True, help="Show what is chosen, and do nothing.")
@JSON
def retry(stage: str | None, error_class: str | None, where: str | None, dry_run: bool, as_json: bool) -> None:
    """Try failures again now, permanent ones too: makes them due and runs their partitions."""
    from ogaart.operations import retry

    if stage is None and error_class is None and where is None:
        raise click.UsageError("say which failures: --stage, --error-class or --where (--where true: all)")
    with guard() as settings:
        chosen = retry.Choice(stage, error_class, where)
        finish(retry.retry(settings, console, chosen, dry_run=dry_run), as_json=as_json)


@click.command()
@click.option("--yes", is_flag=True, help="Delete; without it, only say what would be deleted.")
@click.option("--runs", is_flag=True, help="Old Dagster runs instead of stored data.")
@click.option(
    "--keep", default=200, show_default=True, type=click.IntRange(0), help="With --runs: newest runs to keep."
)
@click.option("--space", help="A whole vector space with its collection, such as one of a model no longer used.")
@JSON
def gc(yes: bool, runs: bool, keep: int, space: str | None, as_json: bool) -> None:
    """Delete what nothing refers to any more; without --yes, say what and how much."""
    from ogaart.operations import garbage_collection, run_history

    with guard() as settings:
        if runs:
            finish(run_history.collect(settings, keep=keep, delete=yes), as_json=as_json)
        finish(garbage_collection.collect(settings, delete=yes, space=space), as_json=as_json)


@click.command()
@click.option("--repair", is_flag=True, help="Remove what is damaged, fetch or derive it again, and publish.")
@click.option("--quick", is_flag=True, help="Compare names and sizes; do not read every byte again.")
@JSON
def verify(repair: bool, quick: bool, as_json: bool) -> None:
    """Compare everything stored with what should be there: blobs, tables, packs, vectors, collection, publication."""
    from ogaart.operations.repair import repair as repair_all
    from ogaart.operations.verify import verify as verify_all

    with guard() as settings:
        if repair:
            finish(repair_all(settings, console, quick=quick), as_json=as_json)
        finish(verify_all(settings, console, quick=quick), as_json=as_json)


@click.command()
@click.argument("what", type=click.Choice(["index", "catalog"]))
@JSON
def rebuild(what: str, as_json: bool) -> None:
    """Make the collection or the catalog anew from what is stored, without the site and without the network."""
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


COMMANDS = (plan, retry, gc, verify, rebuild, backup)
