"""Log lines as JSON: every line is one object, with what a log server searches for."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ogaart.core.json_logs import JsonFormatter, json_handler


def formatted(message: str, *values: object, **named: object) -> dict[str, str]:
    """The object that a record becomes."""
    record = logging.Logger("ogaart.test").makeRecord("ogaart.test", logging.INFO, "", 0, message, values, None)
    record.__dict__.update(named)
    found: dict[str, str] = json.loads(JsonFormatter().format(record))
    return found


def test_a_line_has_time_level_logger_and_message() -> None:
    line = formatted("%d pictures\nin two lines, ‘quoted’", 3)

    assert line.pop("time").endswith("+00:00")
    assert line == {"level": "INFO", "logger": "ogaart.test", "message": "3 pictures\nin two lines, ‘quoted’"}


@pytest.mark.parametrize(
    ("message", "url"),
    [
        ("https://site.example/a?b=1 failed", "https://site.example/a?b=1"),
        ("retrying http://site.example/content/x: 503", "http://site.example/content/x"),
        ("(see https://site.example/a.)", "https://site.example/a"),
    ],
)
def test_the_url_that_a_message_names_has_a_key_of_its_own(message: str, url: str) -> None:
    assert formatted(message)["url"] == url


def test_an_exception_is_one_key() -> None:
    try:
        int("no number")
    except ValueError:
        record = logging.Logger("x").makeRecord("x", logging.ERROR, "", 0, "failed", (), sys.exc_info())

    assert "ValueError: invalid literal" in json.loads(JsonFormatter().format(record))["exception"]


RUN = """
import dagster as dg
from ogaart.definitions import build_definitions

build_definitions()
pages = dg.StaticPartitionsDefinition(["2d-art/0000"])

@dg.asset(partitions_def=pages)
def fetched(context: dg.AssetExecutionContext) -> None:
    context.log.info("https://site.example/content/x: 200")

with dg.DagsterInstance.ephemeral() as instance:
    job = dg.Definitions([fetched]).resolve_implicit_global_asset_job_def()
    print(job.execute_in_process(partition_key="2d-art/0000", instance=instance).run_id)
"""


def test_a_process_of_runs_logs_each_with_its_run_step_and_partition(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OGAART_")}

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RUN],
        env={**environment, "OGAART_LOG_FORMAT": "json"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    [line] = [line for line in lines if line["message"] == "https://site.example/content/x: 200"]
    assert line["run_id"] == done.stdout.strip()
    assert (line["step"], line["partition"], line["url"]) == (
        "fetched",
        "2d-art/0000",
        "https://site.example/content/x",
    )
    assert not [text for text in done.stderr.splitlines() if " - dagster - " in text]  # and nothing in colour


def test_the_handler_writes_to_the_standard_error_output() -> None:
    assert json_handler().stream is sys.stderr
