"""Lets this process open few more files, as one does that has leaked descriptors or serves too many clients."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count


@contextmanager
def files_left(number: int) -> Iterator[None]:
    """Have room for so many more descriptors: a system gives the lowest free one, and refuses those above its limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = (descriptor for descriptor in count() if not _is_open(descriptor))
    limit = [next(free) for _ in range(number + 1)][-1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
