"""How the process that serves uses memory and cores: many short sums over a few megabytes, on several threads at once.

`benchmarks/search_load.py` prints what it comes to.
"""

import ctypes
import platform

import threadpoolctl

# Parameters of glibc's mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# A search takes and frees some ten megabytes, in pieces below four.
_KEPT_BYTES = 16 << 20
_PIECE_BYTES = 4 << 20


def keep_memory() -> bool:
    """Let the allocator keep what a search frees for the next one.

    By default glibc returns it to the system at once, and each search faults it in again page by page, thousands of
    pages, which is slow on virtual machines above all. Each thread's heap may keep 16 MiB.

    Returns:
        Whether this is glibc; any other allocator is left as it is.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)) and bool(mallopt(_M_MMAP_THRESHOLD, _PIECE_BYTES))


def compute_in_own_thread() -> None:
    """Let each request's linear algebra use its own thread only; others' requests need the cores."""
    threadpoolctl.threadpool_limits(limits=1)
