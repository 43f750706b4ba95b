"""Exceptions of the search; the web maps each to an HTTP status, the command line to an exit code."""

from collections.abc import Iterable


class InvalidParameter(ValueError):
    """A parameter has an invalid value; the message names the parameter, the value and what is expected."""


class EmptyFile(InvalidParameter):
    """A file that was sent has no content."""


class NotFound(LookupError):
    """The requested picture, entry or page does not exist, was withdrawn, or is blocked.

    Attributes:
        nearest: names that may be meant, each with the path of its page.
    """

    def __init__(self, message: str, nearest: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(message)
        self.nearest = tuple(nearest)


class UploadGone(LookupError):
    """The token of an upload is unknown or has expired."""

    def __init__(self) -> None:
        super().__init__("this upload has expired: uploads are kept in memory for one hour")


class NothingPublished(RuntimeError):
    """There is nothing to search yet.

    Args:
        copied: whether the publication in service was looked for where all hosts have it, if this host needs that.
    """

    def __init__(self, *, copied: bool = True) -> None:
        self.copied = copied
        super().__init__(
            "nothing is published yet; run `ogaart materialize --all`, then `ogaart publish`"
            if copied
            else "the publication in service is not on this host yet: it is being copied, or the log states why not"
        )


class PictureUnreadable(OSError):
    """The file that holds a published picture is damaged or lost; the message names it, and what brings it back."""


class TooLarge(ValueError):
    """A request or picture is larger than its limit."""


class BundleTooLarge(ValueError):
    """The pictures of a bundle are together larger than its limit."""


class RequestTooSlow(RuntimeError):
    """The body of a request did not arrive in time."""


class TooManyRequests(RuntimeError):
    """A client exceeds its allowance.

    Attributes:
        seconds: how long to wait.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many requests from your address; wait {seconds} s")
        self.seconds = seconds


class TooBusy(RuntimeError):
    """A concurrency limit is reached.

    Attributes:
        seconds: how long to wait.
    """

    seconds = 5


class LinkRefused(ValueError):
    """A link that this server does not fetch, by its rules."""


class LinkFailed(RuntimeError):
    """A link that was fetched and did not return a picture."""


class HostRefused(ValueError):
    """A request names a host that this server does not answer to."""

    def __init__(self, host: str) -> None:
        super().__init__(f"this server does not answer to the name {host[:80]!r}")


class ForeignPage(ValueError):
    """A page of another site caused a request that stores something."""

    def __init__(self) -> None:
        super().__init__("a page of another site caused this request")


class ContactMissing(ValueError):
    """The page would be served to others, without an address that they could write to."""
