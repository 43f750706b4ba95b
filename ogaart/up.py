"""The Dagster UI and daemon on the project's own instance, started together and stopped together."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from ogaart.instance import open_instance, prepare_home
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
    return subprocess.Popen(command(home, host, port), env=environment, cwd=home)


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
