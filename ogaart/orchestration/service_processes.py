"""The processes behind ``ogaart up``: a supervisor, which runs code server, Dagster UI and daemon; they end with it.

``ogaart.orchestration.services`` starts them as ``python -m ogaart.orchestration.service_processes ROLE ...``. It keeps
the writing end of a pipe whose reading end each of them has: once the pipe is closed, however the parent ended, every
process that carries the same mark in its environment ends, so also code servers and runs that were started by them.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import dagster as dg
import psutil

from ogaart.orchestration.dagster_internals import LOCATION, code_servers, run_daemon, webserver_app
from ogaart.orchestration.ui_guard import UIGuard

MARK = "OGAART_SERVICES"
"""Environment variable that marks the processes of one ``ogaart up``; its value is different for each."""

GRACE = 5.0
"""Seconds that marked processes have between SIGTERM and SIGKILL once their parent is gone."""

STOP = 30.0
"""Seconds that UI and daemon have to end when they are stopped."""

_POLL = 0.5


def marked_processes(mark: str) -> list[psutil.Process]:
    """Every living process that carries ``mark`` in its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):
            continue  # another user's, or ended meanwhile
    return found


def end_marked_processes(mark: str, grace: float = GRACE) -> list[int]:
    """Stop every process with ``mark`` but this one, by SIGTERM and after ``grace`` seconds by SIGKILL.

    Returns:
        The pids of those that were stopped.
    """
    ended: set[int] = set()
    deadline = time.monotonic() + grace
    while others := [process for process in marked_processes(mark) if process.pid != os.getpid()]:
        for process in others:
            try:
                if time.monotonic() > deadline:
                    process.kill()
                elif process.pid not in ended:
                    process.terminate()
            except psutil.NoSuchProcess:
                continue
            ended.add(process.pid)
        psutil.wait_procs(others, timeout=_POLL)
    return sorted(ended)


def end_with_parent(pipe: int) -> None:
    """End this process and all that carry its mark once the other end of ``pipe`` is closed."""

    def watch() -> None:
        while os.read(pipe, 1):
            pass
        end_marked_processes(os.environ[MARK])
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def command(role: str, pipe: int, *arguments: object) -> list[str]:
    """The command line of the process ``role``."""
    program = [sys.executable, "-W", "ignore", "-m", "ogaart.orchestration.service_processes"]
    return [*program, role, str(pipe), *map(str, arguments)]


def supervise(pipe: int, host: str, port: int, names: str) -> int:
    """Run the code server, the UI and the daemon until one of them ends or this process is stopped.

    Returns:
        0 where it was stopped, 1 where one of them ended by itself.
    """
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    signal.signal(signal.SIGINT, lambda *_: stopped.set())
    workspace = Path(os.environ["DAGSTER_HOME"]) / "workspace.yaml"
    with ExitStack() as stack:
        instance = stack.enter_context(dg.DagsterInstance.get())
        servers = stack.enter_context(code_servers(instance, "ogaart.definitions", LOCATION))
        workspace.write_text(  # JSON is YAML
            json.dumps({"load_from": list(servers)})
        )
        children: dict[str, subprocess.Popen[bytes]] = {}
        stack.callback(_stop, children)
        for role, arguments in (("webserver", (workspace, host, port, names)), ("daemon", (workspace,))):
            children[role] = subprocess.Popen(command(role, pipe, *arguments), pass_fds=(pipe,))
        while not stopped.wait(_POLL):
            for role, child in children.items():
                if child.poll() is not None:
                    sys.stderr.write(f"ogaart: the {role} ended with exit code {child.returncode}\n")
                    return 1
    return 0


def _stop(children: dict[str, "subprocess.Popen[bytes]"]) -> None:
    for child in children.values():
        child.terminate()
    for child in children.values():
        try:
            child.wait(STOP)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def serve_ui(workspace: Path, host: str, port: int, names: Sequence[str]) -> None:
    """Serve the Dagster UI behind its guard until this process is stopped."""
    import uvicorn

    with dg.DagsterInstance.get() as instance, webserver_app(instance, workspace) as app:
        uvicorn.run(UIGuard(app, names), host=host, port=port, log_level="warning")


def main(arguments: Sequence[str]) -> int:
    """Run the role that the command line names."""
    role, pipe, *rest = arguments
    # A shell's background job ignores SIGINT; Dagster would take that over, for SIGTERM too, and could not be stopped.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    end_with_parent(int(pipe))
    if role == "supervisor":
        host, port, names = rest
        return supervise(int(pipe), host, int(port), names)
    if role == "webserver":
        workspace, host, port, names = rest
        serve_ui(Path(workspace), host, int(port), [name for name in names.split(",") if name])
    else:
        run_daemon(Path(rest[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
