"""``ogaart reports``: what visitors have reported about pictures."""

from contextlib import closing
from dataclasses import asdict

import click

from ogaart.cli.terminal import finish, guard
from ogaart.core.report import Report

_COLUMNS = ("id", "reported_at", "reason", "image_id", "slug", "note", "contact")


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also the closed ones.")
@click.option("--close", metavar="ID", help="Close a report.")
@click.option("--outcome", default="", help="What was done; kept with the closed report.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def reports(everything: bool, close: str | None, outcome: str, as_json: bool) -> None:
    """List what visitors have reported about pictures; with --close, close a report.

    To remove a reported picture, entry or author from search, use `ogaart block`.
    """
    from ogaart.resources.moderation.line_log import lines_of
    from ogaart.resources.moderation.visitor_reports import VisitorReports
    from ogaart.resources.storage.data_root import DataRoot

    with (
        guard() as settings,
        closing(lines_of(settings, DataRoot.of(settings).reports, read_only=close is None)) as log,
    ):
        stored = VisitorReports(log)
        if close is not None and not stored.close(close, outcome):
            raise click.UsageError(f"no open report has the id {close!r}; `ogaart reports` lists them")
        found = stored.all() if everything else stored.open()
        columns = (*_COLUMNS, "closed_at", "outcome") if everything else _COLUMNS
        finish(Report(columns, rows=[asdict(report) for report in found]), as_json=as_json)
