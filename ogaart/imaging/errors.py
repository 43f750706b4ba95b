"""Why a member or a picture could not be read: classes for the tables, and an exception."""

from enum import StrEnum


class Reason(StrEnum):
    """The class of a failure, as written to ``error_class``."""

    CORRUPT = "Corrupt"  # damaged or truncated, as reported by the decoder or libarchive
    ENCRYPTED = "Encrypted"
    MULTI_VOLUME = "MultiVolume"  # one file of a set that belongs together
    TOO_LARGE = "TooLarge"  # one member's bytes
    TOO_MANY_BYTES = "TooManyBytes"  # all members of one file together
    TOO_MANY_MEMBERS = "TooManyMembers"
    TOO_MANY_PIXELS = "TooManyPixels"
    TOO_DEEP = "TooDeep"
    BOMB = "DecompressionBomb"  # unpacked to packed bytes
    OUT_OF_MEMORY = "OutOfMemory"
    TIMED_OUT = "TimedOut"
    WORKER_CRASHED = "WorkerCrashed"
    UNSUPPORTED = "Unsupported"  # a known format, mode or compression that is not read
    NOT_A_PICTURE = "NotAPicture"


class Unreadable(Exception):
    """A picture or archive member cannot be read.

    Attributes:
        error_class: the class of the cause.
        message: the cause, naming value, limit and way out.
    """

    def __init__(self, error_class: Reason, message: str) -> None:
        super().__init__(f"{error_class}: {message}")
        self.error_class = error_class
        self.message = message
