"""A child process from its parent's side: small environment, requests sent, answers read with a time limit, killed."""

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from ogaart.workers import protocol

_NAMES = ("PATH", "HOME", "TMPDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
_BEGINNINGS = ("PYTHON", "DYLD_", "COVERAGE_")
REUSING_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(128 << 20)}
"""Variables for a child that computes with one picture after the other.

By them glibc keeps freed memory for the next picture, up to the second, and gives back at once what was larger than the
first. Without them most of it is given back, and a tenth of the time goes into getting it again, page by page.
"""
_PIPE_BYTES = 1 << 20
_SURPLUS_BYTES = 1 << 16
"""Most bytes that are read beyond those that are needed: short messages come with one read."""


class ChildLost(RuntimeError):
    """The child crashed, hung, or sent an invalid message; it is gone when this is raised.

    Attributes:
        timed_out: it hung.
    """

    def __init__(self, message: str, *, timed_out: bool = False) -> None:
        super().__init__(message)
        self.timed_out = timed_out


class Child:
    """A running ``python -m <module>`` that reads requests from stdin and answers on stdout.

    It must end when its stdin does, so that it never outlives this process: see ``child``.

    Args:
        module: the module to run.
        what: what it is, for messages.
        environment: its whole environment; see ``clean_environment``.
        scratch: directory for the unlinked file that takes its stderr.
    """

    def __init__(self, module: str, what: str, environment: Mapping[str, str], scratch: Path | None = None) -> None:
        self._what = what
        self._scratch = scratch
        self._stderr: IO[bytes] = tempfile.TemporaryFile("a+b", dir=scratch)  # noqa: SIM115 - closed by kill
        self._process = subprocess.Popen(
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=dict(environment),
            bufsize=0,
            pipesize=_PIPE_BYTES,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        self._readable, self._writable = select.poll(), select.poll()
        self._readable.register(self._out, select.POLLIN | select.POLLHUP)
        self._writable.register(self._in, select.POLLOUT)
        self._buffer = memoryview(bytearray(_SURPLUS_BYTES))
        self._surplus = self._buffer[:0]
        self.waited = 0.0
        """Seconds that this process has waited for answers since the last request."""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def request(self, fields: Mapping[str, Any], blobs: Sequence[Any] = (), *, seconds: float) -> protocol.Message:
        """Send a request and wait for its answer.

        Raises:
            ChildLost: no answer within ``seconds``, or none ever.
        """
        self.send(fields, blobs, seconds=seconds)
        return self.receive(seconds)

    def send(self, fields: Mapping[str, Any], blobs: Sequence[Any] = (), *, seconds: float) -> None:
        """Send a request.

        Raises:
            ChildLost: it did not read it within ``seconds``, or has ended.
        """
        self.waited = 0.0
        if os.fstat(self._stderr.fileno()).st_size:
            self._stderr.truncate(0)
        deadline = time.monotonic() + seconds
        protocol.send(lambda data: self._write(data, deadline, seconds), dict(fields), tuple(blobs))

    def receive(self, seconds: float, *, spool: bool = False) -> protocol.Message:
        """The next message.

        Args:
            seconds: how long to wait for it.
            spool: read its long blobs into unlinked temporary files: this process holds 1 MiB of them at a time.

        Raises:
            ChildLost: none came within ``seconds``, or it has ended.
        """
        started = time.monotonic()
        deadline = started + seconds
        try:
            message = protocol.receive(
                lambda length: self._read(length, deadline, seconds),
                (lambda length: self._spool(length, deadline, seconds)) if spool else None,
            )
        except protocol.WireError as error:
            raise self._crashed(str(error)) from error
        self.waited += time.monotonic() - started
        return message

    def stop(self) -> None:
        """Kill it while another thread waits for its answer: that thread notices, and closes the pipes it reads."""
        self._process.kill()

    def kill(self) -> None:
        """Kill it and wait for its end."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._stderr.close()

    def _write(self, data: bytes | memoryview, deadline: float, seconds: float) -> None:
        view = memoryview(data).cast("B") if len(data) else memoryview(b"")
        while len(view):
            self._wait(self._writable, deadline, f"read no request for {seconds:g} s")
            try:
                view = view[os.write(self._in, view) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise self._crashed() from None

    def _spool(self, length: int, deadline: float, seconds: float) -> IO[bytes]:
        """The next bytes as an unlinked temporary file, at its start."""
        file = tempfile.TemporaryFile(dir=self._scratch, prefix="blob-")  # noqa: SIM115 - its receiver closes it
        try:
            while length:
                chunk = min(length, protocol.SPOOLED_BYTES)
                file.write(self._read(chunk, deadline, seconds))
                length -= chunk
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    def _read(self, length: int, deadline: float, seconds: float) -> bytearray:
        """Exactly so many bytes; what comes behind them is kept for the next call."""
        data = bytearray(length)
        filled = min(length, len(self._surplus))
        data[:filled] = self._surplus[:filled]
        self._surplus = self._surplus[filled:]
        if filled == length:
            return data
        view = memoryview(data)
        while filled < length:
            self._wait(self._readable, deadline, f"took longer than {seconds:g} s")
            got = os.readv(self._out, [view[filled:], self._buffer])
            if not got:
                raise self._crashed()
            filled += got
        view.release()
        self._surplus = self._buffer[: filled - length]
        return data

    def _wait(self, poll: select.poll, deadline: float, how: str) -> None:
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            self.kill()
            raise ChildLost(f"{self._what} {how}", timed_out=True)

    def _crashed(self, how: str = "crashed") -> ChildLost:
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
        code = self._process.wait()
        ended = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        last = self._last_error()
        self.kill()
        return ChildLost(f"{self._what} {how} ({ended}{last})")

    def _last_error(self) -> str:
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - 4000))
        lines = self._stderr.read().decode("utf-8", "replace").strip().splitlines()
        return f": {lines[-1][:300]}" if lines else ""


def clean_environment(names: Collection[str] = (), beginnings: tuple[str, ...] = ()) -> dict[str, str]:
    """The variables of this process's environment that a child needs; keys and passwords are left out.

    Args:
        names: variables that are kept beside the usual ones.
        beginnings: of names that are kept too.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _NAMES or name in names or name.startswith(_BEGINNINGS + beginnings)
    }
    package = str(Path(__file__).resolve().parents[2])
    kept["PYTHONPATH"] = os.pathsep.join(path for path in (package, kept.get("PYTHONPATH", "")) if path)
    return {**kept, "PYTHONUTF8": "1"}
