"""The failure hook: one POST to a URL, or one command, for each run that failed; limited in time, never repeated."""

import json
import os
import shlex
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from typing import Any

import dagster as dg
import requests

from ogaart.orchestration.launcher import REASON
from ogaart.pipeline.run_records import run_row
from ogaart.settings import Settings

SECONDS = 8.0
"""Time that a hook may take; Dagster ends a sensor's tick after 60 s, and a tick handles up to five runs."""

MOST_CHARACTERS = 2_000
"""Length of the error that is passed on."""


class HookFailed(RuntimeError):
    """The hook could not be called, took too long, or reported a failure."""


def failure_report(record: dg.RunRecord, error: str) -> dict[str, Any]:
    """What the hook receives: run_id, job, partition, status, started_at, ended_at, reason and error."""
    row = run_row(record)
    reason = record.dagster_run.tags.get(REASON)
    return {"event": "run_failure", **row, "reason": reason, "error": error[:MOST_CHARACTERS]}


def call_hooks(settings: Settings, report: Mapping[str, Any], seconds: float = SECONDS) -> list[str]:
    """Call the hooks that are set; returns their names.

    Raises:
        HookFailed: one of them failed; a second one was called nevertheless.
    """
    called, failed = [], []
    for name, value, call in (
        ("OGAART_FAILURE_WEBHOOK", settings.failure_webhook, post),
        ("OGAART_FAILURE_COMMAND", settings.failure_command, execute),
    ):
        if value is None:
            continue
        called.append(name)
        try:
            call(value.get_secret_value(), report, seconds)
        except HookFailed as cause:
            failed.append(f"{name}: {cause}")
    if failed:
        raise HookFailed("; ".join(failed))
    return called


def post(url: str, report: Mapping[str, Any], seconds: float) -> None:
    """Send the report as JSON, in one POST; redirects are not followed, and the response's body is not read.

    Raises:
        HookFailed: no response in time, or one that is not a success. The URL, which may hold a secret, is not named.
    """
    outcome: list[str] = []

    def send() -> None:
        try:
            with requests.post(url, json=dict(report), timeout=seconds, allow_redirects=False, stream=True) as answer:
                outcome.append("" if answer.ok and not answer.is_redirect else f"HTTP status {answer.status_code}")
        except (requests.RequestException, ValueError) as cause:
            outcome.append(f"the request failed ({type(cause).__name__})")

    sender = threading.Thread(target=send, name="failure-webhook", daemon=True)
    sender.start()
    sender.join(seconds)  # a server that sends its headers byte by byte would outlast the limit of each read
    if not outcome:
        raise HookFailed(f"no response within {seconds:g} s")
    if outcome[0]:
        raise HookFailed(outcome[0])


def execute(command: str, report: Mapping[str, Any], seconds: float) -> None:
    """Run a command, without a shell, with the report as JSON on its standard input.

    Raises:
        HookFailed: it cannot be started, ends with another exit code than 0, or takes too long and is killed.
    """
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as errors:
        given.write(json.dumps(dict(report)).encode())
        given.seek(0)
        try:
            process = subprocess.Popen(
                shlex.split(command),
                stdin=given,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        except (OSError, ValueError, IndexError) as cause:
            raise HookFailed(f"the command cannot be started: {cause}") from cause
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired as cause:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise HookFailed(f"the command was killed after {seconds:g} s") from cause
        if code != 0:
            errors.seek(0)
            last = errors.read()[-300:].decode(errors="replace").strip()
            raise HookFailed(f"the command ended with exit code {code}{f': {last}' if last else ''}")
