"""How the process that serves uses memory and cores: many short sums over a few megabytes, on several threads at once.

`benchmarks/search_load.py` prints what it comes to. And how it ends: with its last answer, but not later than it may.
"""

import ctypes
import gc
import logging
import os
import platform
import socket
import threading

import threadpoolctl
import uvicorn

logger = logging.getLogger(__name__)

# Parameters of glibc's mallopt(3).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# A search takes and frees some ten megabytes, in pieces below four.
_KEPT_BYTES = 16 << 20
_PIECE_BYTES = 4 << 20
# New objects, and younger collections, after which each of the collector's three generations is collected.
_COLLECTED_AT = (20_000, 20, 50)


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


def collect_seldom() -> None:
    """Let the garbage collector pass over what is loaded now, and run seldom.

    To be called before a publication is opened: its objects would never be collected.

    An answer makes some ten thousand objects, nearly all of which are gone with it, without a cycle. By default the
    collector runs a dozen times meanwhile, and at times goes through every module.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTED_AT)


def compute_in_own_thread() -> None:
    """Let each request's linear algebra use its own thread only; others' requests need the cores."""
    threadpoolctl.threadpool_limits(limits=1)


class DrainingServer(uvicorn.Server):
    """Answers what is in progress when it is told to end, as uvicorn does, but does not wait for ever.

    A client that sends slowly, or a model that is being loaded, would keep the process beyond the time after which
    what manages it kills it: Kubernetes gives it 30 seconds.

    Args:
        config: uvicorn's.
        drain_seconds: after which the process ends, whatever is in progress.
    """

    def __init__(self, config: uvicorn.Config, drain_seconds: float) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing new, and end with the last answer."""
        last = threading.Timer(self._drain_seconds, self._end)
        last.daemon = True
        last.start()
        await super().shutdown(sockets)

    def _end(self) -> None:
        """End here and now: threads that compute cannot be stopped; child processes end with their pipes."""
        logger.warning(
            "ended with %d connections open, %g s after it was told to (OGAART_DRAIN_SECONDS)",
            len(self.server_state.connections),
            self._drain_seconds,
        )
        os._exit(0)
