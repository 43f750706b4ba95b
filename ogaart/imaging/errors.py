"""Why a member or a picture could not be read: classes for the tables, and what decoders raise in these terms."""

from __future__ import annotations

import re
import struct
import zlib
from enum import StrEnum
from typing import TYPE_CHECKING

from ogaart.imaging.formats import errors

if TYPE_CHECKING:
    from ogaart.imaging.limits import Limits
    from ogaart.imaging.sniff import FileType


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


DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What Pillow's decoders raise on hostile bytes; all of it means that the picture is broken."""

_UNREAD = re.compile(r"(?:un|not |not yet )(?:supported|implemented)|unknown compression", re.IGNORECASE)


def _is_unread(cause: Exception) -> bool:
    """Whether a decoder says that it does not read a variant, rather than that a file is damaged."""
    text = str(cause)
    return isinstance(cause, NotImplementedError) or ("(0)" not in text and _UNREAD.search(text) is not None)


def _said(kind: FileType, cause: Exception) -> str:
    """The decoder's complaint as a sentence; a lone name (of a key, of a type) says nothing."""
    text = str(cause)
    if cause.args and isinstance(cause.args[0], bytes):
        text = cause.args[0].decode("ascii", "backslashreplace").rstrip("\0")
    if isinstance(cause, LookupError | AttributeError | TypeError) or len(text.split()) < 2:
        return f"{kind.format}: damaged or ends early"
    return f"{kind.format}: {text}"


def of_decoder(cause: Exception, kind: FileType) -> Unreadable:
    """One of ``DECODER_ERRORS`` in this package's terms."""
    # What only resembles a TGA or PCX and does not decode was none.
    reason = Reason.UNSUPPORTED if _is_unread(cause) else Reason.CORRUPT
    return Unreadable(reason if kind.certain else Reason.NOT_A_PICTURE, _said(kind, cause))


def unreadable(cause: errors.FormatError, kind: FileType, limits: Limits) -> Unreadable:
    """An error of a format of our own in this package's terms."""
    if isinstance(cause, errors.TooManyPixels):
        return too_many_pixels(str(cause), limits)
    reasons = {
        errors.Unsupported: Reason.UNSUPPORTED,
        errors.Encrypted: Reason.ENCRYPTED,
        errors.TooManyBytes: Reason.TOO_LARGE,
        errors.Invisible: Reason.NOT_A_PICTURE,
    }
    return Unreadable(reasons.get(type(cause), Reason.CORRUPT), f"{kind.format}: {cause}")


def too_many_pixels(size: str, limits: Limits) -> Unreadable:
    """The error of a picture of that size."""
    return Unreadable(Reason.TOO_MANY_PIXELS, f"{size}; OGAART_MAX_PIXELS is {limits.max_pixels:,}")
