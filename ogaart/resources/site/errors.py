"""How asking the site can fail: the site is down (a step's failure), or one URL fails (a row's failure)."""


class SiteDown(RuntimeError):
    """The site as a whole cannot or must not be asked now; the step should fail and be tried again later.

    Attributes:
        retry_after: seconds after which asking again makes sense; 0 where nothing is known.
    """

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class FetchFailed(RuntimeError):
    """One URL could not be had; its neighbours are not concerned.

    Attributes:
        error_class: a short name of the cause, such as ``TooLarge`` or ``LengthMismatch``.
        message: what happened, with value and limit.
        http_status: the last answer's status, where there was one.
        retryable: whether asking again in a later run may help.
    """

    def __init__(self, error_class: str, message: str, http_status: int | None = None, *, retryable: bool) -> None:
        super().__init__(f"{error_class}: {message}")
        self.error_class = error_class
        self.message = message
        self.http_status = http_status
        self.retryable = retryable


class AttemptFailed(RuntimeError):
    """One attempt broke off in a way that another attempt may mend; never leaves the client.

    Attributes:
        error_class: a short name of the cause.
        message: what happened.
        http_status: the answer's status, where there was one.
        connecting: no connection came about at all, which says something of the site, not of the URL.
    """

    def __init__(
        self, error_class: str, message: str, http_status: int | None = None, *, connecting: bool = False
    ) -> None:
        super().__init__(f"{error_class}: {message}")
        self.error_class = error_class
        self.message = message
        self.http_status = http_status
        self.connecting = connecting
