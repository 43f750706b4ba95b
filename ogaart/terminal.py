"""What the commands share at a terminal: exit codes, known failures as messages, reports as tables or JSON."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table as Grid

from ogaart.settings import Settings

if TYPE_CHECKING:
    from ogaart.reports import Report

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_PARTLY = 3
EXIT_SITE_DOWN = 4
EXIT_REFUSED = 5
EXIT_AUDIT = 6
EXIT_NOTHING = 7
EXIT_DAMAGED = 8

EXIT_CODES = {
    0: "done",
    EXIT_FAILED: "failed",
    EXIT_USAGE: "wrong usage, setting or query",
    EXIT_PARTLY: "some runs failed",
    EXIT_SITE_DOWN: "the site does not answer, or forbids",
    EXIT_REFUSED: "the data root is another host's, in use, or too full",
    EXIT_AUDIT: "an audit held the publication back",
    EXIT_NOTHING: "nothing is published yet",
    EXIT_DAMAGED: "something that is stored is damaged",
}

console = Console(stderr=True)
LEFT = frozenset({"partition", "asset", "query", "what", "where", "figure", "basis", "problem", "table", "run_id"})
"""Columns of text, set to the left."""


@contextmanager
def guard() -> Iterator[Settings]:
    """Read the settings; give known failures their message and exit code."""
    from pydantic import ValidationError

    from ogaart.operating.errors import BadChoice, NoListing, SpaceInUse
    from ogaart.partitions import BadPartition, BadQueries
    from ogaart.resources.dataroot import DataRootRefused
    from ogaart.resources.locks import Locked
    from ogaart.resources.site_errors import SiteDown
    from ogaart.search.following import NothingPublished

    codes: dict[type[Exception], int] = {
        BadPartition: EXIT_USAGE,
        BadChoice: EXIT_USAGE,
        SpaceInUse: EXIT_REFUSED,
        NoListing: EXIT_NOTHING,
        BadQueries: EXIT_USAGE,
        ValidationError: EXIT_USAGE,
        SiteDown: EXIT_SITE_DOWN,
        DataRootRefused: EXIT_REFUSED,
        Locked: EXIT_REFUSED,
        NothingPublished: EXIT_NOTHING,
    }
    try:
        yield Settings()
    except tuple(codes) as cause:
        click.echo(f"ogaart: {cause}", err=True)
        sys.exit(next(code for kind, code in codes.items() if isinstance(cause, kind)))


def finish(report: "Report", *, as_json: bool) -> None:
    """Print a report and leave with its exit code."""
    if as_json:
        click.echo(json.dumps(report.as_dict(), indent=2, default=str))
    else:
        grid = Grid(box=None, pad_edge=False)
        for name in report.columns:
            grid.add_column(name, justify="left" if name in LEFT else "right")
        for row in report.rows:
            grid.add_row(*(str(row.get(name, "")) for name in report.columns))
        Console().print(grid)
    for error in report.errors:
        click.echo(f"ogaart: {error}", err=True)
    sys.exit(report.exit_code)
