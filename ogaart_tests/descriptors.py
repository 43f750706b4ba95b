"""Lets this process open few more files, as one does that has leaked descriptors or serves too many clients."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def files_left(number: int) -> Iterator[None]:
    """Have room for so many more descriptors: a system gives the lowest free one, and refuses those above its limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Taken, since one that is not open need not be free: a thread that waits for a connection has reserved its own.
    free = [os.dup(0) for _ in range(number + 1)]
    for descriptor in free:
        os.close(descriptor)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[-1], hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
