"""What the commands share at a terminal: exit codes, known failures as messages, reports as tables or JSON."""

import json
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from ogaart.settings import Settings, shown_url

if TYPE_CHECKING:
    from ogaart.core.report import Report

console = Console(stderr=True)
LEFT = frozenset(
    {"partition", "asset", "query", "what", "where", "figure", "basis", "problem", "table", "run_id", "note"}
)
"""Columns of text, set to the left."""
ALIKE = 3
"""Rows shown of a group that differs only in ``where``."""
WIDTH = 100
"""Columns of a line in a pipe or a file, where prose wraps as at a terminal."""
PROSE = frozenset({"basis", "problem"})
"""Columns of sentences. In a pipe only these wrap: a path or an id stays whole, so that it can be searched for."""
PROSE_WIDTH = 50
"""Columns that sentences have at least."""


@contextmanager
def guard() -> Iterator[Settings]:
    """Read the settings; print a foreseeable failure as one sentence and exit with its code."""
    from ogaart.cli.failures import describe, exit_codes
    from ogaart.resources.embedding.registry import model_named

    try:
        settings = Settings()
        model_named(settings.model)
        yield settings
    except BrokenPipeError:
        raise  # the reader of our output has ended: click ends quietly
    except tuple(exit_codes()) as cause:
        code, sentence = describe(cause)
        click.echo(f"ogaart: {shown_url(sentence)}", err=True)
        sys.exit(code)


def finish(report: "Report", *, as_json: bool) -> None:
    """Print a report and leave with its exit code."""
    if as_json:
        click.echo(shown_url(json.dumps(report.as_dict(), indent=2, default=str)))
    else:
        _print_table(report)
    for note in report.notes:
        click.echo(shown_url(note), err=True)
    for error in report.errors:
        click.echo(f"ogaart: {shown_url(error)}", err=True)
    sys.exit(report.exit_code)


def _print_table(report: "Report") -> None:
    """Print the rows of a report: as wide as the terminal; in a pipe as wide as the columns that stay whole need."""
    terminal = sys.stdout.isatty()
    rows = list(_brief(report.rows)) if "where" in report.columns else report.rows
    shown = [[shown_url(str(row.get(name, ""))) for name in report.columns] for row in rows]
    grid = Grid(box=None, pad_edge=False)
    for name in report.columns:
        wraps = name in (LEFT if terminal else PROSE)
        grid.add_column(name, justify="left" if name in LEFT else "right", no_wrap=not wraps, overflow="fold")
    for cells in shown:
        grid.add_row(*map(Text, cells))
    whole = [n for n, name in enumerate(report.columns) if name not in PROSE]
    widths = (max(map(len, (report.columns[n], *(cells[n] for cells in shown)))) + 2 for n in whole)
    least = sum(widths) + (PROSE_WIDTH if len(whole) < len(report.columns) else 0)
    Console(width=None if terminal else max(WIDTH, least)).print(grid)


def print_wrapped(text: str, indent: int = 0) -> None:
    """Print a line; where it is longer than the terminal, or ``WIDTH`` in a pipe, it wraps between words."""
    width = shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH
    lines = textwrap.wrap(text, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
    click.echo("\n".join(lines))


def _brief(rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows, but of those in a row that differ only in ``where`` the first few and how many there are more."""
    for _, alike in groupby(rows, key=lambda row: {k: v for k, v in row.items() if k != "where"}):
        group = list(alike)
        more = len(group) - ALIKE
        yield from group if more <= 1 else group[:ALIKE]
        if more > 1:
            yield {**group[0], "where": f"and {more:,} more (--json names all)"}
