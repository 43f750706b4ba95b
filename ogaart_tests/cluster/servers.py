"""PostgreSQL, Redis and workers as child processes on loopback, with folders of their own; each ends with its block."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from ogaart.cli.demo_command import free_port

HELP = "install it, on Debian: apt-get install redis-server postgresql"
UNPRIVILEGED = "postgres"
"""The user that PostgreSQL runs as where the tests run as root, which it refuses."""


def program(name: str) -> str:
    """The path of a server's program; fails the test, saying how to get it, where there is none."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    found = shutil.which(name) or (str(versions[-1]) if versions else None)
    if found is None:
        pytest.fail(f"{name} is not installed: {HELP}")
    return found


def wait_for_port(port: int, process: "subprocess.Popen[bytes]", what: str) -> None:
    """Wait until a server listens."""
    end = time.monotonic() + 60
    while True:
        assert process.poll() is None, f"{what} ended with {process.returncode} while it started"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < end, f"{what} did not listen on port {port} within 60 s"
        time.sleep(0.1)


@contextmanager
def postgres() -> Iterator[str]:
    """A PostgreSQL server with an empty database; yields its URL as SQLAlchemy takes it."""
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="ogaart-postgres-"))
    if user is not None:
        shutil.chown(folder, user)
    port = free_port(0)
    data = str(folder / "data")
    try:
        subprocess.run(
            [program("initdb"), "--pgdata", data, "--auth=trust", "--username=ogaart", "--encoding=UTF8", "--no-sync"],
            check=True,
            stdout=subprocess.DEVNULL,
            user=user,
            cwd=folder,
        )
        server = subprocess.Popen(
            [program("postgres"), "-D", data, "-k", str(folder), "-h", "127.0.0.1", "-p", str(port), "-F"],
            stderr=subprocess.DEVNULL,
            user=user,
            cwd=folder,
        )
        try:
            wait_for_port(port, server, "PostgreSQL")
            yield f"postgresql+psycopg2://ogaart@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # a fast shutdown
            server.wait(30)
    finally:
        shutil.rmtree(folder)


class Redis:
    """A Redis server that keeps its data, and can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder, self._port = folder, free_port(0)
        self.url = f"redis://127.0.0.1:{self._port}/0"
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        options = {"port": self._port, "bind": "127.0.0.1", "dir": self._folder, "save": "", "appendonly": "yes"}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        command = [program("redis-server"), *words, "--appendfsync", "always"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_for_port(self._port, process, "Redis")
        return process

    def restart(self, *, after: float) -> None:
        """Kill the server, and start it over its data ``after`` seconds."""
        self.stop()
        time.sleep(after)
        self._process = self._start()

    def stop(self) -> None:
        """End the server as a kill would."""
        self._process.kill()
        self._process.wait()


class Worker:
    """``ogaart worker``, in a process group of its own.

    Args:
        queues: which steps it takes.
        log: where its output goes.
        fault: where it is killed.
        data: a data root of its own; by default that of the environment.
    """

    def __init__(self, queues: Sequence[str], log: Path, fault: str | None = None, data: Path | None = None) -> None:
        self._log = log.open("ab")
        environment = {**os.environ, **({"OGAART_FAULT": fault} if fault else {})}
        if data is not None:
            environment |= {"OGAART_DATA": str(data), "DAGSTER_HOME": str(data / "dagster")}
        command = [sys.executable, "-W", "ignore", "-c", "from ogaart.cli.main import main; main()", "worker", *queues]
        self._process = subprocess.Popen(
            command, env=environment, stdout=self._log, stderr=self._log, start_new_session=True
        )

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether the worker is gone, such as by a fault."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """End the worker with all its processes, as a power cut would."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()
