"""How runs log to the terminal: Dagster's coloured lines, or JSON lines where ``OGAART_LOG_FORMAT`` is json."""

import logging

import dagster as dg

from ogaart.core.json_logs import json_handler
from ogaart.orchestration.dagster_internals import log_runs_with
from ogaart.settings import Settings


@dg.logger(
    {"log_level": dg.Field(str, default_value="INFO"), "name": dg.Field(str, default_value="dagster")},
    description="JSON lines with the run, the step, the partition and the URL.",
)
def json_lines(context: dg.InitLoggerContext) -> logging.Logger:
    """A logger of a run's own; what it logs is also in Dagster's event log."""
    made = logging.Logger(context.logger_config["name"], level=context.logger_config["log_level"].upper())
    made.addHandler(json_handler())
    return made


def choose_log_format(settings: Settings) -> None:
    """Let the runs of this process log in the format that the settings name."""
    if settings.log_format == "json":
        log_runs_with(json_lines)
