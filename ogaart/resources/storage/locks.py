"""Lock files: the kernel holds them for a living process, so a killed one leaves none locked."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Literal

from filelock import FileLock, Timeout


class Locked(RuntimeError):
    """Another process holds the lock."""


@contextmanager
def hold(path: Path, timeout: float = 0.0, what: str = "") -> Iterator[None]:
    """Hold ``path`` as a lock.

    Args:
        path: the lock file; created where it is missing.
        timeout: seconds to wait; 0 fails at once, negative waits without limit.
        what: what the lock protects, for the error.

    Raises:
        Locked: it was not free in time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=timeout)
    except Timeout:
        raise Locked(
            f"{what or path.name} is held by another process ({_holder(path)}), waited {timeout:g} s: "
            "wait for that run to end, or cancel it"
        ) from None
    try:
        with suppress(OSError):  # it only serves messages: a full disk must not keep `ogaart gc` from its locks
            _note(path).write_text(json.dumps({"pid": os.getpid()}))
        yield
    finally:
        _note(path).unlink(missing_ok=True)
        lock.release()


@contextmanager
def hold_read_only(path: Path, timeout: float = 0.0, what: str = "") -> Iterator[None]:
    """Keep writers from taking ``path`` as a lock, without writing anything: for a data root that is read-only.

    Args:
        path: the lock file; one that is missing has never been held.
        timeout: seconds to wait for a writer.
        what: what the lock protects, for the error.

    Raises:
        Locked: a writer held it all the time.
    """
    deadline = time.monotonic() + timeout
    with ExitStack() as stack:
        if path.exists():
            file = stack.enter_context(path.open("rb"))
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise Locked(
                            f"{what or path.name} is held by another process ({_holder(path)}), waited {timeout:g} s: "
                            "wait for that run to end, or cancel it"
                        ) from None
                    time.sleep(0.05)
        yield


@contextmanager
def hold_together(path: Path, timeout: float = 10.0, what: str = "") -> Iterator[None]:
    """Hold ``path`` as one of several processes: it is free, for ``is_free`` and ``hold``, once the last has ended.

    The last one to leave deletes the file.

    Args:
        path: the lock file; created where it is missing.
        timeout: seconds to wait for a process that holds it alone.
        what: what the lock protects, for the error.

    Raises:
        Locked: a process held it alone all the time.
    """
    deadline = time.monotonic() + timeout
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if _is_at(path, file):
                break  # else another process deleted the file between the two calls
        except BlockingIOError:
            if time.monotonic() > deadline:
                file.close()
                raise Locked(
                    f"{what or path.name} is held by another process ({_holder(path)}), waited {timeout:g} s: "
                    "wait for that run to end, or cancel it"
                ) from None
        file.close()
        time.sleep(0.02)
    try:
        yield
    finally:
        with file, suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(path, file):  # it is let go for a moment between the two kinds of lock
                forget(path)


def forget(path: Path) -> None:
    """Delete the files of a lock that is not needed again."""
    path.unlink(missing_ok=True)
    _note(path).unlink(missing_ok=True)


def is_free(path: Path) -> bool:
    """Whether no process holds ``path`` now; a file that its last holder deletes meanwhile is not made again."""
    with _held_alone(path) as held:
        return held is not False


def forget_free(path: Path) -> bool:
    """Delete a lock that is not needed again, unless a process holds it; returns whether it is gone.

    A process that takes it by ``hold_together`` meanwhile creates it again.
    """
    with _held_alone(path) as held:
        if held and _is_at(path, held):  # else it was deleted since, and what is there now is another process's
            forget(path)
        return not path.exists()


@contextmanager
def _held_alone(path: Path) -> Iterator[IO[bytes] | Literal[False] | None]:
    """Hold the file of a lock for a moment, without creating it: the file; False where it is held; None without one."""
    try:
        file = path.open("r+b")
    except FileNotFoundError:
        yield None
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield file


def _is_at(path: Path, file: IO[bytes]) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".holder")


def _holder(path: Path) -> str:
    try:
        return f"process {json.loads(_note(path).read_text())['pid']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown process"
