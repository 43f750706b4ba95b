"""Whether the worker that executes a step still lives, as the step's run sees it.

Workers that share the run's data root hold a lock file, which the kernel frees at a kill. A worker with a data root of
its own cannot be seen that way: it renews a key in Redis that expires.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from redis import Redis
from redis.exceptions import RedisError

from ogaart.core.repetition import repeat
from ogaart.resources.storage.data_root import DataRoot
from ogaart.resources.storage.lock_names import task_lock
from ogaart.resources.storage.locks import forget, hold, is_free

_BEAT = 2.0
"""Seconds between two renewals."""
_EXPIRES = 15
"""Seconds after the last renewal for which a worker counts as alive."""
_REMEMBERED = 7 * 86_400
"""Seconds for which it is known that a step was begun."""


class TaskLiveness(Protocol):
    """What a run knows of the worker of one of its steps."""

    def begun(self) -> bool:
        """Whether a worker has taken the step."""

    def alive(self) -> bool:
        """Whether that worker lives, as far as is known."""

    def forget(self) -> None:
        """Delete what was noted of the step."""


class TaskLock:
    """A step of a worker on the same data root: it holds a lock file.

    Args:
        root: the data root.
        task_id: Celery's id of the step.
    """

    def __init__(self, root: DataRoot, task_id: str) -> None:
        self._path, self._what = task_lock(root, task_id), f"task {task_id}"

    def begun(self) -> bool:
        """Whether a worker has taken the step."""
        return self._path.exists()

    def alive(self) -> bool:
        """Whether that worker lives."""
        return not is_free(self._path)

    def forget(self) -> None:
        """Delete the lock file."""
        forget(self._path)

    @contextmanager
    def executing(self) -> Iterator[None]:
        """Show the step to be executed by this process."""
        # A run that looks whether the lock is free holds it for a moment.
        with hold(self._path, timeout=10.0, what=self._what):
            yield


class TaskBeat:
    """A step of a worker with a data root of its own: it renews a key that expires.

    Args:
        redis: a client of the broker.
        task_id: Celery's id of the step.
    """

    def __init__(self, redis: "Redis", task_id: str) -> None:
        self._redis = redis
        self._begun, self._alive = f"ogaart-begun-{task_id}", f"ogaart-alive-{task_id}"

    def begun(self) -> bool:
        """Whether a worker has taken the step, as far as is known."""
        with suppress(RedisError):
            return bool(self._redis.exists(self._begun))
        return False

    def alive(self) -> bool:
        """Whether that worker lives; also while it cannot be known."""
        with suppress(RedisError):
            return bool(self._redis.exists(self._alive))
        return True

    def forget(self) -> None:
        """Delete the keys; they expire where this fails."""
        with suppress(RedisError):
            self._redis.delete(self._begun, self._alive)

    @contextmanager
    def executing(self) -> Iterator[None]:
        """Show the step to be executed by this process."""
        ended = threading.Event()
        self._renew()
        call = (self._renew, _BEAT, ended, f"renewing {self._alive}")
        beat = threading.Thread(target=repeat, args=call, name="task-beat", daemon=True)
        beat.start()
        try:
            yield
        finally:
            ended.set()
            beat.join(_EXPIRES)

    def _renew(self) -> None:
        with suppress(RedisError):  # away: renewed when it is back
            self._redis.set(self._begun, b"1", ex=_REMEMBERED)
            self._redis.set(self._alive, b"1", ex=_EXPIRES)
