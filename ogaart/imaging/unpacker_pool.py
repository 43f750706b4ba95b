"""Several files unpacked at the same time, each by a child process of its own, and handed over in their order."""

from __future__ import annotations

import queue
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from ogaart.imaging.unpacker import UnpackedMember, Unpacker

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

    from ogaart.imaging.limits import Limits

_BUFFERED = 128
"""Members for each process that are unpacked before they are needed: long ones are in files, the others below 1 MiB."""
_OPEN_FILE = 16
"""As many of them is one that is in a file, which is open: a process may open 256 on macOS, 1,024 elsewhere."""
_ROOM_BYTES = 64 << 10
"""One in memory is one more for so many bytes: 8 MiB for each process in all."""
_FILES_AHEAD = 16
"""Files for each process that are begun before they are needed: one large picture takes as long as so many others."""
_POLL_SECONDS = 0.2
FILES_FOR_ANOTHER = 64
BYTES_FOR_ANOTHER = 32 << 20
"""Work that is worth one more process: its start takes as long as some thirty pictures."""


@dataclass(frozen=True)
class UnpackRequest:
    """A file to unpack; see ``Unpacker.unpack``."""

    path: Path
    done: Collection[str] = ()
    enter: Collection[str] = ()


class _Stopped(Exception):
    """Nobody takes the members any more."""


def processes_for(files: int, content_bytes: int, most: int) -> int:
    """How many processes so much work is worth, at least one and at most ``most``."""
    return max(1, min(most, 1 + max(files // FILES_FOR_ANOTHER, content_bytes // BYTES_FOR_ANOTHER)))


class UnpackerPool:
    """Unpacks files by several processes, as one ``Unpacker`` would one after the other.

    A context manager, for one thread.

    Args:
        limits: what each process keeps to.
        scratch: directory for unlinked temporary files.
        count: processes; each is started by its first file, and kept.
    """

    def __init__(self, limits: Limits, scratch: Path, count: int) -> None:
        self._unpackers = [Unpacker(limits, scratch) for _ in range(count)]
        # The one that was used last comes first: work for one process needs no other to be started.
        self._idle: queue.LifoQueue[Unpacker] = queue.LifoQueue()
        for unpacker in reversed(self._unpackers):
            self._idle.put(unpacker)
        self._threads: ThreadPoolExecutor | None = None
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the processes, also in the middle of a file."""
        self._stop.set()
        for unpacker in self._unpackers:
            unpacker.stop()  # the thread that waits for it notices
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
        for unpacker in self._unpackers:
            unpacker.close()

    @property
    def peak_bytes(self) -> int:
        """Largest resident size that a process has reported."""
        return max(unpacker.peak_bytes for unpacker in self._unpackers)

    def unpack(
        self, requests: Iterable[UnpackRequest], processes: int | None = None
    ) -> Iterator[Iterator[UnpackedMember]]:
        """Unpack files; one call at a time.

        Args:
            requests: taken some before they are needed.
            processes: how many take part, at most those that there are; by default all.

        Yields:
            The members of each file, in the order of the requests; to be consumed before the next file's. An
            ``OSError`` says that the file itself cannot be opened.
        """
        count = min(processes or len(self._unpackers), len(self._unpackers))
        if count == 1:
            unpacker = self._idle.get()
            try:
                for request in requests:
                    yield unpacker.unpack(request.path, request.done, request.enter)
            finally:
                self._idle.put(unpacker)
            return
        begun: deque[Iterator[UnpackedMember]] = deque()
        stop = self._stop = threading.Event()
        ahead = _Ahead(_BUFFERED * count, stop)
        with ThreadPoolExecutor(count, "unpacking") as self._threads:
            try:
                for request in requests:
                    members = _Members(ahead)
                    begun.append(members.taken(self._threads.submit(self._run, request, members)))
                    if len(begun) >= _FILES_AHEAD * count:
                        yield begun.popleft()
                yield from begun
            finally:
                stop.set()  # what is left is not taken
                self._threads.shutdown(wait=False, cancel_futures=True)

    def _run(self, request: UnpackRequest, members: _Members) -> None:
        """Unpack a file, in a thread."""
        unpacker = self._idle.get()
        try:
            with closing(unpacker.unpack(request.path, request.done, request.enter)) as found:
                for member in found:
                    members.put(member)
        finally:
            self._idle.put(unpacker)
            members.end()


class _Ahead:
    """How many members of all files wait to be consumed, and how many may."""

    def __init__(self, most: int, stop: threading.Event) -> None:
        self.most = most
        self.stop = stop
        self.count = 0
        self.consumed: _Members | None = None
        self.changed = threading.Condition()


class _Members:
    """The members of one file on their way from the thread that unpacks it to the consumer."""

    def __init__(self, ahead: _Ahead) -> None:
        self._ahead = ahead
        self._waiting = 0
        self._found: queue.SimpleQueue[UnpackedMember | None] = queue.SimpleQueue()

    def put(self, member: UnpackedMember) -> None:
        """Hand over a member, when there is room.

        There always is for one of the file that is consumed now: the members of others cannot keep it back.

        Raises:
            _Stopped: the consumer has ended.
        """
        ahead = self._ahead
        with ahead.changed:
            while ahead.count >= ahead.most and not self._is_awaited() and not ahead.stop.is_set():
                ahead.changed.wait(_POLL_SECONDS)
            if ahead.stop.is_set():
                raise _Stopped
            self._waiting += 1
            ahead.count += _room_for(member)
        self._found.put(member)

    def end(self) -> None:
        """Say that there are no more, whatever the reason."""
        self._found.put(None)

    def taken(self, done: Future[None]) -> Iterator[UnpackedMember]:
        """The members; then what the thread has raised."""
        ahead = self._ahead
        with ahead.changed:
            ahead.consumed = self
            ahead.changed.notify_all()
        while (member := self._found.get()) is not None:
            with ahead.changed:
                self._waiting -= 1
                ahead.count -= _room_for(member)
                ahead.changed.notify_all()
            yield member
        done.result()

    def _is_awaited(self) -> bool:
        return self._ahead.consumed is self and not self._waiting


def _room_for(member: UnpackedMember) -> int:
    if member.content is None:
        return 1
    return 1 + len(member.content) // _ROOM_BYTES if isinstance(member.content, bytes) else _OPEN_FILE
