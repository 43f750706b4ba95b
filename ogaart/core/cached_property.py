"""``functools.cached_property`` without the lock that all instances of a class share up to Python 3.11."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import cached_property
from typing import Any, TypeVar

T = TypeVar("T")


class own_cached_property(cached_property[T]):  # noqa: N801 - a decorator, as its base is
    """A property that is computed once for each instance, whatever others compute meanwhile.

    For objects of one request: with the lock of Python 3.11 each search would wait while another one, in another
    thread, computes the same property. An instance that several threads read may compute it twice.
    """

    def __init__(self, func: Callable[[Any], T]) -> None:
        super().__init__(func)
        self.lock = nullcontext()  # of no effect since Python 3.12, which has none
