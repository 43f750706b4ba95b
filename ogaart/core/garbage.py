"""The garbage collector while much is computed."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_NEW_OBJECTS = 50_000


@contextmanager
def collected_seldom() -> Iterator[None]:
    """Let the garbage collector look for cycles after 50,000 new objects within the block, not after 700.

    A block that makes millions of rows, hardly one of which is part of a cycle, has it run thousands of times else.
    """
    before = gc.get_threshold()
    gc.set_threshold(_NEW_OBJECTS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
