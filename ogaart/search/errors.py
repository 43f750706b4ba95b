"""Errors of a search, which the web gives an HTTP status and the command line an exit code."""


class NotFound(LookupError):
    """What was asked for is not here: never was, is no longer, or is blocked."""


class TooMuch(ValueError):
    """A request is larger than its limit."""


class TooSlow(RuntimeError):
    """A request's body did not come in time."""


class TooFast(RuntimeError):
    """A client asks more often than the limit.

    Attributes:
        seconds: how long to wait.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many requests from your address; wait {seconds} s")
        self.seconds = seconds


class RemoteRefused(ValueError):
    """A link that this server does not follow: by rule, not by accident."""


class RemoteFailed(RuntimeError):
    """A link that was followed and led to no picture."""
