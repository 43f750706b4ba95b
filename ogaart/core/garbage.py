"""What the garbage collector looks through, and how often, where much is imported or computed."""

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

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


@cache
def keep_out_of_collections() -> None:
    """Let the garbage collector pass over what this process has imported and defined, once, when its first run begins.

    These are some 200,000 objects, which stay as long as it lives. As it ends they count again, so that libraries which
    look for what was not freed find nothing.
    """
    gc.freeze()
    atexit.register(gc.unfreeze)
