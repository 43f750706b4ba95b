"""The Dagster UI and daemon on the project's own instance, started together and stopped together."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ogaart.orchestration.instance import open_instance, prepare_home
from ogaart.settings import Settings


def command(home: Path, host: str, port: int) -> list[str]:
    """The command that starts UI and daemon with one code server between them."""
    workspace = home / "workspace.yaml"
    workspace.write_text("load_from:\n  - python_module: {module_name: ogaart.definitions, location_name: ogaart}\n")
    dagster = [sys.executable, "-W", "ignore", "-m", "dagster"]
    return [*dagster, "dev", "-w", str(workspace), "-h", host, "-p", str(port), "--code-server-log-level", "warning"]


def start(settings: Settings, host: str, port: int) -> "subprocess.Popen[bytes]":
    """Start UI and daemon; they stop with SIGTERM."""
    home = prepare_home(settings)
    with open_instance(settings):
        pass  # an empty instance must be initialised before the two open it together
    quiet = {"PYTHONWARNINGS": "ignore"}  # Dagster warns of beta parameters, once for each of its processes
    environment = {**os.environ, **quiet, "OGAART_DATA": str(settings.data), "OGAART_QUERIES": str(settings.queries)}
    with _interruptible():
        return subprocess.Popen(command(home, host, port), env=environment, cwd=home)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let a child be started that hears SIGINT, even where a shell has put us into the background.

    Such a shell lets SIGINT be ignored; Dagster takes that over, for SIGTERM too, and could not be stopped.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN or threading.current_thread() != threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def run(settings: Settings, host: str, port: int) -> int:
    """Run UI and daemon until they end or are interrupted; gives their exit code."""
    process = start(settings, host, port)
    print(f"Dagster UI: http://{host}:{port}", flush=True)  # noqa: T201
    signal.signal(signal.SIGTERM, lambda *_: process.terminate())
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait(timeout=30)
        return 0
