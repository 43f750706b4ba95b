"""A child process that answers requests over its pipes, and the ways in which it can fail to."""

import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ogaart.imaging import wire

_KEPT = ("PATH", "HOME", "TMPDIR", "LANG", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
_KEPT_FOR_DOWNLOADS = ("TORCH_HOME", "XDG_CACHE_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR")
_KEPT_BEGINNINGS = ("PYTHON", "DYLD_", "COVERAGE_", "OMP_", "MKL_")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


class ChildLost(RuntimeError):
    """The child crashed, hung, or spoke nonsense; it is gone when this is raised."""


class Child:
    """A running ``python -m <module>`` that reads requests from stdin and answers on stdout.

    It must end when its stdin does, so that it never outlives this process.

    Args:
        module: the module to run.
        what: what it is, for messages.
    """

    def __init__(self, module: str, what: str) -> None:
        self._what = what
        self._complaints = tempfile.TemporaryFile("a+b")  # noqa: SIM115 - closed by kill
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env=_environment(),
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def ask(self, fields: Mapping[str, Any], blobs: Sequence[Any] = (), *, seconds: float) -> wire.Message:
        """Send a request and wait for its answer.

        Raises:
            ChildLost: no answer within ``seconds``, or none ever.
        """
        deadline = time.monotonic() + seconds
        wire.send(lambda data: self._write(data, deadline, seconds), dict(fields), blobs)
        return self.hear(seconds)

    def hear(self, seconds: float) -> wire.Message:
        """The next message.

        Raises:
            ChildLost: none came within ``seconds``, or none will.
        """
        deadline = time.monotonic() + seconds
        try:
            return wire.receive(lambda length: self._read(length, deadline, seconds))
        except wire.WireError as error:
            raise self._lost(str(error)) from error

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._complaints.close()

    def _write(self, data: bytes | memoryview, deadline: float, seconds: float) -> None:
        view = memoryview(data).cast("B") if len(data) else memoryview(b"")
        while len(view):
            self._wait(self._in, selectors.EVENT_WRITE, deadline, seconds)
            try:
                view = view[os.write(self._in, view) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise self._crashed() from None

    def _read(self, length: int, deadline: float, seconds: float) -> bytes:
        data = bytearray()
        while len(data) < length:
            self._wait(self._out, selectors.EVENT_READ, deadline, seconds)
            piece = os.read(self._out, length - len(data))
            if not piece:
                raise self._crashed()
            data += piece
        return bytes(data)

    def _wait(self, descriptor: int, event: int, deadline: float, seconds: float) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, event)
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise self._lost(f"gave no answer within {seconds:g} s")

    def _crashed(self) -> ChildLost:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return self._lost("closed its pipes")
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return self._lost(f"crashed ({how})")

    def _lost(self, how: str) -> ChildLost:
        size = self._complaints.seek(0, os.SEEK_END)
        self._complaints.seek(max(0, size - 4000))
        lines = self._complaints.read().decode("utf-8", "replace").strip().splitlines()
        self.kill()
        return ChildLost(f"{self._what} {how}" + (f": {lines[-1][:300]}" if lines else ""))


def _environment() -> dict[str, str]:
    """What a child needs and nothing else: the platform's keys stay out of a process that decodes strangers' files."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT + _KEPT_FOR_DOWNLOADS or name.startswith(_KEPT_BEGINNINGS) or name.lower() in _PROXIES
    }
    package = str(Path(__file__).resolve().parents[2])
    kept["PYTHONPATH"] = os.pathsep.join(path for path in (package, kept.get("PYTHONPATH", "")) if path)
    return {**kept, "PYTHONUTF8": "1"}
