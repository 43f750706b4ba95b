"""Waiting that can be interrupted and is reported: every wait of the client is one of these.

A signal whose handler raises ends ``time.sleep`` at once; one whose handler only sets a flag does not. Waits are cut
into slices, so that they also notice a condition that ends them early.
"""

import time
from collections.abc import Callable

SLICE = 0.5
"""Seconds slept at a time."""

WORTH_TELLING = 15.0
"""Seconds above which a wait is reported: more than the usual delay between two requests."""


class Waits:
    """Sleeps, and reports it to ``on_event``.

    Attributes:
        on_event: receives each retry, pause and long wait with its cause, as one line of text.
        seconds: seconds waited so far.
    """

    def __init__(self, on_event: Callable[[str], None] | None = None) -> None:
        self.on_event = on_event
        self.seconds = 0.0

    def tell(self, message: str) -> None:
        """Report an event."""
        if self.on_event is not None:
            self.on_event(message)

    def sleep(self, seconds: float, cause: str = "", until: Callable[[], bool] | None = None) -> None:
        """Sleep.

        Args:
            seconds: how long at most.
            cause: what for; reported where the wait is long.
            until: checked between slices; the wait ends when it returns true.
        """
        if seconds > WORTH_TELLING and cause:
            self.tell(f"waiting {seconds:.0f} s: {cause}")
        began = time.monotonic()
        try:
            while (left := began + seconds - time.monotonic()) > 0:
                time.sleep(min(left, SLICE))
                if until is not None and until():
                    return
        finally:
            self.seconds += time.monotonic() - began
