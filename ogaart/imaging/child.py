"""The decoding process as its parent sees it: started with little, asked, heard within a time, and killed."""

from __future__ import annotations

import dataclasses
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ogaart.imaging import wire
from ogaart.imaging.errors import Reason
from ogaart.imaging.library import find_libarchive

if TYPE_CHECKING:
    from ogaart.imaging.limits import Limits

START_SECONDS = 60.0
_ENVIRONMENT = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LIBARCHIVE", "VIRTUAL_ENV")
_PREFIXES = ("PYTHON", "OPENBLAS_CORE", "OPENBLAS_L2", "DYLD_", "COVERAGE_")


class ChildLost(Exception):
    """The child crashed or took too long; it is gone when this is raised."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Child:
    """A running child process and its pipes."""

    def __init__(self, limits: Limits, scratch: Path) -> None:
        scratch.mkdir(parents=True, exist_ok=True)
        self._complaints: IO[bytes] = tempfile.TemporaryFile("a+b", dir=scratch)  # noqa: SIM115 - closed by kill
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ogaart.imaging.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env=_environment(),
            bufsize=0,
            pipesize=1 << 20,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in = self._process.stdin
        self._out = self._process.stdout.fileno()
        os.set_blocking(self._in.fileno(), False)
        self._poll = select.poll()
        self._poll.register(self._out, select.POLLIN | select.POLLHUP)
        self.waited = 0.0
        fields = {"op": "start", "limits": dataclasses.asdict(limits), "scratch": str(scratch)}
        self.ask(fields, (), START_SECONDS)
        self.hear(START_SECONDS)

    def ask(self, fields: dict[str, Any], blobs: tuple[Any, ...], seconds: float) -> None:
        """Send a request."""
        self.waited = 0.0
        self._complaints.truncate(0)
        deadline = time.monotonic() + seconds
        wire.send(lambda data: self._write(data, deadline, seconds), fields, blobs)

    def _write(self, data: bytes | memoryview, deadline: float, seconds: float) -> None:
        view = memoryview(data)
        while len(view):
            _, ready, _ = select.select([], [self._in.fileno()], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise self._lost(Reason.TIMED_OUT, f"took no request for {seconds:g} s")
            try:
                view = view[os.write(self._in.fileno(), view) :]
            except BrokenPipeError:
                raise self._lost(Reason.WORKER_CRASHED, "crashed") from None

    def hear(self, seconds: float) -> wire.Message:
        """The child's next message.

        Raises:
            ChildLost: none came in time, or the child is gone.
        """
        started = time.monotonic()
        deadline = started + seconds

        def exactly(length: int) -> bytes:
            data = bytearray(length)
            view = memoryview(data)
            filled = 0
            while filled < length:
                left = deadline - time.monotonic()
                if left <= 0 or not self._poll.poll(left * 1000):
                    raise self._lost(Reason.TIMED_OUT, f"took longer than {seconds:g} s (OGAART_MEMBER_SECONDS)")
                got = os.readv(self._out, [view[filled:]])
                if not got:
                    raise self._lost(Reason.WORKER_CRASHED, "crashed")
                filled += got
            return bytes(data)

        try:
            message = wire.receive(exactly)
        except wire.WireError as cause:
            raise self._lost(Reason.WORKER_CRASHED, str(cause)) from cause
        self.waited += time.monotonic() - started
        return message

    def _lost(self, reason: Reason, what: str) -> ChildLost:
        if reason is Reason.WORKER_CRASHED:
            try:
                self._process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self._process.kill()
            code = self._process.wait()
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            what = f"the decoding process {what} ({how}{self._last_words()})"
        else:
            what = f"the decoding process {what}"
        self.kill()
        return ChildLost(reason, what)

    def _last_words(self) -> str:
        size = self._complaints.seek(0, os.SEEK_END)
        self._complaints.seek(max(0, size - 2000))
        lines = self._complaints.read().decode("utf-8", "replace").strip().splitlines()
        return f": {lines[-1][:300]}" if lines else ""

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._in.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._complaints.close()


def _environment() -> dict[str, str]:
    """What the child needs and nothing else: keys and passwords of the platform stay out of it."""
    kept = {k: v for k, v in os.environ.items() if k in _ENVIRONMENT or k.startswith(_PREFIXES)}
    package = str(Path(__file__).resolve().parents[2])
    kept["PYTHONPATH"] = os.pathsep.join(p for p in (package, kept.get("PYTHONPATH", "")) if p)
    library = find_libarchive()
    if library is not None and Path(library).is_absolute():
        kept["LIBARCHIVE"] = library
    # One thread: each further one of a maths library takes address space, which is limited.
    return {**kept, "LC_CTYPE": "C.UTF-8", "PYTHONUTF8": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
