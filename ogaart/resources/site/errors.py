"""How a request can fail: the site is down (the step fails), or one URL fails (a row fails)."""


class SiteDown(RuntimeError):
    """The site as a whole cannot or must not be requested now; the step should fail and run again later.

    Attributes:
        retry_after: seconds after which another request makes sense; 0 where nothing is known.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SiteRefuses(SiteDown):
    """The site refuses every request of ours, also for what it served before: none of its refusals is an answer."""


class FetchFailed(RuntimeError):
    """One URL could not be fetched; its neighbours are not affected.

    Attributes:
        error_class: a short name of the cause, such as ``TooLarge`` or ``LengthMismatch``.
        message: what happened, with value and limit.
        http_status: the last response's status, where there was one.
        retryable: whether another request in a later run may help.
    """

    def __init__(self, error_class: str, message: str, http_status: int | None = None, *, retryable: bool) -> None:
        super().__init__(f"{error_class}: {message}")
        self.error_class = error_class
        self.message = message
        self.http_status = http_status
        self.retryable = retryable


class AttemptFailed(RuntimeError):
    """One attempt failed in a way that the next may not; never leaves the client.

    Attributes:
        error_class: a short name of the cause.
        message: what happened.
        http_status: the response's status, where there was one.
        connecting: no connection was established at all, which says something about the site, not the URL.
    """

    def __init__(
        self, error_class: str, message: str, http_status: int | None = None, *, connecting: bool = False
    ) -> None:
        super().__init__(f"{error_class}: {message}")
        self.error_class = error_class
        self.message = message
        self.http_status = http_status
        self.connecting = connecting


class UnexpectedContent(ValueError):
    """Raised by an ``accept`` callback: a complete response of status 200 is not what its URL should hold."""
