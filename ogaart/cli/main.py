"""The command ``ogaart``: every job of the platform from a terminal, with distinct exit codes."""

import json
import sys
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from ogaart.cli.operator_commands import COMMANDS
from ogaart.cli.reports_command import reports
from ogaart.cli.search_command import SearchCommand, complete_where, plain
from ogaart.cli.search_command import search as run_search
from ogaart.cli.takedown_command import block
from ogaart.cli.terminal import console, print_wrapped
from ogaart.cli.terminal import finish as _finish
from ogaart.cli.terminal import guard as _guard
from ogaart.core.exit_codes import EXIT_FAILED
from ogaart.workers.bus_errors import report_bus_errors

PORT = click.IntRange(0, 65535)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="ogaart")
def main() -> None:
    """Reverse image search over OpenGameArt.org, run as a Dagster asset graph."""
    # Dagster warns of beta parameters that it sets itself; users can do nothing about them.
    warnings.filterwarnings("ignore", module="dagster")


for _command in (*COMMANDS, block, reports):
    main.add_command(_command)


@main.command()
@click.option("--refresh", is_flag=True, help="Refetch every result page, even recent ones.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def discover(refresh: bool, as_json: bool) -> None:
    """Read every query's result pages and add their partitions."""
    from ogaart.operations import runs

    with _guard() as settings:
        _finish(runs.discover(settings, console, refresh=refresh), as_json=as_json)


@main.command()
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option("--all", "everything", is_flag=True, help="All partitions.")
@click.option("--select", "assets", multiple=True, metavar="ASSET", help="Only this asset; repeat for several.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--verbose", is_flag=True, help="Show Dagster's own log.")
def materialize(keys: tuple[str, ...], everything: bool, assets: tuple[str, ...], as_json: bool, verbose: bool) -> None:
    """Materialize partitions: real Dagster runs on the project's instance, one a partition."""
    from ogaart.operations import runs

    if everything == bool(keys):
        raise click.UsageError("name partitions, such as 2d-art/0000, or use --all")
    with _guard() as settings:
        report = runs.materialize(settings, console, keys if keys else None, assets, verbose=verbose)
        _finish(report, as_json=as_json)


@main.command()
@click.argument("targets", metavar="[URL|SLUG|PARTITION]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every partition there is.")
@click.option("--publish/--no-publish", default=True, show_default=True, help="Publish afterwards what changed.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--verbose", is_flag=True, help="Show Dagster's own log.")
def refresh(targets: tuple[str, ...], everything: bool, publish: bool, as_json: bool, verbose: bool) -> None:
    """Fetch entries or whole partitions from the site again, now: pages, and files if they changed."""
    from ogaart.operations.refresh import refresh as refresh_now

    if everything == bool(targets):
        raise click.UsageError("name entries by URL or slug, or partitions such as 2d-art/0000, or use --all")
    with _guard() as settings:
        report = refresh_now(settings, console, targets or None, publish=publish, verbose=verbose)
        _finish(report, as_json=as_json)


@main.command()
@click.option("--accept-losses", is_flag=True, help="Publish even if many entries are withdrawn from search.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.option("--verbose", is_flag=True, help="Show Dagster's own log.")
def publish(accept_losses: bool, as_json: bool, verbose: bool) -> None:
    """Build the catalog, audit it, and switch the publication."""
    from ogaart.operations import runs
    from ogaart.resources.catalog.withdrawals import ACCEPT_LOSSES

    with _guard() as settings:
        tags = {ACCEPT_LOSSES: "true"} if accept_losses else None
        _finish(runs.publish(settings, console, verbose=verbose, tags=tags), as_json=as_json)


@main.command(cls=SearchCommand)
@click.argument("query", nargs=-1, metavar="[QUERY]...")
@click.option("--limit", default=10, show_default=True, type=click.IntRange(1, 100), help="Hits.")
@click.option(
    "--where",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    shell_complete=complete_where,
    help="A parameter of the search, such as use=sell; the names are below. Repeat for several.",
)
@click.option(
    "--like",
    "likes",
    multiple=True,
    metavar="PICTURE",
    help="One more picture to be similar to: file, URL or image_id.",
)
@click.option(
    "--unlike",
    "unlikes",
    multiple=True,
    metavar="PICTURE",
    help="A picture to be different from: file, URL or image_id.",
)
@click.option("--server", metavar="URL", help="Search on this search page instead of the data here.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of hits.")
def search(
    query: tuple[str, ...],
    limit: int,
    pairs: tuple[str, ...],
    likes: tuple[str, ...],
    unlikes: tuple[str, ...],
    server: str | None,
    as_json: bool,
) -> None:
    """Search by QUERY: words, a picture's file, its URL, or an image_id; words after a minus are left out."""
    named = [(name, value) for name, _, value in (pair.partition("=") for pair in map(plain, pairs))]
    named += [("like", plain(value)) for value in likes] + [("unlike", plain(value)) for value in unlikes]
    if not query and not named:
        raise click.UsageError("pass words, a picture or an image_id, such as: ogaart search red ship")
    # A search at a server needs no settings, and nothing of what their failures are told apart by.
    with nullcontext() if server else _guard() as settings:
        with report_bus_errors(settings.data) if settings else nullcontext():
            found = run_search(settings, tuple(map(plain, query)), limit, named, server)
        if as_json:
            click.echo(json.dumps(found.records(), indent=2, ensure_ascii=False))
        else:
            click.echo(found.text())


@main.command()
@click.argument("query", required=False)
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "json", "markdown", "parquet"]),
    default="csv",
    show_default=True,
    help="How rows are printed or written.",
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write; required for parquet.")
def sql(query: str | None, form: str, output: Path | None) -> None:
    """Run QUERY on the published catalog, read-only; without QUERY, a shell."""
    from ogaart.cli import sql_command

    with _guard() as settings:
        sys.exit(sql_command.run(settings, query, form, output))


@main.command()
@click.option("--host", help="Address to listen on; default OGAART_SERVE_HOST.")
@click.option("--port", type=PORT, help="Port; default OGAART_SERVE_PORT.")
def serve(host: str | None, port: int | None) -> None:
    """Serve the search page and its API."""
    from ogaart.search.web.app import serve as run

    with _guard() as settings:
        changes: dict[str, Any] = {k: v for k, v in (("serve_host", host), ("serve_port", port)) if v is not None}
        with report_bus_errors(settings.data):
            run(settings.model_copy(update=changes))


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address of the Dagster UI.")
@click.option("--port", type=PORT, help="Port of the Dagster UI; default OGAART_DAGSTER_PORT.")
def up(host: str, port: int | None) -> None:
    """Start the Dagster UI and daemon on the project's instance."""
    from ogaart.cli import up_command as service

    with _guard() as settings:
        sys.exit(service.run(settings, host, settings.dagster_port if port is None else port))


@main.command()
@click.argument("queues", nargs=-1, required=True, metavar="QUEUE...", type=click.Choice(["site", "cpu", "gpu"]))
@click.option("--processes", default=1, show_default=True, type=click.IntRange(1, 256), help="Steps at a time.")
def worker(queues: tuple[str, ...], processes: int) -> None:
    """Execute steps from QUEUE for runs with OGAART_EXECUTOR=celery, until stopped.

    One worker in all takes steps from site, any number from cpu, and those that run the embedding model from gpu.
    """
    from ogaart.operations.workers import run_worker

    with _guard() as settings:
        sys.exit(run_worker(settings, queues, processes))


@main.command()
@click.option("--once", is_flag=True, help="Exit after the demo search.")
@click.option(
    "--data", type=click.Path(path_type=Path), default=Path("demo-data"), show_default=True, help="Data root."
)
@click.option("--port", default=8471, show_default=True, type=PORT, help="Port of the demo's own small OpenGameArt.")
def demo(once: bool, data: Path, port: int) -> None:
    """Run everything over a small OpenGameArt of real free art on this machine."""
    from ogaart.cli import demo_command

    with _guard() as settings:
        sys.exit(demo_command.run(settings, console, data=data, site_port=port, once=once))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(as_json: bool) -> None:
    """Check what is installed, reachable and writable, and how to get what is missing."""
    from ogaart.operations.doctor import examine

    with _guard() as settings:
        findings = list(examine(settings))
        if as_json:
            click.echo(json.dumps([vars(f) for f in findings], indent=2))
        else:
            for found in findings:
                mark = "ok     " if found.ok else "MISSING" if found.needed else "-      "
                print_wrapped(f"{mark} {found.name}: {found.detail}", indent=8)
        sys.exit(EXIT_FAILED if any(f.needed and not f.ok for f in findings) else 0)
