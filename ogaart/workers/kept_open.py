"""What the partitions of a run share, such as a child process with a model: starting one takes seconds."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any, Self, TypeVar

T = TypeVar("T", bound=AbstractContextManager[Any])


class KeptOpen:
    """What is opened by the first partition that needs it, and closed after the last one, or after one that failed.

    A context manager, for one thread.
    """

    def __init__(self) -> None:
        self._open = ExitStack()
        self._kept: dict[type, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, kind: type[T], make: Callable[[], T]) -> T:
        """The one of its kind, which is made and entered where there is none yet.

        Args:
            kind: its class.
            make: makes it.
        """
        if kind not in self._kept:
            self._kept[kind] = self._open.enter_context(make())
        found: T = self._kept[kind]
        return found

    def close(self) -> None:
        """Close everything: the next partition that needs it opens it again."""
        self._kept.clear()
        self._open.close()
