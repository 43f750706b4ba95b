"""What the commands share at a terminal: exit codes, known failures as messages, reports as tables or JSON."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from ogaart.settings import Settings, shown_url, what_is_wrong

if TYPE_CHECKING:
    from ogaart.core.report import Report

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
    EXIT_USAGE: "invalid usage, setting or query",
    EXIT_PARTLY: "some runs failed",
    EXIT_SITE_DOWN: "the site is unreachable, or refuses",
    EXIT_REFUSED: "the data root cannot be used: owned by another host, in use, or its disk is full",
    EXIT_AUDIT: "an audit held the publication back",
    EXIT_NOTHING: "nothing is published yet",
    EXIT_DAMAGED: "something that is stored is damaged",
}

console = Console(stderr=True)
LEFT = frozenset(
    {"partition", "asset", "query", "what", "where", "figure", "basis", "problem", "table", "run_id", "note"}
)
"""Columns of text, set to the left."""
ALIKE = 3
"""Rows shown of a group that differs only in ``where``."""
UNLIMITED = 10_000
"""Columns of a file or a pipe: what reads it wants whole lines."""


@contextmanager
def guard() -> Iterator[Settings]:
    """Read the settings; turn known failures into their message and exit code."""
    from pydantic import ValidationError

    from ogaart.core.errors import BadChoice, NoListing, SpaceInUse
    from ogaart.core.partitions import BadPartition
    from ogaart.pipeline.discovery import DiscoveryFailed
    from ogaart.resources.embedding.registry import UnknownModel, model_named
    from ogaart.resources.site.errors import SiteDown
    from ogaart.resources.storage.data_root import DataRootRefused
    from ogaart.resources.storage.locks import Locked
    from ogaart.search.errors import NothingPublished
    from ogaart.sites.errors import InvalidQueries, UnknownSite

    codes: dict[type[Exception], int] = {
        BadPartition: EXIT_USAGE,
        BadChoice: EXIT_USAGE,
        DiscoveryFailed: EXIT_PARTLY,
        SpaceInUse: EXIT_REFUSED,
        NoListing: EXIT_NOTHING,
        InvalidQueries: EXIT_USAGE,
        UnknownSite: EXIT_USAGE,
        ValidationError: EXIT_USAGE,
        UnknownModel: EXIT_USAGE,
        SiteDown: EXIT_SITE_DOWN,
        DataRootRefused: EXIT_REFUSED,
        Locked: EXIT_REFUSED,
        NothingPublished: EXIT_NOTHING,
    }
    try:
        settings = Settings()
        model_named(settings.model)
        yield settings
    except tuple(codes) as cause:
        said = what_is_wrong(cause) if isinstance(cause, ValidationError) and cause.title == "Settings" else cause
        click.echo(f"ogaart: {shown_url(str(said))}", err=True)
        sys.exit(next(code for kind, code in codes.items() if isinstance(cause, kind)))


def finish(report: "Report", *, as_json: bool) -> None:
    """Print a report and leave with its exit code."""
    if as_json:
        click.echo(shown_url(json.dumps(report.as_dict(), indent=2, default=str)))
    else:
        grid = Grid(box=None, pad_edge=False)
        for name in report.columns:
            is_text = name in LEFT
            grid.add_column(name, justify="left" if is_text else "right", no_wrap=not is_text, overflow="fold")
        for row in _brief(report.rows) if "where" in report.columns else report.rows:
            grid.add_row(*(Text(shown_url(str(row.get(name, "")))) for name in report.columns))
        Console(width=None if sys.stdout.isatty() else UNLIMITED).print(grid)
    for error in report.errors:
        click.echo(f"ogaart: {shown_url(error)}", err=True)
    sys.exit(report.exit_code)


def _brief(rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows, but of those in a row that differ only in ``where`` the first few and how many there are more."""
    for _, alike in groupby(rows, key=lambda row: {k: v for k, v in row.items() if k != "where"}):
        group = list(alike)
        more = len(group) - ALIKE
        yield from group if more <= 1 else group[:ALIKE]
        if more > 1:
            yield {**group[0], "where": f"and {more:,} more (--json names all)"}
