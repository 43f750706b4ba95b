"""Which files of a folder are opened, by whichever process and library: seen by the kernel (Linux' inotify)."""

import ctypes
import os
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

AVAILABLE = sys.platform == "linux"
_IN_OPEN, _IN_ISDIR = 0x20, 0x40000000
_EVENT = struct.Struct("iIII")
_BUFFER = 1 << 20


@contextmanager
def opened(folder: Path) -> Iterator[set[Path]]:
    """While this is open, collect the files that are opened below ``folder``; folders made meanwhile are not watched.

    Yields:
        The files, complete once the block has ended.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    handle = libc.inotify_init1(os.O_NONBLOCK)
    folders = {}
    for parent, _, _ in os.walk(folder):
        watch = libc.inotify_add_watch(handle, os.fsencode(parent), _IN_OPEN)
        if watch < 0:
            raise OSError(ctypes.get_errno(), f"inotify_add_watch of {parent}")
        folders[watch] = Path(parent)
    found: set[Path] = set()
    done = threading.Event()

    def collect() -> None:
        ended = False
        while not ended:
            ended = done.wait(0.01)
            while events := _read(handle):
                found.update(folders[watch] / name for watch, name in events)

    thread = threading.Thread(target=collect)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()
        os.close(handle)


def _read(handle: int) -> list[tuple[int, str]]:
    """Watch and name of each file opened since the last call."""
    try:
        data = os.read(handle, _BUFFER)
    except BlockingIOError:
        return []
    found, at = [], 0
    while at < len(data):
        watch, mask, _, length = _EVENT.unpack_from(data, at)
        name = data[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0")
        if name and not mask & _IN_ISDIR:
            found.append((watch, os.fsdecode(name)))
        at += _EVENT.size + length
    return found
