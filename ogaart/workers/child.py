"""A child process from its own side: requests from the pipe, an end when the parent ends, memory used."""

import contextlib
import io
import os
import queue
import re
import resource
import signal
import sys
import threading
from pathlib import Path
from typing import BinaryIO

from ogaart.workers import protocol

_STATUS = Path("/proc/self/status")
_MEMORY = re.compile(rb"^(VmHWM|VmRSS):\s*(\d+)", re.MULTILINE)


def open_pipes() -> tuple[BinaryIO, "queue.Queue[protocol.Message]"]:
    """Take the pipes to the parent.

    Returns:
        Where answers are written, and where requests come in.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    out = os.fdopen(os.dup(1), "wb", buffering=1 << 16)
    os.dup2(2, 1)  # whatever a library prints must not get between the messages
    requests: queue.Queue[protocol.Message] = queue.Queue()
    # Unbuffered: at its end Python aborts (SIGABRT) where a thread waits in a buffered read of stdin, which hides why
    # the process ends.
    stdin = os.fdopen(os.dup(0), "rb", buffering=0)
    threading.Thread(target=_read_requests, args=(stdin, requests), daemon=True).start()
    return out, requests


def memory() -> dict[str, int]:
    """``peak`` and present (``rss``) resident bytes of this process."""
    found = {"VmHWM": 0, "VmRSS": 0}
    with contextlib.suppress(OSError), _STATUS.open("rb", buffering=0) as status:
        for name, value in _MEMORY.findall(status.read()):
            found[name.decode()] = int(value) * 1024
    if not found["VmHWM"]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        found["VmHWM"] = peak if sys.platform == "darwin" else peak * 1024
    return {"peak": found["VmHWM"], "rss": found["VmRSS"]}


def _read_requests(stream: io.FileIO, requests: "queue.Queue[protocol.Message]") -> None:
    """Read requests for ever; the end of the pipe means that the parent has ended, and ends this process at once."""

    def exactly(length: int) -> bytearray:
        data = bytearray(length)
        view, filled = memoryview(data), 0
        while filled < length:
            got = stream.readinto(view[filled:])
            if not got:
                os._exit(0)
            filled += got
        view.release()
        return data

    while True:
        requests.put(protocol.receive(exactly))
