"""The logs of takedowns and of visitors' reports of a data root in a folder, as commands open them."""

from pathlib import Path

from ogaart.resources.moderation.line_log import LineLog, lines_of
from ogaart.settings import Settings


def decisions_of(data: Path) -> LineLog:
    """The log of takedowns."""
    return lines_of(Settings(data=data), data / "decisions")


def reports_of(data: Path) -> LineLog:
    """The log of reports."""
    return lines_of(Settings(data=data), data / "reports")
