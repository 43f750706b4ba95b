"""What a thread repeats for as long as its process needs it: the renewal of a lease, a look for something newer."""

import logging
import threading
from collections.abc import Callable

logger = logging.getLogger(__name__)


def repeat(action: Callable[[], object], every: float, ended: threading.Event, what: str, *, first: float = -1) -> None:
    """Call ``action`` again and again until ``ended`` is set; an error is logged, and ends only that call.

    A thread that ended at an error would do so unseen, while the process that relies on it goes on.

    Args:
        action: what is done.
        every: seconds between two calls.
        ended: set by who ends it.
        what: what failed, for the log.
        first: seconds before the first call; by default as many as between two.
    """
    wait, failed = every if first < 0 else first, ""
    while not ended.wait(wait):
        wait = every
        try:
            action()
            failed = ""
        except Exception as cause:
            if repr(cause) != failed:  # not again and again for as long as it lasts
                logger.exception("%s failed; it is tried again in %g s", what, every)
            failed = repr(cause)
