"""The search page as its operator runs it, ``ogaart serve``, in a process of its own, for those who attack it."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ogaart.cli.demo_command import free_port

START_SECONDS = 120.0
_RUN = "from ogaart.cli.main import main; main()"


@contextmanager
def serving(data: Path, settings: Mapping[str, str] | None = None, port: int = 0) -> Iterator[tuple[int, int, Path]]:
    """Serve a data root on loopback: port, process id, and the file with the service's output."""
    port, said = port or free_port(0), data.parent / "service.log"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OGAART_", "QDRANT_"))}
    own = {"OGAART_DATA": str(data), "OGAART_SEARCHES_PER_MINUTE": "0", "OGAART_UPLOADS_PER_MINUTE": "0"}
    with said.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _RUN, "serve", "--port", str(port)],
            env={**kept, **own, **(settings or {})},
            stdout=out,
            stderr=out,
        )
        try:
            _await(port, process, said)
            yield port, process.pid, said
        finally:
            process.kill()
            process.wait()


def _await(port: int, process: "subprocess.Popen[bytes]", said: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz"):
                return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(f"the service did not start: {said.read_text(errors='replace')[-2000:]}")
