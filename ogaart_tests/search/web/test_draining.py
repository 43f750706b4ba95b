"""The search page ends when it is told to, whatever is in progress: an upload that never ends, a model that hangs."""

import http.client
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from ogaart_tests.torture.service import serving
from ogaart_tests.ui import wait_until
from ogaart_tests.world import World

pytestmark = pytest.mark.slow
MODEL = "ogaart.resources.embedding.worker"


@contextmanager
def endless_upload(port: int) -> Iterator[None]:
    """A client that sends the beginning of a picture, and nothing more."""
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        connection.putrequest("POST", "/api/v1/search")
        connection.putheader("Content-Type", "multipart/form-data; boundary=x")
        connection.putheader("Content-Length", "1000000")
        connection.putheader("Expect", "100-continue")
        connection.endheaders()
        assert connection.sock.recv(100).startswith(b"HTTP/1.1 100")  # the application reads the body
        connection.send(b"--x\r\n")
        yield


def has_ended(process: int) -> bool:
    """Whether a child of this process has ended, without waiting for it."""
    return os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def children(process: int, module: str) -> list[int]:
    """The child processes that run a module."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(process)], capture_output=True, text=True, check=False
    )
    return [int(line.split()[0]) for line in listed.stdout.splitlines() if module in line]


def settings(world: World, **others: str) -> dict[str, str]:
    """The environment of a service that takes any upload and waits as long as the test wants."""
    return {"OGAART_MODEL": world.settings.model, "OGAART_UPLOAD_SECONDS": "3600", **others}


def test_an_upload_that_never_ends_does_not_keep_the_process(copied: World) -> None:
    with serving(copied.settings.data, settings(copied, OGAART_DRAIN_SECONDS="1")) as (port, process, log):
        with endless_upload(port):
            os.kill(process, signal.SIGTERM)

            wait_until(lambda: has_ended(process), 120, "the service to end")

        assert "ended with 1 connections open, 1 s after it was told to" in log.read_text()


def test_a_model_that_is_being_loaded_does_not_keep_the_process(copied: World) -> None:
    with serving(copied.settings.data, settings(copied, OGAART_DRAIN_SECONDS="3600")) as (_, process, log):
        wait_until(lambda: bool(children(process, MODEL)), 120, "the model's process")
        [model] = children(process, MODEL)
        os.kill(model, signal.SIGSTOP)

        os.kill(process, signal.SIGTERM)

        wait_until(lambda: has_ended(process), 120, "the service to end")
        assert "Application shutdown complete" in log.read_text()
